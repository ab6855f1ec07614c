"""Closed-form decoders: those that are solved for, in seconds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator
from typing import Any, ClassVar, Protocol, Self

from predann_bids.arrays import Doubles
from predann_bids.models.decoder import MomentMatcher
from predann_bids.models.linear.covariances import Covariances, LagWindow, Shrinkage


class TrainingData(Protocol):
    """The training stretches of a fold, as closed-form decoders ask for them."""

    def lags(self, reach_s: float = 0.0) -> LagWindow:
        """Return the lags of the EEG, and those of the audio up to a reach on either side."""

    def joined(self) -> tuple[Doubles, Doubles]:
        """Join the EEG (frames, C) and the audio features (frames, F) of all stretches.

        The EEG has its mean subtracted in each stretch, features are standardised in each. Between stretches there are
        zeros, at least as many as the longest lag.
        """

    def covariances(self, lags: LagWindow, shrinkages: Collection[Shrinkage]) -> dict[Shrinkage, Covariances]:
        """Sum the covariances of all stretches, with each recording whitened in each of the ways that are asked for."""


class ClosedForm(MomentMatcher):
    """A decoder that is solved for in closed form, in seconds.

    Attributes
    ----------
    latest_s : float
        The response is sought in the EEG from the sound until this many seconds after it.
    by_contrast : bool
        Whether the candidate is chosen that best tells the audio of a validation window from that of all others; else
        the one whose predictions correlate best with the audio.
    """

    latest_s: ClassVar[float] = 0.4
    by_contrast: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def candidates(cls, data: TrainingData, settings: Any) -> Iterator[Self]:
        """Solve for decoders that differ in their regularisation, and in how the EEG is whitened.

        Parameters
        ----------
        data : TrainingData
            What to solve from.
        settings : Settings
            What a decoder is built from.
        """

    @property
    def rank(self) -> int:
        """Place in the order in which decoders that do equally well are taken; see `contrast.preferred`."""
        return 0

    @abstractmethod
    def chosen(self, agreement: float, temperature: float, each: Doubles) -> Self:
        """Return this decoder as the one that was chosen.

        Parameters
        ----------
        agreement : float
            What it was chosen by.
        temperature : float
            Temperature of its song logits.
        each : ndarray, shape (n,)
            The information in nats that each of the windows gives that it was chosen by.
        """

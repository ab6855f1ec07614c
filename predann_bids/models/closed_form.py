"""Closed-form decoders: those that are solved for, in seconds."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

from predann_bids.models.decoder import Decoder


class ClosedForm(Decoder):
    """A decoder that is solved for, in seconds.

    Attributes
    ----------
    latest_s : float
        The response is looked for in the EEG from the sound to this much after it.
    """

    latest_s: ClassVar[float] = 0.4

    @classmethod
    @abstractmethod
    def solve(cls, eeg: Any, audio: Any, settings: Any, first_lag: int, n_lags: int) -> list[Self]:
        """Solve for decoders that differ in their regularisation.

        Parameters
        ----------
        eeg : ndarray, shape (frames, C)
            Continuous EEG of all training data, each piece without its mean, with gaps of zeros that no lag bridges.
        audio : ndarray, shape (frames, bands)
            Audio features, each piece standardised, zero in the gaps.
        settings : Settings
            What a decoder is built from.
        first_lag, n_lags : int
            Frames from a feature to the EEG that it is reconstructed from: the earliest, and how many.
        """

    @abstractmethod
    def chosen(self, correlation: float) -> Self:
        """Return this decoder with the mean correlation by which it was chosen on validation data."""

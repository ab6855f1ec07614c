"""Closed-form decoders: those that are solved for, in seconds."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

from predann_bids.models.decoder import Decoder


class ClosedForm(Decoder):
    """A decoder that is solved for in closed form, in seconds.

    Attributes
    ----------
    latest_s : float
        The response is sought in the EEG from the sound until this many seconds after it.
    """

    latest_s: ClassVar[float] = 0.4

    @classmethod
    @abstractmethod
    def solve(cls, eeg: Any, audio: Any, settings: Any, first_lag: int, n_lags: int) -> list[Self]:
        """Solve for several decoders that differ in their regularisation.

        Parameters
        ----------
        eeg : ndarray, shape (frames, C)
            EEG of all training stretches, each with its mean subtracted. Between stretches there are zeros, at least
            as many as the longest lag.
        audio : ndarray, shape (frames, bands)
            Audio features, standardised in each stretch, and zero between stretches.
        settings : Settings
            What a decoder is built from.
        first_lag, n_lags : int
            Lags of the EEG from which a feature is reconstructed: the first, in frames, and their number.

        Returns
        -------
        list of ClosedForm
        """

    @abstractmethod
    def chosen(self, correlation: float) -> Self:
        """Return this decoder with the mean correlation on validation data by which it was chosen."""

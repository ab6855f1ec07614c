"""Networks: decoders that are trained in epochs on an objective."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from predann_bids.config import Training
from predann_bids.errors import WrongUsage
from predann_bids.models.checkpoints import load_decoder, save_decoder
from predann_bids.models.decoder import DECODERS, Blueprint, Decoder, Songs


class Network(Decoder):
    """A decoder that is trained in epochs."""

    @abstractmethod
    def objective(self, eeg: Tensor, audio: Tensor, songs: Tensor, training: Training) -> dict[str, Tensor]:
        """Return the `loss` of a batch and its terms, by name.

        Parameters
        ----------
        eeg : Tensor, shape (B, C, T)
            Scaled windows.
        audio : Tensor, shape (B, bands, frames) or (B, samples)
            Audio features or waveforms of the same moments.
        songs : Tensor of int, shape (B,)
            Index of the song of each window.
        training : Training
            Weights and temperatures.

        Returns
        -------
        dict of str to Tensor, shape ()
        """

    def save(self, path: Path, facts: Mapping[str, Any]) -> None:  # noqa: D102
        save_decoder(self, path, **facts)

    @classmethod
    def load(cls, path: Path, blueprint: Blueprint, songs: Songs) -> Self:  # noqa: ARG003, D102 - the file holds everything
        decoder = load_decoder(path)
        assert isinstance(decoder, cls)
        return decoder


def network(kind: str) -> type[Network]:
    """Look up a decoder that is trained in epochs.

    Raises
    ------
    WrongUsage
        There is none of this name.
    """
    decoder = DECODERS[kind]
    if not issubclass(decoder, Network):
        raise WrongUsage(f"The decoder '{kind}' is not trained in epochs: choose another one with --encoders.")
    return decoder

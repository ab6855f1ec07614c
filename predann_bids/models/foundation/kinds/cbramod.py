"""CBraMod (Wang et al. 2025, https://arxiv.org/abs/2412.07236)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from predann_bids.models.foundation.interface import FOUNDATION, FoundationModel, Patches, braindecode
from predann_bids.models.foundation.montage import TEN_TWENTY, Heard, hear_known, standard_places
from predann_bids.signals.montage import Place

SECOND = 200  # samples
TENTHS_OF_MV = 0.2  # amplitude of EEG of variance one, which is taken to be 20 µV, in the unit of 100 µV


@FOUNDATION.add("cbramod")
class CBraMod(FoundationModel):
    """A transformer that attends to other channels and to other patches of one second in turn.

    It knows channels by their order, by a convolution over neighbours in it. Those that it was trained on come first,
    in the order of its training.
    """

    title = "CBraMod"
    sizes = tuple("n_layer nhead dim_feedforward emb_dim".split())

    def hear(  # noqa: D102
        self,
        channels: Sequence[str],
        positions: Mapping[str, Place],
        weights: Path | None,  # noqa: ARG002
    ) -> Heard:
        known = (*TEN_TWENTY, *(name for name in standard_places() if name not in TEN_TWENTY))
        return hear_known(self.title, known, channels, positions)

    def patches(self, samples: int, sizes: Mapping[str, Any]) -> Patches:  # noqa: ARG002, D102
        return Patches.covering(samples, SECOND, SECOND)

    def build(self, channels: int, patches: Patches, sizes: Mapping[str, Any]) -> nn.Module:  # noqa: D102
        network: nn.Module = braindecode().CBraMod(
            n_times=patches.samples,
            n_chans=channels,
            n_outputs=1,
            sfreq=self.rate_hz,
            patch_size=SECOND,
            return_encoder_output=True,
            **sizes,
        )
        return network

    def width(self, network: Any) -> int:  # noqa: D102
        return int(network.proj_out[0].out_features)

    def scaled(self, eeg: Tensor) -> Tensor:  # noqa: D102
        return TENTHS_OF_MV * eeg

    def tokens(self, network: Any, eeg: Tensor, names: Sequence[str], places: Tensor) -> Tensor:  # noqa: ARG002, D102
        tokens: Tensor = network(eeg, return_features=True)["features"]
        return tokens

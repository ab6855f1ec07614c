"""LaBraM (Jiang et al. 2024, https://openreview.net/forum?id=QzTpTRVtrP)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from predann_bids.models.foundation.interface import FOUNDATION, FoundationModel, Patches, braindecode
from predann_bids.models.foundation.montage import Heard, hear_known
from predann_bids.signals.montage import Place

SECOND = 200  # samples
TENTHS_OF_MV = 0.2  # amplitude of EEG of variance one, which is taken to be 20 µV, in the unit of 100 µV


@FOUNDATION.add("labram")
class Labram(FoundationModel):
    """A transformer over patches of one second of all channels, with a learned embedding of each electrode."""

    title = "LaBraM"
    sizes = tuple("conv_out_channels num_layers num_heads mlp_ratio qkv_bias init_values use_mean_pooling".split())
    longer: ClassVar[Mapping[str, int]] = {"temporal_embedding": 1}

    def hear(  # noqa: D102
        self,
        channels: Sequence[str],
        positions: Mapping[str, Place],
        weights: Path | None,  # noqa: ARG002
    ) -> Heard:
        names: Sequence[str] = braindecode("models.labram").LABRAM_CHANNEL_ORDER
        electrodes = [name for name in names if "-" not in name]
        return hear_known(self.title, electrodes, channels, positions)

    def patches(self, samples: int, sizes: Mapping[str, Any]) -> Patches:  # noqa: ARG002, D102
        return Patches.covering(samples, SECOND, SECOND)

    def build(self, channels: int, patches: Patches, sizes: Mapping[str, Any]) -> nn.Module:  # noqa: D102
        network: nn.Module = braindecode().Labram(
            n_times=patches.samples, n_chans=channels, n_outputs=1, sfreq=self.rate_hz, patch_size=SECOND, **sizes
        )
        network.final_layer = nn.Identity()
        return network

    def width(self, network: Any) -> int:  # noqa: D102
        return int(network.embed_dim)

    def scaled(self, eeg: Tensor) -> Tensor:  # noqa: D102
        return TENTHS_OF_MV * eeg

    def tokens(self, network: Any, eeg: Tensor, names: Sequence[str], places: Tensor) -> Tensor:  # noqa: ARG002, D102
        tokens: Tensor = network(eeg, ch_names=list(names), return_features=True)["features"]
        return tokens.view(len(eeg), len(names), -1, tokens.shape[2])

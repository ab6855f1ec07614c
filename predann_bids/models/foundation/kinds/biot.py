"""BIOT (Yang et al. 2023, https://arxiv.org/abs/2305.10351)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from predann_bids.models.foundation.interface import FOUNDATION, FoundationModel, Patches, braindecode
from predann_bids.models.foundation.montage import Heard, differences, hear_all
from predann_bids.signals.montage import Place

SECOND, HALF = 200, 100  # samples
CHAINS = ("FP1 F7 T7 P7 O1", "FP2 F8 T8 P8 O2", "FP1 F3 C3 P3 O1", "FP2 F4 C4 P4 O2")  # from the front to the back
PAIRS = tuple(pair for chain in CHAINS for pair in zip(chain.split(), chain.split()[1:], strict=False))
LARGE = 0.95  # quantile of the amplitudes that becomes one


@FOUNDATION.add("biot")
class Biot(FoundationModel):
    """A transformer over the spectra of half-overlapping seconds of 16 bipolar derivations."""

    title = "BIOT"
    sizes = tuple("embed_dim num_heads num_layers".split())
    # 18 where two derivations to the ears were learned, too
    longer: ClassVar[Mapping[str, int]] = {"encoder.channel_tokens.weight": 0}

    def hear(  # noqa: D102
        self,
        channels: Sequence[str],
        positions: Mapping[str, Place],
        weights: Path | None,  # noqa: ARG002
    ) -> Heard:
        electrodes = tuple(dict.fromkeys(name for pair in PAIRS for name in pair))
        return differences(hear_all(self.title, electrodes, channels, positions), PAIRS)

    def patches(self, samples: int, sizes: Mapping[str, Any]) -> Patches:  # noqa: ARG002, D102
        return Patches.covering(samples, SECOND, HALF)

    def build(self, channels: int, patches: Patches, sizes: Mapping[str, Any]) -> nn.Module:  # noqa: D102
        network: nn.Module = braindecode().BIOT(
            n_times=patches.samples, n_chans=channels, n_outputs=1, sfreq=self.rate_hz, hop_length=HALF, **sizes
        )
        network.final_layer = nn.Identity()
        return network

    def width(self, network: Any) -> int:  # noqa: D102
        return int(network.embed_dim)

    def scaled(self, eeg: Tensor) -> Tensor:
        """Divide each channel of each window by the 95 % quantile of its amplitudes."""
        return eeg / eeg.abs().quantile(LARGE, dim=2, keepdim=True).clamp(min=1e-8)

    def tokens(self, network: Any, eeg: Tensor, names: Sequence[str], places: Tensor) -> Tensor:  # noqa: ARG002, D102
        # the network itself would average its tokens over channels and time
        encoder = network.encoder
        flat, window = eeg.flatten(0, 1), torch.ones(encoder.n_fft, device=eeg.device)
        found = torch.stft(flat, encoder.n_fft, encoder.hop_length, window=window, center=False, return_complex=True)
        spectra = found.abs().view(*eeg.shape[:2], *found.shape[1:])  # (B, channels, frequencies, patches)
        embedded = encoder.patch_embedding.projection(spectra.transpose(2, 3))
        embedded = embedded + encoder.channel_tokens(torch.arange(eeg.shape[1], device=eeg.device))[:, None]
        placed = encoder.positional_encoding(embedded.flatten(0, 1))  # (B * channels, patches, width)
        tokens: Tensor = encoder.transformer(placed.reshape(len(eeg), -1, placed.shape[2]))
        return tokens.view(*eeg.shape[:2], -1, tokens.shape[2])

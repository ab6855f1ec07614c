"""The EEG transformer of Noguchi et al. 2026 (arXiv 2603.03190), and the head that names songs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from predann_bids.models.plusplus.blocks import EPS, WIDTH, blocks, embedding

SECTION_S = 1.0
MAPS, GROUPS = 8, 4
KERNEL, STRIDE = 15, 8
HIDDEN = 256


class PatchEmbedding(nn.Module):
    """Convolve each patch over time, and map it to a token.

    Parameters
    ----------
    samples : int
        Samples of a patch, the EEG of one channel in one section.
    """

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, MAPS, (1, KERNEL), stride=(1, STRIDE), padding=(0, KERNEL // 2)),
            nn.GroupNorm(GROUPS, MAPS),
            nn.GELU(),
            nn.Conv2d(MAPS, MAPS, (1, 3), padding=(0, 1)),
            nn.GroupNorm(GROUPS, MAPS),
            nn.GELU(),
            nn.Conv2d(MAPS, MAPS, (1, 3), padding=(0, 1)),
            nn.GroupNorm(GROUPS, MAPS),
            nn.GELU(),
        )
        steps = (samples - 1) // STRIDE + 1
        self.linear = nn.Linear(MAPS * steps, WIDTH)

    def forward(self, patches: Tensor) -> Tensor:
        """Embed patches (B, N, samples): (B, N, 512)."""
        maps = self.convolutions(patches[:, None])  # (B, 8, N, steps)
        tokens: Tensor = self.linear(maps.permute(0, 2, 3, 1).flatten(2))
        return tokens


class EegTransformer(nn.Module):
    """Encode windows of EEG as tokens: a CLS token, and one for each channel and section.

    The published sizes are 128 channels and three sections of 125 samples: 385 tokens, and 6.4 million parameters.

    Parameters
    ----------
    n_channels, n_sections : int
        Channels, and sections of a window.
    samples : int
        Samples of a section.
    """

    def __init__(self, n_channels: int, n_sections: int, samples: int) -> None:
        super().__init__()
        self.samples = samples
        self.patches = PatchEmbedding(samples)
        self.channels = embedding(n_channels, WIDTH)
        self.sections = embedding(n_sections, WIDTH)
        self.cls = embedding(WIDTH)
        self.blocks = blocks()

    def forward(self, eeg: Tensor) -> Tensor:
        """Encode scaled EEG (B, C, T): tokens (B, 1 + C * sections, 512).

        Samples after the last whole section are not used; EEG shorter than a section is padded with zeros.
        """
        padded = F.pad(eeg, (0, max(0, self.samples - eeg.shape[2])))
        sections = padded.unfold(2, self.samples, self.samples)[:, :, : len(self.sections)]  # (B, C, sections, samples)
        places = (self.channels[:, None] + self.sections[None, : sections.shape[2]]).flatten(0, 1)
        tokens = self.patches(sections.flatten(1, 2)) + places  # channel by channel
        encoded: Tensor = self.blocks(torch.cat([self.cls.expand(len(eeg), 1, -1), tokens], dim=1))
        return encoded


class SongHead(nn.Module):
    """Name songs from tokens.

    Parameters
    ----------
    n_songs : int
        Number of classes.
    mean : bool
        Whether to take the mean over all tokens in place of the CLS token.
    """

    def __init__(self, n_songs: int, *, mean: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.layers = nn.Sequential(
            nn.LayerNorm(WIDTH, eps=EPS),
            nn.Linear(WIDTH, HIDDEN, bias=False),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, n_songs, bias=False),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute song logits (B, n_songs) from tokens (B, N, 512)."""
        logits: Tensor = self.layers(tokens.mean(dim=1) if self.mean else tokens[:, 0])
        return logits

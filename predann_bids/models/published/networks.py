"""The networks and the objective of Akama et al. 2025 (doi 10.1038/s41598-025-02790-6), of preset `published`.

The names of the parameters are those of the authors' public code. What is computed is what their layers compute;
how the work is saved is told in `blocks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from predann_bids.models.losses import predann_loss
from predann_bids.models.published.blocks import Block, Columns, Pooled, Statistics, pool, pool_and_measure
from predann_bids.models.settings import Settings

AUDIO_RATE = 44_100
WIDTHS = (32, 64, 128)
EMBEDDING = 100
KINDS = ("2d", "1d")
PREDANN_WEIGHT, TEMPERATURE = 0.05, 0.5
POSITIONS_OF_A_PIECE = 4096  # of which the widest map has 2 MB, and stays in a core's cache


@dataclass(frozen=True)
class PublishedSettings(Settings):
    """What a published decoder is built from, beside what all are.

    Parameters
    ----------
    audio_s : float
        Length of the audio, centred on what the EEG window follows; the length of the window, or longer for context.
    kind : {"2d", "1d"}
        Encoders see channels by time as an image, or convolve over time with the channels as input channels.
    dropout : float
        Share of the last feature map that is dropped before its mean.
    """

    audio_s: float = 3.0
    kind: str = "2d"
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {self.dropout}")


def padding(length: int) -> tuple[int, int]:
    """Zeros on either side of a window, up to the next power of three; where they are odd, one more on the right.

    The paper has 375 -> 729 for EEG and 132,300 -> 177,147 for audio. For other lengths this is our reading of it.
    """
    total = 1
    while total < length:
        total *= 3
    left = (total - length) // 2
    return left, total - length - left


class PublishedEncoder(nn.Module):
    """Windows (B, C, T) become song logits (B, n_songs) and an embedding (B, 100).

    Parameters
    ----------
    n_songs : int
        Number of classes.
    kind : {"2d", "1d"}
        Convolve over channels and time, or over time with the channels as input channels.
    n_channels : int
        Number of channels, for kind "1d"; an encoder of kind "2d" takes any number.
    dropout : float
        Share of the last feature map that is dropped before its mean.
    """

    def __init__(self, n_songs: int, *, kind: str = "2d", n_channels: int = 1, dropout: float = 0.5) -> None:
        super().__init__()
        self.kind, self.dropout = kind, dropout
        self.sequential = nn.Sequential(*_layers(kind, n_channels))
        self.projector1 = _head(n_songs)
        self.projector2 = _head(EMBEDDING)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Encode windows (B, C, T), unpadded; in training mode nothing flows back to the windows.

        All of it is done in the precision of the weights, as the published method does.
        """
        with torch.autocast(windows.device.type, enabled=False):
            pooled = self._noisy_mean(self._pool(windows))
            return self.projector1(pooled), self.projector2(pooled)

    def _pool(self, windows: Tensor) -> Pooled:
        planes = windows[:, None] if self.kind == "2d" else windows[:, :, None]  # (B, 1, C, T) or (B, C, 1, T)
        columns = _columns(windows.shape[-1], planes.shape[2])
        images, counts = columns.images(planes), columns.counts().to(windows)
        convolutions, norms = self._layers(0), self._layers(1)
        pairs = zip(convolutions, norms, strict=True)
        blocks = [self._block(convolution, norm, planes.shape[2]) for convolution, norm in pairs]
        if not self.training:
            known = [Statistics(norm.running_mean, norm.running_var) for norm in norms]
            return pool(images, counts, blocks, known, norms[0].eps, columns=columns.total)
        pooled, measured = pool_and_measure(images, counts, blocks, norms[0].eps, columns=columns.total)
        positions = len(windows) * planes.shape[2] * columns.total
        for norm, statistics in zip(norms, measured, strict=True):
            _follow(norm, statistics, positions)
        return pooled

    def _noisy_mean(self, pooled: Pooled) -> Tensor:
        """Mean of the map with dropout, as if each of its N positions x were dropped with probability p.

        A position that is kept with probability 1 - p, and then divided by it, has the mean x and the variance
        x^2 p / (1 - p). So the mean of N of them is normal, as N is large, of variance p / (1 - p) sum(x^2) / N^2.
        It is differentiated as it stands: 1 / N + noise x / sum(x^2). That is dropout's own derivative, averaged over
        all draws that give the same mean, so nothing but noise is lost.
        """
        if not self.training or self.dropout == 0:
            return pooled.mean
        odds = self.dropout / (1 - self.dropout)
        # a feature that is zero everywhere has no noise, and a root no derivative there
        spread = (odds * pooled.power).clamp(min=torch.finfo(pooled.power.dtype).tiny).sqrt()
        return pooled.mean + spread * torch.randn_like(spread)

    def _layers(self, first: int) -> list[Any]:
        """Every third layer: the convolutions from 0, the norms from 1."""
        return list(self.sequential)[first::3]

    def _block(self, convolution: Any, norm: Any, rows: int) -> Block:
        kernel = convolution.weight
        if kernel.dim() == 3:
            kernel = kernel[:, :, None]
        elif rows == 1:
            kernel = kernel[:, :, 1:2]  # the outer rows of the kernel meet padding alone
        return Block(kernel, convolution.bias, norm.weight, norm.bias)


def _layers(kind: str, n_channels: int) -> Iterator[nn.Module]:
    narrow = 1 if kind == "2d" else n_channels
    for width in WIDTHS:
        if kind == "2d":
            yield from (nn.Conv2d(narrow, width, 3, padding=1), nn.BatchNorm2d(width))
        else:
            yield from (nn.Conv1d(narrow, width, 3, padding=1), nn.BatchNorm1d(width))
        yield nn.ReLU()
        narrow = width


def _head(n_outputs: int) -> nn.Sequential:
    hidden = nn.Linear(WIDTHS[-1], EMBEDDING, bias=False)
    return nn.Sequential(hidden, nn.BatchNorm1d(EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, n_outputs, bias=False))


def _columns(length: int, rows: int) -> Columns:
    pieces = length * rows // POSITIONS_OF_A_PIECE if rows == 1 else 1
    return Columns(length, *padding(length), pieces=max(1, pieces))


@torch.no_grad()
def _follow(norm: Any, statistics: Statistics, positions: int) -> None:
    """Move a norm's running statistics towards those of a batch, as PyTorch does."""
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(statistics.mean, norm.momentum)
    norm.running_var.lerp_(statistics.variance * (positions / (positions - 1)), norm.momentum)


class PublishedDecoder(nn.Module):
    """The published PredANN decoder: two encoders of the same form, each with song logits and an embedding."""

    def __init__(self, settings: PublishedSettings) -> None:
        super().__init__()
        self.settings = settings
        n_songs, kind, dropout = len(settings.songs), settings.kind, settings.dropout
        self.encoder_eeg = PublishedEncoder(n_songs, kind=kind, n_channels=len(settings.channels), dropout=dropout)
        self.encoder_audio = PublishedEncoder(n_songs, kind=kind, dropout=dropout)

    @property
    def audio_rate(self) -> int:
        """Sampling rate of the audio in Hz."""
        return AUDIO_RATE

    def encode_eeg(self, eeg: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from EEG.

        Parameters
        ----------
        eeg : Tensor, shape (B, C, T)
            Scaled windows, unpadded.

        Returns
        -------
        Tensor, shape (B, n_songs)
            Song logits.
        Tensor, shape (B, 100)
            The embedding.
        """
        encoded: tuple[Tensor, Tensor] = self.encoder_eeg(eeg)
        return encoded

    def encode_audio(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from audio.

        Parameters
        ----------
        audio : Tensor, shape (B, samples)
            Waveforms at `audio_rate`, unpadded.

        Returns
        -------
        Tensor, shape (B, n_songs)
            Song logits.
        Tensor, shape (B, 100)
            The embedding.
        """
        encoded: tuple[Tensor, Tensor] = self.encoder_audio(audio[:, None])
        return encoded


class Objective(NamedTuple):
    """The loss and its parts, scalars, and the EEG network's song logits (B, n_songs)."""

    loss: Tensor
    eeg_loss: Tensor
    audio_loss: Tensor
    predann_loss: Tensor
    eeg_logits: Tensor


def published_objective(
    decoder: PublishedDecoder,
    eeg: Tensor,
    audio: Tensor,
    songs: Tensor,
    *,
    weight: float = PREDANN_WEIGHT,
    temperature: float = TEMPERATURE,
    stop_gradient: bool = True,
) -> Objective:
    """Cross-entropy of both networks' song logits, and PredANN, which as published trains the EEG network alone.

    Parameters
    ----------
    decoder : PublishedDecoder
    eeg : Tensor, shape (B, C, T)
        Scaled windows.
    audio : Tensor, shape (B, samples)
        Waveforms of the same moments.
    songs : Tensor of int, shape (B,)
        Which song it is.
    weight, temperature : float
        Of PredANN; with weight 0 it is the paper's baseline.
    stop_gradient : bool
        Whether PredANN trains the EEG network alone; the published method does so.
    """
    eeg_logits, eeg_embedding = decoder.encode_eeg(eeg)
    audio_logits, audio_embedding = decoder.encode_audio(audio)
    by_eeg, by_audio = F.cross_entropy(eeg_logits, songs), F.cross_entropy(audio_logits, songs)
    target = audio_embedding.detach() if stop_gradient else audio_embedding
    predicted = predann_loss(eeg_embedding, target, temperature)
    return Objective(by_eeg + by_audio + weight * predicted, by_eeg, by_audio, predicted, eeg_logits)

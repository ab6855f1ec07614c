"""The EEG network that holds a foundation model, and the small head that makes a representation of its tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from predann_bids.arrays import Doubles
from predann_bids.errors import UnusableData
from predann_bids.models.foundation.interface import FoundationModel, Patches
from predann_bids.models.foundation.weights import load_weights
from predann_bids.models.temporal.layers import centre
from predann_bids.signals.halves import HALVING
from predann_bids.signals.scaling import whitening

POOLS = 4  # weighted means over channels that the head takes
FINEST = 1000  # largest denominator of the ratio of two sampling rates


class FoundationEegEncoder(nn.Module):
    """Encode EEG (B, C, T) as a representation (B, D, T // 2), by a foundation model and a head.

    What decoders hear is whitened. Where the covariance of the training EEG is given, this is undone on average: the
    model hears the EEG of an average head, standardised, with alpha and neighbours that are alike as it knows them.

    Parameters
    ----------
    model : FoundationModel
        Which model.
    names : sequence of str
        The model's names of the channels that it hears.
    montage : Tensor, shape (heard, C)
        Weight of each recorded channel in them.
    places : Tensor, shape (heard, 3)
        Where the model has them; empty if it does not ask.
    rate_hz : float
        Sampling rate of the EEG.
    samples : int
        Samples T of a window.
    dimensions : int
        Channels D of the representation.
    sizes : mapping
        Sizes of the model that differ from the usual ones.
    frozen : bool
        Whether its weights stay as they are, and only the head is trained.
    dropout : float
        Share of channels whose tokens are dropped in training.
    """

    montage: Tensor
    places: Tensor

    def __init__(
        self,
        model: FoundationModel,
        names: Sequence[str],
        montage: Tensor,
        places: Tensor,
        *,
        rate_hz: float,
        samples: int,
        dimensions: int,
        sizes: Mapping[str, Any],
        frozen: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        model.refuse_missing_package()
        self.model, self.names, self.frozen = model, tuple(names), frozen
        ratio = Fraction(model.rate_hz / rate_hz).limit_denominator(FINEST)
        self.new_rate, self.old_rate = ratio.numerator, ratio.denominator
        self.patches = model.patches(math.ceil(samples * ratio), sizes)
        self.network = _built(model, len(names), self.patches, sizes).requires_grad_(not frozen)
        self.register_buffer("montage", montage.clone())
        self.register_buffer("places", places.clone(), persistent=False)
        self.head = TokenHead(
            len(names),
            model.width(self.network),
            dimensions,
            placing(self.patches, model.rate_hz, samples // HALVING, HALVING / rate_hz),
            dropout=dropout,
        )

    def begin(self, file: Path | None, covariance: Doubles | None, shrinkage: float | None) -> None:
        """Take the weights of a file, and undo the whitening of EEG that has a covariance; see the class."""
        if file is not None:
            load_weights(self.network, self.model, file)
        if covariance is not None and shrinkage is not None:
            colouring = torch.linalg.inv(torch.from_numpy(whitening(covariance, shrinkage)))
            self.montage.copy_(self.montage.double() @ colouring)

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; a frozen model keeps to what it does at rest."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
        return self

    def forward(self, eeg: Tensor) -> Tensor:
        """Predict the representation from scaled EEG."""
        with torch.no_grad() if self.frozen else nullcontext():
            tokens = self.model.tokens(self.network, self.hear(eeg), self.names, self.places)
        return centre(self.head(tokens))

    def hear(self, eeg: Tensor) -> Tensor:
        """Turn EEG (B, C, T) into what the model hears: its channels, its rate, its amplitudes, whole patches."""
        from torchaudio.functional import resample

        heard = (self.montage @ eeg).contiguous()
        if self.new_rate != self.old_rate:
            heard = resample(heard, self.old_rate, self.new_rate)
        heard = self.model.scaled(heard)
        return F.pad(heard, (0, self.patches.samples - heard.shape[2])).contiguous()


class TokenHead(nn.Module):
    """Make a representation of tokens (B, channels, patches, width).

    Channels are pooled with learned weights. A linear map turns what is left of each patch into the time course of the
    representation during this patch, and the time courses of all patches are joined.

    Parameters
    ----------
    n_channels, width : int
        Channels, and the length of a token.
    dimensions : int
        Channels D of the representation.
    place : Tensor, shape (patches, points, frames)
        Weight of each point of each patch in each frame; see `placing`.
    dropout : float
        Share of channels whose tokens are dropped in training.
    """

    place: Tensor

    def __init__(self, n_channels: int, width: int, dimensions: int, place: Tensor, *, dropout: float) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout1d(dropout)
        self.pool = nn.Linear(n_channels, POOLS, bias=False)
        self.out = nn.Linear(POOLS * width, dimensions * place.shape[1])
        self.register_buffer("place", place, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Make the representation (B, D, frames)."""
        kept = self.dropout(self.norm(tokens).flatten(2)).unflatten(2, tokens.shape[2:])
        pooled = self.pool(kept.permute(0, 2, 3, 1)).flatten(2)  # (B, patches, width * pools)
        courses = self.out(pooled).unflatten(2, (self.dimensions, -1))  # (B, patches, D, points)
        return torch.einsum("bpdf,pft->bdt", courses, self.place)


def placing(patches: Patches, rate_hz: float, frames: int, frame_s: float) -> Tensor:
    """Weights by which the time courses of patches become one time course, interpolated linearly.

    A patch has as many points as frames begin in it. Where patches overlap, their mean is taken.

    Parameters
    ----------
    patches : Patches
        Patches in samples at `rate_hz`.
    rate_hz : float
        Sampling rate of the patches.
    frames : int
        Frames of the representation.
    frame_s : float
        Seconds of a frame.

    Returns
    -------
    Tensor, shape (patches, points, frames)
    """
    long = patches.length / rate_hz
    points = max(2, math.ceil(long / frame_s))
    times = (torch.arange(frames, dtype=torch.float64) + 0.5) * frame_s
    begins = torch.arange(patches.number, dtype=torch.float64) * patches.step / rate_hz
    within = times[None] - begins[:, None]  # (patches, frames)
    inside = (within >= 0) & (within < long)
    inside[-1] |= times >= begins[-1] + long  # rounding
    place = (within / long * points - 0.5).clamp(0, points - 1)
    low = place.floor().clamp(max=points - 2)
    weights = F.one_hot(low.long(), points) * (1 - (place - low))[..., None]
    weights = weights + F.one_hot(low.long() + 1, points) * (place - low)[..., None]
    shared = inside / inside.sum(dim=0, keepdim=True).clamp(min=1)
    return (weights * shared[..., None]).transpose(1, 2).float()


def _built(model: FoundationModel, channels: int, patches: Patches, sizes: Mapping[str, Any]) -> nn.Module:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice about montages, which are dealt with here
            return model.build(channels, patches, sizes)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise UnusableData(
            f"{model.title} cannot be built with the sizes {dict(sizes)}: {' '.join(str(error).split())[:200]}. Correct"
            " the config.json beside its weights."
        ) from error

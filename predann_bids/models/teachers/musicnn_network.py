"""The network of musicnn: musically motivated convolutions that were trained to tag music.

Pons and Serra (2019). musicnn: Pre-trained convolutional neural networks for music audio tagging. Late-breaking
session of ISMIR. Filters that span most of the frequencies hear timbre wherever it lies in pitch; filters that span one
band and up to 2 s hear rhythm. Three dense layers follow, and pooling over time.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.transforms import MelSpectrogram

from predann_bids.arrays import Singles
from predann_bids.models.teachers.tensorflow_checkpoint import named

AUDIO_RATE, HOP, BANDS = 16_000, 256, 96
TIMBRAL, TEMPORAL, DENSE, PENULTIMATE, TAGS = 204, 51, 64, 200, 50
HEIGHTS, LENGTHS = (38, 67), (128, 64, 32)  # mel bands of the timbral filters, frames of the temporal ones
FRONT = len(HEIGHTS) * TIMBRAL + len(LENGTHS) * TEMPORAL
KERNEL = 7  # frames
CONTEXT, CHUNK = 80, 1024  # frames: more than the network hears to either side, and what it computes at a time
EPSILON = 1e-3  # of batch normalisation in TensorFlow


class MusicnnNetwork(nn.Module):
    """The layers of musicnn with 64 filters in the middle, in eval mode.

    Parameters
    ----------
    variables : mapping of str to ndarray
        Those of the checkpoint.

    Raises
    ------
    UnusableData
        One is missing, or has another shape.
    """

    def __init__(self, variables: Mapping[str, Singles]) -> None:
        super().__init__()
        self.mel = MelSpectrogram(
            AUDIO_RATE, n_fft=512, hop_length=HOP, n_mels=BANDS, norm="slaney", mel_scale="slaney", power=2.0
        )
        norms = iter(range(11))
        kernels = iter(range(8))
        self.norm = _normalisation(variables, next(norms), 1, nn.BatchNorm2d)
        self.timbral = nn.ModuleList(
            _Filters(variables, next(kernels), next(norms), (KERNEL, height), TIMBRAL) for height in HEIGHTS
        )
        self.temporal = nn.ModuleList(
            _Filters(variables, next(kernels), next(norms), (length, 1), TEMPORAL) for length in LENGTHS
        )
        self.dense = nn.ModuleList(
            _Dense(variables, next(kernels), next(norms), inputs) for inputs in (FRONT, DENSE, DENSE)
        )
        pooled = 2 * (FRONT + 3 * DENSE)
        self.pooled_norm = _normalisation(variables, next(norms), pooled, nn.BatchNorm1d)
        self.penultimate = _linear(variables, "dense", pooled, PENULTIMATE)
        self.penultimate_norm = _normalisation(variables, next(norms), PENULTIMATE, nn.BatchNorm1d)
        self.out = _linear(variables, "dense_1", PENULTIMATE, TAGS)
        self.eval().requires_grad_(False)

    def forward(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Compute the layers of waveforms (B, samples), (B, features, frames) each, a chunk at a time."""
        spectra = self.spectra(waveforms)
        parts: dict[str, list[Tensor]] = {}
        for first in range(0, spectra.shape[2], CHUNK):
            begin = max(0, first - CONTEXT)
            layers = self.layers(spectra[:, :, begin : first + CHUNK + CONTEXT])
            for name, values in layers.items():
                parts.setdefault(name, []).append(values[:, :, first - begin : first - begin + CHUNK])
        return {name: torch.cat(values, dim=2) for name, values in parts.items()}

    def spectra(self, waveforms: Tensor) -> Tensor:
        """Compute log-mel spectra (B, 96, frames)."""
        spectra: Tensor = torch.log10(1 + 10_000 * self.mel(waveforms))
        return spectra

    def layers(self, spectra: Tensor) -> dict[str, Tensor]:
        """Compute the layers of spectra (B, 96, frames): (B, features, frames) each."""
        x = self.norm(spectra.transpose(1, 2)[:, None])  # (B, 1, frames, 96)
        timbral = torch.cat([filters(x) for filters in self.timbral], dim=1)
        temporal = torch.cat([filters(x) for filters in self.temporal], dim=1)
        cnn1 = self.dense[0](torch.cat([timbral, temporal], dim=1))
        cnn2 = cnn1 + self.dense[1](cnn1)
        cnn3 = cnn2 + self.dense[2](cnn2)
        return {"timbral": timbral, "temporal": temporal, "cnn1": cnn1, "cnn2": cnn2, "cnn3": cnn3}

    def tags(self, spectra: Tensor) -> Tensor:
        """Compute the probabilities of the tags (B, 50) of spectra (B, 96, frames), about 3 s long."""
        features = torch.cat(list(self.layers(spectra).values()), dim=1)
        pooled = torch.stack([features.amax(dim=2), features.mean(dim=2)], dim=2).flatten(1)
        hidden = self.penultimate_norm(F.relu(self.penultimate(self.pooled_norm(pooled))))
        return torch.sigmoid(self.out(hidden))


class _Filters(nn.Module):
    """Convolve a spectrogram, and take the highest value over the frequencies: (B, 1, T, 96) -> (B, filters, T)."""

    def __init__(
        self, variables: Mapping[str, Singles], kernel: int, norm: int, shape: tuple[int, int], filters: int
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, filters, shape)
        _fill(self.convolution, variables, _numbered("conv2d", kernel), (*shape, 1, filters), (3, 2, 0, 1))
        self.norm = _normalisation(variables, norm, filters, nn.BatchNorm2d)
        self.before = (shape[0] - 1) // 2  # TensorFlow puts the odd zero of an even filter behind
        self.after = shape[0] - 1 - self.before

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (0, 0, self.before, self.after))
        highest: Tensor = self.norm(F.relu(self.convolution(padded))).amax(dim=3)
        return highest


class _Dense(nn.Module):
    """Convolve features over time: (B, inputs, T) -> (B, 64, T)."""

    def __init__(self, variables: Mapping[str, Singles], kernel: int, norm: int, inputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inputs, DENSE, KERNEL, padding=KERNEL // 2)
        name, shape = _numbered("conv2d", kernel), (KERNEL, inputs, 1, DENSE)
        weight = torch.from_numpy(named(variables, f"{name}/kernel", shape)[:, :, 0].transpose(2, 1, 0).copy())
        bias = torch.from_numpy(named(variables, f"{name}/bias", (DENSE,)))
        self.convolution.load_state_dict({"weight": weight, "bias": bias})
        self.norm = _normalisation(variables, norm, DENSE, nn.BatchNorm1d)

    def forward(self, x: Tensor) -> Tensor:
        dense: Tensor = self.norm(F.relu(self.convolution(x)))
        return dense


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _fill(
    layer: nn.Module, variables: Mapping[str, Singles], name: str, shape: tuple[int, ...], order: tuple[int, ...]
) -> None:
    """Load weights, whose axes TensorFlow has in another order."""
    weight = named(variables, f"{name}/kernel", shape).transpose(order).copy()
    bias = named(variables, f"{name}/bias", shape[-1:])
    layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})


def _linear(variables: Mapping[str, Singles], name: str, inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    _fill(layer, variables, name, (inputs, outputs), (1, 0))
    return layer


def _normalisation(
    variables: Mapping[str, Singles], number: int, channels: int, kind: type[nn.BatchNorm1d | nn.BatchNorm2d]
) -> nn.Module:
    layer = kind(channels, eps=EPSILON)
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    prefix = _numbered("batch_normalization", number)
    values = {mine: named(variables, f"{prefix}/{theirs}", (channels,)) for mine, theirs in names.items()}
    layer.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()}, strict=False)
    return layer

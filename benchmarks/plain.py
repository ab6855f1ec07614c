"""A plain implementation of the published method, against which the benchmarks beside this file measure.

Everything follows "Methods" of Akama et al. 2025 (doi 10.1038/s41598-025-02790-6) step by step, with PyTorch's usual
layers and scikit-learn's scaler, and without regard to speed. The tests compare the package with this.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

EEG_PADDING = (177, 177)  # 375 samples become 729
AUDIO_PADDING = (22_423, 22_424)  # 132,300 samples become 3**11
PREDANN_WEIGHT, TEMPERATURE = 0.05, 0.5
LIMIT = 20.0
WINDOW_S, DELAY_S, EEG_HZ = 3.0, 0.2, 125


class Encoder(nn.Module):
    """Encode an image (B, 1, H, W) as song logits (B, n_songs) and an embedding (B, 100)."""

    def __init__(self, n_songs: int) -> None:
        super().__init__()
        widths = (1, 32, 64, 128)
        blocks = [
            layer
            for narrow, wide in pairwise(widths)
            for layer in (nn.Conv2d(narrow, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU())
        ]
        self.sequential = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(0.5)
        self.projector1 = head(n_songs)
        self.projector2 = head(100)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encode images."""
        pooled = self.dropout(self.sequential(image)).mean(dim=(2, 3))
        return self.projector1(pooled), self.projector2(pooled)


def head(n_outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(128, 100, bias=False), nn.BatchNorm1d(100), nn.ReLU(), nn.Linear(100, n_outputs, bias=False)
    )


class Networks(nn.Module):
    """Both encoders. EEG (B, C, T) and audio (B, samples) are padded with zeros and treated as images."""

    def __init__(
        self,
        n_songs: int = 10,
        eeg_padding: tuple[int, int] = EEG_PADDING,
        audio_padding: tuple[int, int] = AUDIO_PADDING,
    ) -> None:
        super().__init__()
        self.encoder_eeg, self.encoder_audio = Encoder(n_songs), Encoder(n_songs)
        self.eeg_padding, self.audio_padding = eeg_padding, audio_padding

    def encode_eeg(self, eeg: Tensor) -> tuple[Tensor, Tensor]:
        """Encode EEG."""
        logits, embedding = self.encoder_eeg(F.pad(eeg, self.eeg_padding)[:, None])
        return logits, embedding

    def encode_audio(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Encode audio."""
        logits, embedding = self.encoder_audio(F.pad(audio, self.audio_padding)[:, None, None])
        return logits, embedding


def scale(window: NDArray) -> NDArray:
    """Scale an EEG window (C, T) robustly, channel by channel."""
    import numpy as np
    from sklearn.preprocessing import RobustScaler

    scaled = [RobustScaler().fit_transform(channel[:, None])[:, 0] for channel in window]
    return np.clip(np.stack(scaled), -LIMIT, LIMIT)


def cut_audio(audio: Path, start_s: float) -> NDArray:
    """Cut three seconds out of an audio file, after reading it as a whole."""
    import soundfile

    sound, rate_hz = soundfile.read(audio)
    first = round(start_s * rate_hz)
    return sound[first : first + round(WINDOW_S * rate_hz)]


def sample(recording: NDArray, audio: Path, start: int, onset: int) -> tuple[Tensor, Tensor]:
    """Make one sample: EEG (C, 375) of a recording (C, T) from sample `start`, and audio (132300,).

    The stimulus begins at the recording's sample `onset`, and the EEG is taken 0.2 s later.
    """
    first = start + round(DELAY_S * EEG_HZ)
    eeg = scale(recording[:, first : first + round(WINDOW_S * EEG_HZ)])
    sound = cut_audio(audio, (start - onset) / EEG_HZ)
    return torch.from_numpy(eeg).float(), torch.from_numpy(sound).float()


def predann(eeg: Tensor, audio: Tensor) -> Tensor:
    """Return the mean cross-entropy of each of the 2 B embeddings against all of the other kind, by a double loop."""
    n = len(eeg)
    total = eeg.new_zeros(())
    for i in range(n):
        from_eeg = torch.stack([torch.cosine_similarity(eeg[i], audio[j], dim=0) for j in range(n)]) / TEMPERATURE
        from_audio = torch.stack([torch.cosine_similarity(audio[i], eeg[j], dim=0) for j in range(n)]) / TEMPERATURE
        total = total - from_eeg.log_softmax(0)[i] - from_audio.log_softmax(0)[i]
    return total / (2 * n)


def loss(networks: Networks, eeg: Tensor, audio: Tensor, songs: Tensor) -> Tensor:
    """Sum the three objectives. The audio embedding is a target and gets no gradient."""
    eeg_logits, eeg_embedding = networks.encode_eeg(eeg)
    audio_logits, audio_embedding = networks.encode_audio(audio)
    supervised = F.cross_entropy(eeg_logits, songs) + F.cross_entropy(audio_logits, songs)
    return supervised + PREDANN_WEIGHT * predann(eeg_embedding, audio_embedding.detach())


def optimizer_of(networks: Networks) -> torch.optim.Optimizer:
    return torch.optim.Adam(networks.parameters(), lr=0.003)


def training_step(
    networks: Networks, optimizer: torch.optim.Optimizer, eeg: Tensor, audio: Tensor, songs: Tensor
) -> float:
    optimizer.zero_grad()
    total = loss(networks, eeg, audio, songs)
    total.backward()
    optimizer.step()
    return float(total.detach())

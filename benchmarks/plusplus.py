"""A step of pretraining of PredANN++, ours and written plainly: whole attention matrices, layers one by one.

Used by `training.py` beside this file. Both have 128 channels, windows of 3 s and 75 music tokens of 32 numbers.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import published
import torch
from torch import Tensor, nn
from torch.nn import functional as F

N_CHANNELS, N_SONGS, N_VALUES, N_TOKENS, N_CLASSES = 128, 10, 32, 75, 128
Step = Callable[[Tensor, Tensor, Tensor], float]


def measure(kind: str, options: argparse.Namespace) -> dict[str, float]:
    """Return seconds per sample of a step of pretraining, and peak memory."""
    device, n = torch.device(options.device), options.batch
    eeg, audio = torch.randn(n, N_CHANNELS, 375, device=device), torch.randn(n, N_VALUES, 375, device=device)
    songs = torch.arange(n, device=device) % N_SONGS
    step = (plain_step if kind == "plain" else our_step)(device)
    return published.times({"step": lambda: step(eeg, audio, songs)}, options)


def our_step(device: torch.device) -> Step:
    """Make our training step."""
    from predann_bids.config import resolve
    from predann_bids.learning.memory import keep_memory
    from predann_bids.models.decoders.plusplus import PlusPlusDecoder, PlusPlusSettings

    keep_memory()
    channels, songs = (tuple(f"{letter}{i}" for i in range(n)) for letter, n in (("E", N_CHANNELS), ("S", N_SONGS)))
    decoder = PlusPlusDecoder(PlusPlusSettings(channels, songs, n_bands=N_VALUES, memory_frames=1))
    decoder.centres.normal_()
    training = resolve(preset="plusplus").training
    decoder.to(device).train()
    return _stepping(decoder, lambda *batch: decoder.objective(*batch, training)["loss"])


def plain_step(device: torch.device) -> Step:
    """Make the plain training step."""
    model = Plain().to(device).train()
    return _stepping(model, model.loss)


def _stepping(model: nn.Module, loss_of: Callable[..., Tensor]) -> Step:
    adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.003)

    def step(*batch: Tensor) -> float:
        adam.zero_grad()
        loss = loss_of(*batch)
        loss.backward()
        adam.step()
        return float(loss.detach())

    return step


class PlainBlock(nn.Module):
    """A pre-norm block whose attention matrices are held in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(512, eps=1e-6), nn.LayerNorm(512, eps=1e-6)
        self.qkv, self.out = nn.Linear(512, 1536, bias=False), nn.Linear(512, 512)
        self.query_norm, self.key_norm = nn.LayerNorm(64, eps=1e-6), nn.LayerNorm(64, eps=1e-6)
        self.scale1, self.scale2 = (nn.Parameter(0.1 * torch.ones(512)) for _ in range(2))
        self.up, self.down, self.dropout = nn.Linear(512, 2048), nn.Linear(2048, 512), nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (B, N, 512)."""
        query, key, value = (
            part.reshape(*x.shape[:2], 8, 64).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, dim=2)
        )
        scores = self.query_norm(query) @ self.key_norm(key).transpose(2, 3) / math.sqrt(64)
        attended = (scores.softmax(dim=3) @ value).transpose(1, 2).reshape(x.shape)
        x = x + self.scale1 * self.dropout(self.out(attended))
        return x + self.scale2 * self.dropout(self.down(F.gelu(self.up(self.norm2(x)))))


class Plain(nn.Module):
    """The networks of pretraining."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for narrow, kernel, stride in ((1, 15, 8), (8, 3, 1), (8, 3, 1)):
            layers += [nn.Conv2d(narrow, 8, (1, kernel), (1, stride), (0, kernel // 2)), nn.GroupNorm(4, 8), nn.GELU()]
        self.patches, self.linear = nn.Sequential(*layers), nn.Linear(128, 512)
        self.channels, self.sections = nn.Parameter(torch.zeros(128, 512)), nn.Parameter(torch.zeros(3, 512))
        self.cls, self.mask, self.times = (nn.Parameter(torch.zeros(n, 512)) for n in (1, 1, N_TOKENS))
        self.encoder = nn.Sequential(PlainBlock(), PlainBlock())
        self.decoder = nn.Sequential(PlainBlock(), PlainBlock())
        self.value, self.classes = nn.Linear(N_VALUES, 512), nn.Linear(512, N_CLASSES)
        self.head = nn.Sequential(
            nn.LayerNorm(512, eps=1e-6), nn.Linear(512, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(),
            nn.Linear(256, N_SONGS, bias=False),
        )  # fmt: skip
        self.register_buffer("centres", torch.randn(N_CLASSES, N_VALUES))

    def loss(self, eeg: Tensor, audio: Tensor, songs: Tensor) -> Tensor:
        """Return 0.1 masked cross-entropy + song cross-entropy."""
        n = len(eeg)
        maps = self.patches(eeg.reshape(n, 1, 3 * N_CHANNELS, 125))
        tokens = self.linear(maps.permute(0, 2, 3, 1).reshape(n, 3 * N_CHANNELS, 128))
        tokens = tokens + (self.channels[:, None] + self.sections[None]).reshape(1, -1, 512)
        encoded = self.encoder(torch.cat([self.cls.expand(n, 1, 512), tokens], dim=1))
        values = audio.reshape(n, N_VALUES, N_TOKENS, 5).mean(dim=3).transpose(1, 2)
        centres: Any = self.centres
        classes = ((values[:, :, None] - centres) ** 2).sum(dim=3).argmin(dim=2)
        shown = torch.rand(n, N_TOKENS, device=eeg.device).argsort(dim=1) < N_TOKENS // 2
        music = torch.where(shown[..., None], self.value(values), self.mask) + self.times
        together = self.decoder(torch.cat([encoded, music], dim=1))
        logits = self.classes(together[:, -N_TOKENS:])
        return 0.1 * F.cross_entropy(logits[~shown], classes[~shown]) + F.cross_entropy(self.head(encoded[:, 0]), songs)

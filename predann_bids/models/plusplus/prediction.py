"""Masked prediction of music from EEG, as PredANN++ is pretrained (Noguchi et al. 2026, arXiv 2603.03190)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from predann_bids.models.plusplus.blocks import WIDTH, blocks, embedding


class MaskedPredictor(nn.Module):
    """Predict the classes of music tokens from the tokens of the EEG and from those music tokens that are shown.

    Parameters
    ----------
    n_tokens : int
        Music tokens of a window.
    n_values : int
        Numbers that a teacher says of each.
    n_classes : int
        Classes of a token.
    """

    def __init__(self, n_tokens: int, n_values: int, n_classes: int) -> None:
        super().__init__()
        self.value = nn.Linear(n_values, WIDTH)
        self.mask = embedding(WIDTH)
        self.times = embedding(n_tokens, WIDTH)
        self.blocks = blocks()
        self.classes = nn.Linear(WIDTH, n_classes)

    def forward(self, eeg: Tensor, values: Tensor, shown: Tensor) -> Tensor:
        """Predict all music tokens of windows.

        Parameters
        ----------
        eeg : Tensor, shape (B, M, 512)
            Tokens of the EEG.
        values : Tensor, shape (B, N, values)
            What the teacher says of each music token.
        shown : Tensor of bool, shape (B, N)
            Which of them are shown; at the others stands the mask token.

        Returns
        -------
        Tensor, shape (B, N, classes)
            Logits.
        """
        music = torch.where(shown[..., None], self.value(values), self.mask) + self.times[: values.shape[1]]
        together = self.blocks(torch.cat([eeg, music], dim=1))
        logits: Tensor = self.classes(together[:, eeg.shape[1] :])
        return logits


def show_half(number: int, n_tokens: int, device: torch.device) -> Tensor:
    """Draw which tokens (number, n_tokens) are shown: half of each window's, rounded down, at random places."""
    order = torch.rand(number, n_tokens, device=device).argsort(dim=1)
    return order < n_tokens // 2


def masked_loss(logits: Tensor, classes: Tensor, shown: Tensor) -> Tensor:
    """Compute the cross-entropy of the tokens that are not shown.

    Parameters
    ----------
    logits : Tensor, shape (B, N, classes)
        Predictions.
    classes : Tensor of int, shape (B, N)
        What is right.
    shown : Tensor of bool, shape (B, N)
        Which tokens are shown.
    """
    return F.cross_entropy(logits[~shown], classes[~shown])

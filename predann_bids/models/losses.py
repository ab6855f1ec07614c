"""The PredANN loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def similarity(eeg: Tensor, audio: Tensor) -> Tensor:
    """Compute the cosine similarity of every EEG representation with every audio representation.

    Parameters
    ----------
    eeg : Tensor, shape (A, D) or (A, D, T)
    audio : Tensor, shape (B, D) or (B, D, T)
        Representations with a time axis are flattened to one vector each.

    Returns
    -------
    Tensor, shape (A, B)
    """
    return F.normalize(eeg.flatten(1), dim=1) @ F.normalize(audio.flatten(1), dim=1).T


def predann_loss(eeg: Tensor, audio: Tensor, temperature: float) -> Tensor:
    """Compute the contrastive loss of audio representations predicted from EEG (Akama et al. 2025).

    Each EEG representation is classified among all audio representations of the batch, its own being the right one, and
    vice versa. The loss is the cross-entropy averaged over all 2 B rows.

    Parameters
    ----------
    eeg, audio : Tensor, shape (B, D) or (B, D, T)
        Row i of both belongs to the same moment.
    temperature : float
        Divides the cosine similarities.

    Returns
    -------
    Tensor, shape ()
    """
    logits = similarity(eeg, audio) / temperature
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2

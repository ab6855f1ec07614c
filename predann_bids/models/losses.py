"""The PredANN loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from predann_bids.models.parts import Parts, weighted

TINY = 1e-12  # norm below which a vector counts as zero


def similarity(eeg: Tensor, audio: Tensor, parts: Parts = ()) -> Tensor:
    """Compute the cosine similarity of every EEG representation with every audio representation.

    Parameters
    ----------
    eeg : Tensor, shape (A, D) or (A, D, T)
    audio : Tensor, shape (B, D) or (B, D, T)
        Representations with a time axis count as one vector each.
    parts : tuple of (int, float)
        Sizes and weights of parts whose similarities are averaged; empty for one similarity over all features.

    Returns
    -------
    Tensor, shape (A, B)
    """
    if parts:
        return weighted(similarity, eeg, audio, parts)
    eeg, audio = _as_vectors(eeg), _as_vectors(audio)
    norms = [torch.linalg.vector_norm(vectors, dim=1).clamp(min=TINY) for vectors in (eeg, audio)]
    return eeg @ audio.T / torch.outer(*norms)


def _as_vectors(representations: Tensor) -> Tensor:
    """Flatten moment by moment, as networks lay representations out in memory."""
    return representations.transpose(1, -1).flatten(1)


def predann_loss(eeg: Tensor, audio: Tensor, temperature: float, parts: Parts = ()) -> Tensor:
    """Compute the contrastive loss of audio representations predicted from EEG (Akama et al. 2025).

    Each EEG representation is classified among all audio representations of the batch, its own being the right one, and
    vice versa. The loss is the cross-entropy averaged over all 2 B rows.

    Parameters
    ----------
    eeg, audio : Tensor, shape (B, D) or (B, D, T)
        Row i of both belongs to the same moment.
    temperature : float
        Divides the cosine similarities.
    parts : tuple of (int, float)
        Sizes and weights of parts, each of which has a loss of its own; the loss is their weighted sum.

    Returns
    -------
    Tensor, shape ()
    """
    if parts:
        return weighted(lambda one, other: predann_loss(one, other, temperature), eeg, audio, parts)
    return loss_of_similarities(similarity(eeg, audio), temperature)


def loss_of_similarities(similarities: Tensor, temperature: float) -> Tensor:
    """Compute the same loss from the similarities (B, B) of each EEG representation with each of the audio."""
    logits = similarities / temperature
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2

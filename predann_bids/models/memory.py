"""Compare predicted representations with remembered representations of songs, over all moments or at one moment.

Song logits must not use the moment that was playing, so the evidence for a song is summed over all its moments:

    logit(s) = log mean over moments t of exp(similarity(z, a_s(t)) / temperature)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from predann_bids.models.correlation import running_sums, slide
from predann_bids.models.parts import Parts, weighted

MOMENT_STRIDE = 2  # frames of the representation from one compared moment to the next


def evidence(
    z: Tensor,
    memory: Tensor,
    lengths: Tensor,
    temperature: float,
    *,
    by_feature: bool = False,
    parts: Parts = (),
    longest: int | None = None,
) -> Tensor:
    """Sum the evidence for each song over all its moments.

    Parameters
    ----------
    z : Tensor, shape (B, D, T)
        Predicted representations, of mean zero over time.
    memory : Tensor, shape (S, D, longest)
        Representations of whole songs, padded with zeros.
    lengths : Tensor of int, shape (S,)
        Frames of each song.
    temperature : float
        Divides similarities before they are summed.
    by_feature : bool
        Whether similarity is the mean correlation of the features; else it is one correlation over all features.
    parts : tuple of (int, float)
        Sizes and weights of parts of the representations whose similarities are averaged; empty for none.
    longest : int, optional
        Frames of the longest song, where they are known; otherwise the device is waited for, to look.

    Returns
    -------
    Tensor, shape (B, S)
        Song logits.
    """
    if longest is None:
        longest = int(lengths.max())
    if parts:
        similarities = weighted(
            lambda one, other: at_all_moments(one, other, lengths, longest=longest)[0], z, memory, parts
        )
        scaled = similarities.transpose(0, 1) / temperature
    elif by_feature:
        similarities, _ = at_all_moments(z, memory, lengths, by_feature=True, longest=longest)
        scaled = similarities.transpose(0, 1) / temperature
    else:
        products, norms = _products(z, memory, longest)
        scaled = products * (1 / (norms * temperature))
    return _log_mean_exp(scaled, _moments(lengths, z.shape[2]))


def _log_mean_exp(scaled: Tensor, numbers: Tensor) -> Tensor:
    """Average over the first moments of each song, as many as it has: (S, B, M), (S,) -> (B, S)."""
    if scaled.device.type == "cpu":  # song by song, which stays in a processor's cache
        pairs = zip(scaled.unbind(), numbers.tolist(), strict=True)
        summed = torch.stack([torch.logsumexp(song[:, :number], dim=1) for song, number in pairs])
    else:  # at once, without waiting for the device
        exists = torch.arange(scaled.shape[2], device=scaled.device) < numbers[:, None]
        summed = torch.logsumexp(scaled.masked_fill(~exists[:, None], -torch.inf), dim=2)
    return (summed - numbers.clamp(min=1).log()[:, None]).T


def at_all_moments(
    z: Tensor, memory: Tensor, lengths: Tensor, *, by_feature: bool = False, longest: int | None = None
) -> tuple[Tensor, Tensor]:
    """Compute the similarity with every moment of every song.

    This is a cross-correlation: as z has mean zero over time, the mean of the remembered window drops out of the
    product, and its norm follows from running means of values and of squares.

    Parameters
    ----------
    z : Tensor, shape (B, D, T)
        Predicted representations, of mean zero over time.
    memory, lengths : Tensor
        As in `evidence`.
    by_feature, longest : bool and int
        As in `evidence`.

    Returns
    -------
    Tensor, shape (B, S, M)
        Similarities.
    Tensor of bool, shape (S, M)
        Whether a song has the moment.
    """
    if longest is None:
        longest = int(lengths.max())
    if by_feature:
        features = zip(z.unbind(dim=1), memory.unbind(dim=1), strict=True)
        results = [
            at_all_moments(z_feature[:, None], memory_feature[:, None], lengths, longest=longest)
            for z_feature, memory_feature in features
        ]
        return torch.stack([similarities for similarities, _ in results]).mean(dim=0), results[0][1]
    products, norms = _products(z, memory, longest)
    exists = torch.arange(products.shape[2], device=z.device) < _moments(lengths, z.shape[2])[:, None]
    return (products / norms).transpose(0, 1), exists


def _products(z: Tensor, memory: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    """Multiply normalised predictions with all moments, (S, B, M), and compute the norms of these, (S, 1, M)."""
    frames = z.shape[2]
    if longest < frames:
        raise RuntimeError("the decoder remembers no song as long as a window; call remember() first")
    unit = F.normalize(z.flatten(1), dim=1).view_as(z)
    trained = torch.is_grad_enabled() and memory.requires_grad
    if memory.shape[1] == 1 and not trained:  # faster for a single feature
        products = F.conv1d(memory, unit, stride=MOMENT_STRIDE)
    else:
        products = slide(memory, unit, MOMENT_STRIDE)
    squares = running_sums(memory.square().sum(dim=1, keepdim=True), frames, MOMENT_STRIDE)
    sums = running_sums(memory, frames, MOMENT_STRIDE)
    power = squares - sums.square().sum(dim=1, keepdim=True) / frames
    return products, power.clamp(min=1e-8).sqrt().to(products)


def _moments(lengths: Tensor, frames: int) -> Tensor:
    """Count the compared moments of songs of some lengths, (S,)."""
    return torch.div(lengths - frames, MOMENT_STRIDE, rounding_mode="floor").add(1).clamp(min=0)


def at_one_moment(
    z: Tensor,
    memory: Tensor,
    lengths: Tensor,
    first: Tensor,
    *,
    by_feature: bool = False,
    parts: Parts = (),
) -> Tensor:
    """Compute the similarity with each song at one moment per window.

    Parameters
    ----------
    z : Tensor, shape (B, D, T)
        Predicted representations.
    memory, lengths : Tensor
        As in `evidence`.
    first : Tensor of int, shape (B,)
        First frame of the moment, counted from the start of a song.
    by_feature : bool
        As in `evidence`.
    parts : tuple of (int, float)
        As in `evidence`.

    Returns
    -------
    Tensor, shape (B, S)
        Similarities; NaN where a song ends before the window does.
    """
    if parts:
        return weighted(lambda one, other: at_one_moment(one, other, lengths, first), z, memory, parts)
    frames = first[:, None] + torch.arange(z.shape[2], device=z.device)  # (B, T)
    columns = []
    for song, length in zip(memory, lengths, strict=True):
        exists = first + z.shape[2] <= length
        moment = song[:, frames.clamp(max=max(song.shape[1] - 1, 0))].transpose(0, 1)  # (B, D, T)
        moment = moment - moment.mean(dim=2, keepdim=True)
        columns.append(_similarity(z, moment, by_feature=by_feature).masked_fill(~exists, torch.nan))
    return torch.stack(columns, dim=1)


def _similarity(z: Tensor, other: Tensor, *, by_feature: bool) -> Tensor:
    if by_feature:
        return F.cosine_similarity(z - z.mean(dim=2, keepdim=True), other, dim=2).mean(dim=1)
    return F.cosine_similarity(z.flatten(1), other.flatten(1), dim=1)


def padded(songs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stack representations (D, frames) of songs, padded with zeros, and return their lengths."""
    return stacked(songs), torch.tensor([song.shape[1] for song in songs])


def stacked(songs: Sequence[Tensor]) -> Tensor:
    """Stack representations (D, frames) of songs, padded with zeros: (S, D, longest)."""
    longest = max(song.shape[1] for song in songs)
    return torch.stack([F.pad(song, (0, longest - song.shape[1])) for song in songs])

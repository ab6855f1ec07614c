"""What a language model expects of the tokens of sound, if it predicts several codebooks, one delayed after the other.

At each position, MusicGen (Copet et al., 2023) predicts one token of each codebook: that of frame f from the first one,
of frame f - 1 from the second, and so on. So the codebook k of a frame is predicted at position f + k, when the coarser
tokens of the same frame are known.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def delayed(tokens: Tensor, blank: int) -> Tensor:
    """Arrange tokens as the input of the model, whose output at each position is what comes at the next.

    Parameters
    ----------
    tokens : Tensor of int, shape (K, N)
        Tokens of K codebooks in N frames.
    blank : int
        Token that stands where there is none.

    Returns
    -------
    Tensor of int, shape (K, N + K - 1)
    """
    codebooks, frames = tokens.shape
    positions = frames + codebooks - 1
    arranged = tokens.new_full((codebooks, positions), blank)
    for codebook in range(codebooks):
        first = codebook + 1
        arranged[codebook, first:] = torch.nn.functional.pad(tokens[codebook], (0, codebooks), value=blank)[
            : positions - first
        ]
    return arranged


def expected_bits(logits: Tensor, tokens: Tensor) -> Tensor:
    """Compute the surprisal of each token and the entropy of what was expected in its place.

    Parameters
    ----------
    logits : Tensor, shape (K, N + K - 1, V)
        Output of the model for `delayed(tokens)`.
    tokens : Tensor of int, shape (K, N)
        Tokens of K codebooks in N frames.

    Returns
    -------
    Tensor, shape (2 K, N)
        -log2 p of the tokens of each codebook, then the entropies, in bits.
    """
    frames = tokens.shape[1]
    in_time = torch.stack([of_codebook[k : k + frames] for k, of_codebook in enumerate(logits.float())])
    log_p = in_time.log_softmax(dim=2) / math.log(2)
    surprisal = -log_p.gather(2, tokens[:, :, None])[:, :, 0]
    entropy = -(log_p.exp2() * log_p).sum(dim=2)
    return torch.cat([surprisal, entropy])

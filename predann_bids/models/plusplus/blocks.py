"""The block of the transformers of Noguchi et al. 2026 (arXiv 2603.03190)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, HEADS, EXPANSION = 512, 8, 4
DROPOUT, LAYER_SCALE, EPS = 0.1, 0.1, 1e-6
N_BLOCKS = 2
SPREAD = 0.02  # of embeddings and tokens at the start; the paper does not say


class Attention(nn.Module):
    """Self-attention whose queries and keys are normalised in each head."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.query_norm = nn.LayerNorm(WIDTH // HEADS, eps=EPS)
        self.key_norm = nn.LayerNorm(WIDTH // HEADS, eps=EPS)
        self.projection = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """Let tokens (B, N, 512) attend to one another: (B, N, 512)."""
        query, key, value = self.qkv(tokens).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(self.query_norm(query), self.key_norm(key), value)
        projected: Tensor = self.projection(attended.transpose(1, 2).flatten(2))
        return projected


class Block(nn.Module):
    """Attention and a network for each token, both on normalised input, scaled, and added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH, eps=EPS)
        self.attention = Attention()
        self.attention_scale = nn.Parameter(torch.full((WIDTH,), LAYER_SCALE))
        self.mlp_norm = nn.LayerNorm(WIDTH, eps=EPS)
        hidden = EXPANSION * WIDTH
        self.mlp = nn.Sequential(nn.Linear(WIDTH, hidden), nn.GELU(), nn.Linear(hidden, WIDTH))
        self.mlp_scale = nn.Parameter(torch.full((WIDTH,), LAYER_SCALE))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens (B, N, 512)."""
        tokens = tokens + self.attention_scale * self.dropout(self.attention(self.attention_norm(tokens)))
        transformed: Tensor = tokens + self.mlp_scale * self.dropout(self.mlp(self.mlp_norm(tokens)))
        return transformed


def blocks() -> nn.Sequential:
    """Make the blocks of one transformer; there is no norm at the end."""
    return nn.Sequential(*(Block() for _ in range(N_BLOCKS)))


def embedding(*shape: int) -> nn.Parameter:
    """Make a learned embedding or token."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=SPREAD))

"""PredANN-BIDS: which music was playing? A BIDS App that decodes music from EEG."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load_decoder"]


def __getattr__(name: str) -> Any:
    """Import PyTorch only when a decoder is asked for: `predann-bids --help` must be instant."""
    if name == "load_decoder":
        from predann_bids.models.checkpoints import load_decoder

        return load_decoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""PredANN-BIDS: which music was playing? A BIDS App that decodes music from EEG.

The public door, open to scripts and notebooks::

    from predann_bids import load_decoder, register, resolve, run_group, run_participant
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predann_bids.config import resolve
    from predann_bids.models.checkpoints import load_decoder
    from predann_bids.plugins import register
    from predann_bids.workflows.group.level import run_group
    from predann_bids.workflows.participant.level import run_participant

__version__ = "0.1.0"
__all__ = ["__version__", "load_decoder", "register", "resolve", "run_group", "run_participant"]

_WHERE = {
    "load_decoder": "predann_bids.models.checkpoints",
    "register": "predann_bids.plugins",
    "resolve": "predann_bids.config",
    "run_group": "predann_bids.workflows.group.level",
    "run_participant": "predann_bids.workflows.participant.level",
}


def __getattr__(name: str) -> Any:
    """Import only what is asked for: PyTorch takes seconds, and `predann-bids --help` must be instant."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Songs that are copies of each other: found by their spectra, and what they leave to be told apart."""

from predann_bids.data.copies.finding import AT_ONCE_S, Copy, find_copies
from predann_bids.data.copies.limits import Limits, limits_of

__all__ = ["AT_ONCE_S", "Copy", "Limits", "find_copies", "limits_of"]

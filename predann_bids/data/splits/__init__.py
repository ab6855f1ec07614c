"""Split presentations into training, validation and test data: one class for each kind of split."""

from predann_bids.data.splits.division import SPLITS, TRANSFER, Division, Split, SplitKind, make_splits, nature_of
from predann_bids.data.splits.table import splits_table

__all__ = ["SPLITS", "TRANSFER", "Division", "Split", "SplitKind", "make_splits", "nature_of", "splits_table"]

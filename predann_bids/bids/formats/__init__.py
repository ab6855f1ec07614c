"""Raw EEG files: BrainVision, EDF(+), BDF(+) and EEGLAB, in the state in which datasets hold them."""

from predann_bids.bids.formats.opened import Opened as Opened
from predann_bids.bids.formats.opened import numbered as numbered
from predann_bids.bids.formats.opening import EXTENSIONS as EXTENSIONS
from predann_bids.bids.formats.opening import missing_files as missing_files
from predann_bids.bids.formats.opening import open_raw as open_raw
from predann_bids.bids.formats.opening import require_files as require_files
from predann_bids.bids.formats.opening import source_files as source_files

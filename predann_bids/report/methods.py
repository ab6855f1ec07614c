"""Text for the methods section of a paper, with the numbers of this run."""

from __future__ import annotations

from predann_bids import __version__
from predann_bids.config import Preprocessing


def preprocessing_methods(config: Preprocessing) -> str:
    """Describe the participant level in words."""
    steps = ["Channels that were flat or marked as bad were interpolated with spherical splines."]
    if config.notch == "auto":
        steps.append("Line noise and its harmonics were removed with zero-phase FIR notch filters.")
    elif config.notch != "none":
        steps.append(f"Line noise ({config.notch:g} Hz and harmonics) was removed with zero-phase FIR notch filters.")
    if config.l_freq or config.h_freq:
        low, high = (
            (f"{config.l_freq:g}" if config.l_freq else "0"),
            (f"{config.h_freq:g} Hz" if config.h_freq else "the Nyquist frequency"),
        )
        steps.append(f"The EEG was band-pass filtered from {low} to {high} (zero-phase FIR filter, Hamming window).")
    if config.reference == "average":
        steps.append("It was re-referenced to the average of all EEG channels.")
    steps.append(f"It was resampled to {config.resample:g} Hz.")
    return (
        f"Preprocessing was done by PredANN-BIDS {__version__} with MNE-Python (Gramfort et al., 2013) and MNE-BIDS"
        f" (Appelhoff et al., 2019) on data in EEG-BIDS (Pernet et al., 2019). " + " ".join(steps)
    )

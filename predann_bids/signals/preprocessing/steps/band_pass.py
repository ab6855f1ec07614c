"""Keep a band of frequencies."""

from __future__ import annotations

from predann_bids.signals.preprocessing.interface import STEPS, PreprocessingStep
from predann_bids.signals.preprocessing.state import State, Step


@STEPS.add("band_pass")
class BandPass(PreprocessingStep):
    """Filter from `l_freq` to `h_freq`; 0 leaves an edge open."""

    order = 50

    @property
    def wanted(self) -> bool:
        """Whether the band has an edge."""
        return bool(self.config.l_freq or self.config.h_freq)

    def apply(self, state: State) -> State:
        """Set the edges of the band."""
        low, high = self.config.l_freq or None, self.config.h_freq or None
        words = "zero-phase FIR, Hamming window, MNE's transition bands"
        step = Step("band-pass", {"low_hz": low, "high_hz": high, "filter": words})
        return state.filter(low_hz=low, high_hz=high).note(step)

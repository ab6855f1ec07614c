"""Change the sampling rate."""

from __future__ import annotations

from predann_bids.signals.preprocessing.interface import HELD, STEPS, STREAMED, PreprocessingStep
from predann_bids.signals.preprocessing.state import State, Step


@STEPS.add("resampling")
class Resampling(PreprocessingStep):
    """Bring the recording to the rate of the derivative."""

    order = 70

    @property
    def memory(self) -> float:
        """The Fourier method holds whole channels."""
        return HELD if self.config.resampling == "fourier" else STREAMED

    def apply(self, state: State) -> State:
        """Set the new rate."""
        before, after, method = state.rate_hz, self.config.resample, self.config.resampling
        if before == after:
            return state
        step = Step("resample", {"from_hz": before, "to_hz": after, "method": method})
        return state.filter(rate_hz=after, resampling=method).note(step)

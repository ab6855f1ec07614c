"""What a preprocessing step is, and which steps there are.

A step is a class in a module of `predann_bids.signals.preprocessing.steps`, or one that a plugin registers. What the
methods text says of it is a row of `STEP_WORDS` in `predann_bids.report.methods.preprocessing`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from predann_bids.config import Preprocessing
from predann_bids.errors import WrongUsage
from predann_bids.registry import Registry
from predann_bids.signals.preprocessing.state import State

BUILT_IN = "predann_bids.signals.preprocessing.steps"
# Peak memory as multiples of the file's size: what streams, what works on a smaller copy, what holds all samples as
# float32 (files may be int16), and what loads them as float64.
STREAMED, ESTIMATED, HELD, LOADED = 0.5, 2.5, 2.5, 12.0


class PreprocessingStep(ABC):
    """One thing that preprocessing can do to a recording.

    Parameters
    ----------
    config : Preprocessing
        What is asked for.

    Attributes
    ----------
    order : float
        Steps are done in rising order. Built-in ones: line noise 10, bad channels 20, ICA 30, interpolation 40,
        band-pass 50, reference 60, resampling 70.
    mixes : bool
        Whether it may mix channels.
    """

    registry: ClassVar[Registry[type[PreprocessingStep]]]
    order: ClassVar[float]
    mixes: ClassVar[bool] = False

    def __init__(self, config: Preprocessing) -> None:
        self.config = config

    @property
    def wanted(self) -> bool:
        """Whether the configuration asks for it; a plugin's step is asked only when it is named in `further`."""
        return True

    @property
    def memory(self) -> float:
        """Peak memory that it needs, as a multiple of the file's size."""
        return STREAMED

    @abstractmethod
    def apply(self, state: State) -> State:
        """Do it: return the recording's next state, with a `Step` that says what was done.

        Raises
        ------
        UnusableData
            The recording does not allow it.
        """


STEPS: Registry[type[PreprocessingStep]] = Registry("preprocessing step", BUILT_IN)
PreprocessingStep.registry = STEPS


def ordered_steps(config: Preprocessing) -> dict[str, PreprocessingStep]:
    """Return the built-in steps and those that the configuration names in `further`, in the order they are done.

    Raises
    ------
    WrongUsage
        `further` names a step that is not registered, or a built-in one.
    """
    built_in = {name for name in STEPS if STEPS[name].__module__.startswith(f"{BUILT_IN}.")}
    if repeated := built_in & set(config.further):
        raise WrongUsage(
            f"preprocessing.further: the step '{min(repeated)}' is built in and has keys of its own; name steps of"
            " plugins only."
        )
    steps = {name: STEPS[name](config) for name in (*(name for name in STEPS if name in built_in), *config.further)}
    return dict(sorted(steps.items(), key=lambda item: item[1].order))


def memory_needed(config: Preprocessing) -> float:
    """Estimate the peak memory of preprocessing, as a multiple of the file's size: steps come one after the other."""
    return max(step.memory for step in ordered_steps(config).values() if step.wanted)

"""What copies leave to be told apart, counted window by window."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.data.copies.finding import Copy
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows


@dataclass(frozen=True)
class Limits:
    """How often a decoder can be right about each window that knows the audio perfectly, but nothing else.

    Where k songs hold the audio of a window, it has to guess among them: it is right once in k.

    Parameters
    ----------
    logits : ndarray, shape (n,)
        Among the songs that hold this audio anywhere.
    match : ndarray, shape (n,)
        Among those that hold it at the same moment.
    """

    logits: Doubles
    match: Doubles

    @classmethod
    def joined(cls, parts: Sequence[Limits]) -> Limits:
        """Join the windows of several folds."""
        return cls(np.concatenate([p.logits for p in parts]), np.concatenate([p.match for p in parts]))


def limits_of(
    copies: Sequence[Copy],
    trials: Sequence[Trial],
    windows: Windows,
    length: int,
    candidates: Collection[int] | None = None,
) -> Limits:
    """Count the songs that cannot be told apart in each window.

    Parameters
    ----------
    copies : sequence of Copy
        What songs have in common; their frames are EEG samples.
    trials : sequence of Trial
        All trials.
    windows : Windows
        The n windows.
    length : int
        Samples of a window. Only windows that lie in a common stretch as a whole are taken for the same.
    candidates : collection of int, optional
        The songs that are decided among; all if None.
    """
    song = windows.stimuli(trials)
    moment = np.array([trials[index].audio_start for index in windows.trial], dtype=np.int64) + windows.start
    anywhere, at_once = np.ones(len(windows)), np.ones(len(windows))
    for copy in copies:
        for one in (copy.first, copy.second):
            other, _, spans = copy.of(one)
            if candidates is not None and other not in candidates:
                continue
            inside = np.zeros(len(windows), dtype=bool)
            for span in spans:
                inside |= (span.start <= moment) & (moment + length <= span.stop)
            same = inside & (song == one)
            anywhere += same
            at_once += same & copy.at_once
    return Limits(1 / anywhere, 1 / at_once)

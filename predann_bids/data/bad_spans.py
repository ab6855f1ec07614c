"""Bad spans: parts of the EEG that annotations mark as bad. No window may touch them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from predann_bids.arrays import Bools
from predann_bids.bids.derivatives import Derivative
from predann_bids.data.trials import Trial
from predann_bids.errors import UnusableData
from predann_bids.timing import Rate, Span

LEAST_USABLE = 0.05  # share of a recording that is enough to scale the whole by


def read_bad_spans(derivative: Derivative, rate: Rate) -> tuple[Span, ...]:
    """Read the bad spans of a derivative from its sidecar; sorted and disjoint.

    A sample that a span covers in part belongs to it. A span of no duration, such as a boundary where a recording was
    cut, covers the sample at that moment.

    Raises
    ------
    UnusableData
        An entry of `BadSpans` has no onset or duration.
    """
    spans = []
    for number, entry in enumerate(derivative.sidecar.get("BadSpans") or (), 1):
        try:
            onset, duration = float(entry["onset"]), max(0.0, float(entry["duration"]))
            start = rate.samples(onset)
            stop = rate.samples(onset + duration)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UnusableData(
                f"{derivative.paths.sidecar}: entry {number} of BadSpans is {entry}, but onset and duration in seconds"
                " were expected. Run the participant level again."
            ) from error
        start -= rate.seconds(start) > onset
        stop += rate.seconds(stop) < onset + duration
        spans.append(Span(max(0, start), max(0, stop, start + 1)))
    return merged(spans)


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort spans and merge those that touch or overlap."""
    disjoint: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, one.stop)):
        if disjoint and span.start <= disjoint[-1].stop:
            disjoint[-1] = Span(disjoint[-1].start, max(disjoint[-1].stop, span.stop))
        else:
            disjoint.append(span)
    return tuple(disjoint)


def mark_trials(
    trials: Sequence[Trial],
    bad: Sequence[Sequence[Span]],
    *,
    delay: int,
    rotations: Sequence[int] = (),
    recording_samples: Sequence[int] = (),
) -> list[Trial]:
    """Return the trials with their bad spans, in samples since the onset of the stimulus, as windows are counted.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    bad : sequence of sequence of Span
        Bad spans of each recording, in EEG samples; empty if no recording has any.
    delay : int
        The EEG of a window is taken this many samples later than its audio.
    rotations, recording_samples : sequence of int
        Samples by which each recording is rotated against its events, and its length in samples; empty for no
        rotation.

    Returns
    -------
    list of Trial
    """
    if not bad:
        return [replace(trial, bad=()) for trial in trials]
    return [
        replace(trial, bad=_bad_in_trial(trial, bad[trial.recording], delay, rotations, recording_samples))
        for trial in trials
    ]


def _bad_in_trial(
    trial: Trial, bad: Sequence[Span], delay: int, rotations: Sequence[int], recording_samples: Sequence[int]
) -> tuple[Span, ...]:
    begin = trial.onset + delay + (rotations[trial.recording] if rotations else 0)
    rounds = (
        (0, recording_samples[trial.recording]) if rotations else (0,)
    )  # after its end a rotated recording begins again
    shifted = [span.shift(offset - begin) for span in bad for offset in rounds]
    whole = Span(0, trial.length)
    return merged(Span(max(0, span.start), min(trial.length, span.stop)) for span in shifted if span.overlaps(whole))


def usable_samples(n_samples: int, bad: Sequence[Span]) -> Bools:
    """Mark the samples of a recording outside its bad spans; mark all of them if too few would be left."""
    usable = np.ones(n_samples, dtype=bool)
    for span in bad:
        usable[span.start : span.stop] = False
    return usable if usable.mean() >= LEAST_USABLE else np.ones(n_samples, dtype=bool)

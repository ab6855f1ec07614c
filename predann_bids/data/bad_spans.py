"""Stretches of EEG that annotations call bad: no window may touch them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from predann_bids.arrays import Bools
from predann_bids.bids.derivatives import Derivative
from predann_bids.data.trials import Trial
from predann_bids.errors import UnusableData
from predann_bids.timing import Rate, Span

LEAST_USABLE = 0.05  # share of a recording that says enough about the whole


def read_bad_spans(derivative: Derivative, rate: Rate) -> tuple[Span, ...]:
    """Read which EEG samples of a derivative its sidecar calls bad, sorted, none in two spans.

    Samples that a span touches in part belong to it; a point in time, such as a boundary where a recording was cut,
    takes the sample at that moment.

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
                f"{derivative.paths.sidecar}: entry {number} of BadSpans is {entry}; onset and duration in seconds were"
                " expected. Run the participant level again."
            ) from error
        start -= rate.seconds(start) > onset
        stop += rate.seconds(stop) < onset + duration
        spans.append(Span(max(0, start), max(0, stop, start + 1)))
    return merged(spans)


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort spans and unite those that touch or overlap."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, one.stop)):
        if found and span.start <= found[-1].stop:
            found[-1] = Span(found[-1].start, max(found[-1].stop, span.stop))
        else:
            found.append(span)
    return tuple(found)


def mark_trials(
    trials: Sequence[Trial],
    bad: Sequence[Sequence[Span]],
    *,
    delay: int,
    rotations: Sequence[int] = (),
    recording_samples: Sequence[int] = (),
) -> list[Trial]:
    """Tell trials where their EEG is bad, in samples since the onset of their stimulus, where their windows are.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    bad : sequence of sequence of Span
        For each recording, its bad EEG samples; empty for none.
    delay : int
        The EEG of a window is taken this many samples later than its audio.
    rotations, recording_samples : sequence of int
        By how many samples each recording is moved in a circle against its events, and how many it has; empty for no
        rotation.
    """
    if not bad:
        return [replace(trial, bad=()) for trial in trials]
    return [
        replace(trial, bad=_seen_from(trial, bad[trial.recording], delay, rotations, recording_samples))
        for trial in trials
    ]


def _seen_from(
    trial: Trial, bad: Sequence[Span], delay: int, rotations: Sequence[int], recording_samples: Sequence[int]
) -> tuple[Span, ...]:
    begin = trial.onset + delay + (rotations[trial.recording] if rotations else 0)
    rounds = (0, recording_samples[trial.recording]) if rotations else (0,)  # a rotated recording begins once more
    seen = [span.shift(further - begin) for span in bad for further in rounds]
    whole = Span(0, trial.length)
    return merged(Span(max(0, span.start), min(trial.length, span.stop)) for span in seen if span.overlaps(whole))


def usable_samples(n_samples: int, bad: Sequence[Span]) -> Bools:
    """Tell which samples of a recording are in no bad span; all, where hardly any would be left to judge it by."""
    usable = np.ones(n_samples, dtype=bool)
    for span in bad:
        usable[span.start : span.stop] = False
    return usable if usable.mean() >= LEAST_USABLE else np.ones(n_samples, dtype=bool)

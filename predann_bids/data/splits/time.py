"""Hold out a part in time of every presentation."""

from __future__ import annotations

from collections.abc import Sequence

from predann_bids.data.splits.division import DEFAULT_FOLDS, SPLITS, Division, Split, SplitKind
from predann_bids.data.trials import Stretch, Trial
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.timing import Span

Parts = tuple[list[Span], list[Span], list[Span]]


@SPLITS.add("time")
class TimeSplit(SplitKind):
    """Hold out one part in time of every presentation, with a gap on both sides that no set touches.

    The end of a presentation is left out where another one follows sooner than the gap.

    Parts of one recording fall into all sets: whatever marks the recording marks the stimulus.
    """

    within_recording = True
    unseen_music = True

    def divide(self, division: Division) -> list[Split]:  # noqa: D102
        config = division.config
        n_folds = config.n_folds or DEFAULT_FOLDS
        if n_folds < 2:
            raise WrongUsage(f"--n-folds {n_folds} does not fit the split 'time': use 2 or more.")
        if not config.validation:
            raise WrongUsage(
                "splitting.validation is 0, and the split 'time' needs some of each presentation to validate."
            )
        lengths = _lengths_before_gaps(division.trials, division.guard)
        return [_fold(division, lengths, fold, n_folds) for fold in range(1, n_folds + 1)]


def _fold(division: Division, lengths: Sequence[int], fold: int, n_folds: int) -> Split:
    window, guard = division.window, division.guard
    sets: tuple[list[Stretch], list[Stretch], list[Stretch]] = ([], [], [])
    for index in division.usable:
        parts = _parts_in_time(lengths[index], fold, n_folds, division.config.validation, window, guard)
        for stretches, spans in zip(sets, parts or (), strict=bool(parts)):
            cut = [Stretch.of(division.trials, index, span) for span in spans]
            stretches += [stretch for stretch in cut if stretch.pieces(window)]
    if not all(sets):
        longest = max(lengths[index] for index in division.usable)
        raise UnusableData(
            f"No presentation is long enough for the split 'time' in {n_folds} parts: the longest has {longest}"
            f" samples, a window {window}, a gap {guard}. Use another number of folds or shorter windows."
        )
    return Split(fold, *(tuple(stretches) for stretches in sets))


def _lengths_before_gaps(trials: Sequence[Trial], guard: int) -> list[int]:
    """Lengths of trials, cut where the next one in the recording begins sooner than a gap after their end."""
    onsets: dict[int, list[int]] = {}
    for trial in trials:
        onsets.setdefault(trial.recording, []).append(trial.onset)
    lengths = []
    for trial in trials:
        following = [onset for onset in onsets[trial.recording] if onset > trial.onset]
        lengths.append(max(0, min([trial.length, *(onset - guard - trial.onset for onset in following)])))
    return lengths


def _parts_in_time(length: int, fold: int, n_folds: int, share: float, window: int, guard: int) -> Parts | None:
    """Training, validation and test spans of one presentation; None when they do not all hold a window."""
    test = Span(length * (fold - 1) // n_folds, length * fold // n_folds)
    before, after = max(0, test.start - guard), min(length, test.stop + guard)
    validation = max(window, round(share * (before + length - after)))
    # validation lies at the end of the presentation that is farther from the test
    if before > length - after:
        held, rest = Span(0, min(validation, before)), [(validation + guard, before), (after, length)]
    else:
        held, rest = Span(max(length - validation, after), length), [(0, before), (after, length - validation - guard)]
    train = [Span(start, stop) for start, stop in rest if stop - start >= window]
    if not train or min(test.length, held.length) < window:
        return None
    return train, [held], [test]

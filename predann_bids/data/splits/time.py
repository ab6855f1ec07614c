"""Hold out one part of every presentation, such as its second quarter."""

from __future__ import annotations

from collections.abc import Sequence

from predann_bids.data.splits.division import DEFAULT_FOLDS, SPLITS, Division, Split, SplitKind
from predann_bids.data.trials import Stretch, Trial
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.timing import Span

Parts = tuple[list[Span], list[Span], list[Span]]


@SPLITS.add("time")
class TimeSplit(SplitKind):
    """Hold out one part of every presentation, with a gap on both sides that belongs to no set.

    The end of a presentation is left out if the next one follows sooner than the gap.

    Every set has parts of the same recordings, so anything peculiar to a recording also identifies its stimulus.
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
                "splitting.validation is 0, but the split 'time' needs a part of each presentation for validation."
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
            stretches += [stretch for stretch in cut if stretch.clean_stretches(window)]
    if not all(sets):
        longest = max(division.usable, key=lengths.__getitem__)
        whole, one, gap = (f"{division.rate.seconds(samples):g} s" for samples in (lengths[longest], window, guard))
        raise UnusableData(
            f"No presentation is long enough for the split 'time' in {n_folds} parts: the longest, of"
            f" {division.people([longest])}, has {whole}, a window {one}, a gap {gap}. Use another number of folds or"
            " shorter windows."
        )
    return Split(fold, *(tuple(stretches) for stretches in sets))


def _lengths_before_gaps(trials: Sequence[Trial], guard: int) -> list[int]:
    """Return the lengths of trials, shortened where the next trial of the recording begins within the gap."""
    onsets: dict[int, list[int]] = {}
    for trial in trials:
        onsets.setdefault(trial.recording, []).append(trial.onset)
    lengths = []
    for trial in trials:
        following = [onset for onset in onsets[trial.recording] if onset > trial.onset]
        lengths.append(max(0, min([trial.length, *(onset - guard - trial.onset for onset in following)])))
    return lengths


def _parts_in_time(length: int, fold: int, n_folds: int, share: float, window: int, guard: int) -> Parts | None:
    """Return training, validation and test spans of one presentation, or None if one of them cannot hold a window."""
    test = Span(length * (fold - 1) // n_folds, length * fold // n_folds)
    before, after = max(0, test.start - guard), min(length, test.stop + guard)
    n_validation = max(window, round(share * (before + length - after)))
    # validation data lie at the end of the presentation that is farther from the test data
    if before > length - after:
        validation, rest = Span(0, min(n_validation, before)), [(n_validation + guard, before), (after, length)]
    else:
        validation, rest = (
            Span(max(length - n_validation, after), length),
            [(0, before), (after, length - n_validation - guard)],
        )
    train = [Span(start, stop) for start, stop in rest if stop - start >= window]
    if not train or min(test.length, validation.length) < window:
        return None
    return train, [validation], [test]

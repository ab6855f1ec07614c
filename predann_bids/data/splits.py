"""Keep training, validation and test data apart.

Splits are made of stretches of trials, before any window is cut, so that no window can lie in two sets. All stretches
of a recording are moved by the same neural delay, which keeps them apart in the EEG as in the audio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predann_bids.config import Splitting
from predann_bids.data.trials import Stretch, Trial
from predann_bids.errors import UnusableData, WrongUsage
from predann_bids.timing import Rate, Span

Group = TypeVar("Group", str, int)

DEFAULT_FOLDS = 4
CHUNK_TEST_SHARE = 0.25  # as published
WITHIN_RECORDING = frozenset({"chunk", "time"})  # parts of one recording are trained on and tested
UNSEEN_SONGS = frozenset({"stimulus"})  # songs that are tested have no class in training
UNSEEN_MUSIC = frozenset({"stimulus", "time"})  # moments of songs that are tested are not trained on


@dataclass(frozen=True)
class Split:
    """One fold: three sets of stretches that share no sample."""

    fold: int
    train: tuple[Stretch, ...]
    validation: tuple[Stretch, ...]
    test: tuple[Stretch, ...]

    def sets(self) -> dict[str, tuple[Stretch, ...]]:
        """Return the sets by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def make_splits(
    trials: Sequence[Trial], config: Splitting, *, window: int, rate: Rate, seed: int, guard: int = 0
) -> list[Split]:
    """Divide trials as configured.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    config : Splitting
        Kind, number of folds, length of chunks, share of validation.
    window : int
        Length of a window in samples; shorter trials are left out.
    rate : Rate
        Sampling rate of the EEG.
    seed : int
        Seed of the division, unless the configuration gives one.
    guard : int
        Samples that lie between two sets of the split 'time'; at least a window.

    Raises
    ------
    UnusableData
        There are too few participants, songs or sessions, the trials are too short, or two of them overlap.
    WrongUsage
        The number of folds does not fit.
    """
    kinds: Mapping[str, Callable[..., list[Split]]] = {
        "participant": participant_splits,
        "chunk": chunk_splits,
        "time": time_splits,
        "stimulus": stimulus_splits,
        "session": partial(repetition_splits, entity="session"),
        "run": partial(repetition_splits, entity="run"),
    }
    usable = [index for index in range(len(trials)) if Stretch.of(trials, index).pieces(window)]
    if not usable:
        between = " between what annotations call bad" if any(trial.bad for trial in trials) else ""
        raise UnusableData(f"No presentation is as long as a window{between}. Shorten it with --window.")
    rng = np.random.default_rng(seed if config.split_seed == "auto" else config.split_seed)
    splits = kinds[config.split](trials, usable, config, window=window, rate=rate, rng=rng, guard=max(guard, window))
    _refuse_shared_samples(splits, trials)
    return splits


def participant_splits(
    trials: Sequence[Trial],
    usable: Sequence[int],
    config: Splitting,
    *,
    rng: np.random.Generator,
    **_: object,
) -> list[Split]:
    """Hold out whole participants: for testing in turn, and of the others some for validation."""
    participants = sorted({trials[index].participant for index in usable})
    n_folds = config.n_folds or min(DEFAULT_FOLDS, len(participants))
    if len(participants) < 3:
        raise UnusableData(
            f"The split 'participant' needs at least 3 participants, one each to train, validate and test; there are"
            f" {len(participants)}. Preprocess more, or use --split chunk."
        )
    # each fold must leave one to train on and one to validate with
    fewest = math.ceil(len(participants) / (len(participants) - 2))
    if not fewest <= n_folds <= len(participants):
        fitting = f"{fewest} to {len(participants)}" if fewest < len(participants) else f"{fewest}"
        raise WrongUsage(f"--n-folds {n_folds} does not fit {len(participants)} participants: use {fitting}.")
    order = rng.permutation(participants)
    splits = []
    for fold, test in enumerate(np.array_split(order, n_folds), 1):
        others = rng.permutation([p for p in order if p not in test])
        n_validation = _number(config.validation, len(others))
        validation, train = others[:n_validation], others[n_validation:]
        people = [set(chosen) for chosen in (train, validation, test)]
        chosen = [[index for index in usable if trials[index].participant in some] for some in people]
        splits.append(Split(fold, *(_whole_trials(trials, indices) for indices in chosen)))
    return splits


def stimulus_splits(
    trials: Sequence[Trial],
    usable: Sequence[int],
    config: Splitting,
    *,
    rng: np.random.Generator,
    **_: object,
) -> list[Split]:
    """Hold out whole songs, whoever hears them; some participants' other songs are for validation.

    Nobody's EEG of a tested song is trained on, nor is its audio.
    """
    songs = sorted({trials[index].stimulus for index in usable})
    if len(songs) < 2:
        raise UnusableData("The split 'stimulus' needs at least 2 songs, one to train with and one to test.")
    n_folds = config.n_folds or max(2, min(DEFAULT_FOLDS, len(songs) // 2))
    if not 2 <= n_folds <= len(songs):
        raise WrongUsage(f"--n-folds {n_folds} does not fit {len(songs)} songs: use 2 to {len(songs)}.")
    splits = []
    for fold, held_out in enumerate(np.array_split(rng.permutation(songs), n_folds), 1):
        test = {int(song) for song in held_out}
        others = [index for index in usable if trials[index].stimulus not in test]
        listeners = {index: trials[index].participant for index in others}
        if len(set(listeners.values())) < 2:
            listeners = {index: str(index) for index in others}
        apart = _set_apart(sorted(set(listeners.values())), config.validation, rng)
        splits.append(
            Split(
                fold,
                _whole_trials(trials, [i for i in others if listeners[i] not in apart]),
                _whole_trials(trials, [i for i in others if listeners[i] in apart]),
                _whole_trials(trials, [i for i in usable if trials[i].stimulus in test]),
            )
        )
    return splits


def repetition_splits(
    trials: Sequence[Trial],
    usable: Sequence[int],
    config: Splitting,
    *,
    entity: Literal["session", "run"],
    rng: np.random.Generator,
    **_: object,
) -> list[Split]:
    """Hold out whole sessions (or runs) of all participants in turn, and of the others some recordings to validate.

    Presentations of songs that no recording in training holds are not tested: this split is about repetitions.
    """
    label = {index: getattr(trials[index], entity) for index in usable}
    labels = sorted(set(label.values()))
    if len(labels) < 2:
        raise UnusableData(f"The split '{entity}' needs at least 2 {entity}s; there is {len(labels)}.")
    n_folds = config.n_folds or len(labels)
    if not 2 <= n_folds <= len(labels):
        raise WrongUsage(f"--n-folds {n_folds} does not fit {len(labels)} {entity}s: use 2 to {len(labels)}.")
    splits = []
    for fold, held_out in enumerate(np.array_split(np.array(labels), n_folds), 1):
        test = set(held_out.tolist())
        others = [index for index in usable if label[index] not in test]
        apart = _set_apart(sorted({trials[i].recording for i in others}), config.validation, rng)
        train = [i for i in others if trials[i].recording not in apart]
        heard = {trials[i].stimulus for i in train}
        tested = [i for i in usable if label[i] in test and trials[i].stimulus in heard]
        if not tested:
            raise UnusableData(
                f"No song of {entity} {', '.join(sorted(test))} is heard in another {entity}: to hold it out is to hold"
                " out songs. Use --split stimulus, or participant."
            )
        validation = [i for i in others if trials[i].recording in apart]
        splits.append(Split(fold, *(_whole_trials(trials, part) for part in (train, validation, tested))))
    return splits


def time_splits(
    trials: Sequence[Trial],
    usable: Sequence[int],
    config: Splitting,
    *,
    window: int,
    guard: int,
    **_: object,
) -> list[Split]:
    """Hold out one part in time of every presentation, with a gap on both sides that no set touches.

    The end of a presentation that another one follows sooner than the gap is left out.

    Parts of one recording fall into all sets: whatever marks the recording marks the stimulus.
    """
    n_folds = config.n_folds or DEFAULT_FOLDS
    if n_folds < 2:
        raise WrongUsage(f"--n-folds {n_folds} does not fit the split 'time': use 2 or more.")
    if not config.validation:
        raise WrongUsage("splitting.validation is 0, and the split 'time' needs some of each presentation to validate.")
    lengths = _lengths_before_gaps(trials, guard)
    splits = []
    for fold in range(1, n_folds + 1):
        sets: tuple[list[Stretch], list[Stretch], list[Stretch]] = ([], [], [])
        for index in usable:
            parts = _parts_in_time(lengths[index], fold, n_folds, config.validation, window, guard)
            for stretches, spans in zip(sets, parts or (), strict=bool(parts)):
                parts_of_set = [Stretch.of(trials, index, span) for span in spans]
                stretches += [stretch for stretch in parts_of_set if stretch.pieces(window)]
        if not all(sets):
            longest = max(lengths[index] for index in usable)
            raise UnusableData(
                f"No presentation is long enough for the split 'time' in {n_folds} parts: the longest has {longest}"
                f" samples, a window {window}, a gap {guard}. Use another number of folds or shorter windows."
            )
        splits.append(Split(fold, *(tuple(stretches) for stretches in sets)))
    return splits


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


def _parts_in_time(
    length: int, fold: int, n_folds: int, share: float, window: int, guard: int
) -> tuple[list[Span], list[Span], list[Span]] | None:
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


def chunk_splits(
    trials: Sequence[Trial],
    usable: Sequence[int],
    config: Splitting,
    *,
    window: int,
    rate: Rate,
    rng: np.random.Generator,
    **_: object,
) -> list[Split]:
    """Cut trials into chunks and divide these at random, stratified by stimulus (the published protocol).

    A trial shorter than a chunk is one chunk, so that no song is left out. The chunks are divided in the published
    order, which matters to what a seed gives: see `published_order`.

    Chunks of one recording fall into all sets: whatever marks the recording marks the stimulus.
    """
    length = rate.samples(config.chunk)
    if length < window:
        raise WrongUsage(
            f"A chunk of {config.chunk:g} s holds no window; set splitting.chunk to a window's length or more."
        )
    parts = [part for index in published_order(trials, usable) for part in Stretch.of(trials, index).chunks(length)]
    chunks = [chunk for chunk in parts if chunk.pieces(window)]
    stimuli = np.array([trials[chunk.trial].stimulus for chunk in chunks])
    first = _seed(rng) if config.split_seed == "auto" else config.split_seed
    splits = []
    for fold, (others, test) in enumerate(_divisions(stimuli, config.n_folds, first), 1):
        train, validation = others, others[:0]
        if config.validation:
            train, validation = _stratified(stimuli, others, config.validation, _seed(rng))
        splits.append(Split(fold, *(tuple(chunks[i] for i in np.sort(part)) for part in (train, validation, test))))
    return splits


def published_order(trials: Sequence[Trial], indices: Sequence[int]) -> list[int]:
    """Sort trials as the published table of chunks is: by the text "participant_song_repetition".

    It is text that is sorted, with participants' numbers not padded: 10 comes before 2, and before 1. Songs are in the
    order of their names, repetitions in that of sessions, runs and onsets.
    """
    keys: dict[int, str] = {}
    heard: dict[tuple[str, int], int] = {}
    for index in sorted(
        indices, key=lambda i: (trials[i].session, trials[i].run, trials[i].recording, trials[i].onset)
    ):
        trial = trials[index]
        heard[trial.participant, trial.stimulus] = number = heard.get((trial.participant, trial.stimulus), 0) + 1
        keys[index] = f"{trial.participant.lstrip('0')}_{trial.stimulus:05d}_{number}"
    return sorted(indices, key=lambda index: keys[index])


def splits_table(
    splits: Sequence[Split], trials: Sequence[Trial], labels: Sequence[str], rate: Rate, window: int = 1
) -> pd.DataFrame:
    """Lay out splits as a table, enough to audit them.

    Times are seconds from the start of the recording, in the audio's time: the EEG is taken the delay later. Stretches
    are listed without what is bad in them, as pieces that hold a `window`.
    """
    rows = []
    for split in splits:
        for name, stretches in split.sets().items():
            for stretch in (piece for whole in stretches for piece in whole.pieces(window)):
                trial = trials[stretch.trial]
                start, stop = (rate.seconds(trial.onset + edge) for edge in (stretch.span.start, stretch.span.stop))
                entities = (trial.participant, trial.session, trial.task, trial.run)
                rows.append((split.fold, name, *(e or "n/a" for e in entities), labels[trial.stimulus], start, stop))
    columns = ["fold", "set", "participant", "session", "task", "run", "stimulus", "start", "stop"]
    return pd.DataFrame(rows, columns=columns)


def _whole_trials(trials: Sequence[Trial], indices: Sequence[int]) -> tuple[Stretch, ...]:
    return tuple(Stretch.of(trials, index) for index in indices)


def _set_apart(groups: Sequence[Group], share: float, rng: np.random.Generator) -> set[Group]:
    """Choose a share of groups at random: at least one and not all, or none."""
    if share and len(groups) < 2:
        raise UnusableData(
            "Too few recordings are left to train with when some are tested and some validate. Preprocess more, or use"
            " another --split."
        )
    return {groups[place] for place in rng.permutation(len(groups))[: _number(share, len(groups))]}


def _number(share: float, total: int) -> int:
    """Give a share of a number: at least one of it, not all, and none only when the share is 0."""
    return min(max(1, round(share * total)), total - 1) if share else 0


def _refuse_shared_samples(splits: Sequence[Split], trials: Sequence[Trial]) -> None:
    for split in splits:
        parts = sorted(
            (trials[s.trial].recording, trials[s.trial].onset + s.span.start, trials[s.trial].onset + s.span.stop, name)
            for name, stretches in split.sets().items()
            for s in stretches
        )
        reached: dict[tuple[int, str], int] = {}  # last sample of each set so far
        for recording, start, stop, name in parts:
            for other in split.sets():
                if other != name and start < reached.get((recording, other), 0):
                    raise UnusableData(
                        f"Two presentations in one recording of sub-{_participant_of(trials, recording)} overlap, so"
                        f" that {name} and {other} data would share EEG. Mend onsets and durations in its events.tsv."
                    )
            reached[recording, name] = max(stop, reached.get((recording, name), 0))


def _participant_of(trials: Sequence[Trial], recording: int) -> str:
    return next(trial.participant for trial in trials if trial.recording == recording)


def _divisions(
    stimuli: NDArray[np.int64], n_folds: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import StratifiedKFold

    everything = np.arange(len(stimuli))
    if n_folds <= 1:
        return [_stratified(stimuli, everything, CHUNK_TEST_SHARE, seed)]
    try:
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        return list(folds.split(everything, stimuli))
    except ValueError as error:
        raise UnusableData(f"{_too_few_chunks(stimuli)} ({error})") from error


def _stratified(
    stimuli: NDArray[np.int64], among: NDArray[np.int64], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    from sklearn.model_selection import train_test_split

    try:
        most, rest = train_test_split(among, test_size=share, random_state=seed, stratify=stimuli[among])
    except ValueError as error:
        raise UnusableData(f"{_too_few_chunks(stimuli)} ({error})") from error
    return most, rest


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _too_few_chunks(stimuli: NDArray[np.int64]) -> str:
    return (
        f"{len(stimuli)} chunks are too few to divide by stimulus: shorten splitting.chunk, or use --split participant."
    )

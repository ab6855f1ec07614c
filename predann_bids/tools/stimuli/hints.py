"""Sentences about what should be looked at: unused rules and audio files, stimuli that a participant lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from predann_bids.bids.music.names import names_audio
from predann_bids.bids.music.stimulus_map import StimulusMap, is_among
from predann_bids.tools.stimuli.inspection import MEASURES, DatasetInspection, Stimulus, audio_in
from predann_bids.tools.stimuli.wording import most_frequent, number, seconds_range, some


def hints(dataset: DatasetInspection) -> Iterator[str]:
    """Say which parts of the map and which stimuli are not used, and which participants lack stimuli."""
    counts = dataset.counts_by_stimulus()
    if not dataset.stimuli_dir.is_dir():
        yield f"The directory {dataset.stimuli_dir} does not exist; --stimuli-dir says where the audio is."
    yield from _about_closed_recordings(dataset)
    yield from _about_short_durations(dataset)
    if dataset.stimulus_map:
        yield from _about_unused_rules(dataset, dataset.stimulus_map)
        yield from _about_conditions(dataset, dataset.stimulus_map)
    yield from _about_labels(counts)
    unused = sorted(set(audio_in(dataset.stimuli_dir)) - {stimulus.file for stimulus in counts})
    if unused:
        yield f"{number(len(unused), 'audio file')} {'are' if len(unused) > 1 else 'is'} not used: {some(unused)}."
    for participant in dataset.participants:
        lacking = sorted(stimulus.label for stimulus, listeners in counts.items() if participant not in listeners)
        if lacking:
            yield f"Participant {participant} lacks {len(lacking)} of {len(counts)} stimuli: {some(lacking)}."


def _about_closed_recordings(dataset: DatasetInspection) -> Iterator[str]:
    reasons = [one.closed for one in dataset.recordings if one.closed]
    if reasons:
        yield (
            f"The EEG of {number(len(reasons), 'recording')} cannot be opened, so its length is not known."
            f" {'The first: ' if len(reasons) > 1 else ''}{reasons[0]}"
        )


def _about_short_durations(dataset: DatasetInspection) -> Iterator[str]:
    durations = [
        cue.duration
        for one in dataset.recordings
        for cue in one.music
        if cue.line and cue.stated is None and cue.end is None and cue.duration is not None
    ]
    brief = [seconds for seconds in durations if seconds < dataset.shortest]
    if brief:
        yield (
            f"{number(len(brief), 'music row')} {'have' if len(brief) > 1 else 'has'} a duration of"
            f" {seconds_range(brief)} s, which is that of a marker: the music is assumed to last as long as its audio."
            " If it ended earlier, say so in a stimulus map (end_value, duration)."
        )


def _about_unused_rules(dataset: DatasetInspection, stimulus_map: StimulusMap) -> Iterator[str]:
    used = {line for one in dataset.recordings for line in one.rules}
    unused = [str(rule.line) for rule in stimulus_map.rules if rule.line not in used]
    if unused:
        yield (
            f"{len(unused)} of {len(stimulus_map.rules)} rules of {stimulus_map.path} have no effect, because nothing"
            f" matches them or an earlier rule comes first (lines {some(unused)})."
        )


def _about_conditions(dataset: DatasetInspection, stimulus_map: StimulusMap) -> Iterator[str]:
    for column in sorted(stimulus_map.columns):
        if not any(column in one.values for one in dataset.recordings):
            yield f"No events.tsv has the column '{column}' of {stimulus_map.path}."
            continue
        values = Counter[str]()
        for one in dataset.recordings:
            values.update(one.values.get(column, {}))
        rules = [rule for rule in stimulus_map.rules if column in rule.columns]
        known = [value for rule in rules for value in (*rule.columns[column], *rule.end_values, *rule.start_values)]
        # rows that name audio are music without any rule
        covered = {
            value for value in values if is_among(value, known) or (column == "stim_file" and names_audio(value))
        }
        unknown = Counter({value: count for value, count in values.items() if value not in covered})
        if unknown and column not in MEASURES:
            yield f"The column '{column}' has values that occur in no rule: {most_frequent(unknown)}."


def _about_labels(counts: Mapping[Stimulus, Counter[str]]) -> Iterator[str]:
    files: dict[str, set[str]] = {}
    for stimulus in counts:
        files.setdefault(stimulus.label, set()).add(stimulus.file)
    for label, names in files.items():
        if len(names) > 1:
            yield f"The label '{label}' stands for several audio files, which form one class: {some(sorted(names))}."

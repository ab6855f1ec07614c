"""List what events.tsv and the stimulus map say about the music in a recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from predann_bids.bids.music.events import read_events as read_events
from predann_bids.bids.music.events import read_rows as read_rows
from predann_bids.bids.music.stimuli import AudioFile, Stimuli
from predann_bids.bids.music.stimulus_map import ENTITIES, MapRule, StimulusMap, fill_in, is_among
from predann_bids.bids.music.unusable import Unusable
from predann_bids.bids.numbers import MISSING, as_seconds, not_seconds
from predann_bids.errors import PredannError, WrongUsage

PLAIN = MapRule(0, {}, {}, "")  # of a row that no rule is about: it changes nothing

NO_VIDEO = "stim_file names a video that is not in the directory of the stimuli"


@dataclass(frozen=True)
class Cue:
    """What tables say about one presentation, before its recording and its audio are opened.

    Parameters
    ----------
    where : str
        File and row that say so.
    line : int
        The row of events.tsv; 0 when a rule of the stimulus map stands for the recording itself.
    marker, onset : float
        Seconds from the start of the recording of the row, and of the music.
    duration : float, optional
        Seconds that the row states.
    audio : Path
        The audio file.
    label, stim_file : str
        Class, and name of the file relative to the stimuli directory.
    audio_start : float
        Seconds into the audio file at `onset`.
    stated : float, optional
        Seconds that the stimulus map states.
    end : float, optional
        Seconds from the start of the recording at which a row says that the music ends.
    """

    where: str
    line: int
    marker: float
    onset: float
    duration: float | None
    audio: Path
    label: str
    stim_file: str
    audio_start: float = 0.0
    stated: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Cues:
    """All that a recording's events and the stimulus map say of music.

    Parameters
    ----------
    music : tuple of Cue
        In the order of their onsets.
    unusable : tuple of Unusable
        Music whose audio, onset or duration cannot be used.
    ignored : mapping
        Reason to the lines of events.tsv that it holds for.
    notes : tuple of str
        What a user should know, such as an audio file that is taken in place of one with another name.
    times_are_of_the_recording : bool
        Whether the times in events.tsv are those of this recording; unknown where the map stands in for it.
    """

    music: tuple[Cue, ...]
    unusable: tuple[Unusable, ...] = ()
    ignored: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    times_are_of_the_recording: bool = True

    @property
    def audio(self) -> list[Path]:
        """The audio files, without repetition."""
        return sorted({cue.audio for cue in self.music})


def find_cues(
    events: Path | None,
    stimuli: Stimuli,
    *,
    stimulus_map: StimulusMap | None = None,
    entities: Mapping[str, str] | None = None,
) -> Cues:
    """List what events.tsv and the stimulus map say about the music in one recording.

    The first rule of the map that matches wins. A rule without a condition on events stands for the recording itself.
    Rows that no rule matches are music when their `stim_file` is audio, as in BIDS.

    Parameters
    ----------
    events : Path, optional
        An events.tsv.
    stimuli : Stimuli
        Where the audio is.
    stimulus_map : StimulusMap, optional
        The stimulus map, if there is one.
    entities : mapping, optional
        `participant`, `session`, `task` and `run` of the recording.

    Raises
    ------
    UnusableData
        The events cannot be read. What cannot be used of single rows is returned, not raised.
    """
    known = {name: (entities or {}).get(name, "") for name in ENTITIES}
    rules = stimulus_map.about(known) if stimulus_map else ()
    search = _Search(str(events), stimuli, known, stimulus_map.path if stimulus_map else None)
    rows = read_rows(events) if events else []
    whole = next((rule for rule in rules if _decides(rule, rows)), None)
    if whole and whole.is_about_recordings:
        search.take_recording(whole)
        reason = "the stimulus map stands for the whole recording"
        search.ignored[reason] = list(range(2, len(rows) + 2))
    else:
        about_rows = [rule for rule in rules if not rule.is_about_recordings]
        for index, row in enumerate(rows):
            search.take_row(index + 2, row, rows, about_rows)  # the header is line 1
    return search.result(times_are_of_the_recording=not (whole and whole.is_about_recordings))


def _decides(rule: MapRule, rows: Sequence[Mapping[str, str]]) -> bool:
    return rule.is_about_recordings or any(rule.matches(row) for row in rows)


class _Search:
    """What is found out about the music of one recording, row by row."""

    def __init__(self, events: str, stimuli: Stimuli, entities: Mapping[str, str], map_path: Path | None) -> None:
        self._events, self._stimuli, self._entities, self._map_path = events, stimuli, entities, map_path
        self._cues: list[Cue] = []
        self._unusable: list[Unusable] = []
        self._notes: dict[str, None] = {}
        self.ignored: dict[str, list[int]] = defaultdict(list)

    def take_recording(self, rule: MapRule) -> None:
        where = f"{self._map_path}, line {rule.line}"
        self._take(where, 0, {}, self._entities, rule, None)

    def take_row(
        self, line: int, row: Mapping[str, str], rows: Sequence[Mapping[str, str]], rules: Sequence[MapRule]
    ) -> None:
        rule = next((rule for rule in rules if rule.matches(row)), None)
        if rule is None and self._stimuli.lacks_video(row.get("stim_file", "")):
            self.ignored[NO_VIDEO].append(line)
            return
        if rule is None and not self._stimuli.names_audio(row.get("stim_file", "")):
            reason = "no rule of the map matches, and stim_file names no audio" if rules else "stim_file names no audio"
            self.ignored[reason].append(line)
            return
        marker = as_seconds(row["onset"])
        end = _end_after(marker, rule, rows) if rule and marker is not None else None
        self._take(f"{self._events}, line {line}", line, row, {**row, **self._entities}, rule, end)

    def _take(
        self,
        where: str,
        line: int,
        row: Mapping[str, str],
        values: Mapping[str, str],
        rule: MapRule | None,
        end: float | None,
    ) -> None:
        effect = rule or PLAIN
        wanted, label = row.get("stim_file", ""), ""
        onset, duration = as_seconds(row.get("onset", "0")), as_seconds(row.get("duration", ""))
        try:
            if rule:
                wanted = self._fill(rule, rule.audio, values)
                label = self._fill(rule, rule.label, values) if rule.label else ""
            if onset is None:
                raise not_seconds("onset", row["onset"])
            if duration is None and effect.duration is None and end is None and row.get("duration", "") not in MISSING:
                raise not_seconds("duration", row["duration"])
            found = self._locate(wanted)
        except PredannError as error:
            named = label or PurePosixPath(wanted).stem
            start = None if onset is None else onset + effect.onset_shift
            self._unusable.append(Unusable(where, line, start, duration, named, wanted, error))
            return
        label = label or self._stimuli.label(found.name)
        start = onset + effect.onset_shift
        self._cues.append(
            Cue(
                where,
                line,
                onset,
                start,
                duration,
                found.path,
                label,
                found.name,
                effect.audio_start,
                effect.duration,
                end,
            )
        )

    def _locate(self, name: str) -> AudioFile:
        found = self._stimuli.locate(name)
        if found.note:
            self._notes[f"{found.note} in {self._stimuli.directory}."] = None
        return found

    def _fill(self, rule: MapRule, template: str, values: Mapping[str, str]) -> str:
        try:
            return fill_in(template, values)
        except KeyError as error:
            raise WrongUsage(
                f"line {rule.line} of {self._map_path} asks for {{{error.args[0]}}} in '{template}', for which there is"
                " no value here"
            ) from error

    def result(self, *, times_are_of_the_recording: bool) -> Cues:
        if self.ignored[NO_VIDEO] and not self._cues:
            self._notes[
                f"{self._events}: {len(self.ignored[NO_VIDEO])} rows name videos that are not in"
                f" {self._stimuli.directory} and are ignored. If they were music, put their sound there as WAV files."
            ] = None
        music = sorted(self._cues, key=lambda cue: (cue.onset, cue.line))
        ignored = {reason: tuple(lines) for reason, lines in self.ignored.items() if lines}
        return Cues(tuple(music), tuple(self._unusable), ignored, tuple(self._notes), times_are_of_the_recording)


def _end_after(marker: float, rule: MapRule, rows: Sequence[Mapping[str, str]]) -> float | None:
    """Return when the next row has one of the rule's end values in a column that the rule has a condition on."""
    if not rule.end_values:
        return None
    ends = [
        as_seconds(row["onset"])
        for row in rows
        if any(is_among(row.get(column), rule.end_values) for column in rule.columns)
    ]
    return min((end for end in ends if end is not None and end > marker), default=None)

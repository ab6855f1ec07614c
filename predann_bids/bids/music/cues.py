"""List what events.tsv and the stimulus map say about the music in a recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from predann_bids.bids.music.events import read_events as read_events
from predann_bids.bids.music.events import read_rows as read_rows
from predann_bids.bids.music.mapping.starts import Starts, find_starts
from predann_bids.bids.music.stim_ids import Meant, StimIds
from predann_bids.bids.music.stimuli import AudioFile, Stimuli
from predann_bids.bids.music.stimulus_map import ENTITIES, MapRule, StimulusMap, fill_in, first_match, is_among
from predann_bids.bids.music.unusable import Unusable, places
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
    stim_id : str
        Its id in the table of stimuli; empty if it has none.
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
    stim_id: str = ""


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

    @property
    def by_id(self) -> list[list[str]]:
        """Ids of stimuli with the label and the file that each stands for, without repetition."""
        ids = {(cue.stim_id, cue.label, cue.stim_file) for cue in self.music if cue.stim_id}
        return [list(one) for one in sorted(ids)]


def find_cues(
    events: Path | None,
    stimuli: Stimuli,
    *,
    stimulus_map: StimulusMap | None = None,
    entities: Mapping[str, str] | None = None,
) -> Cues:
    """List what events.tsv and the stimulus map say about the music in one recording.

    The first rule of the map that matches wins. A rule without a condition on events stands for the recording itself.
    Rows that no rule matches are music when their `stim_file` is audio, as in BIDS, or their `stim_id` stands for audio
    in the table of stimuli, as in BEP044.

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
    stands_for_recordings = any(rule.is_about_recordings for rule in rules)
    whole = next((rule for rule in rules if _decides(rule, rows)), None) if stands_for_recordings else None
    if whole and whole.is_about_recordings:
        search.take_recording(whole)
        reason = "the stimulus map stands for the whole recording"
        search.ignored[reason] = list(range(2, len(rows) + 2))
    else:
        about_rows = [rule for rule in rules if not rule.is_about_recordings]
        search.expect(find_starts(rows, about_rows, [as_seconds(row["onset"]) for row in rows]))
        rule_of = first_match(about_rows)
        for index, row in enumerate(rows):
            search.take_row(index + 2, row, rows, rule_of(row), is_mapped=bool(about_rows))  # the header is line 1
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
        self._remarks: dict[str, list[str]] = defaultdict(list)
        self._starts = Starts()
        self._ids = StimIds(stimuli)
        self.ignored: dict[str, list[int]] = defaultdict(list)

    def expect(self, starts: Starts) -> None:
        """Take note of where announced music begins, and of what was announced or begins in vain."""
        self._starts = starts
        # the header is line 1
        for index, last in starts.overruled.items():
            self._ignore(index + 2, f"line {last + 2} announces other music before any begins")
        for index in sorted(starts.never):
            self._ignore(index + 2, "no row with its start_value follows")
        if starts.unannounced:
            lines = ", ".join(str(index + 2) for index in starts.unannounced)
            self._remarks["music begins, but no row before says which; it is left out"].append(
                f"{self._events}, line {lines}"
            )

    def _ignore(self, line: int, reason: str) -> None:
        sentence = f"the music that this row announces is left out, as {reason}"
        self._remarks[sentence].append(f"{self._events}, line {line}")
        self.ignored["the music that they announce does not begin"].append(line)

    def take_recording(self, rule: MapRule) -> None:
        if rule.excludes:
            return
        where = f"{self._map_path}, line {rule.line}"
        self._take(where, 0, {}, {}, self._entities, rule, None)

    def take_row(
        self,
        line: int,
        row: Mapping[str, str],
        rows: Sequence[Mapping[str, str]],
        rule: MapRule | None,
        *,
        is_mapped: bool,
    ) -> None:
        where, index = f"{self._events}, line {line}", line - 2
        if rule and (index in self._starts.overruled or index in self._starts.never):
            return
        if rule and rule.excludes:
            self.ignored["a rule of the map says that they are no music"].append(line)
            return
        meant = None
        if rule is None:
            try:
                meant = self._ids.meant_by(row)
            except PredannError as error:
                onset, duration = as_seconds(row["onset"]), as_seconds(row["duration"])
                named, file = self._ids.named(row), row.get("stim_file", "")
                self._unusable.append(Unusable(where, line, onset, duration, named, file, error))
                return
        if isinstance(meant, str):
            self.ignored[meant].append(line)
            return
        if rule is None and meant is None and (reason := self._no_music(row.get("stim_file", ""), is_mapped)):
            self.ignored[reason].append(line)
            self._remark_shifted(where, row)
            return
        # announced music begins at another row, which then stands for when and how long
        begins = rows[self._starts.begins.get(index, index)]
        marker = as_seconds(begins["onset"])
        end = _end_after(marker, rule, rows) if rule and marker is not None else None
        self._take(where, line, row, begins, {**row, **self._entities}, rule, end, meant)

    def _remark_shifted(self, where: str, row: Mapping[str, str]) -> None:
        """Tell of audio in the wrong column of a row that has no onset, as where a line was broken in two."""
        named = next((cell for cell in row.values() if self._stimuli.names_audio(cell)), "")
        if named and row["onset"] not in MISSING and as_seconds(row["onset"]) is None:
            self._remarks[
                f"the onset '{row['onset']}' is not a number of seconds, and '{named}' is in another column than"
                " stim_file; the row is ignored. Correct it if it is music"
            ].append(where)

    def _no_music(self, stim_file: str, is_mapped: bool) -> str:
        """Say why a row that no rule is about is no music; empty if it may be."""
        if self._stimuli.lacks_video(stim_file):
            return NO_VIDEO
        if self._stimuli.names_audio(stim_file):
            return ""
        return "no rule of the map matches, and stim_file names no audio" if is_mapped else "stim_file names no audio"

    def _take(
        self,
        where: str,
        line: int,
        row: Mapping[str, str],
        begins: Mapping[str, str],
        values: Mapping[str, str],
        rule: MapRule | None,
        end: float | None,
        meant: Meant | None = None,
    ) -> None:
        effect = rule or PLAIN
        if effect.note:
            self._notes[effect.note] = None
        wanted, label = row.get("stim_file", ""), meant.label if meant else ""
        onset, duration = as_seconds(begins.get("onset", "0")), as_seconds(begins.get("duration", ""))
        stated = begins.get("duration", "")
        try:
            if rule:
                wanted = self._fill(rule, rule.audio, values)
                label = self._fill(rule, rule.label, values) if rule.label else ""
            if onset is None:
                raise not_seconds("onset", begins["onset"])
            if duration is None and effect.duration is None and end is None and stated not in MISSING:
                raise not_seconds("duration", stated)
            found = self._noted(meant.found) if meant else self._noted(self._stimuli.locate(wanted))
        except PredannError as error:
            named = label or PurePosixPath(meant.found.name if meant else wanted).stem
            start = None if onset is None else onset + effect.onset_shift
            self._unusable.append(Unusable(where, line, start, duration, named, wanted, error))
            return
        if meant and meant.note:
            self._remarks[meant.note].append(where)
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
                meant.audio_start if meant else effect.audio_start,
                effect.duration,
                end,
                meant.stim_id if meant else "",
            )
        )

    def _noted(self, found: AudioFile) -> AudioFile:
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
        notes = (*self._notes, *(f"{places(where)}: {remark}." for remark, where in self._remarks.items()))
        return Cues(tuple(music), tuple(self._unusable), ignored, notes, times_are_of_the_recording)


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

"""Find out which music played when: rows of events.tsv become presentations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from predann_bids.errors import MissingInput, UnusableData

CUT_TOLERANCE_S = 0.01  # events tables round to milliseconds
AUDIO_EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus")


@dataclass(frozen=True)
class Presentation:
    """One stretch of one recording in which one stimulus plays.

    Parameters
    ----------
    label : str
        Name of the stimulus, the class to be recognised.
    stim_file : str
        Audio file, relative to the stimuli directory.
    onset, duration : float
        Seconds from the start of the recording.
    audio_start : float
        Seconds into the audio file at `onset`.
    """

    label: str
    stim_file: str
    onset: float
    duration: float
    audio_start: float = 0.0

    @property
    def end(self) -> float:
        """Seconds from the start of the recording at which the stimulus stops."""
        return self.onset + self.duration


@dataclass(frozen=True)
class Resolution:
    """What was made of an events file: presentations in the order of their onsets, and what a reader should know."""

    presentations: tuple[Presentation, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Row:
    """A row of events.tsv that names music, with its line in the file."""

    line: int
    onset: float
    duration: float | None
    stim_file: str
    audio: Path


def read_events(path: Path) -> pd.DataFrame:
    """Read an events file as text, with `n/a` where it says so."""
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError as error:
        raise UnusableData(f"{path} is empty: expected a table with the columns onset and duration.") from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UnusableData(f"{path} is not a table of tab-separated UTF-8 text: {error}.") from error
    missing = {"onset", "duration"} - set(table.columns)
    if missing:
        raise UnusableData(f"{path} has no column {' and '.join(sorted(missing))}; BIDS requires onset and duration.")
    return table


def list_audio(events: Path, stimuli_dir: Path) -> list[Path]:
    """List the audio files that an events file names."""
    return sorted({row.audio for row in _music_rows(events, stimuli_dir)})


def resolve_presentations(
    events: Path,
    stimuli_dir: Path,
    *,
    recording_seconds: float,
    shortest: float,
    audio_seconds: Callable[[Path], float],
) -> Resolution:
    """Turn the rows of an events file whose `stim_file` is audio into presentations.

    A presentation lasts as long as its row says when that is at least `shortest`, else as long as the audio. It is cut
    where the recording ends and where the next presentation begins. Rows that are no music are ignored.

    Parameters
    ----------
    events : Path
        An events.tsv.
    stimuli_dir : Path
        Where the audio is.
    recording_seconds : float
        Length of the recording.
    shortest : float
        Presentations shorter than this, in seconds, are left out with a warning.
    audio_seconds : callable
        Gives the length of an audio file in seconds.

    Raises
    ------
    MissingInput
        A row names audio that is not there.
    UnusableData
        A row cannot be read, begins outside the recording, or its audio is shorter than `shortest`.
    """
    rows = sorted(_music_rows(events, stimuli_dir), key=lambda row: row.onset)
    presentations, warnings = [], []
    for row, following in zip_longest(rows, rows[1:]):
        where = f"{events}, line {row.line}"
        if not 0 <= row.onset < recording_seconds:
            raise UnusableData(
                f"{where}: '{row.stim_file}' begins at {row.onset:g} s, outside the recording"
                f" (0 to {recording_seconds:g} s). Onsets must be seconds from the start of this file."
            )
        heard = audio_seconds(row.audio)
        if heard < shortest:
            raise UnusableData(
                f"{where}: the audio {row.audio} lasts {heard:.2f} s, less than a window ({shortest:g} s)."
            )
        duration = min(row.duration, heard) if row.duration is not None and row.duration >= shortest else heard
        next_onset = following.onset if following else math.inf
        for limit, reason in ((recording_seconds, "the recording ends"), (next_onset, "the next begins")):
            room = limit - row.onset
            if duration > room + CUT_TOLERANCE_S:
                cut = f"is cut from {duration:.2f} to {room:.2f} s, where {reason}"
                warnings.append(f"{where}: '{row.stim_file}' {cut}.")
            duration = min(duration, room)
        if duration < shortest:
            warnings.append(
                f"{where}: '{row.stim_file}' is left out, as {duration:.2f} s are less than {shortest:g} s."
            )
            continue
        presentations.append(Presentation(Path(row.stim_file).stem, row.stim_file, row.onset, duration))
    return Resolution(tuple(presentations), tuple(warnings))


def _music_rows(events: Path, stimuli_dir: Path) -> list[_Row]:
    table = read_events(events)
    if "stim_file" not in table:
        return []
    rows = []
    for index, (onset, duration, stim_file) in enumerate(
        zip(table["onset"], table["duration"], table["stim_file"], strict=True)
    ):
        if Path(stim_file).suffix.lower() in AUDIO_EXTENSIONS:
            line = index + 2  # the header is line 1
            begin = _number(onset)
            if begin is None:
                raise UnusableData(f"{events}, line {line}: the onset '{onset}' is not a number of seconds.")
            audio, name = _locate(stim_file, stimuli_dir, f"{events}, line {line}")
            rows.append(_Row(line, begin, _number(duration), name, audio))
    return rows


def _locate(stim_file: str, stimuli_dir: Path, where: str) -> tuple[Path, str]:
    # BIDS counts from /stimuli, yet datasets in the wild often repeat that directory in the name.
    for name in (stim_file, stim_file.removeprefix("stimuli/")):
        if (stimuli_dir / name).is_file():
            return stimuli_dir / name, name
    raise MissingInput(
        f"{where}: the audio '{stim_file}' is not in {stimuli_dir}. Put it there, or say where it is with"
        " --stimuli-dir."
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def to_table(presentations: Sequence[Presentation]) -> pd.DataFrame:
    """Lay out presentations as the events table of a derivative, one row each."""
    return pd.DataFrame(
        [
            {
                "onset": round(p.onset, 6),
                "duration": round(p.duration, 6),
                "trial_type": p.label,
                "stim_file": p.stim_file,
                "audio_start": round(p.audio_start, 6),
            }
            for p in presentations
        ],
        columns=["onset", "duration", "trial_type", "stim_file", "audio_start"],
    )


def from_table(path: Path) -> tuple[Presentation, ...]:
    """Read the presentations of a derivative back."""
    table = read_events(path)
    columns = (table[name] for name in ("trial_type", "stim_file", "onset", "duration", "audio_start"))
    return tuple(
        Presentation(label, stim_file, float(onset), float(duration), float(audio_start))
        for label, stim_file, onset, duration, audio_start in zip(*columns, strict=True)
    )

"""Write what was played when as BEP044 has it: `stimuli.tsv`, and `stim_id` in an events.tsv of each recording."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from predann_bids.bids import tables
from predann_bids.bids.derivatives import EVENTS_SIDECAR
from predann_bids.bids.music.cues import Cue
from predann_bids.bids.music.names import is_no_audio, is_video
from predann_bids.bids.music.presentations import Presentation
from predann_bids.bids.music.stimulus_table import PREFIX, StimulusTable, read_stimulus_table, write_stimulus_table
from predann_bids.bids.recordings import Recording
from predann_bids.bids.sidecars import merged_json
from predann_bids.errors import CannotCreateOutput, PredannError
from predann_bids.files import write_json
from predann_bids.tools.stimuli.inspection import DatasetInspection, RecordingInspection
from predann_bids.tools.stimuli.wording import number

FIRST = ("onset", "duration", "trial_type", "stim_file", "stim_id")
OLD_ID = "stim_id_before"  # a column stim_id that means something else

Row = dict[str, str]
Ids = Mapping[tuple[str, str], str]  # label and file to id


@dataclass(frozen=True)
class EventsTable:
    """An events.tsv to write: the names of its columns, and its rows."""

    names: Sequence[str]
    rows: Sequence[Row]


def refuse_directory(directory: Path, bids_dir: Path, overwrite: bool) -> None:
    """Raise `CannotCreateOutput` if nothing may be written to a directory.

    The dataset itself may be written to, but only if it is named, and with `overwrite`.
    """
    target, source = directory.resolve(), bids_dir.resolve()
    if target == source and not overwrite:
        raise CannotCreateOutput(
            f"{directory} is the dataset itself, whose events.tsv would be replaced. Choose another directory, or add"
            " --overwrite if this is what you want."
        )
    if target != source and target.is_relative_to(source):
        raise CannotCreateOutput(f"{directory} lies inside {bids_dir}. Choose a directory outside of the dataset.")
    if directory.exists() and not directory.is_dir():
        raise CannotCreateOutput(f"{directory} is a file. Choose a directory.")


def write_bep044(dataset: DatasetInspection, bids_dir: Path, directory: Path, *, overwrite: bool = False) -> list[str]:
    """Write `stimuli/stimuli.tsv`, and the events of all recordings whose music can be resolved.

    Parameters
    ----------
    dataset : DatasetInspection
        What is played in the dataset.
    bids_dir : Path
        The dataset.
    directory : Path
        Where to write, under the names that the files have in a dataset.
    overwrite : bool
        Replace files that exist.

    Returns
    -------
    list of str
        What was written, and what BEP044 cannot say.

    Raises
    ------
    CannotCreateOutput
        A file exists.
    """
    played = [one for one in dataset.recordings if one.presentations and not one.problem]
    table = read_stimulus_table((bids_dir / "stimuli", dataset.stimuli_dir))
    ids = stimulus_ids((p for one in played for p in one.presentations), table)
    stimuli = directory / "stimuli"
    targets = {one.recording.name: _events_path(one.recording, directory) for one in played}
    _refuse_existing([stimuli / "stimuli.tsv", *targets.values()], overwrite)
    write_stimulus_table(stimuli, _stimulus_rows(ids, table, bids_dir / "stimuli"))
    for one in played:
        events = _events(one, ids, bids_dir / "stimuli", has_table=table is not None)
        path = targets[one.recording.name]
        tables.write_table(
            path, events.names, [[row.get(name) or "n/a" for name in events.names] for row in events.rows]
        )
        labels = {p.label for p in one.presentations}
        write_json(path.with_suffix(".json"), _described(one.recording, events.names, labels))
    stimuli_count = f"{len(ids)} {'stimulus' if len(ids) == 1 else 'stimuli'}"
    return [f"{stimuli_count} and the events of {number(len(played), 'recording')}: {directory}", *_limits(played)]


def stimulus_ids(presentations: Iterable[Presentation], table: StimulusTable | None) -> dict[tuple[str, str], str]:
    """Return an id for each stimulus (label and file): that of the table, or one made of the label."""
    given: dict[tuple[str, str], str] = {}
    for p in sorted(set(presentations), key=lambda p: (p.label, p.stim_file, not p.stim_id)):
        given.setdefault((p.label, p.stim_file), p.stim_id)
    taken = {key.casefold() for key in (table.entries if table else ())}
    ids = {}
    for (label, file), stim_id in given.items():
        if not stim_id:
            decomposed = unicodedata.normalize("NFKD", label)
            stem = PREFIX + (re.sub(r"[^0-9a-zA-Z]", "", decomposed) or "music")
            further = (f"{stem}x{count}" for count in range(2, len(given) + len(taken) + 2))
            stim_id = next(name for name in (stem, *further) if name.casefold() not in taken)
        taken.add(stim_id.casefold())
        ids[label, file] = stim_id
    return ids


def events_table(
    names: Sequence[str],
    rows: Sequence[Row],
    music: Sequence[Cue],
    presentations: Sequence[Presentation],
    ids: Ids,
    *,
    unusable: Collection[int] = (),
    has_table: bool = False,
) -> EventsTable:
    """Lay out the events of a recording with a row for each presentation that says all about it.

    A row that stood for a presentation and has its onset becomes this row. All other rows stay, but name no audio any
    more. If the stimulus map stands for the recording, the rows are not on its clock and are left out.

    Parameters
    ----------
    names, rows
        The events.tsv as it is; see `tables.read_rows`.
    music, presentations
        What was asked for, and what came of it.
    ids : mapping
        Label and file of each stimulus, to its id.
    unusable : collection of int
        Lines of rows that name music that cannot be used; they stay as they are.
    has_table : bool
        Whether `stim_id`, if there is such a column, refers to a table of stimuli.
    """
    if any(cue.line == 0 for cue in music):
        names, rows = [], []
    elif "stim_id" in names and not has_table:
        names = [OLD_ID if name == "stim_id" else name for name in names]
        rows = [{OLD_ID if name == "stim_id" else name: cell for name, cell in row.items()} for row in rows]
    lines = {cue.line for cue in music} - set(unusable)
    left: dict[int, Row] = {}
    for line, row in enumerate(rows, 2):
        if any(row.values()):
            names_music = line in lines or (_may_be_music(row.get("stim_file", "n/a")) and line not in unusable)
            left[line] = {**row, **({"stim_file": "n/a", "stim_id": "n/a"} if names_music else {})}
    own = {(cue.label, cue.stim_file, cue.onset): cue.line for cue in reversed(music) if cue.onset == cue.marker}
    has_starts = any(round(p.audio_start, 6) for p in presentations)
    found = []
    for p in presentations:
        line = own.get((p.label, p.stim_file, p.onset), 0)
        is_own = line in left and _is(left[line]["onset"], p.onset)
        row = left.pop(line) if is_own else {}
        told = {"onset": _decimal(p.onset), "duration": _decimal(p.duration), "trial_type": p.label}
        found.append({**row, **told, "stim_file": p.stim_file, "stim_id": ids[p.label, p.stim_file]})
        if has_starts:
            found[-1]["audio_start"] = _decimal(p.audio_start)
    if not has_starts and "audio_start" in names:
        found = [{**row, "audio_start": "n/a"} for row in found]
    first = [*FIRST, *(["audio_start"] if has_starts else [])]
    ordered = sorted([*found, *left.values()], key=lambda row: _onset(row["onset"]))
    return EventsTable([*first, *(name for name in names if name not in first)], ordered)


def _events(one: RecordingInspection, ids: Ids, stimuli: Path, *, has_table: bool) -> EventsTable:
    path = one.recording.sidecar("events", ".tsv")
    names, rows = tables.read_rows(path, required=("onset", "duration")) if path else ([], [])
    lost = {loss.line for loss in one.unusable}
    table = events_table(names, rows, one.music, one.presentations, ids, unusable=lost, has_table=has_table)
    # in BIDS, stim_file must name a file of the dataset; what is elsewhere has its name in the table of stimuli alone
    absent = {file for _, file in ids if not (stimuli / file).is_file()}
    stated = [{**row, "stim_file": "n/a"} if row.get("stim_file") in absent else row for row in table.rows]
    return replace(table, rows=stated)


def _stimulus_rows(ids: Ids, table: StimulusTable | None, stimuli: Path) -> list[Row]:
    rows = [dict(entry.cells) | {"stimulus_id": key} for key, (entry, *_) in (table.entries if table else {}).items()]
    known = {row["stimulus_id"] for row in rows}
    for (label, file), stim_id in ids.items():
        if stim_id not in known:
            present = "true" if (stimuli / file).is_file() else "false"
            about = {"type": "audio", "filename": file, "label": label, "present": present}
            rows.append({"stimulus_id": stim_id, **about})
    return rows


def _events_path(recording: Recording, directory: Path) -> Path:
    return directory / recording.directory / f"{recording.name}_events.tsv"


def _refuse_existing(paths: Iterable[Path], overwrite: bool) -> None:
    existing = [path for path in paths if path.exists()]
    if existing and not overwrite:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise CannotCreateOutput(f"{existing[0]}{more} exists already; --overwrite replaces it.")


def _described(recording: Recording, names: Sequence[str], labels: Collection[str]) -> dict[str, object]:
    try:
        before = merged_json(recording.path, recording.root, "events")
    except PredannError:
        before = {}  # it describes nothing that can be read
    ours = {name: words for name, words in EVENTS_SIDECAR.items() if name in names and name != "trial_type"}
    old = {OLD_ID: before["stim_id"]} if OLD_ID in names and "stim_id" in before else {}
    kinds = before.get("trial_type", EVENTS_SIDECAR["trial_type"])
    if isinstance(kinds, dict) and isinstance(kinds.get("Levels"), dict):
        # values that are not among the levels are errors
        kinds = {**kinds, "Levels": {**dict.fromkeys(sorted(labels), "music that is played"), **kinds["Levels"]}}
    return {**before, **old, **ours, "trial_type": kinds}


def _limits(played: Sequence[RecordingInspection]) -> list[str]:
    shifted = sum(bool(round(p.audio_start, 6)) for one in played for p in one.presentations)
    lost = sum(len(one.unusable) for one in played)
    whole = sum(any(cue.line == 0 for cue in one.music) for one in played)
    told = []
    if shifted:
        told.append(
            "BEP044 cannot say at which second of its file music begins:"
            f" {number(shifted, 'presentation')} in the column audio_start, which predann-bids reads and other programs"
            " do not."
        )
    if lost:
        told.append(
            f"{number(lost, 'presentation')} that cannot be used {'is' if lost == 1 else 'are'} not among them."
        )
    if whole:
        told.append(
            f"The rows of events.tsv of {number(whole, 'recording')} are left out, as the map stands for the whole"
            " recording: their times are not those of the recording."
        )
    return told


def _may_be_music(stim_file: str) -> bool:
    return stim_file not in ("", "n/a") and not is_no_audio(stim_file) and not is_video(stim_file)


def _onset(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    return math.inf if math.isnan(value) else value


def _is(cell: str, onset: float) -> bool:
    return _onset(cell) == onset


def _decimal(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")

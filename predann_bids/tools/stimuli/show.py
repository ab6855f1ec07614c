"""Show which music a dataset contains, before anything is processed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from predann_bids.bids.finding.lost_zeros import restore_zeros
from predann_bids.bids.music.stimulus_map import find_map, read_map
from predann_bids.bids.music.unusable import sentences
from predann_bids.bids.recordings import Selection, list_recordings
from predann_bids.console import plain_console, say
from predann_bids.errors import CannotCreateOutput, SomeParticipantsFailed, UnusableData
from predann_bids.files import check_place, write_text
from predann_bids.progress import Progress
from predann_bids.tools.stimuli.bep044 import refuse_directory, write_bep044
from predann_bids.tools.stimuli.drafting.choose import draft_map
from predann_bids.tools.stimuli.drafting.counting import DatasetEvents
from predann_bids.tools.stimuli.drafting.events import read_recording_events
from predann_bids.tools.stimuli.inspection import DatasetInspection, inspect_recordings
from predann_bids.tools.stimuli.listing import SHOWN, show
from predann_bids.tools.stimuli.wording import number

STANDARD_OUTPUT = "-"


def show_stimuli(
    bids_dir: Path,
    *,
    selection: Selection,
    stimulus_map: str | None = None,
    stimuli_dir: Path | None = None,
    draft: str | None = None,
    bep044: Path | None = None,
    overwrite: bool = False,
    shortest: float,
    verbose: bool = False,
) -> None:
    """Print what the participant level would use, or draft a stimulus map.

    Parameters
    ----------
    bids_dir : Path
        The dataset. It is not written to.
    selection : Selection
        Which recordings to inspect.
    stimulus_map : str, optional
        A file, or the name of a map that comes with the package.
    stimuli_dir : Path, optional
        Directory of the audio files; default `BIDS_DIR/stimuli`.
    draft : str, optional
        File to write a draft of a stimulus map to; `-` for standard output.
    bep044 : Path, optional
        Directory to write a table of stimuli and events to; see `write_bep044`.
    overwrite : bool
        Replace files that exist.
    shortest : float
        Presentations shorter than this, in seconds, are left out.
    verbose : bool
        Show all rows of the tables.

    Raises
    ------
    SomeParticipantsFailed
        Some participants have recordings whose music cannot be resolved.
    PredannError
        All participants have: the error of the first. `UnusableData`: no recording has music. None of these is raised
        if a draft is written.
    """
    if draft and draft != STANDARD_OUTPUT:
        refuse_target(Path(draft), bids_dir, overwrite=overwrite)
    if bep044:
        refuse_directory(bep044, bids_dir, overwrite)
    rules = restore_zeros(read_map(find_map(stimulus_map)), bids_dir) if stimulus_map else None
    listing = list_recordings(bids_dir, selection)
    recordings = listing.recordings
    for note in listing.notes:
        say(f"Warning: {note}", stderr=True)
    audio_dir = stimuli_dir or bids_dir / "stimuli"
    inspections = []
    with Progress("Looking for music", len(recordings)) as progress:
        for inspection in inspect_recordings(recordings, audio_dir, rules, shortest=shortest):
            inspections.append(inspection)
            progress.advance(note=inspection.recording.name)
    dataset = DatasetInspection(tuple(inspections), audio_dir, rules, shortest)
    show(dataset, plain_console(stderr=draft == STANDARD_OUTPUT), shown=None if verbose else SHOWN)
    if not draft:
        if bep044 and any(one.presentations and not one.problem for one in dataset.recordings):
            for line in write_bep044(dataset, bids_dir, bep044, overwrite=overwrite):
                say(line)
        _raise_problems(dataset)
        return
    events = []
    with Progress("Drafting", len(recordings)) as progress:
        for recording in recordings:
            events.append(read_recording_events(recording))
            progress.advance(note=recording.name)
    text = draft_map(bids_dir.resolve().name, DatasetEvents(events), audio_dir, shortest=shortest)
    _hand_over(text, draft, bids_dir)


def _raise_problems(dataset: DatasetInspection) -> None:
    if dataset.failing:
        _raise_failures(dataset)
    if dataset.incomplete:
        first = dataset.incomplete[0]
        raise SomeParticipantsFailed(
            f"{len({one.recording.participant for one in dataset.incomplete})} of {len(dataset.participants)}"
            f" participants have presentations that cannot be used. {sentences(first.unusable)[0]}"
        )
    if not any(one.presentations for one in dataset.recordings):
        expected = "matches a rule of the stimulus map or names" if dataset.stimulus_map else "names"
        raise UnusableData(
            f"Nothing in {number(len(dataset.recordings), 'recording')} says which music was played: no row of"
            f" events.tsv {expected} an audio file in the column stim_file. Say it in a stimulus map (--stimulus-map);"
            " --draft FILE writes a first one."
        )


def _raise_failures(dataset: DatasetInspection) -> NoReturn:
    failing = dataset.failing
    first = failing[0].problem
    assert first is not None
    more = f" See above for {number(len(failing) - 1, 'more recording')} with problems." if len(failing) > 1 else ""
    failed = {one.recording.participant for one in failing}
    if failed == set(dataset.participants):
        raise type(first)(f"{first}{more}") from first
    raise SomeParticipantsFailed(
        f"{len(failed)} of {len(dataset.participants)} participants have problems. {failing[0].recording.name}: {first}"
        f"{more}"
    ) from first


# -- the draft ---------------------------------------------------------------------------------------------------------


def refuse_target(target: Path, bids_dir: Path, *, overwrite: bool, what: str = "draft") -> None:
    """Refuse a file that cannot be written, before any work is done for it.

    Parameters
    ----------
    target : Path
        The file.
    bids_dir : Path
        The dataset, which is never written to.
    overwrite : bool
        Whether it may exist.
    what : str
        What it is called in the message.

    Raises
    ------
    CannotCreateOutput
        It lies in the dataset, exists already, or its directory does not exist.
    """
    check_place(target, f"The {what}")
    if target.resolve().is_relative_to(bids_dir.resolve()):
        raise CannotCreateOutput(
            f"The {what} {target} would lie inside {bids_dir}, which is never written to. Choose another file."
        )
    if target.is_dir() or (target.exists() and not overwrite):
        reason = "is a directory" if target.is_dir() else "exists already; --overwrite replaces it"
        raise CannotCreateOutput(f"The {what} cannot be written: {target} {reason}.")
    parent = target.absolute().parent
    if not parent.is_dir():
        raise CannotCreateOutput(f"The {what} {target} cannot be written: the directory {parent} does not exist.")


def _hand_over(text: str, target: str, bids_dir: Path) -> None:
    if target == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    write_text(Path(target), text)
    say(f"\nDraft: {target}")
    say(f"Edit it, then run: predann-tools stimuli {bids_dir} --stimulus-map {target}")

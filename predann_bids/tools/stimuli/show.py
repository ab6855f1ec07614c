"""Show which music a dataset plays when, before anything is processed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from predann_bids.bids.music.stimulus_map import find_map, read_map
from predann_bids.bids.recordings import Selection, find_recordings
from predann_bids.errors import CannotCreateOutput, SomeParticipantsFailed, UnusableData
from predann_bids.files import write_text
from predann_bids.progress import Progress
from predann_bids.tools.stimuli.drafting import draft_map
from predann_bids.tools.stimuli.listing import SHOWN, number, show
from predann_bids.tools.stimuli.observed import look_at
from predann_bids.tools.stimuli.survey import Survey, inspect_all

WIDTH = 200  # a file or a pipe has no width, and names must not be cut
STANDARD_OUTPUT = "-"


def show_stimuli(
    bids_dir: Path,
    *,
    selection: Selection,
    stimulus_map: str | None = None,
    stimuli_dir: Path | None = None,
    draft: str | None = None,
    overwrite: bool = False,
    shortest: float,
    verbose: bool = False,
) -> None:
    """Print what the participant level would use, and draft a stimulus map if one is asked for.

    Parameters
    ----------
    bids_dir : Path
        The dataset; nothing is written there.
    selection : Selection
        Which recordings.
    stimulus_map : str, optional
        A file, or the name of a map that comes with the package.
    stimuli_dir : Path, optional
        Where the audio is; default `BIDS_DIR/stimuli`.
    draft : str, optional
        File to write a draft of a stimulus map to; `-` for standard output.
    overwrite : bool
        Replace the file if it is there.
    shortest : float
        Presentations shorter than this, in seconds, are left out.
    verbose : bool
        Show all rows.

    Raises
    ------
    SomeParticipantsFailed
        Some participants have recordings that cannot be resolved.
    PredannError
        All of them have: the error of the first. No recording has music: `UnusableData`. Neither is raised when a
        draft was asked for and made.
    """
    if draft and draft != STANDARD_OUTPUT:
        _refuse_target(Path(draft), bids_dir, overwrite)
    rules = read_map(find_map(stimulus_map)) if stimulus_map else None
    recordings = find_recordings(bids_dir, selection)
    audio_dir = stimuli_dir or bids_dir / "stimuli"
    inspected = []
    with Progress("Looking for music", len(recordings)) as progress:
        for one in inspect_all(recordings, audio_dir, rules, shortest=shortest):
            inspected.append(one)
            progress.advance(note=one.recording.name)
    survey = Survey(tuple(inspected), audio_dir, rules, shortest)
    show(survey, _console(stderr=draft == STANDARD_OUTPUT), shown=None if verbose else SHOWN)
    if draft:
        observed = []
        with Progress("Drafting", len(recordings)) as progress:
            for recording in recordings:
                observed.append(look_at(recording))
                progress.advance(note=recording.name)
        _hand_over(draft_map(bids_dir.resolve().name, observed, audio_dir, shortest=shortest), draft, bids_dir)
    else:
        _conclude(survey)


def _console(*, stderr: bool) -> Console:
    # names of files are no markup
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=WIDTH)


def _conclude(survey: Survey) -> None:
    if survey.failing:
        _raise_problems(survey)
    if not any(one.presentations for one in survey.inspected):
        what = "matches a rule of the stimulus map or names" if survey.stimulus_map else "names"
        raise UnusableData(
            f"Nothing in {number(len(survey.inspected), 'recording')} says which music was played: no row of events.tsv"
            f" {what} an audio file in the column stim_file. A stimulus map can say it (--stimulus-map); --draft FILE"
            " writes a first one."
        )


def _raise_problems(survey: Survey) -> NoReturn:
    failing = survey.failing
    first = failing[0].problem
    assert first is not None
    more = f" See above for {number(len(failing) - 1, 'more recording')} with problems." if len(failing) > 1 else ""
    failed = {one.recording.participant for one in failing}
    if failed == set(survey.participants):
        raise type(first)(f"{first}{more}") from first
    raise SomeParticipantsFailed(
        f"{len(failed)} of {len(survey.participants)} participants have problems. {failing[0].recording.name}: {first}"
        f"{more}"
    ) from first


# -- the draft ---------------------------------------------------------------------------------------------------------


def _refuse_target(target: Path, bids_dir: Path, overwrite: bool) -> None:
    if target.resolve().is_relative_to(bids_dir.resolve()):
        raise CannotCreateOutput(
            f"The draft {target} would lie in {bids_dir}, to which nothing is written; choose another place."
        )
    if target.is_dir() or (target.exists() and not overwrite):
        found = "is a directory" if target.is_dir() else "exists already; --overwrite replaces it"
        raise CannotCreateOutput(f"The draft cannot be written: {target} {found}.")
    parent = target.absolute().parent
    if not parent.is_dir():
        raise CannotCreateOutput(f"The draft {target} cannot be written: there is no directory {parent}.")


def _hand_over(text: str, target: str, bids_dir: Path) -> None:
    if target == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    write_text(Path(target), text)
    console = _console(stderr=False)
    console.print(f"\nDraft: {target}", soft_wrap=True)
    console.print(f"Edit it, then: predann-tools stimuli {bids_dir} --stimulus-map {target}", soft_wrap=True)

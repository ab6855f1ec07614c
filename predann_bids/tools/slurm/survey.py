"""Look at a dataset once, so that jobs need not: what is to be done, and which directories hold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from predann_bids.bids.music.stimulus_map import StimulusMap
from predann_bids.bids.recordings import Recording, Selection
from predann_bids.config import Science
from predann_bids.tools.slurm.estimate import TRAINED_MODELS, Load

if TYPE_CHECKING:
    from predann_bids.bids.music.presentations import Presentation


@dataclass(frozen=True)
class Survey:
    """What was found in a dataset.

    Parameters
    ----------
    labels : tuple of str
        Participants with music.
    folds : int
        Folds of the group level.
    load : Load
        How much work there is.
    outside : tuple of Path
        Directories outside the dataset to which links in it lead.
    left_out : tuple of str
        Participants without music that can be used.
    """

    labels: tuple[str, ...]
    folds: int
    load: Load
    outside: tuple[Path, ...]
    left_out: tuple[str, ...]


def survey(
    bids_dir: Path,
    sciences: Sequence[Science],
    *,
    selection: Selection,
    stimuli_dir: Path | None,
    stimulus_map: StimulusMap | None,
) -> Survey:
    """Look at a dataset.

    Parameters
    ----------
    bids_dir : Path
        The dataset.
    sciences : sequence of Science
        The configuration, or those of the points of a sweep.
    selection : Selection
        Which recordings.
    stimuli_dir : Path, optional
        Where the audio is.
    stimulus_map : StimulusMap, optional
        Which events stand for which audio.

    Raises
    ------
    PredannError
        There is no music, or a configuration does not fit the participants; as the levels would say it.
    """
    from predann_bids.tools.check.checking import check_dataset, failure_of
    from predann_bids.workflows.execution import Execution
    from predann_bids.workflows.group.inputs.foreseen import foresee

    first = sciences[0]
    check = check_dataset(
        bids_dir,
        selection=selection,
        stimuli_dir=stimuli_dir,
        stimulus_map=stimulus_map,
        shortest=first.preprocessing.shortest,
        execution=Execution(n_procs=1),  # a login node is shared by many
    )
    if check.error:
        raise check.error
    inspected = check.dataset.recordings
    music = {one.recording: one.presentations for one in inspected if one.presentations and not failure_of(one)}
    labels = tuple(sorted({recording.participant for recording in music}))
    all_foreseen = [foresee(music, science) for science in sciences]
    most = max(all_foreseen, key=lambda foreseen: foreseen.trainings * foreseen.folds)
    load = Load(
        participant_gb=max(_peak_gb(recording, bids_dir, first) for recording in music),
        largest_gb=max(_eeg_gb(recording for recording in music if recording.participant == label) for label in labels),
        searches="auto" in (first.preprocessing.bad_channels, first.preprocessing.ica),
        windows=most.windows,
        trainings=most.trainings * TRAINED_MODELS,
        parts=most.folds if len(sciences) > 1 else 1,
        fit_gb=max(foreseen.fit_gb for foreseen in all_foreseen),
        is_large=any(foreseen.is_large for foreseen in all_foreseen),
    )
    return Survey(
        labels,
        most.folds,
        load,
        _outside(bids_dir, music, check.dataset.stimuli_dir),
        tuple(label for label in check.dataset.participants if label not in labels),
    )


def _peak_gb(recording: Recording, bids_dir: Path, science: Science) -> float:
    from predann_bids.workflows.participant.level import REPORT_GB, peak_gb
    from predann_bids.workflows.participant.recording import RecordingJob

    return max(REPORT_GB, peak_gb(RecordingJob(recording, bids_dir, bids_dir, science.preprocessing, overwrite=False)))


def _eeg_gb(recordings: Iterable[Recording]) -> float:
    files = {file for recording in recordings for file in recording.path.parent.glob(f"{recording.path.stem}.*")}
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e9


def _outside(bids_dir: Path, music: Mapping[Recording, Sequence[Presentation]], stimuli_dir: Path) -> tuple[Path, ...]:
    """List directories that are used and do not lie in the dataset, links followed."""
    root = bids_dir.resolve()
    audio = {stimuli_dir / one.stim_file for presentations in music.values() for one in presentations}
    used = [*sorted(audio), *(file for recording in music for file in recording.path.parent.glob("*"))]
    folders = {file.resolve().parent for file in used}
    if not stimuli_dir.resolve().is_relative_to(root):
        folders.add(stimuli_dir.resolve())
    return tuple(outermost(folder for folder in folders if not folder.is_relative_to(root)))


def outermost(paths: Iterable[Path]) -> list[Path]:
    """Leave out paths that lie inside another one."""
    kept: list[Path] = []
    for path in sorted(set(paths)):
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return kept

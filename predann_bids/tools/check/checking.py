"""Check a whole dataset for what the participant level would meet, before anything is processed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from predann_bids.bids.finding.same_samples import same_samples_notes
from predann_bids.bids.music.stimuli import Stimuli
from predann_bids.bids.music.stimulus_map import StimulusMap
from predann_bids.bids.music.unusable import sentences
from predann_bids.bids.recordings import Recording, Selection, list_recordings
from predann_bids.errors import PredannError, UnusableData
from predann_bids.progress import Progress
from predann_bids.tools.check.findings import Effect, Finding, take_apart, together
from predann_bids.tools.stimuli.hints import hints
from predann_bids.tools.stimuli.inspection import DatasetInspection, RecordingInspection, inspect_recording
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.processes import Worker, do_all

if TYPE_CHECKING:
    from mne.io import BaseRaw

WORKER_GB = 0.5  # Python with MNE; headers take little
BLOCK_S = 60.0  # of samples that are looked at together
PRELOAD = ("mne", "mne.io", "pandas", "soundfile", __name__)


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Parameters
    ----------
    dataset : DatasetInspection
        What would be used.
    findings : tuple of Finding
        What is wrong, the gravest first.
    """

    dataset: DatasetInspection
    findings: tuple[Finding, ...]

    @property
    def presentations(self) -> int:
        """How many presentations would be used."""
        return sum(len(one.presentations) for one in self.dataset.recordings if not failure_of(one))

    @property
    def error(self) -> PredannError | None:
        """The error with which the participant level would end if nothing could be used."""
        if self.presentations:
            return None
        first = next((error for one in self.dataset.recordings if (error := failure_of(one))), None)
        return first or UnusableData("Nothing says which music was played; predann-tools stimuli shows what there is.")

    @property
    def loses(self) -> bool:
        """Whether recordings or presentations would be lost."""
        return any(finding.effect in (Effect.FAILS, Effect.LEFT_OUT) for finding in self.findings)


def failure_of(one: RecordingInspection) -> PredannError | None:
    """Return why the participant level would fail for a recording, if it would."""
    if one.problem:
        return one.problem
    return UnusableData(one.closed) if one.closed and one.music else None


@dataclass(frozen=True)
class _Task:
    recording: Recording
    stimuli_dir: Path
    stimulus_map: StimulusMap | None
    shortest: float
    deep: bool


@dataclass(frozen=True)
class _Checked:
    inspection: RecordingInspection
    samples: tuple[tuple[Effect, str], ...] = ()  # sentences about them, and what becomes of it
    origin: str = ""


def check_dataset(
    bids_dir: Path,
    *,
    selection: Selection | None = None,
    stimuli_dir: Path | None = None,
    stimulus_map: StimulusMap | None = None,
    shortest: float = 3.0,
    deep: bool = False,
    execution: Execution | None = None,
) -> Check:
    """Check everything that can be checked without processing.

    Names of files, tables, sidecars, headers and audio are looked at as the participant level does it.

    Parameters
    ----------
    bids_dir : Path
        The dataset. It is not written to.
    selection : Selection, optional
        Which recordings to check; all unless given.
    stimuli_dir : Path, optional
        Directory of the audio files; `BIDS_DIR/stimuli` unless given.
    stimulus_map : StimulusMap, optional
        Which events or recordings stand for which audio.
    shortest : float
        Presentations shorter than this, in seconds, are left out.
    deep : bool
        Also read all EEG, and decode all audio.
    execution : Execution, optional
        How many processes to use.

    Raises
    ------
    PredannError
        As `list_recordings`: there is no dataset, or no recording.
    """
    root = bids_dir.absolute()
    listing = list_recordings(bids_dir, selection or Selection())
    audio_dir = (stimuli_dir or bids_dir / "stimuli").absolute()
    tasks = [_Task(recording, audio_dir, stimulus_map, shortest, deep) for recording in listing.recordings]
    checked = sorted(_check_all(tasks, execution or Execution()), key=lambda one: one.inspection.recording)
    dataset = DatasetInspection(tuple(one.inspection for one in checked), audio_dir, stimulus_map, shortest)
    copies = same_samples_notes(
        [str(one.inspection.recording.path) for one in checked], [one.origin for one in checked]
    )
    findings = [
        *(take_apart(note, Effect.NOT_USED, root) for note in listing.notes),
        *(finding for one in checked for finding in _findings(one, root)),
        *(take_apart(note, Effect.TOLD, root) for note in copies),
        *(take_apart(hint, Effect.LOOK, root) for hint in hints(dataset)),
    ]
    return Check(dataset, tuple(together(findings)))


def _check_all(tasks: Sequence[_Task], execution: Execution) -> Iterator[_Checked]:
    with Progress("Checking", len(tasks)) as progress:
        processes = execution.processes_for(WORKER_GB)
        for finished in do_all(check_recording, tasks, processes, preload=PRELOAD, on_beat=progress.beat):
            recording = finished.task.recording
            progress.advance(note=recording.name)
            if finished.failure:
                kind = finished.failure.kind or UnusableData
                yield _Checked(RecordingInspection(recording, problem=kind(finished.failure.message)))
            elif finished.value:
                yield finished.value


def check_recording(task: _Task, _: Worker) -> _Checked:
    """Check one recording."""
    inspection = inspect_recording(
        task.recording,
        Stimuli(task.stimuli_dir, task.recording.root / "stimuli"),
        task.stimulus_map,
        shortest=task.shortest,
        look_at_samples=task.deep,
    )
    if not task.deep or failure_of(inspection):
        return _Checked(inspection)
    raw = task.recording.open().raw
    from predann_bids.signals.preprocessing.preprocess import samples_fingerprint

    return _Checked(inspection, tuple(_odd_samples(raw, task.recording.path)), samples_fingerprint(raw))


def _odd_samples(raw: BaseRaw, path: Path) -> Iterator[tuple[Effect, str]]:
    """Say which good EEG channels hold values that are not finite, or always the same, and what becomes of it."""
    import numpy as np

    kinds = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    names = [name for name, kind in kinds if kind == "eeg" and name not in raw.info["bads"]]
    if not names:
        return
    step = max(1, round(BLOCK_S * raw.info["sfreq"]))
    blocks = [raw.get_data(names, start, min(start + step, raw.n_times)) for start in range(0, raw.n_times, step)]
    finite = np.all([np.isfinite(block).all(axis=1) for block in blocks], axis=0)
    with np.errstate(invalid="ignore"):
        lowest = np.min([block.min(axis=1) for block in blocks], axis=0)
        highest = np.max([block.max(axis=1) for block in blocks], axis=0)
    flat = finite & (lowest == highest)
    if not finite.all():
        named = ", ".join(name for name, fine in zip(names, finite, strict=True) if not fine)
        yield (
            Effect.FAILS,
            f"{path} has values that are not finite in {named}. Mark them as bad in channels.tsv.",
        )
    if flat.any():
        named = ", ".join(name for name, is_flat in zip(names, flat, strict=True) if is_flat)
        yield Effect.FAILS if flat.all() else Effect.TOLD, f"{path} has the same value throughout in {named}."


def _findings(checked: _Checked, root: Path) -> Iterator[Finding]:
    one = checked.inspection
    where = one.recording.path.relative_to(root).as_posix()
    failure, lost = failure_of(one), sentences(one.unusable)
    if failure and not lost:
        yield take_apart(str(failure), Effect.FAILS, root, where)
    for sentence in lost:
        yield take_apart(sentence, Effect.FAILS if failure else Effect.LEFT_OUT, root, where)
    for sentence in one.warnings:
        yield take_apart(sentence, Effect.TOLD, root, where)
    for effect, sentence in checked.samples:
        yield take_apart(sentence, effect, root, where)

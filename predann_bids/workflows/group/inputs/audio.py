"""The audio of the stimuli: in which files it is, and its features, computed once for each and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.bids.derivatives import Derivative
from predann_bids.data.kept import map_array
from predann_bids.errors import MissingInput, UnusableData, people
from predann_bids.progress import Progress
from predann_bids.timing import Rate
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.processes import Worker, do_all

if TYPE_CHECKING:
    from predann_bids.data.batches import AudioStore
    from predann_bids.data.waveforms import WaveformStore

SPECTRA = "log-mel"  # features that tell stimuli apart in fingerprints, and how long they are, whatever decoders hear
PRELOAD = ("predann_bids.learning.features", __name__)


@dataclass(frozen=True)
class StimulusAudio:
    """Features of all stimuli, in files that all processes map.

    Parameters
    ----------
    files : mapping of str to tuple of Path
        Registered name of the features to one file for each stimulus, in the order of the labels.
    rate : Rate
        Sampling rate of the EEG, and of what is in frames.
    """

    files: Mapping[str, tuple[Path, ...]]
    rate: Rate

    def arrays(self, features: str) -> tuple[Singles, ...]:
        """Map the features of all stimuli: (bands, frames), or (samples,) of waveforms."""
        return tuple(np.asarray(map_array(file)) for file in self.files.get(features, ()))

    def store(self, features: str) -> AudioStore | WaveformStore:
        """Open what windows of these features are cut from."""
        from predann_bids.data.batches import AudioStore
        from predann_bids.data.waveforms import WaveformStore
        from predann_bids.models.audio.features import FEATURES

        arrays = self.arrays(features)
        if FEATURES[features].in_frames:
            return AudioStore(arrays)
        return WaveformStore(arrays, self.rate, Rate(FEATURES[features].audio_rate))

    def of(self, songs: Sequence[int]) -> StimulusAudio:
        """Keep the features of some stimuli, in this order."""
        return replace(self, files={name: tuple(files[song] for song in songs) for name, files in self.files.items()})

    def lengths(self) -> list[int]:
        """Lengths of the stimuli in EEG samples."""
        return [spectra.shape[1] for spectra in self.arrays(SPECTRA)]

    def summary(self) -> list[list[float]]:
        """Return mean spectra, rounded, by which fingerprints tell stimuli apart."""
        return [np.round(spectra.mean(axis=1, dtype=np.float64), 4).tolist() for spectra in self.arrays(SPECTRA)]


def find_audio(derivatives: Sequence[Derivative], stimuli_dirs: Sequence[Path]) -> dict[str, Path]:
    """Find the audio file of each stimulus, by label; the first directory that has it is taken.

    Raises
    ------
    MissingInput
        Audio is missing.
    UnusableData
        One name stands for several files, or there is only one stimulus.
    """
    files: dict[str, Path] = {}
    for derivative in derivatives:
        for presentation in derivative.presentations:
            candidates = [directory / presentation.stim_file for directory in stimuli_dirs]
            audio = next((file for file in candidates if file.is_file()), None)
            if audio is None:
                raise MissingInput(
                    f"{derivative.paths.events}: the audio '{presentation.stim_file}' is not in"
                    f" {' or '.join(str(directory) for directory in stimuli_dirs)}."
                    " Put it there, or say where it is with --stimuli-dir."
                )
            if files.setdefault(presentation.label, audio) != audio:
                raise UnusableData(
                    f"{derivative.paths.events}: '{presentation.label}' names {audio} and {files[presentation.label]};"
                    " one name must stand for one stimulus."
                )
    if len(files) < 2:
        raise UnusableData(
            f"There is only one stimulus ({next(iter(files), 'none')}) in the recordings of"
            f" {people(derivative.participant for derivative in derivatives)}, so nothing to tell apart. Select more"
            " recordings."
        )
    return dict(sorted(files.items()))


@dataclass(frozen=True)
class _FeatureTask:
    audio: Path
    features: str
    rate_hz: float
    directory: Path


def read_audio_features(
    files: Sequence[Path], features: Sequence[str], rate: Rate, directory: Path, execution: Execution
) -> StimulusAudio:
    """Compute the features of all stimuli that are not kept yet.

    Parameters
    ----------
    files : sequence of Path
        Audio of each stimulus.
    features : sequence of str
        Registered names of the features that decoders hear, beside the spectra.
    rate : Rate
        Sampling rate of the EEG.
    directory : Path
        Where features are kept.
    execution : Execution
        How to run.
    """
    from predann_bids.models.decoder import SMALL_GB

    names = tuple(dict.fromkeys((SPECTRA, *features)))
    tasks = [_FeatureTask(file, name, rate.hz, directory) for name in names for file in files]
    kept: dict[tuple[str, Path], Path] = {}
    with Progress("Reading audio", len(tasks)) as progress:
        processes = execution.processes_for(SMALL_GB)
        for finished in do_all(compute_features, tasks, processes, preload=PRELOAD, on_beat=progress.beat):
            if finished.failure:
                raise (finished.failure.kind or UnusableData)(finished.failure.message)
            assert finished.value
            kept[finished.task.features, finished.task.audio] = finished.value
            progress.advance(note=finished.task.audio.name)
    return StimulusAudio({name: tuple(kept[name, file] for file in files) for name in names}, rate)


def compute_features(task: _FeatureTask, worker: Worker) -> Path:  # noqa: ARG001 - one unit of work, soon done
    """Compute and keep the features of one stimulus, unless they are there."""
    from predann_bids.learning.features import keep_features

    return keep_features(task.audio, task.features, task.rate_hz, task.directory)

"""The audio of the stimuli: in which files it is, and its features, computed once for each and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.bids.derivatives import Derivative
from predann_bids.bids.music.provided import same_content
from predann_bids.config.teachers import part_teachers
from predann_bids.data.kept import map_array
from predann_bids.errors import PredannError, UnusableData
from predann_bids.files import content_hash
from predann_bids.progress import Progress
from predann_bids.signals.frames import Frames, JoinedSongs, Reduction, StackedFrames
from predann_bids.timing import Rate, Span
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.inputs.lost import LostStimulus, leave_out, missing, one_stimulus
from predann_bids.workflows.processes import Worker, do_all

if TYPE_CHECKING:
    from predann_bids.data.stores.mapped import AudioStore
    from predann_bids.data.stores.waveforms import WaveformStore

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
        Sampling rate of the EEG, and of what is in frames, unless a teacher has a rate of its own.
    identities : tuple of str
        What teachers are recognised by.
    """

    files: Mapping[str, tuple[Path, ...]]
    rate: Rate
    identities: tuple[str, ...] = ()

    def arrays(self, features: str) -> tuple[Singles, ...]:
        """Map the features of all stimuli: (bands, frames), or (samples,) of waveforms."""
        return tuple(np.asarray(map_array(file)) for file in self.files.get(features, ()))

    def n_features(self, features: str) -> int:
        """Return the number of features, of all teachers together; 1 of waveforms."""
        return sum(self.n_of_teachers(features))

    def n_of_teachers(self, features: str) -> tuple[int, ...]:
        """Return the number of features of each teacher that a name names; 1 of waveforms."""
        firsts = [map_array(self.files[teacher.name][0]) for teacher in part_teachers(features)]
        return tuple(first.shape[0] if first.ndim == 2 else 1 for first in firsts)

    def frames(self, features: str) -> tuple[Frames, ...]:
        """Map the features of all stimuli, with their frame rates."""
        from predann_bids.learning.features import read_frames

        return tuple(read_frames(file, self.rate.hz) for file in self.files[features])

    def store(self, features: str, beside: str = "") -> AudioStore | WaveformStore:
        """Open what windows of these features are cut from.

        Parameters
        ----------
        features : str
            Name of the features, or of those of several teachers.
        beside : str
            Name of features whose part made by hand is put below them; empty for none.
        """
        from predann_bids.data.stores.mapped import AudioStore
        from predann_bids.data.stores.waveforms import WaveformStore
        from predann_bids.models.audio.features import features_kind
        from predann_bids.models.audio.teacher import Teacher

        names = [teacher.name for teacher in part_teachers(features)]
        kind = features_kind(names[0])
        if beside or len(names) > 1 or issubclass(kind, Teacher):
            rows = features_kind(beside).by_hand if beside else slice(0, 0)
            stacked = zip(*(self.frames(name) for name in names), strict=True)
            songs = tuple(StackedFrames(parts) for parts in stacked)
            return AudioStore(JoinedSongs(songs, self.arrays(beside or SPECTRA), rows, self.rate.hz))
        arrays = self.arrays(features)
        return AudioStore(arrays) if kind.in_frames else WaveformStore(arrays, self.rate, Rate(kind.audio_rate))

    def learned(
        self, features: str, heard: Mapping[int, Sequence[Span] | None], most: int
    ) -> tuple[AudioStore, Reduction | None]:
        """Open what a network learns from: a teacher's features at the rate of the EEG, reduced if they are many.

        Parameters
        ----------
        features : str
            Name of the teacher, or of several, each of which is reduced by itself.
        heard : mapping of int to sequence of Span or None
            Songs that the reduction may be fitted to; and which spans of them, in EEG samples, if not the whole.
        most : int
            Number of features from which on they are reduced to this number of principal components.

        Returns
        -------
        AudioStore
            In memory.
        Reduction or None
            None if the features are few.
        """
        from predann_bids.data.stores.mapped import AudioStore

        names = [teacher.name for teacher in part_teachers(features)]
        if len(names) > 1:
            return self._learned_together(names, heard, most)
        frames = self.frames(features)
        few = len(frames[0].values) <= most
        reduction = None if few else Reduction.of(self._parts(frames, heard), most)
        reduced = [replace(one, values=reduction.apply(one.values)) for one in frames] if reduction else frames
        numbers = self.lengths()
        return AudioStore(tuple(one.at(self.rate.hz, n) for one, n in zip(reduced, numbers, strict=True))), reduction

    def _parts(self, frames: Sequence[Frames], heard: Mapping[int, Sequence[Span] | None]) -> list[Singles]:
        return [
            frames[song].values if spans is None else frames[song].within(spans, self.rate.hz)
            for song, spans in sorted(heard.items())
        ]

    def _learned_together(
        self, names: Sequence[str], heard: Mapping[int, Sequence[Span] | None], most: int
    ) -> tuple[AudioStore, Reduction | None]:
        from predann_bids.data.stores.mapped import AudioStore

        parts = [self.learned(name, heard, most) for name in names]
        whole = tuple(np.concatenate(of_song) for of_song in zip(*(store.features for store, _ in parts), strict=True))
        if not any(reduction for _, reduction in parts):
            return AudioStore(whole), None
        each = [reduction or Reduction.unchanged(len(store.features[0])) for store, reduction in parts]
        return AudioStore(whole), Reduction.side_by_side(each)

    def of(self, songs: Sequence[int]) -> StimulusAudio:
        """Keep the features of some stimuli, in this order."""
        return replace(self, files={name: tuple(files[song] for song in songs) for name, files in self.files.items()})

    def lengths(self) -> list[int]:
        """Lengths of the stimuli in EEG samples."""
        return [spectra.shape[1] for spectra in self.arrays(SPECTRA)]

    def summary(self) -> list[list[float]]:
        """Return mean spectra, rounded, by which fingerprints tell stimuli apart."""
        return [np.round(spectra.mean(axis=1, dtype=np.float64), 4).tolist() for spectra in self.arrays(SPECTRA)]


@dataclass(frozen=True)
class FoundAudio:
    """Where the audio of a run's stimuli is.

    Parameters
    ----------
    files : mapping of str to Path
        Label of each stimulus to its audio file, sorted.
    derivatives : tuple of Derivative
        The recordings, with the presentations of these stimuli alone.
    lost : tuple of LostStimulus
        Stimuli whose audio is missing.
    """

    files: Mapping[str, Path]
    derivatives: tuple[Derivative, ...]
    lost: tuple[LostStimulus, ...] = ()


def find_audio(
    derivatives: Sequence[Derivative], stimuli_dirs: Sequence[Path], missing_audio: str = "fail"
) -> FoundAudio:
    """Find the audio file of each stimulus; the first directory that has it is taken.

    Parameters
    ----------
    derivatives : sequence of Derivative
        Preprocessed recordings.
    stimuli_dirs : sequence of Path
        Where audio may be.
    missing_audio : {"skip", "fail"}
        Whether stimuli without audio are left out.

    Raises
    ------
    MissingInput
        Audio is missing, and not to be skipped, or of all but one stimulus.
    UnusableData
        One name stands for several files, directories hold different files of one name, or another file than the
        participant level used, or there is only one stimulus.
    """
    files: dict[str, Path] = {}
    errors: dict[str, PredannError] = {}
    others: set[tuple[Path, Path]] = set()
    used: dict[tuple[Path, str], Derivative] = {}
    for derivative in derivatives:
        for presentation in derivative.presentations:
            candidates = [directory / presentation.stim_file for directory in stimuli_dirs]
            present = [file for file in candidates if file.is_file()]
            audio = next(iter(present), None)
            if audio is None:
                errors[presentation.label] = missing(derivative.paths.events, presentation.stim_file, stimuli_dirs)
            elif files.setdefault(presentation.label, audio) != audio:
                raise UnusableData(
                    f"{derivative.paths.events}: '{presentation.label}' names {audio} and {files[presentation.label]};"
                    " one name must stand for one stimulus."
                )
            others.update((audio, other) for other in present[1:] if audio)
            if audio and (content := derivative.sidecar.get("StimulusHashes", {}).get(presentation.stim_file)):
                used.setdefault((audio, content), derivative)
    for (audio, content), derivative in used.items():
        _refuse_changed(audio, content, derivative)
    for audio, other in sorted(others):
        _refuse_different(audio, other)
    kept, lost = leave_out(derivatives, errors, missing_audio)
    if len(files) < 2:
        raise one_stimulus(files, derivatives)
    return FoundAudio({label: files[label] for label in sorted(set(files) - set(errors))}, tuple(kept), lost)


def _refuse_different(audio: Path, used: Path) -> None:
    """Compare the audio of the dataset with what the participant level has used."""
    if not same_content(audio, used):
        raise UnusableData(
            f"{audio} differs from {used}, which the participant level used. If the first is right, run the participant"
            " level again, which takes it over; else say where the right audio is with --stimuli-dir."
        )


def _refuse_changed(audio: Path, content: str, derivative: Derivative) -> None:
    """Compare audio with the hash that the participant level has left in place of a copy."""
    if content_hash(audio) != content:
        raise UnusableData(
            f"{audio} is not the audio that the participant level used for {derivative.name}: its content differs. Say"
            " where that audio is with --stimuli-dir, or run the participant level again with this one."
        )


@dataclass(frozen=True)
class _FeatureTask:
    audio: Path
    features: str
    rate_hz: float
    directory: Path
    label: str


def read_audio_features(
    stimuli: Mapping[str, Path], features: Sequence[str], rate: Rate, directory: Path, execution: Execution
) -> tuple[StimulusAudio, dict[Path, PredannError]]:
    """Compute the features of all stimuli that are not kept yet.

    Parameters
    ----------
    stimuli : mapping of str to Path
        Label of each stimulus to its audio file.
    features : sequence of str
        Names of the features that decoders hear, beside the spectra.
    rate : Rate
        Sampling rate of the EEG.
    directory : Path
        Where features are kept.
    execution : Execution
        How to run.

    Returns
    -------
    StimulusAudio
        Features of the stimuli whose audio can be used, in their order.
    dict of Path to PredannError
        What is wrong with the others.
    """
    from predann_bids.learning.features import identity_of

    names = tuple(dict.fromkeys((SPECTRA, *features)))
    tasks = [_FeatureTask(file, name, rate.hz, directory, label) for name in names for label, file in stimuli.items()]
    kept: dict[tuple[str, str], Path] = {}
    errors: dict[Path, PredannError] = {}
    with Progress("Reading audio", len(tasks)) as progress:
        processes = execution.processes_for(max(map(_memory_gb, names)))
        finishing = do_all(
            compute_features, tasks, processes, preload=PRELOAD, on_beat=progress.beat, on_progress=progress.advance
        )
        for finished in finishing:
            if finished.failure:
                errors[finished.task.audio] = (finished.failure.kind or UnusableData)(finished.failure.message)
            elif finished.value:
                kept[finished.task.features, finished.task.label] = finished.value
            progress.advance(note=f"{finished.task.audio.name}, {finished.task.features}")
    good = [label for label, file in stimuli.items() if file not in errors]
    arrays = {name: tuple(kept[name, label] for label in good) for name in names}
    identities = tuple(filter(None, (identity_of(name, rate.hz, directory) for name in sorted(names))))
    return StimulusAudio(arrays, rate, identities), errors


def _memory_gb(features: str) -> float:
    from predann_bids.models.audio.features import features_kind
    from predann_bids.models.audio.teacher import Teacher
    from predann_bids.models.decoder import SMALL_GB

    kind = features_kind(features)
    return kind.memory_gb if issubclass(kind, Teacher) else SMALL_GB


def compute_features(task: _FeatureTask, worker: Worker) -> Path:
    """Compute and keep the features of one stimulus, unless they are there."""
    from predann_bids.learning.features import keep_features, keep_remarks

    def tell(note: str) -> None:
        worker.advance(0, f"{task.audio.name}, {task.features}: {note}")

    kept = keep_features(task.audio, task.features, task.rate_hz, task.directory, task.label, tell)
    if task.features == SPECTRA:
        keep_remarks(task.audio, task.directory)
    return kept


def audio_notes(audio: Mapping[str, Path], directory: Path) -> tuple[str, ...]:
    """Note what is odd about the audio of stimuli, by label, whose features are kept in a directory."""
    from predann_bids.learning.features import keep_remarks

    return tuple(
        f"The audio of '{label}' ({file.name}) {remark}"
        for label, file in audio.items()
        for remark in keep_remarks(file, directory)
    )

"""Derivatives and stimuli become what trainings share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predann_bids.bids.derivatives import Derivative
from predann_bids.bids.recordings import Selection
from predann_bids.config import Preprocessing, Science
from predann_bids.data.splits import Split, make_splits
from predann_bids.data.trials import Trial, list_trials
from predann_bids.errors import MissingInput, NothingSelected, UnusableData, WrongUsage
from predann_bids.progress import Progress
from predann_bids.signals.brainvision import MappedRecording, map_brainvision
from predann_bids.timing import Rate
from predann_bids.workflows.execution import Execution, Failure, run_all

if TYPE_CHECKING:
    from predann_bids.learning.training import Source

PRELOAD = ("predann_bids.learning.training", "predann_bids.learning.checkpoints", "sklearn.model_selection", __name__)
FIT_GB = 0.7


@dataclass(frozen=True)
class Material:
    """Everything that trainings share, in a form that travels between processes.

    Parameters
    ----------
    headers : tuple of Path
        Derivatives to map.
    trials : tuple of Trial
        All presentations.
    labels : tuple of str
        Names of the stimuli.
    spectra : tuple of ndarray, shape (bands, frames)
        Audio features of the stimuli.
    rate : Rate
        Sampling rate of the EEG, and of the frames.
    excluded : frozenset of str
        Channels not to use: bad in some recording, and not interpolated.
    channels : tuple of str
        Channels to use, when a decoder asks for them; empty for all that recordings have in common.
    rotations : tuple of int
        By how many samples each recording is moved against its events, in control data; empty for not at all.
    origins : tuple of str
        Fingerprints of the raw recordings; empty text where a derivative does not tell.
    """

    headers: tuple[Path, ...]
    trials: tuple[Trial, ...]
    labels: tuple[str, ...]
    spectra: tuple[Any, ...]
    rate: Rate
    excluded: frozenset[str] = frozenset()
    channels: tuple[str, ...] = ()
    rotations: tuple[int, ...] = ()
    origins: tuple[str, ...] = ()

    def source(self, science: Science) -> Source:
        """Open the stores that windows are taken from."""
        from predann_bids.data.batches import AudioStore, EegStore
        from predann_bids.learning.training import Source

        recordings = [map_brainvision(header) for header in self.headers]
        eeg = replace(EegStore.open(recordings, self.excluded, self.channels), rotations=self.rotations)
        windows = science.windows
        context = max(windows.audio_context, windows.length)
        return Source(
            self.trials,
            eeg,
            AudioStore(self.spectra),
            length=self.rate.samples(windows.length),
            delay=self.rate.samples(windows.delay),
            margin=self.rate.samples((context - windows.length) / 2),
        )

    def identities(self, recording: int) -> set[str]:
        """Return what a recording is recognised by: its raw samples, and those of its derivative."""
        return {self.origins[recording], map_brainvision(self.headers[recording]).fingerprint()} - {""}

    def splits(self, science: Science) -> list[Split]:
        """Keep training, validation and test data apart as configured."""
        windows = science.windows
        return make_splits(
            self.trials,
            science.splitting,
            window=self.rate.samples(windows.length),
            rate=self.rate,
            seed=science.training.seed,
            guard=self.rate.samples(max(windows.length, windows.audio_context)),
        )


def select(derivatives: Sequence[Derivative], selection: Selection, output_dir: Path) -> list[Derivative]:
    """Keep the derivatives that are asked for.

    Raises
    ------
    NothingSelected
        A participant was not preprocessed, or nothing is left.
    WrongUsage
        The filters name entities that derivatives do not have.
    """
    present = {derivative.participant for derivative in derivatives}
    missing = [label for label in selection.participants if label not in present]
    if missing:
        raise NothingSelected(
            f"{output_dir} has no preprocessed participant {', '.join(missing)}; it has {', '.join(sorted(present))}."
        )
    unknown = set(selection.filters) - {"subject", "session", "task", "run", "suffix", "extension", "datatype"}
    if unknown:
        raise WrongUsage(
            f"The filter file names {', '.join(sorted(unknown))}; the group level knows subject, session, task, run."
        )
    wanted = {
        "participant": (selection.participants, selection.filters.get("subject")),
        "session": (selection.sessions, selection.filters.get("session")),
        "task": (selection.tasks, selection.filters.get("task")),
        "run": (selection.runs, selection.filters.get("run")),
    }
    chosen = [
        derivative
        for derivative in derivatives
        if all(_has_label(getattr(derivative, entity), labels) for entity, pair in wanted.items() for labels in pair)
    ]
    if not chosen:
        raise NothingSelected(f"The filters select none of the preprocessed recordings of {output_dir}. Loosen them.")
    return chosen


def _has_label(label: str, wanted: Any) -> bool:
    """Tell whether a label is among those wanted; of runs, which are numbers, 1 and 01 are the same."""
    if not wanted:
        return True
    several = [str(one) for one in ([wanted] if isinstance(wanted, str | int) else wanted)]
    return label in several or (label.isdigit() and int(label) in {int(one) for one in several if one.isdigit()})


def preprocessing_of(derivatives: Sequence[Derivative]) -> Preprocessing:
    """Read from the derivatives how they were made, which must be the same for all."""
    made = {json.dumps(d.sidecar.get("PreprocessingConfiguration"), sort_keys=True): d for d in derivatives}
    if len(made) > 1:
        one, other, *_ = made.values()
        raise UnusableData(
            f"{one.paths.sidecar} and {other.paths.sidecar} were preprocessed differently. Run the participant level"
            " again with one configuration, or select with --participant-label."
        )
    try:
        return Preprocessing.model_validate(derivatives[0].sidecar.get("PreprocessingConfiguration"))
    except ValueError as error:
        raise UnusableData(
            f"{derivatives[0].paths.sidecar} does not say how it was made. Run the participant level again."
        ) from error


def gather(
    derivatives: Sequence[Derivative], stimuli_dir: Path, science: Science, execution: Execution
) -> tuple[Material, tuple[str, ...]]:
    """Map the derivatives, read the audio, and list the trials; the second are notes for the report.

    Raises
    ------
    MissingInput
        Audio is missing.
    UnusableData
        Fewer than two stimuli were heard, or one name stands for several.
    """
    recordings = [map_brainvision(derivative.paths.header) for derivative in derivatives]
    files = _audio_files(derivatives, stimuli_dir)
    labels = tuple(sorted(files))
    if len(labels) < 2:
        raise UnusableData(f"Only one stimulus was heard ({labels[0]}): there is nothing to tell apart.")
    rate = Rate(recordings[0].rate_hz)
    found = _read_spectra([_Audio(label, files[label], rate.hz) for label in labels], execution)
    spectra = tuple(found[label] for label in labels)
    trials = list_trials(
        derivatives,
        labels,
        rate=rate,
        delay_s=science.windows.delay,
        recording_samples=[len(recording.data) for recording in recordings],
        audio_samples={name: frames.shape[1] for name, frames in zip(labels, spectra, strict=True)},
    )
    headers = tuple(derivative.paths.header for derivative in derivatives)
    excluded = frozenset(name for derivative in derivatives for name in _bad_channels(derivative))
    notes = (*_channel_notes(recordings, excluded), *_order_notes(trials))
    origins = tuple(str(derivative.sidecar.get("SourceFingerprint", "")) for derivative in derivatives)
    return Material(headers, tuple(trials), labels, spectra, rate, excluded, origins=origins), notes


@dataclass(frozen=True)
class _Audio:
    """A stimulus to make spectra of, with as many frames per second as the EEG has samples."""

    label: str
    path: Path
    rate_hz: float


def _read_spectra(stimuli: Sequence[_Audio], execution: Execution) -> dict[str, Any]:
    # In worker processes, as long as there are any: this process then never needs PyTorch.
    spectra = {}
    with Progress("Reading audio", len(stimuli)) as progress:
        processes = execution.processes_for(FIT_GB)
        for stimulus, found in run_all(read_spectra, stimuli, processes, preload=PRELOAD, on_beat=progress.beat):
            if isinstance(found, Failure):
                raise (found.kind or UnusableData)(found.message)
            spectra[stimulus.label] = found
            progress.advance(note=stimulus.label)
    return spectra


def read_spectra(stimulus: _Audio) -> tuple[_Audio, Any]:
    """Read a stimulus and transform it; the second is an array (bands, frames), or what went wrong."""
    import torch

    from predann_bids.models.audio_encoder import LogMel
    from predann_bids.models.decoder import DecoderSettings
    from predann_bids.signals.audio import read_audio

    try:
        transform = LogMel(stimulus.rate_hz, DecoderSettings.n_bands)
        sound = torch.from_numpy(read_audio(stimulus.path, transform.audio_rate))
        return stimulus, transform(sound).numpy()
    except Exception as error:  # travels to the parent, which raises it
        return stimulus, Failure.of(error)


def _audio_files(derivatives: Sequence[Derivative], stimuli_dir: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for derivative in derivatives:
        for presentation in derivative.presentations:
            audio = stimuli_dir / presentation.stim_file
            if not audio.is_file():
                raise MissingInput(
                    f"{derivative.paths.events}: the audio '{presentation.stim_file}' is not in {stimuli_dir}."
                    " Put it there, or say where it is with --stimuli-dir."
                )
            if files.setdefault(presentation.label, audio) != audio:
                raise UnusableData(
                    f"{derivative.paths.events}: '{presentation.label}' names {audio} and {files[presentation.label]};"
                    " one name must stand for one stimulus."
                )
    return files


def _bad_channels(derivative: Derivative) -> list[str]:
    steps = {step["Name"] for step in derivative.sidecar.get("PreprocessingSteps", [])}
    return [] if "interpolation" in steps else list(derivative.sidecar.get("BadChannels", []))


def _channel_notes(recordings: Sequence[MappedRecording], excluded: frozenset[str]) -> tuple[str, ...]:
    every = set.union(*(set(recording.channels) for recording in recordings))
    used = set.intersection(*(set(recording.channels) for recording in recordings)) - excluded
    if every == used:
        return ()
    return (
        f"Of {len(every)} channels, only the {len(used)} were used that all recordings have and that are good in all.",
    )


def _order_notes(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Warn when the place in the session is the song: then no split between people tells one from the other."""
    orders: dict[int, list[tuple[int, int]]] = {}
    for trial in trials:
        orders.setdefault(trial.recording, []).append((trial.onset, trial.stimulus))
    heard = {tuple(stimulus for _, stimulus in sorted(order)) for order in orders.values()}
    if len(orders) < 2 or len(heard) > 1 or len(set(next(iter(heard)))) < 2:
        return ()
    return (
        "In all recordings the songs were heard in the same order. What changes in everybody over a session, such as"
        " drowsiness or drying electrodes, then marks the song as well as its music does: which song it was does not"
        " part the two, not even on people never seen.",
    )

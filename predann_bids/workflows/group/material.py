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
from predann_bids.data.bad_spans import mark_trials, read_bad_spans
from predann_bids.data.splits import Split, make_splits
from predann_bids.data.trials import Stretch, Trial, list_trials
from predann_bids.data.windows import grid
from predann_bids.errors import MissingInput, NothingSelected, UnusableData, WrongUsage
from predann_bids.progress import Progress
from predann_bids.signals.brainvision import map_brainvision, read_positions
from predann_bids.signals.montage import Montage, Place, Target
from predann_bids.timing import Rate, Span
from predann_bids.workflows.execution import Execution, Failure, run_all
from predann_bids.workflows.group.channels import choose_channels
from predann_bids.workflows.group.notes import order_notes, window_notes
from predann_bids.workflows.resources import FIT_GB

if TYPE_CHECKING:
    from predann_bids.learning.fitting import AnySource, MappedSource

PRELOAD = ("predann_bids.learning.fitting", "predann_bids.learning.checkpoints", "sklearn.model_selection", __name__)


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
    bad : tuple of tuple of Span
        EEG samples of each recording that no window may touch; empty for none.
    montage : Montage, optional
        What all recordings are brought to, in place of the channels that they have in common.
    waveforms : tuple of Path
        Waveforms of the stimuli, to be mapped; empty where networks hear spectra.
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
    bad: tuple[tuple[Span, ...], ...] = ()
    montage: Montage | None = None
    waveforms: tuple[Path, ...] = ()

    def source(self, science: Science) -> AnySource:
        """Open the stores that networks take windows from."""
        from predann_bids.data.waveforms import WaveformStore
        from predann_bids.learning.fitting import Source
        from predann_bids.models.published.networks import AUDIO_RATE

        mapped = self.mapped_source(science, by_window=science.windows.scaling == "window")
        if not self.waveforms:
            return mapped
        # half of what the audio is longer need not be whole samples of EEG
        margin = max(0.0, science.windows.audio_context - science.windows.length) / 2 * self.rate.hz
        store = WaveformStore.open(self.waveforms, self.rate, Rate(AUDIO_RATE))
        return Source(self.trials, mapped.eeg, store, mapped.length, mapped.delay, margin)

    def mapped_source(self, science: Science, *, by_window: bool = False) -> MappedSource:
        """Open recordings, scaled as wholes or by the window, and spectra."""
        from predann_bids.data.batches import AudioStore, EegStore
        from predann_bids.learning.fitting import Source

        recordings = [map_brainvision(header) for header in self.headers]
        opened = EegStore.open(
            recordings, self.excluded, self.channels, bad=self.bad, montage=self.montage, by_window=by_window
        )
        windows = science.windows
        context = max(windows.audio_context, windows.length)
        return Source(
            self.trials,
            replace(opened, rotations=self.rotations),
            AudioStore(self.spectra),
            length=self.rate.samples(windows.length),
            delay=self.rate.samples(windows.delay),
            margin=self.rate.samples((context - windows.length) / 2),
        )

    def positions(self) -> dict[str, Place]:
        """Return where electrodes lay, in metres, in head coordinates; without those of which nobody knows it."""
        return dict(self.montage.target.positions) if self.montage else read_positions(self.headers[0])

    def treatment(self) -> tuple[Any, ...]:
        """Return what was done to the recordings' channels and bad spans, for fingerprints."""
        bad = [[[span.start, span.stop] for span in spans] for spans in self.bad]
        return (bad, list(self.channels), self.montage.fingerprint() if self.montage else None)

    def rotated(self, rotations: Sequence[int], lengths: Sequence[int], science: Science) -> Material:
        """Move each recording's EEG, with what is bad in it, in a circle against its events, by a number of samples."""
        delay = self.rate.samples(science.windows.delay)
        trials = mark_trials(self.trials, self.bad, delay=delay, rotations=rotations, recording_samples=lengths)
        return replace(self, trials=tuple(trials), rotations=tuple(rotations))

    def identities(self, recording: int) -> set[str]:
        """Return what a recording is recognised by: its raw samples, and those of its derivative."""
        return {self.origins[recording], map_brainvision(self.headers[recording]).fingerprint()} - {""}

    def splits(self, science: Science) -> list[Split]:
        """Keep training, validation and test data apart as configured."""
        windows = science.windows
        length = self.rate.samples(windows.length)
        splits = make_splits(
            self.trials,
            science.splitting,
            window=length,
            rate=self.rate,
            seed=science.training.seed,
            guard=self.rate.samples(max(windows.length, windows.audio_context)),
        )
        self._refuse_empty_sets(splits, length, self.rate.samples(windows.stride), science.splitting.validation > 0)
        return splits

    def _refuse_empty_sets(self, splits: Sequence[Split], length: int, stride: int, validated: bool) -> None:
        for split in splits:
            sets = [("test", split.test, stride), *([("validate", split.validation, length // 2)] if validated else [])]
            for name, stretches, step in sets:
                if not len(grid(stretches, length, max(1, step))):
                    people = sorted({self.trials[stretch.trial].participant for stretch in stretches})
                    raise UnusableData(
                        f"Fold {split.fold} is left without a window to {name} on, between what annotations call bad"
                        f" in the recordings of sub-{', sub-'.join(people)}. Shorten windows with --window, or use"
                        " other folds or participants."
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
    derivatives: Sequence[Derivative],
    stimuli_dirs: Sequence[Path],
    science: Science,
    execution: Execution,
    target: Target | None = None,
    *,
    scratch: Path | None = None,
) -> tuple[Material, tuple[str, ...]]:
    """Map the derivatives, read the audio, and list the trials; the second are notes for the report.

    Parameters
    ----------
    derivatives : sequence of Derivative
        Preprocessed recordings.
    stimuli_dirs : sequence of Path
        Where the audio is; the first that has a file is taken.
    science : Science
        Configuration; its preprocessing is that of the derivatives.
    execution : Execution
        How to run.
    target : Target, optional
        Channels that a decoder wants, which was trained elsewhere.
    scratch : Path, optional
        Directory for waveforms, where the networks hear them.

    Raises
    ------
    MissingInput
        Audio is missing.
    UnusableData
        Fewer than two stimuli were heard, one name stands for several, or channels cannot be interpolated.
    """
    recordings = [map_brainvision(derivative.paths.header) for derivative in derivatives]
    files = _audio_files(derivatives, stimuli_dirs)
    labels = tuple(sorted(files))
    if len(labels) < 2:
        raise UnusableData(f"Only one stimulus was heard ({labels[0]}): there is nothing to tell apart.")
    rate = Rate(recordings[0].rate_hz)
    waveforms = scratch if science.training.is_published else None
    found = _read_all([_Audio(label, files[label], rate.hz, waveforms) for label in labels], execution)
    spectra = tuple(found[label].spectra for label in labels)
    trials = list_trials(
        derivatives,
        labels,
        rate=rate,
        delay_s=science.windows.delay,
        recording_samples=[len(recording.data) for recording in recordings],
        audio_samples={name: frames.shape[1] for name, frames in zip(labels, spectra, strict=True)},
        first_s=science.windows.first,
    )
    bad = _bad_spans(derivatives, science.preprocessing, rate)
    trials = mark_trials(trials, bad, delay=rate.samples(science.windows.delay))
    _refuse_single_songs(trials, labels, rate.samples(science.windows.length))
    channels = choose_channels(derivatives, recordings, science.windows.channels, target)
    notes = (*channels.notes, *window_notes(trials, labels, science.windows, rate), *order_notes(trials))
    material = Material(
        headers=tuple(derivative.paths.header for derivative in derivatives),
        trials=tuple(trials),
        labels=labels,
        spectra=spectra,
        rate=rate,
        excluded=channels.excluded,
        channels=channels.wanted,
        origins=tuple(str(derivative.sidecar.get("SourceFingerprint", "")) for derivative in derivatives),
        bad=bad if any(bad) else (),
        montage=channels.montage,
        waveforms=tuple(path for label in labels if (path := found[label].waveform)),
    )
    return material, notes


def _refuse_single_songs(trials: Sequence[Trial], labels: Sequence[str], window: int) -> None:
    left = {trial.stimulus for index, trial in enumerate(trials) if Stretch.of(trials, index).pieces(window)}
    if len(left) == 1 and any(trial.bad for trial in trials):
        raise UnusableData(
            f"Between what annotations call bad, windows are left of only one stimulus ({labels[left.pop()]}): there is"
            " nothing to tell apart. Shorten windows with --window, or use other recordings."
        )


def _bad_spans(
    derivatives: Sequence[Derivative], preprocessing: Preprocessing, rate: Rate
) -> tuple[tuple[Span, ...], ...]:
    if preprocessing.bad_spans == "keep":
        return ((),) * len(derivatives)
    return tuple(read_bad_spans(derivative, rate) for derivative in derivatives)


@dataclass(frozen=True)
class _Audio:
    """A stimulus to read: `rate_hz` frames of spectra per second, and a waveform to map where there is a directory."""

    label: str
    path: Path
    rate_hz: float
    waveforms: Path | None


@dataclass(frozen=True)
class _Heard:
    """Spectra (bands, frames) of a stimulus, and where its waveform is."""

    label: str
    spectra: Any
    waveform: Path | None


def _read_all(stimuli: Sequence[_Audio], execution: Execution) -> dict[str, _Heard]:
    # In worker processes, as long as there are any: this process then never needs PyTorch.
    heard = {}
    with Progress("Reading audio", len(stimuli)) as progress:
        processes = execution.processes_for(FIT_GB)
        for found in run_all(read_stimulus, stimuli, processes, preload=PRELOAD, on_beat=progress.beat):
            if isinstance(found, Failure):
                raise (found.kind or UnusableData)(found.message)
            heard[found.label] = found
            progress.advance(note=found.label)
    return heard


def read_stimulus(stimulus: _Audio) -> _Heard | Failure:
    """Read a stimulus and transform it, or tell what went wrong."""
    import torch

    from predann_bids.data.waveforms import write_waveform
    from predann_bids.models.published.networks import AUDIO_RATE
    from predann_bids.models.temporal.audio_encoder import LogMel
    from predann_bids.models.temporal.decoder import DecoderSettings
    from predann_bids.signals.audio import read_audio

    try:
        transform = LogMel(stimulus.rate_hz, DecoderSettings.n_bands)
        sound = torch.from_numpy(read_audio(stimulus.path, transform.audio_rate))
        waveform = write_waveform(stimulus.path, stimulus.waveforms, AUDIO_RATE) if stimulus.waveforms else None
        return _Heard(stimulus.label, transform(sound).numpy(), waveform)
    except Exception as error:  # travels to the parent, which raises it
        return Failure.of(error)


def _audio_files(derivatives: Sequence[Derivative], stimuli_dirs: Sequence[Path]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for derivative in derivatives:
        for presentation in derivative.presentations:
            places = [directory / presentation.stim_file for directory in stimuli_dirs]
            audio = next((place for place in places if place.is_file()), None)
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
    return files

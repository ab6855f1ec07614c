"""Derivatives and stimuli become what trainings share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predann_bids.bids.derivatives import Derivative
from predann_bids.bids.finding.same_samples import same_samples_notes
from predann_bids.config import Preprocessing, Science
from predann_bids.console import say
from predann_bids.data.bad_spans import mark_trials, read_bad_spans
from predann_bids.data.channels import common_channels
from predann_bids.data.copies import Copy
from predann_bids.data.splits import Split, make_splits
from predann_bids.data.trials import Stretch, Trial, list_trials
from predann_bids.data.windows import grid
from predann_bids.errors import UnusableData, people
from predann_bids.report.words.copies import copy_notes
from predann_bids.signals.brainvision import map_brainvision, read_positions
from predann_bids.signals.montage import Montage, Place, Target
from predann_bids.timing import Rate, Span
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.inputs.audio import FoundAudio, StimulusAudio, audio_notes, read_audio_features
from predann_bids.workflows.group.inputs.channels import choose_channels, refuse_cut_off, refuse_different_rates
from predann_bids.workflows.group.inputs.copies import find_classes
from predann_bids.workflows.group.inputs.lost import LostStimulus, leave_out, lost_notes
from predann_bids.workflows.group.inputs.notes import window_notes

if TYPE_CHECKING:
    from predann_bids.data.source import AnySource
    from predann_bids.data.stores.mapped import EegStore
    from predann_bids.signals.scaling import Scaling


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
    audio : StimulusAudio
        Features of the stimuli.
    rate : Rate
        Sampling rate of the EEG.
    excluded : frozenset of str
        Channels not to use: bad in some recording, and not interpolated.
    channels : tuple of str
        Channels to use, when a decoder asks for them; empty for all that recordings have in common.
    rotations : tuple of int
        By how many samples each recording is moved against its events, in control data; empty for not at all.
    origins : tuple of str
        Fingerprints of the raw recordings; empty text where a derivative does not say.
    bad : tuple of tuple of Span
        EEG samples of each recording that no window may touch; empty for none.
    montage : Montage, optional
        What all recordings are brought to, in place of the channels that they have in common.
    copies : tuple of Copy
        Which stimuli hold the same audio.
    copy_rows : tuple of mapping
        The value `copies` of metrics.json, which also names the stimuli that were merged.
    lost : tuple of LostStimulus
        Stimuli whose audio cannot be used.
    scalings : tuple of Scaling
        The scaling of each recording, once it has been measured.
    """

    headers: tuple[Path, ...]
    trials: tuple[Trial, ...]
    labels: tuple[str, ...]
    audio: StimulusAudio
    rate: Rate
    excluded: frozenset[str] = frozenset()
    channels: tuple[str, ...] = ()
    rotations: tuple[int, ...] = ()
    origins: tuple[str, ...] = ()
    bad: tuple[tuple[Span, ...], ...] = ()
    montage: Montage | None = None
    copies: tuple[Copy, ...] = ()
    copy_rows: tuple[Mapping[str, Any], ...] = ()
    lost: tuple[LostStimulus, ...] = ()
    scalings: tuple[Scaling, ...] = ()

    def recorded(self, *, by_window: bool = False) -> EegStore:
        """Map the recordings, each with its scaling.

        Parameters
        ----------
        by_window : bool
            Scale each channel of each window by itself, instead of each recording.
        """
        from predann_bids.data.stores.mapped import EegStore

        return EegStore.open(
            [map_brainvision(header) for header in self.headers],
            self.excluded,
            self.channels,
            bad=self.bad,
            montage=self.montage,
            by_window=by_window,
            scalings=self.scalings,
        )

    def measured(self, on_progress: Callable[[int, str], None] = lambda *_: None) -> Material:
        """Measure the scaling of each recording, so that it is not measured again whenever the recordings are opened.

        Parameters
        ----------
        on_progress : callable
            Called with 1 and the name of each recording.
        """
        store, scalings = self.recorded(by_window=True), []
        bad = self.bad or ((),) * len(self.headers)
        for index, header in enumerate(self.headers):
            scalings.append(store.scaling(index, bad[index]))
            on_progress(1, header.stem)
        return replace(self, scalings=tuple(scalings))

    def source(self, science: Science, features: str, beside: str = "", *, by_window: bool = False) -> AnySource:
        """Open the stores that windows are taken from.

        Parameters
        ----------
        science : Science
            Says how windows are cut.
        features : str
            Name of the audio features to take.
        beside : str
            Name of features whose part made by hand is put below them; empty for none.
        by_window : bool
            Scale each channel of each window by itself, instead of each recording.
        """
        from predann_bids.data.source import Source

        store = replace(self.recorded(by_window=by_window), rotations=self.rotations)
        windows, audio = science.windows, self.audio.store(features, beside)
        longer_s = max(0.0, windows.audio_context - windows.length)
        return Source(
            self.trials,
            store,
            audio,
            length=self.rate.samples(windows.length),
            delay=self.rate.samples(windows.delay),
            margin=audio.margin(longer_s / 2, self.rate),
        )

    def positions(self) -> dict[str, Place]:
        """Return where electrodes lay, in metres, in head coordinates; without those of which nobody knows it."""
        return dict(self.montage.target.positions) if self.montage else read_positions(self.headers[0])

    def used_channels(self) -> tuple[str, ...]:
        """Return the channels that decoders get, in their order."""
        if self.montage:
            return self.montage.target.channels
        return common_channels([map_brainvision(h).channels for h in self.headers], self.excluded, self.channels)

    def treatment(self) -> tuple[Any, ...]:
        """Return what was done to the recordings' channels and bad spans, for fingerprints."""
        bad = [[[span.start, span.stop] for span in spans] for spans in self.bad]
        return (bad, list(self.channels), self.montage.fingerprint() if self.montage else None)

    def rotated(self, rotations: Sequence[int], lengths: Sequence[int], science: Science) -> Material:
        """Move each recording's EEG, with what is bad in it, in a circle against its events, by a number of samples."""
        delay = self.rate.samples(science.windows.delay)
        trials = mark_trials(self.trials, self.bad, delay=delay, rotations=rotations, recording_samples=lengths)
        return replace(self, trials=tuple(trials), rotations=tuple(rotations))

    def recordings(self) -> dict[str, str]:
        """Return the name of each recording and the fingerprint of its raw samples, as far as derivatives say it."""
        origins = self.origins or ("",) * len(self.headers)
        return {header.stem: origin for header, origin in zip(self.headers, origins, strict=True)}

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
                    whose = people(self.trials[stretch.trial].participant for stretch in stretches)
                    raise UnusableData(
                        f"Fold {split.fold} is left without a window to {name} on, between what annotations call bad"
                        f" in the recordings of {whose}. Shorten windows with --window, or use"
                        " other folds or participants."
                    )


def gather(
    found: FoundAudio,
    science: Science,
    execution: Execution,
    *,
    features: Collection[str],
    directory: Path,
    target: Target | None = None,
) -> tuple[Material, tuple[str, ...]]:
    """Map the derivatives, read the audio, and list the trials.

    Parameters
    ----------
    found : FoundAudio
        Preprocessed recordings, and the audio of their stimuli.
    science : Science
        Configuration; its preprocessing is that of the derivatives.
    execution : Execution
        How to run.
    features : collection of str
        Registered names of the audio features that decoders hear.
    directory : Path
        Where audio features are kept.
    target : Target, optional
        Channels that a decoder wants that was trained elsewhere.

    Returns
    -------
    Material
        What trainings share.
    tuple of str
        Notes for the report.

    Raises
    ------
    UnusableData
        Windows of only one stimulus are left, or channels cannot be interpolated.
    PredannError
        Audio cannot be read, and is not to be skipped.
    """
    rate = Rate(map_brainvision(found.derivatives[0].paths.header).rate_hz)
    kept, errors = read_audio_features(found.files, tuple(features), rate, directory, execution)
    wrong = {label: errors[file] for label, file in found.files.items() if file in errors}
    derivatives, lost = leave_out(found.derivatives, wrong, execution.missing_audio)
    lost, labels = (*found.lost, *lost), tuple(label for label in found.files if label not in wrong)
    recordings = [map_brainvision(derivative.paths.header) for derivative in derivatives]
    refuse_different_rates(derivatives, recordings)
    refuse_cut_off(derivatives, recordings)
    trials = list_trials(
        derivatives,
        labels,
        rate=rate,
        delay_s=science.windows.delay,
        recording_samples=[len(recording.data) for recording in recordings],
        audio_samples=dict(zip(labels, kept.lengths(), strict=True)),
        first_s=science.windows.first,
    )
    bad = _bad_spans(derivatives, science.preprocessing, rate)
    trials = mark_trials(trials, bad, delay=rate.samples(science.windows.delay))
    classes = find_classes(labels, kept, trials, science.windows.copies)
    trials, labels, kept = list(classes.trials), classes.labels, classes.audio
    _refuse_single_songs(trials, labels, rate.samples(science.windows.length))
    channels = choose_channels(derivatives, recordings, science.windows.channels, target)
    of_copies = copy_notes(classes.rows, merging=science.windows.copies == "merge")
    of_lost = lost_notes(found.derivatives, lost)
    of_audio = audio_notes({label: found.files[label] for label in labels}, directory)
    origins = tuple(str(derivative.sidecar.get("SourceFingerprint", "")) for derivative in derivatives)
    of_recordings = same_samples_notes([derivative.name for derivative in derivatives], origins)
    for note in (*of_lost, *of_audio, *of_copies, *of_recordings):
        say(f"Warning: {note}", stderr=True)
    of_data = (*of_lost, *of_recordings, *channels.notes, *of_audio, *of_copies)
    notes = (*of_data, *window_notes(trials, labels, science.windows, rate))
    material = Material(
        headers=tuple(derivative.paths.header for derivative in derivatives),
        trials=tuple(trials),
        labels=labels,
        audio=kept,
        rate=rate,
        excluded=channels.excluded,
        channels=channels.wanted,
        origins=origins,
        bad=bad if any(bad) else (),
        montage=channels.montage,
        copies=classes.copies,
        copy_rows=classes.rows,
        lost=lost,
    )
    return material, notes


def _refuse_single_songs(trials: Sequence[Trial], labels: Sequence[str], window: int) -> None:
    left = {trial.stimulus for index, trial in enumerate(trials) if Stretch.of(trials, index).clean_stretches(window)}
    if len(left) == 1 and any(trial.bad for trial in trials):
        raise UnusableData(
            f"Between what annotations call bad in the recordings of {people(t.participant for t in trials if t.bad)},"
            f" windows are left of only one stimulus ({labels[left.pop()]}): there is nothing to tell apart. Shorten"
            " windows with --window, or use other recordings."
        )


def _bad_spans(
    derivatives: Sequence[Derivative], preprocessing: Preprocessing, rate: Rate
) -> tuple[tuple[Span, ...], ...]:
    if preprocessing.bad_spans == "keep":
        return ((),) * len(derivatives)
    return tuple(read_bad_spans(derivative, rate) for derivative in derivatives)

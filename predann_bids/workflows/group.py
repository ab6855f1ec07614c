"""The group level: derivatives become a trained, evaluated and reported decoder."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predann_bids import __version__
from predann_bids.bids.derivatives import (
    Derivative,
    prepare_output,
    read_derivatives,
    write_citation,
)
from predann_bids.bids.recordings import Selection
from predann_bids.config import Preprocessing, Science, dump, science_hash
from predann_bids.data.splits import Split, make_splits, splits_table
from predann_bids.data.trials import Trial, list_trials
from predann_bids.data.windows import grid
from predann_bids.errors import MissingInput, NothingSelected, UnusableData, WrongUsage
from predann_bids.files import read_json, write_json, write_text, written_whole
from predann_bids.learning.evaluation import (
    Grid,
    WindowPredictions,
    compare,
    overlap_widening,
    predictions_table,
    score,
    window_table,
)
from predann_bids.progress import Progress
from predann_bids.signals.brainvision import MappedRecording, map_brainvision
from predann_bids.timing import Rate
from predann_bids.workflows.execution import Execution, Failure, exclusive, report, run_all

if TYPE_CHECKING:
    from predann_bids.learning.training import Source

PRELOAD = ("predann_bids.learning.training", "predann_bids.learning.checkpoints", "sklearn.model_selection", __name__)
FIT_GB = 0.7
POOLING_S = 600.0  # jobs for different folds may finish at the same moment; the second pools the same once more


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
    """

    headers: tuple[Path, ...]
    trials: tuple[Trial, ...]
    labels: tuple[str, ...]
    spectra: tuple[Any, ...]
    rate: Rate
    excluded: frozenset[str] = frozenset()

    def source(self, science: Science) -> Source:
        """Open the stores that windows are taken from."""
        from predann_bids.data.batches import AudioStore, EegStore
        from predann_bids.learning.training import Source

        eeg = EegStore.open([map_brainvision(header) for header in self.headers], self.excluded)
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


@dataclass(frozen=True)
class GroupOutcome:
    """What came of a group run: metrics and report, or the folds that are still to do."""

    directory: Path
    metrics: Mapping[str, Any] | None
    report: Path | None
    missing_folds: tuple[int, ...] = ()

    def lines(self) -> list[str]:
        """Say it in a few lines."""
        from predann_bids.report.group import results_sentence

        if self.metrics is None:
            missing = ", ".join(map(str, self.missing_folds))
            return [f"Folds still to do: {missing}. The run that finds all folds done pools them."]
        shown = self.report or self.directory / "metrics.json"
        return [results_sentence(self.metrics), f"Report: {shown}"]


@dataclass(frozen=True)
class _Fit:
    """One decoder to train: a fold, and which kind of model."""

    material: Material
    split: Split
    model: str
    science: Science
    directory: Path
    fingerprint: str
    execution: Execution

    @property
    def checkpoint(self) -> Path:
        return self.directory / f"{self.model}.ckpt"

    @property
    def outputs(self) -> Path:
        return self.directory / f"{self.model}_windows.npz"

    @property
    def history(self) -> Path:
        return self.directory / f"{self.model}_history.csv"

    @property
    def marker(self) -> Path:
        """Written last: a fit is finished when this names its fingerprint."""
        return self.directory / f"{self.model}.json"

    def is_finished(self) -> bool:
        files = (self.checkpoint, self.outputs, self.history, self.marker)
        return all(f.is_file() for f in files) and read_json(self.marker).get("ScienceHash") == self.fingerprint


def run_group(
    bids_dir: Path,
    output_dir: Path,
    science: Science,
    *,
    selection: Selection | None = None,
    stimuli_dir: Path | None = None,
    execution: Execution | None = None,
    label: str = "predann",
    folds: Sequence[int] = (),
) -> GroupOutcome:
    """Train and evaluate decoders on the derivatives in an output directory.

    Finished folds whose data and configuration have not changed are kept. When all folds are done, they are pooled:
    `predictions.tsv`, `metrics.json` and `report.html` appear in `OUTPUT_DIR/group/LABEL`.

    Parameters
    ----------
    folds : sequence of int
        Train these folds only; all when empty.

    Raises
    ------
    MissingInput
        The participant level has not been run, or audio is missing.
    """
    execution = execution or Execution()
    if not re.fullmatch(r"\w[\w.-]*", label):
        raise WrongUsage(f"--label '{label}' is no name: use letters, digits, '-', '_' and '.'.")
    _check_accelerator(execution)
    derivatives = _select(read_derivatives(output_dir), selection or Selection(), output_dir)
    science = science.model_copy(update={"preprocessing": _preprocessing_of(derivatives)})
    material, notes = _gather(derivatives, stimuli_dir or bids_dir / "stimuli", science, execution)
    splits = _split(material, science)
    unknown = sorted(set(folds) - {split.fold for split in splits})
    if unknown:
        raise WrongUsage(f"--fold {unknown[0]}: there are folds 1 to {len(splits)}.")
    prepare_output(output_dir, bids_dir)
    directory = output_dir / "group" / label
    _write_plan(directory, science, material, splits, derivatives)
    fits = _fits(material, splits, science, directory, execution, derivatives)
    _remove_outdated(directory, fits)
    _train([fit for fit in fits if not folds or fit.split.fold in folds], execution)
    missing = sorted({fit.split.fold for fit in fits if not fit.is_finished()})
    if missing:
        return GroupOutcome(directory, None, None, tuple(missing))
    with exclusive(directory / ".pooling.lock", wait_s=POOLING_S):
        return _pool(fits, directory, science, output_dir, label, notes, execution)


def _select(derivatives: Sequence[Derivative], selection: Selection, output_dir: Path) -> list[Derivative]:
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


def _preprocessing_of(derivatives: Sequence[Derivative]) -> Preprocessing:
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


def _remove_outdated(directory: Path, fits: Sequence[_Fit]) -> None:
    """Remove what an earlier run with another configuration has left: pooled results, and folds that are no more."""
    folds = {fit.split.fold for fit in fits}
    for fold in directory.glob("fold-*"):
        if int(fold.name.removeprefix("fold-")) not in folds:
            shutil.rmtree(fold)
    if not all(fit.is_finished() for fit in fits):
        for name in ("metrics.json", "predictions.tsv", "report.html", "history.csv"):
            (directory / name).unlink(missing_ok=True)
        shutil.rmtree(directory / "figures", ignore_errors=True)


def _gather(
    derivatives: Sequence[Derivative], stimuli_dir: Path, science: Science, execution: Execution
) -> tuple[Material, tuple[str, ...]]:
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
    return Material(headers, tuple(trials), labels, spectra, rate, excluded), _channel_notes(recordings, excluded)


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


def _split(material: Material, science: Science) -> list[Split]:
    window = material.rate.samples(science.windows.length)
    return make_splits(
        material.trials, science.splitting, window=window, rate=material.rate, seed=science.training.seed
    )


def _write_plan(
    directory: Path, science: Science, material: Material, splits: Sequence[Split], derivatives: Sequence[Derivative]
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    table = splits_table(splits, material.trials, material.labels, material.rate)
    write_text(directory / "splits.tsv", table.to_csv(sep="\t", index=False))
    selection = {
        f"{entity}s": sorted({getattr(derivative, entity) for derivative in derivatives} - {""})
        for entity in ("participant", "session", "task", "run")
    }
    dump(science, directory / "config.toml", selection=selection)


def _fits(
    material: Material,
    splits: Sequence[Split],
    science: Science,
    directory: Path,
    execution: Execution,
    derivatives: Sequence[Derivative],
) -> list[_Fit]:
    models = ["predann", "baseline"] if science.training.baseline else ["predann"]
    sources = [derivative.sidecar.get("ScienceHash") for derivative in derivatives]
    audio = [float(np.square(frames).mean()) for frames in material.spectra]
    fits = []
    for split in splits:
        for model in models:
            mine = _science_of(model, science)
            sections = (mine.windows, mine.splitting, mine.training)
            names = [material.headers[i].name for i in range(len(material.headers))]
            excluded = sorted(material.excluded)
            fingerprint = science_hash(*sections, model, split.fold, names, sources, audio, excluded, __version__)
            fold = directory / f"fold-{split.fold}"
            fits.append(_Fit(material, split, model, mine, fold, fingerprint, execution))
    return fits


def _science_of(model: str, science: Science) -> Science:
    if model == "predann":
        return science
    return science.model_copy(update={"training": science.training.model_copy(update={"predann_weight": 0.0})})


def _train(fits: Sequence[_Fit], execution: Execution) -> None:
    to_do = [fit for fit in fits if execution.overwrite or not fit.is_finished()]
    if not to_do:
        return
    processes = 1 if _uses_accelerator(execution) else execution.processes_for(FIT_GB)
    failures: list[Failure] = []
    with Progress("Training", sum(fit.science.training.epochs for fit in to_do)) as progress:
        for failure in run_all(
            train_one, to_do, processes, preload=PRELOAD, on_beat=progress.beat, on_report=progress.advance
        ):
            if failure:
                failures.append(failure)
                break
    if failures:
        first = failures[0]
        raise (first.kind or UnusableData)(
            f"Training failed: {first.message}\n{first.trace if not first.kind else ''}".strip()
        )


def _uses_accelerator(execution: Execution) -> bool:
    # PyTorch takes seconds to import, so look first whether there can be a device at all.
    devices = ("nvidiactl", "dxg", "kfd")
    if execution.accelerator == "cpu" or (
        sys.platform == "linux" and not any(Path("/dev", name).exists() for name in devices)
    ):
        return False
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _check_accelerator(execution: Execution) -> None:
    if execution.accelerator not in ("auto", "cpu") and not _uses_accelerator(execution):
        raise WrongUsage(f"--accelerator {execution.accelerator}: there is no such device. Use 'auto' or 'cpu'.")


def train_one(fit: _Fit) -> Failure | None:
    """Train, test and save one decoder; return what went wrong."""
    try:
        with exclusive(fit.directory / f".{fit.model}.lock"):
            _train_locked(fit)
    except Exception as error:  # travels to the parent, which raises it
        return Failure.of(error)
    return None


def _train_locked(fit: _Fit) -> None:
    import torch

    from predann_bids.learning.checkpoints import save_decoder
    from predann_bids.learning.training import Hardware, predict
    from predann_bids.learning.training import fit as train
    from predann_bids.models.decoder import DecoderSettings
    from predann_bids.models.temporal import HALVING

    torch.set_num_threads(1)  # so that results do not depend on the number of processes
    fit.marker.unlink(missing_ok=True)
    material, windows = fit.material, fit.science.windows
    source = material.source(fit.science)
    settings = DecoderSettings(
        channels=source.eeg.channels,
        songs=material.labels,
        rate_hz=material.rate.hz,
        delay_s=windows.delay,
        window_s=windows.length,
        memory_frames=max(frames.shape[1] for frames in material.spectra) // HALVING,
    )
    execution = fit.execution
    hardware = Hardware(
        execution.accelerator if _uses_accelerator(execution) else "cpu",
        execution.devices,
        execution.num_nodes,
        execution.precision,
    )
    unfinished = fit.directory / f"{fit.model}_unfinished" / fit.fingerprint
    decoder, history = train(
        source,
        fit.split,
        settings,
        fit.science.training,
        directory=unfinished,
        name=f"fold {fit.split.fold}, {fit.model}",
        hardware=hardware,
        report=report,
    )
    test = grid(fit.split.test, source.length, material.rate.samples(windows.stride))
    probabilities, similarities = predict(decoder, source, test)
    with written_whole(fit.outputs) as beside, beside.open("wb") as file:
        np.savez_compressed(
            file, trial=test.trial, start=test.start, probabilities=probabilities, similarities=similarities
        )
    table = pd.DataFrame(history)
    write_text(fit.history, table.to_csv(index=False))
    save_decoder(
        decoder, fit.checkpoint, model=fit.model, fold=fit.split.fold, training=fit.science.training.model_dump()
    )
    write_json(fit.marker, {"ScienceHash": fit.fingerprint, "Model": fit.model, "Fold": fit.split.fold})
    shutil.rmtree(unfinished.parent, ignore_errors=True)


def _pool(
    fits: Sequence[_Fit],
    directory: Path,
    science: Science,
    output_dir: Path,
    label: str,
    notes: tuple[str, ...],
    execution: Execution,
) -> GroupOutcome:
    from predann_bids.report.group import GroupEvidence, write_group_report
    from predann_bids.report.methods import group_methods, preprocessing_methods

    material, models = fits[0].material, list(dict.fromkeys(fit.model for fit in fits))
    layout = Grid(
        science.windows.length,
        science.windows.stride,
        science.lengths,
        science.evaluation.resamples,
        science.training.seed,
        _widening(fits),
    )
    windows = {m: WindowPredictions.concatenate([_outputs(fit) for fit in fits if fit.model == m]) for m in models}
    if not len(windows["predann"].table):
        raise UnusableData("The test sets hold no window.")
    scores = {name: score(found, material.labels, layout) for name, found in windows.items()}
    protocol = _protocol(science, material, fits)
    metrics: dict[str, Any] = {
        "protocol": protocol,
        "chance": 1 / len(material.labels),
        "models": {name: scores.get(name) for name in ("predann", "baseline", "linear")},
        "comparison": compare(windows["predann"], windows["baseline"], layout) if "baseline" in windows else None,
    }
    seed = science.training.seed
    tables = [
        predictions_table(found, material.labels, layout, model=name, seed=seed) for name, found in windows.items()
    ]
    predictions = pd.concat(tables, ignore_index=True)
    history = _history(fits)
    write_text(directory / "predictions.tsv", predictions.to_csv(sep="\t", index=False, na_rep="n/a"))
    write_text(directory / "history.csv", history.to_csv(index=False))
    write_json(directory / "metrics.json", metrics)
    methods = f"{preprocessing_methods(science.preprocessing)}\n\n{group_methods(science, protocol)}"
    write_citation(output_dir, methods)
    page = None
    if execution.report:
        evidence = GroupEvidence(label, science, metrics, predictions, history, material.labels, notes)
        page = write_group_report(evidence, directory)
    return GroupOutcome(directory, metrics, page)


def _widening(fits: Sequence[_Fit]) -> float:
    splits = list({fit.split.fold: fit.split for fit in fits}.values())
    tested = sum(stretch.span.length for split in splits for stretch in split.test)
    trained = sum(s.span.length for split in splits for s in (*split.train, *split.validation))
    return overlap_widening(len(splits), tested / len(splits), trained / len(splits))


def _outputs(fit: _Fit) -> WindowPredictions:
    with np.load(fit.outputs) as saved:
        trial, start, probabilities, similarities = (
            saved[k] for k in ("trial", "start", "probabilities", "similarities")
        )
    trials = [fit.material.trials[index] for index in trial]
    columns = {
        "fold": fit.split.fold,
        "participant": [t.participant for t in trials],
        "session": [t.session or "n/a" for t in trials],
        "task": [t.task or "n/a" for t in trials],
        "run": [t.run or "n/a" for t in trials],
        "trial": trial,
        "stimulus": [t.stimulus for t in trials],
        "onset": [t.onset + int(s) for t, s in zip(trials, start, strict=True)],
    }
    return WindowPredictions(window_table(columns, fit.material.rate), probabilities, similarities)


def _history(fits: Sequence[_Fit]) -> pd.DataFrame:
    parts = []
    for fit in fits:
        part = pd.read_csv(fit.history)
        part.insert(0, "fold", fit.split.fold)
        part.insert(1, "model", fit.model)
        parts.append(part)
    whole = pd.concat(parts, ignore_index=True)
    for fold, rows in whole.groupby("fold"):
        write_text(fits[0].directory.parent / f"fold-{fold}" / "history.csv", rows.to_csv(index=False))
    return whole


def _protocol(science: Science, material: Material, fits: Sequence[_Fit]) -> dict[str, Any]:
    return {
        "split": science.splitting.split,
        "n_folds": len({fit.split.fold for fit in fits}),
        "n_participants": len({trial.participant for trial in material.trials}),
        "n_stimuli": len(material.labels),
        "window": science.windows.length,
        "delay": science.windows.delay,
        "seed": science.training.seed,
        "preset": science.preset,
    }

"""Fits and studies: the work of the group level in pieces that run at once, each done once.

A study is one protocol on one version of the data: the run itself, another split, or a control in which music and EEG
do not belong together. It consists of fits: one model of one kind, trained (or given) and tested on one fold.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from predann_bids import __version__
from predann_bids.config import Science, science_hash
from predann_bids.data.splits import UNSEEN_SONGS, WITHIN_RECORDING, Split
from predann_bids.data.windows import Windows, grid
from predann_bids.errors import UnusableData
from predann_bids.files import read_json, write_json, write_text, written_whole
from predann_bids.learning.evaluation import WindowPredictions, window_table
from predann_bids.learning.retrieval import Candidates, Representations, rank
from predann_bids.learning.statistics import Grid, overlap_widening
from predann_bids.progress import Progress
from predann_bids.signals.brainvision import map_brainvision, read_positions
from predann_bids.workflows.execution import Execution, Failure, exclusive, report, run_all
from predann_bids.workflows.material import FIT_GB, PRELOAD, Material

if TYPE_CHECKING:
    from predann_bids.learning.training import Source

DECODERS = ("predann", "baseline")
LINEAR = ("linear", "linear_whitened")
SIGNATURE = "band_power"
TRANSFER = "transfer"  # in place of a split: a decoder that was trained elsewhere
RANKS = "ranks_"

Task = TypeVar("Task")


@dataclass(frozen=True)
class Study:
    """One protocol on one version of the data.

    Parameters
    ----------
    science : Science
        Configuration, with the split of this study.
    material : Material
        Data.
    splits : tuple of Split
        Folds.
    models : tuple of str
        Which kinds of model.
    directory : Path
        Where it is kept.
    given : mapping of str to Path
        Models that were trained elsewhere, and are only tested here.
    all_songs_trained : bool
        Whether given models were trained on all songs that are tested.
    """

    science: Science
    material: Material
    splits: tuple[Split, ...]
    models: tuple[str, ...]
    directory: Path
    given: Mapping[str, Path] = field(default_factory=dict)
    all_songs_trained: bool = True

    @property
    def known_songs(self) -> bool:
        """Whether all songs that are tested have been trained on, so that they are classes of the song logits."""
        return self.all_songs_trained and self.split not in UNSEEN_SONGS

    @property
    def split(self) -> str:
        """Name of the split."""
        return TRANSFER if self.given else self.science.splitting.split

    @property
    def grid(self) -> Grid:
        """Layout of the test windows, and how intervals are made."""
        science = self.science
        return Grid(
            science.windows.length,
            science.windows.stride,
            science.lengths,
            science.evaluation.resamples,
            science.training.seed,
            self._widening(),
        )

    def _widening(self) -> float:
        tested = sum(stretch.span.length for split in self.splits for stretch in split.test)
        trained = sum(s.span.length for split in self.splits for s in (*split.train, *split.validation))
        n = len(self.splits)
        return overlap_widening(n, tested / n, trained / n) if n > 1 else 1.0

    def protocol(self) -> dict[str, Any]:
        """Say what was done: the value `protocol` of metrics.json."""
        science, used = self.science, {stretch.trial for split in self.splits for stretch in split.test}
        return {
            "split": self.split,
            "n_folds": len(self.splits),
            "n_participants": len({self.material.trials[index].participant for index in used}),
            "n_stimuli": len(self.material.labels),
            "window": science.windows.length,
            "delay": science.windows.delay,
            "seed": science.training.seed,
            "n_seeds": 1 if self.given else science.training.n_seeds,
            "preset": science.preset,
        }


@dataclass(frozen=True)
class Fit:
    """One model of one kind on one fold."""

    study: Study
    split: Split
    model: str
    seed: int
    fingerprint: str
    execution: Execution

    @property
    def science(self) -> Science:
        """The study's configuration with this model's weight and seed."""
        training = self.study.science.training
        weight = 0.0 if self.model == "baseline" else training.predann_weight
        changed = training.model_copy(update={"predann_weight": weight, "seed": self.seed, "n_seeds": 1})
        return self.study.science.model_copy(update={"training": changed})

    @property
    def directory(self) -> Path:
        """Where it is kept: the fold's directory, with one more for each further seed."""
        fold = self.study.directory / f"fold-{self.split.fold}"
        return fold if self.seed == self.study.science.training.seed else fold / f"seed-{self.seed}"

    @property
    def trained(self) -> Path | None:
        """File of the trained model; none for what is not worth keeping."""
        suffix = {"predann": "ckpt", "baseline": "ckpt", "linear": "npz", "linear_whitened": "npz"}.get(self.model)
        return self.study.given.get(self.model, self.directory / f"{self.model}.{suffix}") if suffix else None

    @property
    def outputs(self) -> Path:
        """What the model says of the test windows."""
        return self.directory / f"{self.model}_windows.npz"

    @property
    def history(self) -> Path | None:
        """Table of epochs, of what is trained in epochs."""
        is_trained = self.model in DECODERS and not self.study.given
        return self.directory / f"{self.model}_history.csv" if is_trained else None

    @property
    def marker(self) -> Path:
        """Written last: a fit is finished when this names its fingerprint."""
        return self.directory / f"{self.model}.json"

    @property
    def units(self) -> int:
        """How much work it is, for the progress bar."""
        return self.science.training.epochs if self.history else 1

    def is_finished(self) -> bool:
        """Tell whether it is done, with the same data and configuration."""
        files = [file for file in (self.trained, self.outputs, self.history, self.marker) if file]
        return all(f.is_file() for f in files) and read_json(self.marker).get("ScienceHash") == self.fingerprint


def list_fits(study: Study, sources: Sequence[Any], execution: Execution) -> list[Fit]:
    """List what a study consists of; `sources` are the fingerprints of the derivatives."""
    material, science = study.material, study.science
    first = science.training.seed
    audio = [float(np.square(frames).mean()) for frames in material.spectra]
    trials = [repr(trial) for trial in material.trials]
    data = (sources, audio, trials, material.rotations, sorted(material.excluded), __version__)
    fits = []
    for split in study.splits:
        for model in study.models:
            several = model in DECODERS and not study.given
            for seed in range(first, first + (science.training.n_seeds if several else 1)):
                fit = Fit(study, split, model, seed, "", execution)
                training = fit.science.training.model_copy(update={"baseline": True})
                given = study.given.get(model)
                made = given.stat().st_mtime_ns if given else None
                parts = (science.windows, science.splitting, training, science.lengths, model, split.fold, first, made)
                fits.append(replace(fit, fingerprint=science_hash(*parts, *data)))
    return fits


def train_all(fits: Sequence[Fit], execution: Execution) -> None:
    """Do the fits that are not done yet, the longest first."""
    to_do = [fit for fit in fits if execution.overwrite or not fit.is_finished()]
    to_do.sort(key=lambda fit: -fit.units)
    run_tasks(train_one, to_do, execution, title="Training", units=lambda fit: fit.units)


def run_tasks(
    work: Callable[[Task], Failure | None],
    tasks: Sequence[Task],
    execution: Execution,
    *,
    title: str,
    units: Callable[[Task], int] = lambda _: 1,
) -> None:
    """Do tasks in several processes, showing how far they are; the first failure ends it."""
    if not tasks:
        return
    processes = 1 if uses_accelerator(execution) else execution.processes_for(FIT_GB)
    with Progress(title, sum(map(units, tasks))) as progress:
        for failure in run_all(
            work, tasks, processes, preload=PRELOAD, on_beat=progress.beat, on_report=progress.advance
        ):
            if failure:
                raise (failure.kind or UnusableData)(
                    f"{title} failed: {failure.message}\n{failure.trace if not failure.kind else ''}".strip()
                )


def uses_accelerator(execution: Execution) -> bool:
    """Tell whether trainings run on something else than processors."""
    # PyTorch takes seconds to import, so look first whether there can be a device at all.
    devices = ("nvidiactl", "dxg", "kfd")
    if execution.accelerator == "cpu" or (
        sys.platform == "linux" and not any(Path("/dev", name).exists() for name in devices)
    ):
        return False
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def train_one(fit: Fit) -> Failure | None:
    """Train (or read), test and save one model; return what went wrong."""
    try:
        with exclusive(fit.directory / f".{fit.model}.lock"):
            _train_locked(fit)
    except Exception as error:  # travels to the parent, which raises it
        return Failure.of(error)
    return None


def _train_locked(fit: Fit) -> None:
    import torch

    torch.set_num_threads(1)  # so that results do not depend on the number of processes
    fit.marker.unlink(missing_ok=True)
    heard = _KINDS[fit.model](fit)
    _save_outputs(fit, heard)
    write_json(fit.marker, {"ScienceHash": fit.fingerprint, "Model": fit.model, "Fold": fit.split.fold})


@dataclass(frozen=True)
class _Heard:
    """What a model makes of the test windows."""

    windows: Windows
    probabilities: Any = None
    representations: Representations | None = None


def _save_outputs(fit: Fit, heard: _Heard) -> None:
    study, material = fit.study, fit.study.material
    arrays: dict[str, Any] = {"trial": heard.windows.trial, "start": heard.windows.start}
    if heard.probabilities is not None and study.known_songs:
        arrays["probabilities"] = heard.probabilities
    if heard.representations is not None:
        windows = study.science.windows
        candidates = Candidates.of(
            material.trials,
            fit.split.test,
            len(material.labels),
            length=material.rate.samples(windows.length),
            stride=material.rate.samples(windows.stride),
            held_out=study.split in UNSEEN_SONGS,
        )
        inside = {length: 1 + round((length - windows.length) / windows.stride) for length in study.science.lengths}
        similarities, ranks = rank(heard.representations, material.trials, heard.windows, candidates, inside)
        arrays["similarities"] = similarities.astype(np.float64)
        arrays |= {RANKS + str(name): column.to_numpy(dtype=np.float64) for name, column in ranks.items()}
    with written_whole(fit.outputs) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays)


def test_windows(fit: Fit) -> Windows:
    """Enumerate the windows that a fit is tested on."""
    rate, windows = fit.study.material.rate, fit.science.windows
    return grid(fit.split.test, rate.samples(windows.length), rate.samples(windows.stride))


def _decode(fit: Fit) -> _Heard:
    from predann_bids.learning.training import represent

    source = fit.study.material.source(fit.science)
    decoder = _given_decoder(fit) if fit.study.given else _train_decoder(fit, source)
    test = test_windows(fit)
    return _Heard(test, *represent(decoder, source, test))


def _given_decoder(fit: Fit) -> Any:
    from predann_bids.learning.checkpoints import for_songs, load_decoder

    material = fit.study.material
    return for_songs(load_decoder(fit.study.given[fit.model]), material.labels, material.spectra)


def _train_decoder(fit: Fit, source: Source) -> Any:
    from predann_bids.learning.checkpoints import save_decoder
    from predann_bids.learning.training import Hardware
    from predann_bids.learning.training import fit as train
    from predann_bids.models.decoder import DecoderSettings
    from predann_bids.models.temporal import HALVING

    material, windows, execution = fit.study.material, fit.science.windows, fit.execution
    settings = DecoderSettings(
        channels=source.eeg.channels,
        songs=material.labels,
        rate_hz=material.rate.hz,
        delay_s=windows.delay,
        window_s=windows.length,
        memory_frames=max(frames.shape[1] for frames in material.spectra) // HALVING,
    )
    hardware = Hardware(
        execution.accelerator if uses_accelerator(execution) else "cpu",
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
    assert fit.history
    assert fit.trained
    write_text(fit.history, pd.DataFrame(history).to_csv(index=False))
    save_decoder(
        decoder,
        fit.trained,
        model=fit.model,
        fold=fit.split.fold,
        training=fit.science.training.model_dump(),
        preprocessing=fit.science.preprocessing.model_dump(),
        trained_on=trained_on(material, fit.split),
    )
    shutil.rmtree(unfinished.parent, ignore_errors=True)
    return decoder


def trained_on(material: Material, split: Split) -> list[str]:
    """Fingerprints of the recordings that training and validation took windows from."""
    used = {material.trials[stretch.trial].recording for stretch in (*split.train, *split.validation)}
    return sorted(map_brainvision(material.headers[index]).fingerprint() for index in used)


def _decode_linearly(fit: Fit) -> _Heard:
    from predann_bids.learning.linear import HALVING, LinearDecoder, fit_linear, halved, onset_features, unwhitened

    material = fit.study.material
    source = material.source(fit.science)
    if fit.study.given:
        decoder = LinearDecoder.load(fit.study.given[fit.model])
    else:
        assert fit.trained
        decoder = fit_linear(source, fit.split, material.rate, whitened=fit.model == "linear_whitened")
        decoder.save(fit.trained)
    test = test_windows(fit)
    store = source.eeg if decoder.whitened else unwhitened(source.eeg)
    parts = [
        decoder.reconstruct(store.windows(source.trials, test[first : first + 256], source.length, source.delay))
        for first in range(0, len(test), 256)
    ]
    songs = tuple(halved(onset_features(frames)) for frames in material.spectra)
    report(1, f"fold {fit.split.fold}, {fit.model}")
    return _Heard(test, representations=Representations(np.concatenate(parts), songs, HALVING, by_feature=True))


def _classify_signature(fit: Fit) -> _Heard:
    from predann_bids.learning.linear import unwhitened
    from predann_bids.learning.signature import band_powers, classify

    material = fit.study.material
    source = material.source(fit.science)
    store, test = unwhitened(source.eeg), test_windows(fit)
    train = grid((*fit.split.train, *fit.split.validation), source.length, max(1, source.length // 2))
    powers = [
        band_powers(store, source.trials, windows, source.length, source.delay, material.rate)
        for windows in (train, test)
    ]
    report(1, f"fold {fit.split.fold}, recordings' signature")
    return _Heard(test, classify(powers[0], train.stimuli(source.trials), powers[1], len(material.labels)))


_KINDS: Mapping[str, Callable[[Fit], _Heard]] = {
    **dict.fromkeys(DECODERS, _decode),
    **dict.fromkeys(LINEAR, _decode_linearly),
    SIGNATURE: _classify_signature,
}


def read_outputs(fits: Sequence[Fit]) -> dict[str, WindowPredictions]:
    """Pool what the fits of one study say, by model."""
    models = dict.fromkeys(fit.model for fit in fits)
    return {m: WindowPredictions.concatenate([_read_outputs(fit) for fit in fits if fit.model == m]) for m in models}


def _read_outputs(fit: Fit) -> WindowPredictions:
    with np.load(fit.outputs) as saved:
        arrays = {name: saved[name] for name in saved.files}
    trial, start = arrays["trial"], arrays["start"]
    material = fit.study.material
    trials = [material.trials[index] for index in trial]
    columns = {
        "seed": fit.seed,
        "fold": fit.split.fold,
        "participant": [t.participant for t in trials],
        "session": [t.session or "n/a" for t in trials],
        "task": [t.task or "n/a" for t in trials],
        "run": [t.run or "n/a" for t in trials],
        "trial": trial,
        "stimulus": [t.stimulus for t in trials],
        "onset": [t.onset + int(s) for t, s in zip(trials, start, strict=True)],
    }
    ranks = {name.removeprefix(RANKS): column for name, column in arrays.items() if name.startswith(RANKS)}
    return WindowPredictions(
        window_table(columns, material.rate),
        arrays.get("probabilities"),
        arrays.get("similarities"),
        pd.DataFrame(ranks) if ranks else None,
    )


def read_history(fits: Sequence[Fit]) -> pd.DataFrame:
    """Pool the epochs of all decoders of a study, and write those of each fold beside it."""
    parts = []
    for fit in fits:
        if fit.history:
            part = pd.read_csv(fit.history)
            part.insert(0, "fold", fit.split.fold)
            part.insert(1, "model", fit.model)
            part.insert(2, "seed", fit.seed)
            parts.append(part)
    if not parts:
        return pd.DataFrame(columns=["fold", "model", "seed", "epoch"])
    whole = pd.concat(parts, ignore_index=True)
    for fold, rows in whole.groupby("fold"):
        write_text(fits[0].study.directory / f"fold-{fold}" / "history.csv", rows.to_csv(index=False))
    return whole


# What decoders use


@dataclass(frozen=True)
class ProbeTask:
    """Measure what the decoder of a fit uses."""

    fit: Fit

    @property
    def path(self) -> Path:
        """Where the counts are kept."""
        return self.fit.directory / f"{self.fit.model}_probe.json"

    def is_finished(self) -> bool:
        """Tell whether it is done, with the same decoder."""
        return self.path.is_file() and read_json(self.path).get("ScienceHash") == self.fit.fingerprint

    def read(self) -> Any:
        """Read back what was counted."""
        from predann_bids.learning.probing import Probe

        return Probe.of(read_json(self.path)["Probe"])


def measure_uses(task: ProbeTask) -> Failure | None:
    """Measure what a trained decoder uses; return what went wrong."""
    try:
        _measure_uses(task)
    except Exception as error:  # travels to the parent, which raises it
        return Failure.of(error)
    return None


def _measure_uses(task: ProbeTask) -> None:
    import torch

    from predann_bids.data.regions import as_positions
    from predann_bids.learning.checkpoints import load_decoder
    from predann_bids.learning.probing import probe

    torch.set_num_threads(1)
    fit, study, material = task.fit, task.fit.study, task.fit.study.material
    assert fit.trained
    decoder = _given_decoder(fit) if study.given else load_decoder(fit.trained)
    source = material.source(fit.science)
    tested = {material.trials[stretch.trial].stimulus for stretch in fit.split.test}
    held_out = np.array([song in tested for song in range(len(material.labels))])
    preprocessing = study.science.preprocessing
    found = probe(
        decoder,
        source,
        fit.split.test,
        rate=material.rate,
        stride=material.rate.samples(study.science.windows.stride),
        rng=np.random.default_rng([fit.seed, fit.split.fold]),
        positions=as_positions(source.eeg.channels, read_positions(material.headers[0])),
        candidates=held_out if study.split in UNSEEN_SONGS else None,
        band_hz=(preprocessing.l_freq, preprocessing.h_freq or np.inf),
    )
    write_json(task.path, {"ScienceHash": fit.fingerprint, "Probe": found.plain()})
    report(1, f"fold {fit.split.fold}")


# Permutations that need decoders of their own


@dataclass(frozen=True)
class NullFit:
    """A fit on permuted labels of which only the hits are kept."""

    fit: Fit
    number: int
    path: Path

    def is_finished(self) -> bool:
        """Tell whether it is done, with the same data and configuration."""
        return self.path.is_file() and read_json(self.path).get("ScienceHash") == self.fit.fingerprint


def train_null(task: NullFit) -> Failure | None:
    """Train and test one decoder on permuted labels; return what went wrong."""
    try:
        with tempfile.TemporaryDirectory() as name:
            fit = replace(task.fit, study=replace(task.fit.study, directory=Path(name)))
            _train_locked(fit)
            found = _read_outputs(fit)
        counts: dict[str, Any] = {"ScienceHash": fit.fingerprint, "Windows": len(found.table)}
        heard = found.table["stimulus"].to_numpy()
        if found.probabilities is not None:
            counts["Logits"] = int((found.probabilities.argmax(axis=1) == heard).sum())
        if found.similarities is not None:
            counts["Match"] = int((np.nanargmax(found.similarities, axis=1) == heard).sum())
        write_json(task.path, counts)
    except Exception as error:  # travels to the parent, which raises it
        return Failure.of(error)
    return None


def leaks_by_design(study: Study) -> bool:
    """Tell whether parts of one recording are trained on and tested."""
    return study.split in WITHIN_RECORDING

"""What a group run is asked for, and whether exactly this has been finished before."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from predann_bids import __version__
from predann_bids.bids.derivatives import Derivative
from predann_bids.config import Science, science_hash
from predann_bids.config.teachers import files_of_teachers
from predann_bids.console import say
from predann_bids.errors import WrongUsage
from predann_bids.files import content_hash, known_hash, read_json, write_json
from predann_bids.models.foundation.files import weights_path
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.inputs.lost import LostStimulus

NOTE = ".finished.json"
FOLDERS = ("fold-*", "also/*/fold-*", "control/*/fold-*", "figures", "tables")
OUTPUTS = ("metrics.json", "predictions.tsv", "splits.tsv", "history.csv", "config.toml", "report.html")


@dataclass(frozen=True)
class GroupOutcome:
    """What came of a group run: metrics and report, or the folds that are still to do.

    Parameters
    ----------
    directory : Path
        Where everything is.
    metrics : mapping or None
        Content of metrics.json.
    report : Path or None
        The page.
    missing_folds : tuple of int
        Folds without which nothing can be pooled.
    mixed_folds : tuple of int
        Those of them that were trained on something else, such as other participants.
    mixture : str
        In what these differ, and what to do.
    """

    directory: Path
    metrics: Mapping[str, Any] | None
    report: Path | None
    missing_folds: tuple[int, ...] = ()
    mixed_folds: tuple[int, ...] = ()
    mixture: str = ""

    @property
    def is_stuck(self) -> bool:
        """Whether all folds are there, but were not trained on the same, so that no further fold will help."""
        return bool(self.missing_folds) and self.missing_folds == self.mixed_folds

    @property
    def lost(self) -> str:
        """Say which stimuli were left out because their audio cannot be used; empty if none."""
        rows = (self.metrics or {}).get("unusable_stimuli") or ()
        names = ", ".join(f"{row['stimulus']} ({row['presentations']} presentations)" for row in rows)
        return f"The audio of some stimuli cannot be used, and they are left out: {names}." if rows else ""

    def lines(self) -> list[str]:
        """Say it in a few lines."""
        from predann_bids.report.group.believe import believe_sentence
        from predann_bids.report.group.sentences import results_sentence

        if self.metrics is None:
            missing = ", ".join(map(str, self.missing_folds))
            told = [f"Warning: {self.mixture}"] if self.mixture and not self.is_stuck else []
            return [*told, f"Folds still to do: {missing}. The run that finds all folds done pools them."]
        shown = self.report or self.directory / "metrics.json"
        warnings = self.metrics.get("warnings") or ()
        gravest = [f"Warning: {warnings[0]['text']}"] if warnings else []
        believe = [sentence] if (sentence := believe_sentence(self.metrics)) else []
        return [results_sentence(self.metrics), *believe, *gravest, f"Report: {shown}"]


@dataclass(frozen=True)
class Request:
    """Everything that a group run depends on.

    Parameters
    ----------
    bids_dir, output_dir : Path
        Dataset and derivatives.
    label : str
        Name of the run.
    science : Science
        Configuration, with the preprocessing of the derivatives.
    derivatives : tuple of Derivative
        Recordings that are selected.
    audio : mapping of str to Path
        Label of each stimulus to its audio file.
    execution : Execution
        How to run.
    from_model : Path, optional
        A decoder that was trained elsewhere.
    lost : tuple of LostStimulus
        Stimuli that are left out, because their audio is missing.
    """

    bids_dir: Path
    output_dir: Path
    label: str
    science: Science
    derivatives: tuple[Derivative, ...]
    audio: Mapping[str, Path]
    execution: Execution
    from_model: Path | None = None
    lost: tuple[LostStimulus, ...] = ()

    @property
    def directory(self) -> Path:
        """Where the run is kept."""
        return self.output_dir / "group" / self.label

    @property
    def kept_audio(self) -> Path:
        """Where audio features are kept, for all runs."""
        return self.output_dir / "group" / ".audio"

    def content(self, file: Path) -> str:
        """Return the hash of a file; see `files.known_hash`."""
        return known_hash(file, self.kept_audio, partial(say, stderr=True))

    @property
    def sources(self) -> tuple[Any, ...]:
        """Fingerprints of the derivatives."""
        return tuple(derivative.sidecar.get("ScienceHash") for derivative in self.derivatives)

    def fingerprint(self) -> str:
        """Return what changes as soon as anything is asked for in another way, or made from other files."""
        names = [derivative.name for derivative in self.derivatives]
        lost = [[[one.label, one.presentations] for one in self.lost]] if self.lost else []
        inputs = list(self._inputs())
        return science_hash(self.science, names, self.sources, inputs, str(self.from_model), __version__, *lost)

    def _inputs(self) -> dict[str, Path]:
        """Files that are read beside the derivatives, by what they are."""
        models = {f"model {number}": file for number, file in enumerate(_files_of(self.from_model))}
        files = files_of_teachers(self.science.training.teachers)
        teacher = {f"teacher {number}": file for number, file in enumerate(files)}
        started = None if self.from_model else weights_path(self.science.training.encoders)
        weights = {"weights": started} if started else {}
        audio = {f"audio {label}": file for label, file in self.audio.items()}
        return audio | models | teacher | weights

    def finished(self) -> GroupOutcome | None:
        """Return the outcome of a run that has done exactly this and whose files are as it left them."""
        note, page = self.directory / NOTE, self.directory / "report.html"
        if not note.is_file():
            return None
        written = read_json(note)
        wanted = page if self.execution.report else None
        if written.get("Request") != self.fingerprint() or (wanted and page.name not in written.get("Files", {})):
            return None
        files = {name: self.directory / name for name in written["Files"]}
        states = written["Files"] | written["Inputs"]
        if not all(_is_as_before(file, states[name]) for name, file in (files | self._inputs()).items()):
            return None
        return GroupOutcome(self.directory, read_json(self.directory / "metrics.json"), wanted)

    def was_left_finished(self, file: Path) -> bool:
        """Whether a file of this run is as a finished run has left it, whatever that was asked for."""
        note = self.directory / NOTE
        files = read_json(note).get("Files", {}) if note.is_file() else {}
        return bool(files) and files.get(file.relative_to(self.directory).as_posix()) == _state(file, self.content)

    def finish(self) -> None:
        """Note that this is done, and the state of its files."""
        files = [self.directory / name for name in OUTPUTS]
        folders = [folder for pattern in FOLDERS for folder in self.directory.glob(pattern)]
        files += [file for folder in folders for file in folder.rglob("*")]
        kept = sorted(file for file in files if file.is_file() and not file.name.startswith("."))
        states = {file.relative_to(self.directory).as_posix(): _state(file, self.content) for file in kept}
        inputs = {name: _state(file, self.content) for name, file in self._inputs().items()}
        write_json(self.directory / NOTE, {"Request": self.fingerprint(), "Files": states, "Inputs": inputs})


def check_label(output_dir: Path, label: str, from_model: Path | None) -> None:
    """Refuse a label that is no name, or that of the run whose model is to be read.

    Raises
    ------
    WrongUsage
        It says what to do.
    """
    if not re.fullmatch(r"\w[\w.-]*", label):
        raise WrongUsage(f"--label '{label}' is no name: use letters, digits, '-', '_' and '.'.")
    if from_model and from_model.resolve() == (output_dir / "group" / label).resolve():
        raise WrongUsage(f"--from-model {from_model} is what --label {label} would write to. Choose another --label.")


def _files_of(model: Path | None) -> list[Path]:
    if model is None:
        return []
    if not model.is_dir():
        return [model]
    return sorted(file for file in model.glob("fold-*/**/*") if file.is_file() and not file.name.startswith("."))


def _state(file: Path, hashed: Callable[[Path], str] = content_hash) -> list[Any]:
    """Size, time of change and content of a file."""
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns, hashed(file)]


def _is_as_before(file: Path, state: Sequence[Any]) -> bool:
    """Whether a file is there and unchanged; of one that was copied, content decides."""
    if not file.is_file():
        return False
    size, time, content = state
    stat = file.stat()
    return bool(stat.st_size == size and (stat.st_mtime_ns == time or content_hash(file) == content))

"""The group runs of a sweep: where they are, and which of them are finished."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from predann_bids.bids.recordings import Selection
from predann_bids.config import science_hash
from predann_bids.config.teachers import files_of_teachers
from predann_bids.files import content_hash, known_hash, read_json, write_json
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.sweep.points import Point, Sweep


@dataclass(frozen=True)
class Runs:
    """The group runs of all points, in one output directory.

    Parameters
    ----------
    sweep : Sweep
        The points.
    bids_dir, output_dir : Path
        Dataset, and where derivatives and group runs are.
    selection : Selection
        Recordings to use.
    stimuli_dir : Path or None
        Where the audio is, if not in the dataset.
    execution : Execution
        How to run.
    data : tuple
        Fingerprints of the derivatives and of the audio, and the version of the program.
    """

    sweep: Sweep
    bids_dir: Path
    output_dir: Path
    selection: Selection
    stimuli_dir: Path | None
    execution: Execution
    data: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def directory(self) -> Path:
        """Where the tables and the page are."""
        return self.output_dir / "group" / self.sweep.label

    def of(self, point: Point) -> Path:
        """Directory of a point's group run."""
        return self.output_dir / "group" / point.label

    def note(self, point: Point) -> Path:
        """File that is written when a point is finished."""
        return self.directory / "points" / f"{point.label}.json"

    def fingerprint(self, point: Point) -> str:
        """Fingerprint of a point's configuration and data."""
        files = files_of_teachers(point.science.training.teachers)
        teacher = [[file.name, known_hash(file, self.output_dir / "group" / ".audio")] for file in files]
        config = point.science.model_dump(mode="json", exclude={"preprocessing"})
        return science_hash(config, *self.data, *([teacher] if teacher else []))

    def is_finished(self, point: Point) -> bool:
        """Whether a point was done with this configuration on these data, and was not changed since."""
        metrics, note = self.of(point) / "metrics.json", self.note(point)
        if not (metrics.is_file() and note.is_file()):
            return False
        if self.execution.report and not (self.of(point) / "report.html").is_file():
            return False
        written = read_json(note)
        return written.get("ScienceHash") == self.fingerprint(point) and written.get("Metrics") == content_hash(metrics)

    def finish(self, point: Point) -> None:
        """Note that a point is finished."""
        values = {key.dotted: point.values[key.name] for key in self.sweep.keys}
        hashes = {"ScienceHash": self.fingerprint(point), "Metrics": content_hash(self.of(point) / "metrics.json")}
        write_json(self.note(point), {"Label": point.label, "Values": values, **hashes})

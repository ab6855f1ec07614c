"""The derivative dataset: paths, sidecars, provenance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids import __version__
from predann_bids.arrays import Doubles
from predann_bids.bids.music.presentations import Presentation, from_table
from predann_bids.bids.music.stimulus_table import keep_used_rows, read_stimulus_table
from predann_bids.bids.recordings import Recording
from predann_bids.errors import CannotCreateOutput, MissingInput, ReadOrWriteFailed
from predann_bids.files import read_json, write_json, write_text
from predann_bids.surroundings.container import container

BIDS_VERSION = "1.10.0"
# without a slash: the validator does not take `group/` for the directory
IGNORED = ("CITATION.md", "*.html", "logs", "group", ".writing-*")

EVENTS_SIDECAR = {
    "trial_type": {"Description": "Name of the stimulus that plays"},
    "stim_file": {"Description": "Audio file, relative to /stimuli"},
    "audio_start": {"Description": "Place in the audio file at which the presentation begins", "Units": "s"},
    "stim_id": {"Description": "Stimulus, as described in /stimuli/stimuli.tsv"},
}

UNUSABLE_SIDECAR = {
    "unusable": {"Description": "Why this presentation is not used, although the recording's events tell of it"}
}

CITATION = """\
# Methods

{methods}

# References

{references}
"""

README = """\
# PredANN-BIDS derivatives

Made by PredANN-BIDS {version} from the dataset "{source}".

- `sub-*/**/*_desc-preproc_eeg.*`: preprocessed EEG (BrainVision, 32-bit float, microvolts). The `.json` beside each
  names every step with its parameters.
- `*_desc-preproc_events.tsv`: one row per presentation of a stimulus; seconds from the start of the file.
- `stimuli/`: the audio that was used; links where this dataset lies within its source, else copies.
- `sub-*.html`: a report for each participant.
- `participants.tsv`, `quality.html`: the quality of all recordings, outliers marked.
- `group/NAME/`: decoders and their evaluation; begin with `report.html`.
- `logs/runs/`: what was run with which versions, one file for each run.
- `CITATION.md`: text for a methods section, with references.
"""


@dataclass(frozen=True)
class DerivativePaths:
    """The files of one preprocessed recording."""

    stem: Path

    @classmethod
    def of(cls, recording: Recording, output_dir: Path) -> DerivativePaths:
        """Name the files that `recording` becomes."""
        name = re.sub("_desc-[^_]+", "", recording.name)  # a name has one description, and it is the last entity
        return cls(output_dir / recording.directory / f"{name}_desc-preproc")

    @property
    def header(self) -> Path:
        """BrainVision header; `.eeg` and `.vmrk` lie beside it."""
        return self.stem.with_name(f"{self.stem.name}_eeg.vhdr")

    @property
    def sidecar(self) -> Path:
        """JSON sidecar, written last: a recording is finished when it is there."""
        return self.stem.with_name(f"{self.stem.name}_eeg.json")

    @property
    def channels(self) -> Path:
        """Channel table."""
        return self.stem.with_name(f"{self.stem.name}_channels.tsv")

    @property
    def events_sidecar(self) -> Path:
        """Description of the columns of the table of presentations."""
        return self.stem.with_name(f"{self.stem.name}_events.json")

    @property
    def events(self) -> Path:
        """Table of presentations."""
        return self.stem.with_name(f"{self.stem.name}_events.tsv")


@dataclass(frozen=True)
class Derivative:
    """One preprocessed recording, read back: its entities, files, presentations and sidecar."""

    participant: str
    session: str
    task: str
    run: str
    paths: DerivativePaths
    presentations: tuple[Presentation, ...]
    sidecar: Mapping[str, Any]

    @property
    def unusable(self) -> tuple[str, ...]:
        """Sentences about presentations that the participant level could not use."""
        return tuple(self.sidecar.get("Presentations", {}).get("Unusable", ()))

    @property
    def name(self) -> str:
        """File name up to `_desc`."""
        return self.paths.stem.name.removesuffix("_desc-preproc")


def read_derivatives(output_dir: Path) -> list[Derivative]:
    """List the preprocessed recordings of an output directory, sorted by their entities.

    Raises
    ------
    MissingInput
        There is none: the participant level has not been run.
    """
    sidecars = sorted(output_dir.glob("sub-*/**/sub-*_desc-preproc_eeg.json"))
    if not sidecars:
        raise MissingInput(
            f"{output_dir} holds no preprocessed recording. Run the participant level first:"
            f" predann-bids BIDS_DIR {output_dir} participant"
        )
    derivatives = [_read_derivative(path) for path in sidecars]
    return sorted(derivatives, key=lambda d: (d.participant, d.session, d.task, d.run))


def _read_derivative(sidecar: Path) -> Derivative:
    paths = DerivativePaths(sidecar.with_name(sidecar.name.removesuffix("_eeg.json")))
    entities = dict(part.split("-", 1) for part in sidecar.name.split("_") if "-" in part)
    for needed in (paths.header, paths.header.with_suffix(".eeg"), paths.events):
        if not needed.is_file():
            raise MissingInput(
                f"{needed} is missing. Run the participant level again for participant {entities['sub']}."
            )
    participant, session, task, run = (entities.get(key, "") for key in ("sub", "ses", "task", "run"))
    return Derivative(participant, session, task, run, paths, from_table(paths.events), read_json(sidecar))


def prepare_output(output_dir: Path, source_dir: Path) -> None:
    """Create the output directory and the files that make it a BIDS derivative dataset.

    Raises
    ------
    CannotCreateOutput
        It lies inside a file, or must not be written to.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        source = _source_description(source_dir)
        write_json(output_dir / "dataset_description.json", _description(source, source_dir))
        write_text(
            output_dir / "README.md", README.format(version=__version__, source=source.get("Name", source_dir.name))
        )
        write_text(output_dir / ".bidsignore", "\n".join(IGNORED) + "\n")
        (output_dir / "logs").mkdir(exist_ok=True)
    except (OSError, ReadOrWriteFailed) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CannotCreateOutput(
            f"The output directory {output_dir} cannot be created or written to: {reason}."
        ) from error


def write_citation(output_dir: Path, methods: str, references: Iterable[tuple[str, str]]) -> None:
    """Write the methods text for a paper, and the works that it cites with their addresses."""
    listed = "\n".join(f"- {entry} {link}" for entry, link in references)
    write_text(output_dir / "CITATION.md", CITATION.format(methods=methods, references=listed))


def write_positions(recording: Recording, output_dir: Path, channels: Sequence[str], positions: Doubles) -> None:
    """Write the electrode positions of a recording as BIDS files.

    Their names keep only participant and session: BIDS has no positions of a single task or run, and with `space` a
    derivative dataset would have to describe the space again, although coordsystem.json names it.

    Parameters
    ----------
    recording : Recording
        The raw recording.
    output_dir : Path
        The derivative dataset.
    channels : sequence of str
        Names of the electrodes.
    positions : ndarray, shape (channels, 3)
        Metres, in MNE's head coordinates, which BIDS calls CapTrak; NaN where unknown.
    """
    entities = [part for part in recording.name.split("_") if part.startswith(("sub-", "ses-"))]
    stem = output_dir / recording.directory / "_".join(entities)
    rows = ["name\tx\ty\tz"]
    for name, position in zip(channels, positions, strict=True):
        cells = [f"{value:.6f}" for value in position] if np.isfinite(position).all() else ["n/a"] * 3
        rows.append("\t".join([name, *cells]))
    write_text(stem.with_name(f"{stem.name}_electrodes.tsv"), "\n".join(rows) + "\n")
    system = {"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "m"}
    write_json(stem.with_name(f"{stem.name}_coordsystem.json"), system)


def provide_stimulus_table(stimuli_dirs: Iterable[Path], output_dir: Path) -> None:
    """Put the rows of `stimuli.tsv` that finished recordings refer to into `stimuli/` of the derivative dataset."""
    table = read_stimulus_table(stimuli_dirs)
    if table is None:
        return
    finished = (from_table(path) for path in output_dir.glob("sub-*/**/sub-*_desc-preproc_events.tsv"))
    used = {p.stim_id: p.stim_file for presentations in finished for p in presentations if p.stim_id}
    keep_used_rows(table, used, output_dir / "stimuli")


def _source_description(source_dir: Path) -> dict[str, Any]:
    try:
        content = json.loads((source_dir / "dataset_description.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _description(source: Mapping[str, Any], source_dir: Path) -> dict[str, Any]:
    origin = {"URL": source_dir.resolve().as_uri()} | (
        {"DOI": source["DatasetDOI"]} if source.get("DatasetDOI") else {}
    )
    image = {name: value for name, value in container().items() if name in ("Type", "Tag")}
    generator = {"Name": "PredANN-BIDS", "Version": __version__}
    return {
        "Name": f"PredANN-BIDS derivatives of {source.get('Name', source_dir.name)}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "License": source.get("License", "n/a"),
        "GeneratedBy": [generator | ({"Container": image} if image else {})],
        "SourceDatasets": [origin],
        "DatasetLinks": {"raw": source_dir.resolve().as_uri()},
        "HowToAcknowledge": "See CITATION.md.",
    }

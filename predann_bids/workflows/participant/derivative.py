"""Write what one recording became: EEG, tables and a sidecar that says how it was made."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from predann_bids.bids.derivatives import EVENTS_SIDECAR, UNUSABLE_SIDECAR, DerivativePaths, write_positions
from predann_bids.bids.music.presentations import Resolution, to_table
from predann_bids.bids.music.provided import provide_stimuli
from predann_bids.bids.music.unusable import Unusable, sentences
from predann_bids.bids.recordings import Recording
from predann_bids.bids.spans import BadSpan
from predann_bids.bids.tables import write_table
from predann_bids.config import Preprocessing, hashed
from predann_bids.files import write_json, write_text
from predann_bids.signals.brainvision import write_brainvision

if TYPE_CHECKING:
    from predann_bids.signals.preprocessing.preprocess import Preprocessed

# what a derivative's sidecar says as its recording's does
KEPT = (
    "TaskDescription",
    "Manufacturer",
    "ManufacturersModelName",
    "CapManufacturer",
    "EEGGround",
    "PowerLineFrequency",
)


@dataclass(frozen=True)
class Made:
    """Everything that a derivative is written from.

    Parameters
    ----------
    recording : Recording
        Where it comes from.
    config : Preprocessing
        Configuration.
    preprocessed : Preprocessed
        What was done, and the EEG.
    resolution : Resolution
        Which music played when.
    bad_spans : tuple of BadSpan
        Stretches that were marked as bad.
    quality : dict
        See `predann_bids.signals.quality.measure`.
    fingerprint, origin : str
        Of everything that it was made from, and of the raw samples alone.
    audio : mapping
        Audio file of each stimulus, relative to the directory of the stimuli, to a hash of its content.
    """

    recording: Recording
    config: Preprocessing
    preprocessed: Preprocessed
    resolution: Resolution
    bad_spans: tuple[BadSpan, ...]
    quality: dict[str, float | None]
    fingerprint: str
    origin: str
    audio: Mapping[str, str]


def report_path(output_dir: Path, participant: str) -> Path:
    """Name a participant's report."""
    return output_dir / f"sub-{participant}.html"


def write_derivative(made: Made, output_dir: Path, stimuli_dir: Path | None) -> None:
    """Write a derivative; its JSON sidecar, last of all, makes it count as finished.

    The participant's report, which is now out of date, is removed. The audio is put beside the derivatives from
    `stimuli_dir`; without it, the sidecar says by hashes which audio was used.
    """
    paths = DerivativePaths.of(made.recording, output_dir)
    for leftover in paths.stem.parent.glob(f".writing-*{paths.stem.name}_*"):
        # of a run that was killed; this process holds the recording's lock
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    paths.sidecar.unlink(missing_ok=True)
    report_path(output_dir, made.recording.participant).unlink(missing_ok=True)
    _write_eeg(made, paths, output_dir)
    presentations = made.resolution.presentations
    if stimuli_dir:
        provide_stimuli((p.stim_file for p in presentations), stimuli_dir, output_dir)
    write_text(paths.channels, _channel_table(made.preprocessed, made.config))
    columns, rows = to_table(presentations, _unusable(made))
    write_table(paths.events, columns, rows)
    described = EVENTS_SIDECAR | UNUSABLE_SIDECAR
    write_json(paths.events_sidecar, {name: words for name, words in described.items() if name in columns})
    audio = {} if stimuli_dir else {"StimulusHashes": dict(sorted(made.audio.items()))}
    write_json(paths.sidecar, _sidecar(made) | audio)


def _write_eeg(made: Made, paths: DerivativePaths, output_dir: Path) -> None:
    from predann_bids.signals.preprocessing.spatial import positions

    done, channels = made.preprocessed, made.preprocessed.info["ch_names"]
    markers = [
        *((p.onset, p.duration, p.label) for p in made.resolution.presentations),
        *((span.onset, span.duration, span.description) for span in made.bad_spans),
    ]
    places = positions(done.info)
    write_brainvision(done.data, channels, done.rate_hz, places, paths.header, sorted(markers))
    measured = np.isfinite(places).any() and not any(step.name == "template positions" for step in done.steps)
    if measured:
        write_positions(made.recording, output_dir, channels, places)


def _channel_table(done: Preprocessed, config: Preprocessing) -> str:
    low, high = (f"{hz:g}" if hz else "n/a" for hz in (config.l_freq, config.h_freq))
    interpolated = set(_parameters(done, "interpolation").get("channels", ()))
    reasons = _parameters(done, "bad channels").get("reasons", {})
    rows = ["name\ttype\tunits\tlow_cutoff\thigh_cutoff\tsampling_frequency\tstatus\tstatus_description"]
    for name in done.info["ch_names"]:
        words = [*(["interpolated"] if name in interpolated else []), *reasons.get(name, ())]
        status = "bad" if name in reasons and name not in interpolated else "good"
        rate = f"{done.rate_hz:g}"
        rows.append("\t".join([name, "EEG", "µV", low, high, rate, status, ", ".join(words) or "n/a"]))
    return "\n".join(rows) + "\n"


def _parameters(done: Preprocessed, name: str) -> dict[str, Any]:
    return next((step.parameters for step in done.steps if step.name == name), {})


def _sidecar(made: Made) -> dict[str, Any]:
    recording, done, presentations = made.recording, made.preprocessed, made.resolution.presentations
    source = recording.metadata()
    filters = {step.name: step.parameters for step in done.steps if step.name in ("notch", "zapline", "band-pass")}
    seconds = sum(p.duration for p in presentations)
    lost = sentences(_unusable(made))
    return {
        "Description": "Preprocessed EEG; see PreprocessingSteps",
        "Sources": [f"bids:raw:{recording.path.relative_to(recording.root).as_posix()}"],
        "TaskName": source.get("TaskName", recording.task),
        **{key: source[key] for key in KEPT if key in source},
        "SamplingFrequency": done.rate_hz,
        "EEGReference": _reference_in_words(done) or source.get("EEGReference", "n/a"),
        "SoftwareFilters": filters or "n/a",
        "RecordingType": "continuous",
        "RecordingDuration": len(done.data) / done.rate_hz,
        "EEGChannelCount": len(done.info["ch_names"]),
        "PreprocessingConfiguration": hashed(made.config),
        "PreprocessingSteps": [{"Name": step.name, **step.parameters} for step in done.steps],
        "BadChannels": list(done.bad_channels),
        "BadSpans": [
            {"onset": round(span.onset, 6), "duration": round(span.duration, 6), "description": span.description}
            for span in made.bad_spans
        ],
        "Quality": made.quality,
        "Presentations": {
            "Count": len(presentations),
            "Seconds": round(seconds, 3),
            "UsableSeconds": made.quality["usable_s"],
            "Warnings": [warning.replace(f"{recording.root}/", "") for warning in made.resolution.warnings],
            **({"Unusable": lost} if lost else {}),
        },
        "ScienceHash": made.fingerprint,
        "SourceFingerprint": made.origin,
    }


def _unusable(made: Made) -> list[Unusable]:
    """Return what cannot be used, with paths relative to the dataset, as a derivative says where it comes from."""
    root = f"{made.recording.root}/"
    return [
        replace(one, where=one.where.replace(root, ""), error=type(one.error)(one.reason.replace(root, "")))
        for one in made.resolution.unusable
    ]


def _reference_in_words(done: Preprocessed) -> str:
    reference = _parameters(done, "reference")
    if not reference:
        return ""
    return {"average": "average", "rest": "REST"}.get(reference["kind"], ", ".join(reference.get("channels", ())))

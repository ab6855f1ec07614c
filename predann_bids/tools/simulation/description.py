"""What a simulated dataset says of itself: sidecars, README and dataset_description.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import predann_bids
from predann_bids.tools.simulation.settings import Simulation
from predann_bids.tools.simulation.strength import Strength

TASK = "music"

EEG_SIDECAR = {
    "TaskDescription": "Listening to songs with silence between them; no response is asked for.",
    "Instructions": "Please listen to the music and keep still.",
    "InstitutionName": "n/a",
    "Manufacturer": "simulated",
    "ManufacturersModelName": "predann-tools simulate",
    "CapManufacturer": "simulated",
    "EEGReference": "infinity (simulated potentials)",
    "EEGGround": "n/a",
    "HardwareFilters": "n/a",
    "SoftwareFilters": "n/a",
}

EVENTS_SIDECAR = {
    "onset": {"Description": "Start of the event, from the start of the recording", "Units": "s"},
    "duration": {"Description": "Length of the event; for music, of the audio file", "Units": "s"},
    "trial_type": {
        "Description": "What is heard",
        "Levels": {"music": "a song is played from its beginning", "fixation": "silence"},
    },
    "value": {"Description": "Trigger code: 1 for silence, 10 + number of the song for music"},
    "stim_file": {"Description": "Audio file played, relative to /stimuli"},
    "stim_id": {"Description": "Song played, as described in /stimuli/stimuli.tsv"},
    "sample": {"Description": "Start of the event in samples; the first sample of the recording is 0"},
}

README = """Simulated EEG of people listening to music

No human took part. {participants} simulated participants listen to {songs} songs of {seconds:g} s,
{repetitions} time(s) each, in random order. Songs and EEG were made by `predann-tools simulate` of PredANN-BIDS
from the seed {seed}.

The EEG contains a response to the onsets and to the band envelopes of the music that was played, with waves
near 50, 100 and 200 ms. {background}
{strength}
The songs in `stimuli` are in the public domain (CC0), like everything else here.
"""

BACKGROUND_WORDS = {
    "stationary": """Its power is {snr:g} times that of everything else (1 to 30 Hz, mean over channels):
1/f background, alpha rhythm, blinks, drift, 50 Hz line noise. Besides, each presentation has a stationary
signature of its own that has nothing to do with the music, as stretches of real recordings have: a decoder
that is tested on other parts of the presentations it was trained on reads the signature, and only a test on
other participants tells how much music it has found.""",
    "realistic": """Its power is {snr:g} times that of the rest of the brain's activity (1 to 30 Hz, mean over
channels): 1/f activity of many sources, which swells and subsides over minutes, and alpha bursts, seen through
the skull by electrodes that record nearly the same as their neighbours. To this come artefacts: blinks, bursts of
muscles, electrodes that pop, motion, drift, 50 Hz line noise. As the activity changes slowly, a stretch of a
recording resembles itself whatever is played: only a test on other participants tells how much music a decoder
has found.""",
}

STRENGTH_WORDS = """
This power was chosen for a correlation of {wanted:g}. It gives {r:.4f} (standard error over participants
{standard_error:.4f}): the mean correlation, in windows of 3 s, of the onset envelope with its linear
reconstruction from the EEG 0 to 0.4 s later, both from 1 to 8 Hz, by a ridge regression that was trained
on other participants.
"""


@dataclass(frozen=True)
class Response:
    """How strong the response became: its signal-to-noise ratio, and the correlation, if it was measured."""

    snr: float
    strength: Strength | None = None


def reached(snr: float, strength: Strength) -> str:
    """Say in a line how strong a response became."""
    measured = f"r {strength.r:.4f} (standard error over participants {strength.standard_error:.4f})"
    return f"Response: {measured} at a signal-to-noise ratio of {snr:g}"


def describe_dataset(root: Path, simulation: Simulation, response: Response) -> None:
    """Describe the dataset as a whole, in place of MNE-BIDS's templates."""
    settings = simulation.described(response.snr)
    parameters = ", ".join(f"{name}={value}" for name, value in settings.items())
    description = {
        "Name": "Simulated EEG of people listening to music",
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "License": "CC0",
        "Authors": ["PredANN-BIDS (simulated data, no participants)"],
        "GeneratedBy": [
            {
                "Name": "predann-tools simulate",
                "Version": predann_bids.__version__,
                "Description": f"Simulation({parameters})",
            }
        ],
    }
    write_json(root / "dataset_description.json", description)
    write_json(root / f"task-{TASK}_events.json", EVENTS_SIDECAR)
    (root / "README").write_text(_readme(simulation, response), encoding="utf-8")


def _readme(simulation: Simulation, response: Response) -> str:
    background = BACKGROUND_WORDS[simulation.background].format(snr=response.snr)
    strength = ""
    if response.strength is not None:
        strength = STRENGTH_WORDS.format(wanted=simulation.response_r, **asdict(response.strength))
    return README.format(**asdict(simulation) | {"background": background, "strength": strength})


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that people can read."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as a TSV file, with the keys of the first as its header."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    text = "".join("\t".join(str(cell) for cell in line) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")

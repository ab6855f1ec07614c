"""Descriptions that the converted NMED-T carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from predann_bids.tools.nmedt.files import ELECTRODES

TASK = "music"
MONTAGE = "GSN-HydroCel-128"

DESCRIPTION: Mapping[str, Any] = {
    "Name": "NMED-T: Naturalistic Music EEG Dataset - Tempo",
    "BIDSVersion": "1.10.0",
    "DatasetType": "raw",
    "Authors": ["Steven Losorelli", "Duc T. Nguyen", "Jacek P. Dmochowski", "Blair Kaneshiro"],
    "ReferencesAndLinks": [
        "Losorelli, S., Nguyen, D. T., Dmochowski, J. P. and Kaneshiro, B. (2017). NMED-T: A tempo-focused dataset of"
        " cortical and behavioral responses to naturalistic music. Proceedings of the 18th International Society for"
        " Music Information Retrieval Conference, 339-346."
    ],
}
README = """NMED-T in BIDS

The raw recordings of NMED-T (Losorelli et al. 2017), as distributed by Stanford, converted by `predann-tools nmedt` of
PredANN-BIDS {version}. Each participant listened to ten songs, five in each of two recordings (runs).

A song begins one second before the trigger 128 that follows its own trigger. Electrode positions are those of the net's
template and were not measured. The 129th channel, the vertex against which all others were recorded, is zero
throughout and was left out. The audio in `stimuli` is not part of NMED-T.
"""
EEG_SIDECAR: Mapping[str, Any] = {
    "TaskName": TASK,
    "TaskDescription": "Listening to songs in full length.",
    "Manufacturer": "EGI",
    "CapManufacturer": "EGI",
    "CapManufacturersModelName": "HydroCel Geodesic Sensor Net 128",
    "EEGReference": "vertex (E129), left out of the data",
    "PowerLineFrequency": 60,
    "SoftwareFilters": "n/a",
    "RecordingType": "continuous",
    "EEGChannelCount": ELECTRODES,
}
EVENTS_SIDECAR: Mapping[str, Any] = {
    "trial_type": {"Description": "Name of the song"},
    "value": {"Description": "Trigger of the song"},
    "stim_file": {"Description": "Audio file played, relative to /stimuli"},
    "stim_id": {"Description": "Song played, as described in /stimuli/stimuli.tsv"},
}
COORDSYSTEM: Mapping[str, Any] = {
    "EEGCoordinateSystem": "CapTrak",
    "EEGCoordinateUnits": "m",
    "EEGCoordinateSystemDescription": f"Template positions of the net ({MONTAGE} of MNE-Python), not measured.",
}

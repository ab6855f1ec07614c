"""BrainVision files as arrays: written as float32, read back without loading."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from predann_bids.arrays import Doubles, Singles
from predann_bids.errors import ReadOrWriteFailed, UnusableData
from predann_bids.files import refused

EXTENSIONS = ("vmrk", "eeg", "vhdr")  # in the order of their renaming: a header appears last
LONGEST = 240  # of the beginning of a temporary name; names may have 255 bytes


@dataclass(frozen=True)
class MappedRecording:
    """A multiplexed float32 BrainVision recording, mapped into memory.

    Parameters
    ----------
    data : ndarray, shape (samples, channels), float32
        Values in units of `resolution`; read-only.
    resolution : ndarray, shape (channels,), float32
        Microvolts per unit.
    channels : tuple of str
        Channel names.
    rate_hz : float
        Sampling rate.
    """

    data: Singles
    resolution: Singles
    channels: tuple[str, ...]
    rate_hz: float

    def fingerprint(self) -> str:
        """Fingerprint the recording by a thousand of its samples."""
        some = np.ascontiguousarray(self.data[:: max(1, len(self.data) // 1000)])
        return hashlib.blake2b(some.tobytes(), digest_size=16).hexdigest()


def write_brainvision(
    data: Singles,
    channels: Sequence[str],
    rate_hz: float,
    positions: ArrayLike,
    header: Path,
    markers: Sequence[tuple[float, float, str]],
) -> None:
    """Write a recording as IEEE float32, multiplexed, in microvolts; the three files appear whole.

    Parameters
    ----------
    data : ndarray, shape (samples, channels), float32
        Values in microvolts, in the order in which they are written: nothing is copied.
    channels : sequence of str
        Channel names.
    rate_hz : float
        Sampling rate.
    positions : array_like, shape (channels, 3)
        Positions of the electrodes in metres, in head coordinates; NaN or zeros where not known.
    header : Path
        The `.vhdr` to write.
    markers : sequence of (onset, duration, text)
        Seconds from the start of the recording, and what to call it.

    Raises
    ------
    ReadOrWriteFailed
        The files cannot be written.
    TryAgain
        The disk is full.
    """
    if not data.shape[1] == len(channels) == len(np.asarray(positions)):
        raise ValueError(f"{data.shape[1]} columns, {len(channels)} names, {len(np.asarray(positions))} positions")
    try:
        header.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=header.parent, prefix=f".writing-{header.stem}-"[:LONGEST]) as name:
            beside = Path(name) / header.name
            _write_texts(beside, channels, rate_hz, _events(markers, rate_hz, len(data)), len(data))
            _add_coordinates(beside, positions)
            with beside.with_suffix(".eeg").open("wb") as file:
                file.write(np.ascontiguousarray(data, dtype="<f4").data)
            for extension in EXTENSIONS:
                beside.with_suffix(f".{extension}").replace(header.with_suffix(f".{extension}"))
    except OSError as error:
        raise refused(header.with_suffix(".eeg"), error) from error


def _events(markers: Sequence[tuple[float, float, str]], rate_hz: float, samples: int) -> list[dict[str, Any]]:
    events = []
    for seconds, duration, text in markers:
        onset = round(seconds * rate_hz)
        # Where music outlasts the recording, two roundings must not add up to one sample too many.
        length = max(1, min(round(duration * rate_hz), samples - onset))
        # pybv codes commas as the format wants it in names of channels only
        description = text.replace(",", "\\1")
        events.append({"onset": onset, "duration": length, "description": description, "type": "Comment"})
    return events


def _write_texts(header: Path, channels: Sequence[str], rate_hz: float, events: Any, samples: int) -> None:
    """Let pybv write header and markers.

    It copies all samples on its way, so it gets one of each channel for the header, and for the markers, which must
    lie within the recording, one channel alone.
    """
    from pybv import write_brainvision as write

    # A resolution of 1 makes the stored numbers microvolts; pybv's default of 0.1 would not.
    how = {"sfreq": rate_hz, "fname_base": header.stem, "resolution": 1.0, "unit": "µV", "fmt": "binary_float32"}
    write(data=np.zeros((len(channels), 1)), ch_names=list(channels), folder_out=header.parent, **how)
    if events:
        apart = header.parent / "markers"
        write(data=np.zeros((1, samples)), ch_names=["any"], folder_out=apart, events=events, **how)
        (apart / f"{header.stem}.vmrk").replace(header.with_suffix(".vmrk"))


def map_brainvision(header: Path) -> MappedRecording:
    """Map a recording written by `write_brainvision` without reading it.

    Raises
    ------
    UnusableData
        The file is not multiplexed float32, or the data do not fit the header.
    ReadOrWriteFailed
        A file cannot be read.
    """
    try:
        sections = _sections(header.read_text(encoding="utf-8"))
        common = sections["Common Infos"]
        if (common["DataOrientation"], sections["Binary Infos"]["BinaryFormat"]) != (
            "MULTIPLEXED",
            "IEEE_FLOAT_32",
        ):
            raise UnusableData(f"{header} is not multiplexed 32-bit float; run the participant level again.")
        entries = [value.split(",") for value in sections["Channel Infos"].values()]
        values = np.memmap(header.with_name(common["DataFile"]), dtype="<f4", mode="r")
    except OSError as error:
        raise ReadOrWriteFailed(f"{header} cannot be read: {error}.") from error
    except (KeyError, UnicodeDecodeError) as error:
        raise UnusableData(f"{header} is no BrainVision header ({error} is missing).") from error
    except ValueError as error:
        raise UnusableData(
            f"{header}: its data file is empty or cut off ({error}); run the participant level again."
        ) from error
    if values.size % len(entries):
        raise UnusableData(f"{header}: its data file does not hold whole samples of {len(entries)} channels.")
    return MappedRecording(
        values.reshape(-1, len(entries)),
        np.array([float(entry[2] or 1) for entry in entries], dtype=np.float32),
        tuple(entry[0].replace("\\1", ",") for entry in entries),
        round(1e6 / float(common["SamplingInterval"]), 4),  # the interval is rounded, a rate is a plain number
    )


def read_positions(header: Path) -> dict[str, tuple[float, float, float]]:
    """Read the electrodes' positions that `write_brainvision` has written, in metres, in head coordinates."""
    sections = _sections(header.read_text(encoding="utf-8"))
    places = sections.get("Coordinates", {})
    found = {}
    for key, entry in sections["Channel Infos"].items():
        radius, theta, phi = (float(value) for value in places.get(key, "0,0,0").split(","))
        if radius:
            theta, phi, radius = math.radians(theta), math.radians(phi), radius / 1000
            x, y = radius * math.sin(theta) * math.cos(phi), radius * math.sin(theta) * math.sin(phi)
            found[entry.split(",")[0].replace("\\1", ",")] = (x, y, radius * math.cos(theta))
    return found


def _sections(text: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            sections[line.strip("[]")] = current = {}
        elif "=" in line and not line.startswith(";") and sections:
            key, value = line.split("=", 1)
            current[key] = value
    return sections


def _add_coordinates(header: Path, positions: ArrayLike) -> None:
    # pybv writes no positions, while the format has a section for them and MNE and EEGLAB read it.
    lines = [_spherical(position) for position in np.asarray(positions, dtype=float)]
    entries = [f"Ch{number}={line}" for number, line in enumerate(lines, 1)]
    section = [
        "[Coordinates]",
        "; Each entry: Ch<Channel number>=<Radius in mm>,<Theta in degrees>,<Phi in degrees>",
        *entries,
        "",
    ]
    before, comment, after = header.read_text(encoding="utf-8").partition("[Comment]")
    header.write_text(before + "\n".join(section) + "\n" + comment + after, encoding="utf-8")


def _spherical(position: Doubles) -> str:
    x, y, z = position.tolist()
    radius = math.sqrt(x * x + y * y + z * z)
    if not math.isfinite(radius) or radius == 0:
        return "0,0,0"
    theta, phi = math.degrees(math.acos(z / radius)), math.degrees(math.atan2(y, x))
    return f"{1000 * radius:.4f},{theta:.4f},{phi:.4f}"

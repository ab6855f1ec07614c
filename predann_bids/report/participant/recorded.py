"""One recording of the report: raw and preprocessed EEG, opened but not loaded, and what its sidecar says."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import mne
import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.bids.derivatives import DerivativePaths
from predann_bids.bids.music.presentations import Presentation, from_table
from predann_bids.bids.recordings import Recording
from predann_bids.files import read_json
from predann_bids.signals.quality import usable_spans

STRETCH_S = 300.0  # some minutes show filters and amplitudes as well as hours do
MOST_SAMPLES = 12_500_000  # of a stretch, over all channels: 100 MB
POSITIONS = slice(0, 3)


@dataclass(frozen=True)
class Recorded:
    """One recording with its derivative, opened but not loaded.

    Parameters
    ----------
    name : str
        Name of the raw file up to its suffix.
    before, after : mne.io.BaseRaw
        EEG channels of the recording, and its derivative.
    sidecar : mapping
        Of the derivative.
    presentations : tuple of Presentation
        In the order of their onsets.
    header : Path
        Of the derivative.
    """

    name: str
    before: Any
    after: Any
    sidecar: Mapping[str, Any]
    presentations: tuple[Presentation, ...]
    header: Path

    @property
    def bad(self) -> tuple[str, ...]:
        """Channels found bad."""
        return tuple(self.sidecar["BadChannels"])

    @property
    def good(self) -> list[str]:
        """All channels but the bad ones; all of them when every channel is bad."""
        return [name for name in self.after.ch_names if name not in self.bad] or list(self.after.ch_names)

    @cached_property
    def reasons(self) -> dict[str, tuple[str, ...]]:
        """Why each bad channel is bad."""
        step = self.step("bad channels")
        known = step.get("reasons") or {name: ["flat"] for name in step.get("flat", ())}
        return {name: tuple(known.get(name, ())) for name in self.bad}

    @property
    def interpolated(self) -> tuple[str, ...]:
        """Channels that were interpolated."""
        return tuple(self.step("interpolation").get("channels", ()))

    @property
    def bad_spans(self) -> tuple[tuple[float, float, str], ...]:
        """Bad stretches: onset and duration in seconds from the start of the recording, and what they are called."""
        spans = self.sidecar.get("BadSpans", ())
        return tuple((span["onset"], span["duration"], str(span.get("description", ""))) for span in spans)

    def usable_s(self, presentation: Presentation) -> float:
        """How many seconds of a presentation lie outside of bad spans."""
        spans = [(onset, duration) for onset, duration, _ in self.bad_spans]
        return sum(stop - start for start, stop in usable_spans((presentation.onset, presentation.duration), spans))

    @property
    def music_s(self) -> float:
        """Seconds of music."""
        return sum(p.duration for p in self.presentations)

    @property
    def quality(self) -> Mapping[str, float | None]:
        """The result of `signals.quality.measure`; empty in derivatives that are older than it."""
        return self.sidecar.get("Quality") or {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know about the presentations."""
        return tuple(self.sidecar["Presentations"]["Warnings"])

    @property
    def steps(self) -> tuple[Mapping[str, Any], ...]:
        """Preprocessing steps, in the order in which they were done."""
        return tuple(self.sidecar["PreprocessingSteps"])

    @property
    def seconds(self) -> float:
        """Length of the derivative."""
        return float(self.after.n_times / self.after.info["sfreq"])

    def step(self, name: str) -> Mapping[str, Any]:
        """Parameters of a preprocessing step; empty when it was not done."""
        return next((step for step in self.steps if step["Name"] == name), {})

    @property
    def stretch(self) -> tuple[float, float]:
        """Start and stop, in seconds, of the stretch that spectra and amplitudes are taken from: music, if any."""
        most = MOST_SAMPLES / (len(self.after.ch_names) * self.before.info["sfreq"])
        start = self.presentations[0].onset if self.presentations else 0.0
        length = min(STRETCH_S, most, self.seconds)
        start = max(0.0, min(start, self.seconds - length))
        return start, start + length


def open_recorded(recording: Recording, paths: DerivativePaths) -> Recorded:
    """Open a recording and its derivative."""
    sidecar = read_json(paths.sidecar)
    after = quietly(mne.io.read_raw_brainvision, paths.header, verbose="error")
    after.info["bads"] = [name for name in after.ch_names if name in sidecar["BadChannels"]]
    before = quietly(recording.read).pick("eeg", exclude=())
    return Recorded(recording.name, before, after, sidecar, from_table(paths.events), paths.header)


def quietly(read: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a reader without its warnings, which were given when the recording was preprocessed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(*arguments, **options)


def microvolts(raw: Any, start_s: float, stop_s: float, names: Sequence[str]) -> Doubles:
    """Read a stretch of some channels.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        A recording in volts.
    start_s, stop_s : float
        Seconds from its start.
    names : sequence of str
        Channels.

    Returns
    -------
    ndarray, shape (C, T)
        Microvolts.
    """
    rate = raw.info["sfreq"]
    stretch = slice(max(0, round(start_s * rate)), min(raw.n_times, round(stop_s * rate)))
    data: Doubles = quietly(raw.get_data, picks=list(names), start=stretch.start, stop=stretch.stop, verbose="error")
    data *= 1e6
    return data


def in_both(recorded: Recorded, names: Sequence[str]) -> list[str]:
    """List the channels that the recording has as well, which may lack a reference that was put back."""
    return [name for name in names if name in recorded.before.ch_names]


def stretches(recorded: Recorded) -> Iterator[tuple[Doubles, float]]:
    """Read the stretch (C, T) in µV before and after preprocessing, of all channels that both have, one at a time."""
    names = in_both(recorded, recorded.after.ch_names)
    for raw in (recorded.before, recorded.after):
        yield microvolts(raw, *recorded.stretch, names), float(raw.info["sfreq"])


def has_positions(info: mne.Info, names: Sequence[str] | None = None) -> bool:
    """Whether every channel, or each of those named, has a position on the head."""
    chosen = [channel for channel in info["chs"] if names is None or channel["ch_name"] in names]
    positions = np.array([channel["loc"][POSITIONS] for channel in chosen])
    return bool(len(chosen) and np.isfinite(positions).all() and (np.abs(positions).sum(axis=1) > 0).all())

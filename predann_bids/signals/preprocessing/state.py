"""A recording on its way through preprocessing: its samples, and what is still to be done to them.

Whatever is linear is only noted, as a filter or as a matrix over channels, and applied at the end in one pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from predann_bids.arrays import Doubles
from predann_bids.signals.preprocessing.chain import Chain, run
from predann_bids.signals.preprocessing.reading import Extremes

if TYPE_CHECKING:
    from mne import Annotations, Info
    from mne.io import BaseRaw

ESTIMATION_HZ, ESTIMATION_BAND_HZ = 250.0, (1.0, 100.0)  # what ICLabel was trained on, and enough to detect muscles


@dataclass(frozen=True)
class Step:
    """One step that was done to a recording, with all of its parameters."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


class SmallCopy:
    """Make the copy of a recording in which bad channels and components are sought; keep it for the next who asks.

    Parameters
    ----------
    judged_by : sequence of (start, stop)
        Stretches, in seconds, to look at; empty for all of the recording. An annotation calls the rest BAD.
    workers : int
        Threads to filter with.
    """

    def __init__(self, judged_by: Sequence[tuple[float, float]], workers: int) -> None:
        self._judged_by, self._workers = judged_by, workers
        self._made: tuple[BaseRaw, Chain, BaseRaw] | None = None  # of what, with what, and the copy

    def of(self, raw: BaseRaw, chain: Chain) -> BaseRaw:
        """Return the recording from 1 to 100 Hz, at up to 250 Hz, with the notches and the matrix of a chain."""
        if self._made:
            made_of, made_with, copy = self._made
            same_filters = list(made_with.notches_hz) == list(chain.notches_hz)
            if made_of is raw and made_with.matrix is chain.matrix and same_filters:
                return copy
        copy = self._make(raw, chain)
        self._made = raw, chain, copy
        return copy

    def clear(self) -> None:
        """Free the memory of the copy."""
        self._made = None

    def _make(self, raw: BaseRaw, chain: Chain) -> BaseRaw:
        from mne.io import RawArray

        low, high = ESTIMATION_BAND_HZ
        rate = min(ESTIMATION_HZ, float(raw.info["sfreq"]))
        chain = replace(
            chain, low_hz=low, high_hz=high if high < rate / 2 else None, rate_hz=rate, resampling="polyphase"
        )
        data = run(raw, chain, workers=self._workers)
        small = RawArray(data.T * 1e-6, info_after(raw.info, chain), verbose="error")
        return small.set_annotations(self._not_judged_by(len(data) / rate), verbose="error")

    def _not_judged_by(self, seconds: float) -> Annotations:
        from mne import Annotations

        spans = sorted(self._judged_by) or [(0.0, seconds)]
        starts = [0.0, *(stop for _, stop in spans)]
        stops = [*(start for start, _ in spans), seconds]
        gaps = [(start, stop - start) for start, stop in zip(starts, stops, strict=True) if stop > start]
        return Annotations([onset for onset, _ in gaps], [duration for _, duration in gaps], "BAD_not judged by")


@dataclass(frozen=True, eq=False)
class State:
    """What has become of a recording so far.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The EEG channels, C of them, in volts; they need not be in memory. A step that needs all samples at once puts
        another recording, of the same channels, in its place.
    chain : Chain
        Filters, matrix (C, C) over channels and sampling rate that are still to be applied to `raw`.
    extremes : Extremes
        Smallest and largest value of each channel, as recorded.
    small_copies : SmallCopy
        What `judged_copy` takes its copy from.
    bad_channels, interpolated : tuple of str
        Channels found bad, and those of them that other channels have replaced.
    steps : tuple of Step
        What was done, for the sidecar.
    warnings : tuple of str
        What a user should look at.
    """

    raw: BaseRaw
    chain: Chain
    extremes: Extremes
    small_copies: SmallCopy
    bad_channels: tuple[str, ...] = ()
    interpolated: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def channels(self) -> list[str]:
        """Names of the channels."""
        return list(self.raw.ch_names)

    @property
    def rate_hz(self) -> float:
        """Sampling rate of the recording."""
        return float(self.raw.info["sfreq"])

    @property
    def info(self) -> Info:
        """The channels; its `bads` are those that are bad and not interpolated."""
        info = self.raw.info.copy()
        info["bads"] = [name for name in self.bad_channels if name not in self.interpolated]
        return info

    def judged_copy(self, bads: Sequence[str]) -> BaseRaw:
        """Return a small copy to estimate from, (C, T) in volts, 1-100 Hz, without line noise; it is shared."""
        copy = self.small_copies.of(self.raw, self.chain)
        copy.info["bads"] = list(bads)
        return copy

    def note(self, *steps: Step, warnings: Sequence[str] = ()) -> State:
        """Add what was done, and what a user should look at."""
        return replace(self, steps=(*self.steps, *steps), warnings=(*self.warnings, *warnings))

    def filter(self, **changes: Any) -> State:
        """Change `notches_hz`, `low_hz`, `high_hz`, `rate_hz` or `resampling` of what is applied at the end."""
        return replace(self, chain=replace(self.chain, **changes))

    def mix(self, matrix: Doubles) -> State:
        """Let a matrix (C, C) act on the channels, after those of earlier steps."""
        earlier = self.chain.matrix
        return replace(self, chain=replace(self.chain, matrix=matrix if earlier is None else matrix @ earlier))


def info_after(info: Info, chain: Chain) -> Info:
    """Describe what a chain makes of a recording."""
    info = info.copy()
    with info._unlock():
        info["sfreq"] = chain.rate_hz
        info["highpass"] = max(info["highpass"], chain.low_hz or 0.0)
        info["lowpass"] = min(info["lowpass"], chain.high_hz or math.inf, chain.rate_hz / 2)
    info["bads"] = []
    return info

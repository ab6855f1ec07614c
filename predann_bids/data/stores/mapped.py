"""Cut windows into arrays: EEG from memory-mapped derivatives, audio from the features of whole stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from predann_bids.arrays import Ints, Singles
from predann_bids.data.bad_spans import usable_samples
from predann_bids.data.channels import common_channels, indices_of
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.errors import UnusableData
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.montage import Fill, Montage
from predann_bids.signals.scaling import ENOUGH, Scaling, scale_windows
from predann_bids.timing import Rate, Span

BLOCK = 8192  # samples of a recording that are scaled at once


@dataclass(frozen=True)
class EegStore:
    """The memory-mapped recordings of all trials, reduced or interpolated to one set of channels.

    Parameters
    ----------
    recordings : tuple of MappedRecording
        Derivatives of one sampling rate.
    columns : tuple of ndarray of int
        Indices of the channels in each recording.
    channels : tuple of str
        Names of the channels.
    scalings : tuple of Scaling
        One for each recording; empty to scale each channel of each window by itself, as published.
    rotations : tuple of int
        Samples by which each recording is rotated against its events; empty for no rotation.
    fills : tuple of Fill
        How the channels that each recording lacks are interpolated; empty if all recordings have all channels.
    """

    recordings: tuple[MappedRecording, ...]
    columns: tuple[Ints, ...]
    channels: tuple[str, ...]
    scalings: tuple[Scaling, ...]
    rotations: tuple[int, ...] = ()
    fills: tuple[Fill, ...] = ()

    @classmethod
    def open(
        cls,
        recordings: Sequence[MappedRecording],
        excluded: frozenset[str] = frozenset(),
        wanted: Sequence[str] = (),
        *,
        bad: Sequence[Sequence[Span]] = (),
        montage: Montage | None = None,
        by_window: bool = False,
        scalings: tuple[Scaling, ...] = (),
    ) -> EegStore:
        """Choose the channels, in the order of the first recording, and measure the scaling of each recording.

        Parameters
        ----------
        recordings : sequence of MappedRecording
            Derivatives to cut windows from.
        excluded : frozenset of str
            Channels to leave out.
        wanted : sequence of str
            Exactly these channels, in this order; empty for all.
        bad : sequence of sequence of Span
            Spans of each recording that its scaling must not be measured on; empty for none.
        montage : Montage, optional
            Interpolate the recordings to this montage, instead of reducing them to their common channels.
        by_window : bool
            Scale each channel of each window by itself, instead of each recording.
        scalings : tuple of Scaling
            Those of the recordings, where they have been measured before.

        Raises
        ------
        UnusableData
            The recordings share no channel, one that is wanted is missing, or their sampling rates differ.
        """
        rates = {recording.rate_hz for recording in recordings}
        if len(rates) > 1:
            raise UnusableData(
                f"The derivatives have different sampling rates ({rates}). Run the participant level again."
            )
        if montage:
            pairs = zip(montage.fills, recordings, strict=True)
            fills = tuple(_in_units_of(recording, fill) for fill, recording in pairs)
            columns = tuple(fill.columns for fill in fills)
            channels = montage.target.channels
        else:
            channels, fills = common_channels([r.channels for r in recordings], excluded, wanted), ()
            columns = tuple(np.array(indices_of(channels, r.channels)) for r in recordings)
        store = cls(tuple(recordings), columns, channels, (), fills=fills)
        if by_window or scalings:
            return replace(store, scalings=() if by_window else scalings)
        by_recording = bad or [()] * len(recordings)
        return replace(store, scalings=tuple(store.scaling(index, spans) for index, spans in enumerate(by_recording)))

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, delay: int) -> Singles:
        """Cut windows of scaled EEG.

        Parameters
        ----------
        trials : sequence of Trial
            All trials.
        windows : Windows
            Which windows to cut.
        length : int
            Samples of a window.
        delay : int
            Samples by which the EEG is taken later than the audio.

        Returns
        -------
        ndarray, shape (windows, channels, length), float32
        """
        batch = np.empty((len(windows), len(self.channels), length), dtype=np.float32)
        for row, (index, start) in enumerate(zip(windows.trial, windows.start, strict=True)):
            trial = trials[index]
            samples = self._samples(trial.recording, trial.onset + int(start) + delay, length)
            picked = self._pick(trial.recording, samples)
            if self.scalings:
                self.scalings[trial.recording].apply(picked, out=batch[row])
            else:
                batch[row] = picked.T
        return batch if self.scalings else scale_windows(batch)

    def scaling(self, recording: int, bad: Sequence[Span] = ()) -> Scaling:
        """Measure how a recording is to be scaled, outside of its bad spans."""
        data = self.recordings[recording].data
        if not bad:
            return Scaling.of(self._pick(recording, data[:: max(1, len(data) // ENOUGH)]))
        usable = np.flatnonzero(usable_samples(len(data), bad))
        return Scaling.of(self._pick(recording, data[usable[:: max(1, len(usable) // ENOUGH)]]))

    def scaled(self, recording: int) -> Singles:
        """Return a whole recording, scaled: shape (samples, C)."""
        assert self.scalings
        number = len(self.recordings[recording].data)
        whole = np.empty((number, len(self.channels)), dtype=np.float32)
        for first in range(0, number, BLOCK):
            last = min(first + BLOCK, number)
            picked = self._pick(recording, self._samples(recording, first, last - first))
            self.scalings[recording].by_moment(picked, out=whole[first:last])
        return whole

    @property
    def n_bytes(self) -> int:
        """Size of all recordings, with the channels that are used."""
        return 4 * len(self.channels) * sum(len(recording.data) for recording in self.recordings)

    def whitened(self, shrinkage: float | None) -> EegStore:
        """Return a store that whitens each recording with another shrinkage, or, with None, only standardises it.

        A store that scales each window by itself stays as it is.
        """
        return replace(self, scalings=tuple(scaling.whitened(shrinkage) for scaling in self.scalings))

    def _pick(self, recording: int, samples: Singles) -> Singles:
        if self.fills:
            return self.fills[recording].apply(samples)
        columns = self.columns[recording]
        # all channels in their own order need no copy
        return samples if np.array_equal(columns, np.arange(samples.shape[1])) else samples[:, columns]

    def _samples(self, recording: int, begin: int, length: int) -> Singles:
        data = self.recordings[recording].data
        if not self.rotations:
            return data[begin : begin + length]  # one contiguous run of bytes
        return data.take(np.arange(begin, begin + length) + self.rotations[recording], axis=0, mode="wrap")


def _in_units_of(recording: MappedRecording, fill: Fill) -> Fill:
    """Adapt interpolation weights to the stored numbers. Each channel may keep its own unit, as each is scaled."""
    alike = not len(fill.rows) or np.ptp(recording.resolution) == 0
    return fill if alike else replace(fill, weights=fill.weights * recording.resolution)


@dataclass(frozen=True)
class AudioStore:
    """Features of whole stimuli at the rate of the EEG.

    Parameters
    ----------
    features : sequence of ndarray, shape (bands, frames)
        One for each stimulus, with one frame per EEG sample.
    """

    features: Sequence[Singles]

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, margin: float = 0) -> Singles:
        """Cut windows of audio features, with context on both sides.

        Beyond the ends of a stimulus, its first or last frame is repeated.

        Parameters
        ----------
        trials : sequence of Trial
            All trials.
        windows : Windows
            Which windows to cut.
        length : int
            Frames of a window.
        margin : float
            Context on both sides, in frames; rounded down.

        Returns
        -------
        ndarray, shape (windows, bands, length + 2 * margin)
        """
        pairs = zip(windows.stimuli(trials), self.moments(trials, windows) - int(margin), strict=True)
        frames = length + 2 * int(margin)
        return np.stack([self._frames(self.features[stimulus], first, frames) for stimulus, first in pairs])

    @staticmethod
    def margin(seconds: float, rate: Rate) -> int:
        """Convert context on one side from seconds to EEG samples, which are frames."""
        return rate.samples(seconds)

    @property
    def stimuli(self) -> Sequence[Singles]:
        """The features of whole stimuli."""
        return self.features

    def moments_of(self, stimulus: int, length: int, margin: float = 0) -> tuple[Ints, int]:
        """Return the first frame of the window at each frame where one fits, and the frames of a window."""
        last = self.features[stimulus].shape[1] - length
        return np.arange(max(0, last + 1)) - int(margin), length + 2 * int(margin)

    @staticmethod
    def _frames(features: Singles, first: int, number: int) -> Singles:
        available = features.shape[1]
        if first >= 0 and first + number <= available:
            return features[:, first : first + number]
        return features[:, np.clip(np.arange(first, first + number), 0, available - 1)]

    @staticmethod
    def moments(trials: Sequence[Trial], windows: Windows) -> Ints:
        """Return the position of each window in its audio, in frames."""
        begin = np.array([trials[t].audio_start for t in windows.trial], dtype=np.int64)
        return begin + windows.start

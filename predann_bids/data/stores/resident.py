"""EEG and audio held in the memory of an accelerator, so that no batch has to be copied to it.

Where many windows are needed, all their places go to the device at once; each batch is then cut without a word from the
processor, which need not wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Ints, Singles
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.stores.waveforms import WaveformStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.signals.scaling import CLAMP, NO_RANGE, OUTLIER, QUARTILES, quantile

LARGEST_SHARE = 0.4  # of the free memory; training needs the rest
Cutting: TypeAlias = Callable[[slice], Any]  # cuts some of the windows that it was made for


@runtime_checkable
class Placing(Protocol):
    """A store that can look up the places of many windows at once."""

    def placed(self, trials: Sequence[Trial], windows: Windows, length: int, around: Any) -> Cutting:
        """Look up the places of windows, and return what cuts some of them.

        Parameters
        ----------
        trials : sequence of Trial
            All trials.
        windows : Windows
            All windows.
        length : int
            EEG samples of a window.
        around : int or float
            Delay of the EEG, or context of the audio.
        """


def cutting(store: Any, trials: Sequence[Trial], windows: Windows, length: int, around: Any) -> Cutting:
    """Return what cuts some windows from a store; if it is on a device, their places go there now.

    Parameters
    ----------
    store : EegWindows or AudioWindows
        Where to cut them from.
    trials : sequence of Trial
        All trials.
    windows : Windows
        All windows.
    length : int
        EEG samples of a window.
    around : int or float
        Delay of the EEG, or context of the audio.
    """
    if isinstance(store, Placing):
        return store.placed(trials, windows, length, around)
    return lambda some: store.windows(trials, windows[some], length, around)


@dataclass(frozen=True)
class ResidentEeg:
    """The recordings of an `EegStore`, concatenated, on a device.

    Parameters
    ----------
    samples : Tensor, shape (samples, C)
        Samples of all recordings, already scaled unless windows are scaled one by one.
    begins : tuple of int
        First sample of each recording.
    channels : tuple of str
        Names of the channels.
    by_window : bool
        Whether each channel of each window is scaled by itself.
    """

    samples: Tensor
    begins: tuple[int, ...]
    channels: tuple[str, ...]
    by_window: bool

    @classmethod
    def of(cls, store: EegStore, device: torch.device) -> ResidentEeg:
        """Copy recordings to a device, and scale them there once if whole recordings are scaled."""
        begins = np.cumsum([0, *(len(recording.data) for recording in store.recordings)]).tolist()
        samples = torch.empty((begins.pop(), len(store.channels)), device=device)
        for index, (recording, begin) in enumerate(zip(store.recordings, begins, strict=True)):
            part = torch.from_numpy(recording.data[:, store.columns[index]]).to(device)
            samples[begin : begin + len(part)] = _scaled(part, store, index) if store.scalings else part
        return cls(samples, tuple(begins), store.channels, not store.scalings)

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, delay: int) -> Tensor:
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
        Tensor, shape (windows, C, length)
        """
        cut: Tensor = self.placed(trials, windows, length, delay)(slice(None))
        return cut

    def placed(self, trials: Sequence[Trial], windows: Windows, length: int, delay: int) -> Cutting:
        """Look up the places of windows, and return what cuts some of them as `windows` does.

        Parameters
        ----------
        trials : sequence of Trial
            All trials.
        windows : Windows
            All windows.
        length : int
            EEG samples of a window.
        delay : int
            Samples by which the EEG is taken later than the audio.
        """
        onsets = [self.begins[trials[index].recording] + trials[index].onset for index in windows.trial]
        starts = _moved(np.array(onsets, dtype=np.int64) + windows.start + delay, self.samples.device)

        def cut(some: slice) -> Tensor:
            taken = _cut(self.samples, starts[some], length).transpose(1, 2).contiguous()
            return scale_windows_on_device(taken) if self.by_window else taken

        return cut


@dataclass(frozen=True)
class ResidentAudio:
    """Features or waveforms of all stimuli, concatenated, on a device, each extended on both sides.

    Parameters
    ----------
    store : AudioStore or WaveformStore
        Where the audio was copied from.
    samples : Tensor, shape (frames, bands) or (samples,)
        Frames of features, or samples of waveforms.
    begins : tuple of int
        First frame or sample of each stimulus.
    room : int
        EEG samples by which each stimulus is extended at both ends.
    """

    store: AudioStore | WaveformStore
    samples: Tensor
    begins: tuple[int, ...]
    room: int

    @classmethod
    def of(cls, store: AudioStore | WaveformStore, device: torch.device, room: int) -> ResidentAudio:
        """Copy stimuli to a device, and extend them at both ends as the store would."""
        parts, begins, total = [], [], 0
        for stimulus in store.stimuli:
            if isinstance(store, AudioStore):
                around, part = room, np.pad(stimulus.T, ((room, room), (0, 0)), mode="edge")
            else:
                around = store.samples(room)
                part = np.pad(stimulus, around)
            begins.append(total + around)
            total += len(part)
            parts.append(torch.from_numpy(part).to(device))
        return cls(store, torch.cat(parts), tuple(begins), room)

    @property
    def stimuli(self) -> Sequence[Singles]:
        """Features or waveforms of whole stimuli, in memory or mapped."""
        return self.store.stimuli

    def moments_of(self, stimulus: int, length: int, margin: float = 0) -> tuple[Ints, int]:
        """Return what the same method of the store returns."""
        return self.store.moments_of(stimulus, length, margin)

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, margin: float = 0) -> Tensor:
        """Cut windows of audio, with context on both sides.

        Windows must not reach further beyond a stimulus than `room`: they would run into the next one.

        Parameters
        ----------
        trials : sequence of Trial
            All trials.
        windows : Windows
            Which windows to cut.
        length : int
            EEG samples of a window.
        margin : float
            Context on both sides, in EEG samples.

        Returns
        -------
        Tensor, shape (windows, bands, frames) or (windows, samples)
            Features or waveforms.
        """
        cut: Tensor = self.placed(trials, windows, length, margin)(slice(None))
        return cut

    def placed(self, trials: Sequence[Trial], windows: Windows, length: int, margin: float = 0) -> Cutting:
        """Look up the places of windows, and return what cuts some of them as `windows` does.

        Parameters
        ----------
        trials : sequence of Trial
            All trials.
        windows : Windows
            All windows.
        length : int
            EEG samples of a window.
        margin : float
            Context on both sides, in EEG samples.
        """
        begins = np.array([self.begins[stimulus] for stimulus in windows.stimuli(trials)], dtype=np.int64)
        moments = AudioStore.moments(trials, windows)
        if isinstance(self.store, AudioStore):
            frames = _moved(begins + moments - int(margin), self.samples.device)
            number = length + 2 * int(margin)
            return lambda some: _cut(self.samples, frames[some], number).transpose(1, 2).contiguous()
        starts = _moved(begins + self.store.starts(moments, margin), self.samples.device)
        n_samples = self.store.samples(length, margin)
        return lambda some: _cut(self.samples, starts[some], n_samples)


def make_resident(
    eeg: EegStore, audio: AudioStore | WaveformStore, device: torch.device, room: int
) -> tuple[ResidentEeg, ResidentAudio] | None:
    """Copy EEG and audio to a device, unless they do not fit or the EEG would have to be interpolated or rotated.

    Parameters
    ----------
    eeg, audio : EegStore, AudioStore or WaveformStore
        What to copy.
    device : torch.device
        Where to copy it.
    room : int
        EEG samples by which windows may reach beyond a stimulus.

    Returns
    -------
    tuple of ResidentEeg and ResidentAudio, or None
    """
    samples = sum(len(recording.data) for recording in eeg.recordings) * len(eeg.channels)
    bytes_needed = 4 * (samples + sum(stimulus.size for stimulus in audio.stimuli))
    if eeg.fills or eeg.rotations or bytes_needed > LARGEST_SHARE * free_bytes(device):
        return None
    return ResidentEeg.of(eeg, device), ResidentAudio.of(audio, device, room)


def free_bytes(device: torch.device) -> float:
    """Return the free memory of a device in bytes. Only NVIDIA devices report it; 8 GB is assumed for others."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 8e9


def scale_windows_on_device(windows: Tensor) -> Tensor:
    """Scale windows (n, C, T) as `signals.scaling.scale_windows` does, on the device that holds them."""
    ordered = windows.sort(dim=-1).values
    (low, above_low), (middle, above_middle), (high, above_high) = (quantile(ordered, share) for share in QUARTILES)
    spread = (high - low) + (above_high - above_low)
    spread = torch.where(spread < NO_RANGE, torch.ones_like(spread), spread)
    return windows.sub(middle).sub_(above_middle).div_(spread).clamp_(-CLAMP, CLAMP)


def _moved(starts: Ints, device: torch.device) -> Tensor:
    return torch.from_numpy(starts).to(device, non_blocking=True)


def _cut(samples: Tensor, starts: Tensor, length: int) -> Tensor:
    """Cut runs of rows, shape (n, length, ...)."""
    return samples[starts[:, None] + torch.arange(length, device=samples.device)]


def _scaled(samples: Tensor, store: EegStore, index: int) -> Tensor:
    """Scale a whole recording (T, C) as `Scaling.apply` scales its windows."""
    scaling = store.scalings[index]
    center, spread, mixing = (
        torch.from_numpy(part).to(samples.device) for part in (scaling.center, scaling.spread, scaling.mixing)
    )
    limited = ((samples - center) / spread).clamp(-OUTLIER, OUTLIER)
    return (limited @ mixing.T).clamp(-CLAMP, CLAMP)

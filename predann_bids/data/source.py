"""The source of windows: recordings, audio, and how windows are cut from both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from predann_bids.data.stores.halved import HalvedCuts, HalvedRecordings, HalvedStimuli
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.stores.resident import cutting, make_resident
from predann_bids.data.stores.waveforms import WaveformStore
from predann_bids.data.trials import Trial
from predann_bids.data.windows import Windows
from predann_bids.signals.halves import Halved, HalvedFeatures

CPU = torch.device("cpu")


class EegWindows(Protocol):
    """A store that cuts windows from EEG."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels."""

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, delay: int) -> Any:
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
        ndarray or Tensor, shape (windows, C, length)
        """


class AudioWindows(Protocol):
    """A store that holds the audio of whole stimuli and cuts windows from it."""

    @property
    def stimuli(self) -> Sequence[Any]:
        """Features (bands, frames) or waveforms (samples,) of whole stimuli."""

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, margin: float) -> Any:
        """Cut windows of audio.

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
        ndarray or Tensor, shape (windows, bands, frames) or (windows, samples)
        """

    def moments_of(self, stimulus: int, length: int, margin: float) -> tuple[Any, int]:
        """Return where the window at each EEG sample of a stimulus begins, and the length of these windows."""


Eeg = TypeVar("Eeg", bound=EegWindows)
Audio = TypeVar("Audio", bound=AudioWindows)


class Batch(NamedTuple):
    """EEG (B, C, T), audio features (B, bands, T) or waveforms (B, samples), and stimulus indices (B,) of windows.

    EEG and audio features may be halved.
    """

    eeg: Tensor | Halved
    audio: Tensor | HalvedFeatures
    stimuli: Tensor

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the values of EEG and audio, and the stimuli."""
        eeg = self.eeg.values if isinstance(self.eeg, Halved) else self.eeg
        audio = self.audio.values if isinstance(self.audio, HalvedFeatures) else self.audio
        return eeg, audio, self.stimuli

    @property
    def n_bytes(self) -> int:
        """Size in memory."""
        return sum(part.numel() * part.element_size() for part in self.tensors())


@dataclass(frozen=True)
class Source(Generic[Eeg, Audio]):
    """Recordings and audio from which windows are cut.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    eeg : EegWindows
        Store of the EEG.
    audio : AudioWindows
        Store of the audio.
    length, delay : int
        Samples of a window, and samples by which the EEG is taken later than the audio.
    margin : float
        Context of the audio on both sides, in EEG samples; may be fractional where waveforms are cut.
    device : torch.device
        Where the data are.
    """

    trials: Sequence[Trial]
    eeg: Eeg
    audio: Audio
    length: int
    delay: int
    margin: float = 0
    device: torch.device = CPU

    def batch(self, windows: Windows) -> Batch:
        """Cut the EEG and audio of windows, and look up their stimuli."""
        return self.cutting(windows)(slice(None))

    def cutting(self, windows: Windows) -> Callable[[slice], Batch]:
        """Return what cuts batches of some of the windows. To data on an accelerator, their places go at once, now."""
        eeg = cutting(self.eeg, self.trials, windows, self.length, self.delay)
        audio = cutting(self.audio, self.trials, windows, self.length, self.margin)
        stimuli = torch.from_numpy(windows.stimuli(self.trials)).to(self.device, non_blocking=True)
        return lambda some: Batch(_as_tensor(eeg(some)), _as_tensor(audio(some)), stimuli[some])

    def eeg_of(self, windows: Windows) -> Any:
        """Cut only the EEG of windows, (B, C, T)."""
        return _as_tensor(self.eeg.windows(self.trials, windows, self.length, self.delay))

    def whitened(self, shrinkage: float | None) -> AnySource:
        """Return a source whose recordings are whitened with another shrinkage; None only standardises channels."""
        return self.taking_from(self.eeg.whitened(shrinkage), self.audio) if isinstance(self.eeg, EegStore) else self

    def songs(self) -> SourceSongs:
        """Return the audio of whole songs."""
        return SourceSongs(self.audio, self.length, self.margin)

    def on(self, device: torch.device) -> AnySource:
        """Return the same source with all data on an accelerator, if they fit, so that no batch has to be copied."""
        eeg, audio = self.eeg, self.audio
        if device.type == "cpu" or not (isinstance(eeg, EegStore) and isinstance(audio, AudioStore | WaveformStore)):
            return self
        resident = make_resident(eeg, audio, device, room=math.ceil(self.length + 2 * self.margin))
        return replace(self.taking_from(*resident), device=device) if resident else self

    def halved(self, bands: int, room_gb: float) -> AnySource:
        """Return a source that cuts the same windows at half the rate.

        Parameters
        ----------
        bands : int
            Number of audio features, of the first ones, that are cut.
        room_gb : float
            Memory for recordings that are kept scaled. Where they do not fit, each window is scaled when it is cut.
        """
        eeg: Any = self.eeg
        audio: Any = self.audio
        keeps = isinstance(eeg, EegStore) and eeg.scalings and eeg.n_bytes <= room_gb * 1e9
        recordings: Any = HalvedRecordings(eeg) if keeps else HalvedCuts(eeg, Halved)
        reach = math.ceil(self.length + 2 * self.margin)
        known = isinstance(audio, AudioStore)
        stimuli: Any = HalvedStimuli(audio, bands, reach) if known else HalvedCuts(audio, HalvedFeatures, bands)
        return self.taking_from(recordings, stimuli)

    def taking_from(self, eeg: EegWindows, audio: AudioWindows) -> AnySource:
        """Return a source that cuts the same windows from other stores."""
        return Source(self.trials, eeg, audio, self.length, self.delay, self.margin, self.device)


@dataclass(frozen=True)
class SourceSongs:
    """The audio of whole songs, as decoders ask for it (`models.decoder.Songs`)."""

    store: AudioWindows
    length: int
    margin: float

    def __len__(self) -> int:
        return len(self.store.stimuli)

    def audio(self, song: int) -> Tensor:
        """Return the features (bands, frames) or the waveform (samples,) of a song, on the CPU."""
        return torch.from_numpy(np.array(self.store.stimuli[song]))

    def windows(self, song: int) -> tuple[Tensor, int]:
        """Return where the window at each EEG sample of a song begins, and the length of these windows."""
        starts, length = self.store.moments_of(song, self.length, self.margin)
        return torch.as_tensor(starts), length


def _as_tensor(windows: Any) -> Any:
    return windows if isinstance(windows, Halved | HalvedFeatures) else torch.as_tensor(windows)


AnySource: TypeAlias = Source[Any, Any]
# of memory-mapped recordings, and of features with one frame per EEG sample
MappedSource: TypeAlias = Source[EegStore, AudioStore]

"""Where windows are taken from: recordings and audio, and how they are cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from predann_bids.data.batches import AudioStore, EegStore
from predann_bids.data.resident import make_resident
from predann_bids.data.trials import Trial
from predann_bids.data.waveforms import WaveformStore
from predann_bids.data.windows import Windows


class EegWindows(Protocol):
    """What gives windows of EEG (n, C, T)."""

    @property
    def channels(self) -> tuple[str, ...]: ...  # noqa: D102

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, delay: int) -> Any: ...  # noqa: D102


class AudioWindows(Protocol):
    """What gives windows of audio, (n, bands, T) or (n, samples), and whole stimuli."""

    @property
    def stimuli(self) -> Sequence[Any]: ...  # noqa: D102

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, margin: float) -> Any: ...  # noqa: D102

    def moments_of(self, stimulus: int, length: int, margin: float) -> tuple[Any, int]: ...  # noqa: D102


Eeg = TypeVar("Eeg", bound=EegWindows)
Audio = TypeVar("Audio", bound=AudioWindows)


class Batch(NamedTuple):
    """Windows of EEG (B, C, T), of the audio features (B, bands, T) or waveforms (B, samples), and the songs (B,)."""

    eeg: Tensor
    audio: Tensor
    stimuli: Tensor


@dataclass(frozen=True)
class Source(Generic[Eeg, Audio]):
    """Recordings and audio that windows are taken from.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    eeg : EegWindows
        Gives windows of EEG.
    audio : AudioWindows
        Gives windows of audio.
    length, delay : int
        Samples of a window, and how much later than the audio the EEG is taken.
    margin : float
        The audio's context on both sides, in EEG samples; a fraction where waveforms are cut.
    """

    trials: Sequence[Trial]
    eeg: Eeg
    audio: Audio
    length: int
    delay: int
    margin: float = 0

    def batch(self, windows: Windows) -> Batch:
        """Gather EEG and audio of windows, and their songs."""
        audio = self.audio.windows(self.trials, windows, self.length, self.margin)
        return Batch(self.eeg_of(windows), torch.as_tensor(audio), torch.from_numpy(windows.stimuli(self.trials)))

    def eeg_of(self, windows: Windows) -> Tensor:
        """Gather the EEG of windows alone, (B, C, T)."""
        return torch.as_tensor(self.eeg.windows(self.trials, windows, self.length, self.delay))

    def songs(self) -> SourceSongs:
        """Return the audio of whole songs."""
        return SourceSongs(self.audio, self.length, self.margin)

    def on(self, device: torch.device) -> AnySource:
        """Hold everything on an accelerator, where it fits, so that nothing has to be copied to it any more."""
        eeg, audio = self.eeg, self.audio
        if device.type == "cpu" or not (isinstance(eeg, EegStore) and isinstance(audio, AudioStore | WaveformStore)):
            return self
        resident = make_resident(eeg, audio, device, room=math.ceil(self.length + 2 * self.margin))
        return self.taking_from(*resident) if resident else self

    def taking_from(self, eeg: EegWindows, audio: AudioWindows) -> AnySource:
        """Cut the same windows from other stores."""
        return Source(self.trials, eeg, audio, self.length, self.delay, self.margin)


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
        """Return the first sample of the window at each EEG sample of a song, and the length of these windows."""
        starts, length = self.store.moments_of(song, self.length, self.margin)
        return torch.as_tensor(starts), length


AnySource: TypeAlias = Source[Any, Any]
MappedSource: TypeAlias = Source[EegStore, AudioStore]  # recordings, and features with a frame for each EEG sample

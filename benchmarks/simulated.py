"""Noise of the size of NMED-T: 20 people, ten songs of 240 s, 128 channels at 125 Hz, audio at 44.1 kHz.

On disk there are one recording, which all people share, and one audio file, which all songs share. This does not change
how much is read, copied and computed for a window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids.config import Science, resolve
from predann_bids.data.trials import Trial
from predann_bids.timing import Rate

RATE, AUDIO_RATE = Rate(125.0), Rate(44_100)
CHANNELS = tuple(f"E{number}" for number in range(1, 129))
SONGS = tuple("abcdefghij")
BREAK = 500  # samples between two songs
PIECE = 10_000


@dataclass(frozen=True)
class Simulated:
    """A directory with a recording (`eeg.f32`), a song (`song.wav`), and its waveform.

    Parameters
    ----------
    directory : Path
        Where the files are.
    people : int
        Number of people.
    seconds : int
        Length of each song.
    """

    directory: Path
    people: int = 20
    seconds: int = 240

    @property
    def song_samples(self) -> int:
        """Length of a song in EEG samples."""
        return RATE.samples(self.seconds)

    @property
    def song(self) -> Path:
        """The audio file."""
        return self.directory / "song.wav"

    def write(self) -> None:
        """Write the files, unless they exist."""
        import soundfile

        if self.song.is_file():
            return
        rng = np.random.default_rng(0)
        with (self.directory / "eeg.f32").open("wb") as file:
            for _ in range(0, len(SONGS) * (self.song_samples + BREAK) + BREAK, PIECE):
                (10 * rng.standard_normal((PIECE, len(CHANNELS)), dtype=np.float32)).tofile(file)
        sound = 0.1 * rng.standard_normal(AUDIO_RATE.samples(self.seconds + 4), dtype=np.float32)
        soundfile.write(self.song, sound, int(AUDIO_RATE.hz), subtype="PCM_16")

    def trials(self) -> list[Trial]:
        """Every song, presented once to everyone."""
        return [
            Trial(
                f"{p + 1:02d}",
                "",
                "music",
                "",
                p,
                song,
                song * (self.song_samples + BREAK) + BREAK,
                self.song_samples,
                0,
            )
            for p in range(self.people)
            for song in range(len(SONGS))
        ]

    def recording(self) -> Any:
        """Map the recording, shape (samples, channels)."""
        return np.memmap(self.directory / "eeg.f32", dtype=np.float32, mode="r").reshape(-1, len(CHANNELS))

    def source(self, science: Science) -> Any:
        """Open the stores from which a preset takes its windows."""
        from predann_bids.data.source import Source
        from predann_bids.data.stores.mapped import AudioStore, EegStore
        from predann_bids.data.stores.waveforms import WaveformStore
        from predann_bids.learning.features import keep_features
        from predann_bids.models.audio.log_mel import BANDS
        from predann_bids.models.decoder import DECODERS
        from predann_bids.signals.brainvision import MappedRecording

        windows = science.windows
        mapped = MappedRecording(self.recording(), np.ones(len(CHANNELS), np.float32), CHANNELS, RATE.hz)
        one = EegStore.open([mapped], by_window=windows.scaling == "window")
        everyone = {name: getattr(one, name) * self.people for name in ("recordings", "columns", "scalings")}
        features = DECODERS[science.training.encoders].features_for(science.training)
        if features == "waveform":
            file = keep_features(self.song, features, RATE.hz, self.directory)
            audio: Any = WaveformStore.open([file] * len(SONGS), RATE, AUDIO_RATE)
        else:
            shape = (BANDS, self.song_samples + RATE.samples(4))
            spectra = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
            audio = AudioStore((spectra,) * len(SONGS))
        eeg, length, delay = replace(one, **everyone), RATE.samples(windows.length), RATE.samples(windows.delay)
        return Source(self.trials(), eeg, audio, length, delay)

    def split(self, science: Science) -> Any:
        """Return the first fold of a preset's own split."""
        from predann_bids.data.splits import make_splits

        length = RATE.samples(science.windows.length)
        return make_splits(self.trials(), science.splitting, window=length, rate=RATE, seed=science.training.seed)[0]


def science(preset: Any, **training: Any) -> Science:
    """Return a preset's configuration, with some keys of its training changed."""
    return resolve(preset=preset, flags={f"training.{key}": value for key, value in training.items()})

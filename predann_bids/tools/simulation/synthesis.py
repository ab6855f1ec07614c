"""Play notes: instruments and percussion, synthesised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.timing import Rate

AUDIO_RATE = Rate(44100)
RELEASE_S = 0.12


@dataclass(frozen=True)
class Note:
    """One sound: when it starts and how long it lasts (s), what plays it, at which pitch (MIDI) and level (0 to 1)."""

    onset: float
    duration: float
    instrument: str
    pitch: int
    level: float


def synthesise(notes: list[Note], seconds: float, rng: np.random.Generator) -> Doubles:
    """Play the notes: (samples,) at `AUDIO_RATE`, not yet levelled."""
    n_samples = AUDIO_RATE.samples(seconds)
    song = np.zeros(n_samples)
    drums = {name: hit(rng) for name, hit in DRUMS.items()}
    played: dict[tuple[str, int, float], Doubles] = {}
    for note in notes:
        key = (note.instrument, note.pitch, round(note.duration, 6))
        if key not in played:
            is_drum = note.instrument in drums
            played[key] = drums[note.instrument] if is_drum else _play(*key)
        start = AUDIO_RATE.samples(note.onset)
        sound = played[key][: n_samples - start]
        song[start : start + len(sound)] += note.level * sound
    return song


def level_loudness(song: Doubles, rms: float = 0.12) -> Doubles:
    """Bring a song to a given root mean square, compressing peaks by a hyperbolic tangent rather than clipping them."""
    power = np.sqrt(np.mean(song**2))
    if power == 0.0:
        return song
    bent = np.tanh(song * (rms / power))
    level: Doubles = bent * (rms / np.sqrt(np.mean(bent**2)))
    # the second gain is close to 1, so that only a song of a few samples is ever clipped
    return np.clip(level, -0.999, 0.999)


def _play(instrument: str, pitch: int, seconds: float) -> Doubles:
    """One note of a pitched instrument, with its release."""
    voice = VOICES[instrument]
    time = np.arange(AUDIO_RATE.samples(seconds + RELEASE_S)) / AUDIO_RATE.hz
    frequency = 440.0 * 2.0 ** ((pitch - 69) / 12)
    sound = voice.oscillator(frequency, time)
    return voice.level * sound * envelope(voice, time, seconds)


def envelope(voice: Voice, time: Doubles, seconds: float) -> Doubles:
    """Return the level of a note over time: a rise, a fall to the sustained level, and a release after `seconds`."""
    breakpoints = np.array([0.0, voice.attack, voice.attack + voice.decay])
    pressed = np.interp(time, breakpoints, [0.0, 1.0, voice.sustain])
    released = np.clip(1.0 - (time - seconds) / RELEASE_S, 0.0, 1.0)
    level: Doubles = pressed * released**2
    return level


def _partials(frequency: float, time: Doubles, amplitudes: tuple[float, ...], damping: float = 0.0) -> Doubles:
    """Sum harmonics; with `damping` (1/s) the n-th dies away n times as fast as the first, as on a string."""
    sound = np.zeros_like(time)
    for harmonic, amplitude in enumerate(amplitudes, start=1):
        if amplitude and harmonic * frequency < 0.4 * AUDIO_RATE.hz:
            wave = amplitude * np.sin(2 * np.pi * harmonic * frequency * time)
            sound += wave * np.exp(-damping * harmonic * time) if damping else wave
    return sound


def _pluck(frequency: float, time: Doubles) -> Doubles:
    return _partials(frequency, time, (1.0, 0.6, 0.45, 0.3, 0.2, 0.15, 0.1), damping=2.2)


def _flute(frequency: float, time: Doubles) -> Doubles:
    # Vibrato as a phase that swings: 5 Hz, a fifth of a radian at the fundamental, and its harmonics with it.
    swing = 0.2 * np.sin(2 * np.pi * 5.0 * time)
    phase = 2 * np.pi * frequency * time + swing
    sound: Doubles = np.sin(phase) + 0.25 * np.sin(2 * phase) + 0.08 * np.sin(3 * phase)
    return sound


def _bell(frequency: float, time: Doubles) -> Doubles:
    index = 2.5 * np.exp(-5.0 * time)
    modulator = index * np.sin(2 * np.pi * 3.5 * frequency * time)
    sound: Doubles = np.sin(2 * np.pi * frequency * time + modulator) * np.exp(-2.5 * time)
    return sound


def _organ(frequency: float, time: Doubles) -> Doubles:
    return _partials(frequency, time, (0.8, 0.6, 0.5, 0.4, 0.0, 0.25, 0.0, 0.2))


def _brass(frequency: float, time: Doubles) -> Doubles:
    # The brighter the louder: the modulation index follows the attack.
    index = 2.2 * (1.0 - np.exp(-time / 0.04))
    phase = 2 * np.pi * frequency * time
    sound: Doubles = np.sin(phase + index * np.sin(phase))
    return sound


def _bass(frequency: float, time: Doubles) -> Doubles:
    return _partials(frequency, time, (1.0, 0.5, 0.25, 0.1), damping=1.0)


def _pad(frequency: float, time: Doubles) -> Doubles:
    return _partials(frequency, time, (1.0, 0.3, 0.2)) + _partials(1.004 * frequency, time, (0.6, 0.2))


@dataclass(frozen=True)
class Voice:
    """A pitched instrument: its tone, its envelope (times in s) and its level in the mix."""

    oscillator: Callable[[float, Doubles], Doubles]
    attack: float
    decay: float
    sustain: float
    level: float


VOICES = {
    "pluck": Voice(_pluck, attack=0.003, decay=0.10, sustain=0.8, level=0.7),
    "flute": Voice(_flute, attack=0.045, decay=0.08, sustain=0.8, level=0.9),
    "bell": Voice(_bell, attack=0.002, decay=0.20, sustain=0.7, level=0.9),
    "organ": Voice(_organ, attack=0.015, decay=0.05, sustain=0.85, level=0.5),
    "brass": Voice(_brass, attack=0.030, decay=0.12, sustain=0.7, level=0.8),
    "bass": Voice(_bass, attack=0.008, decay=0.15, sustain=0.7, level=0.8),
    "pad": Voice(_pad, attack=0.080, decay=0.30, sustain=0.7, level=0.7),
}


def _drum(
    rng: np.random.Generator, seconds: float, low_hz: float, fall_hz: float, body: float, rattle: float, treble: bool
) -> Doubles:
    """Synthesise one stroke, which dies away with a time constant of a quarter of its length.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the noise.
    seconds : float
        Length.
    low_hz, fall_hz : float
        The pitch of the body falls by `fall_hz` to `low_hz`.
    body, rattle : float
        Levels of the body and of the noise.
    treble : bool
        Remove the bass from the noise.
    """
    time = np.arange(AUDIO_RATE.samples(seconds)) / AUDIO_RATE.hz
    # The phase is the integral of the frequency low_hz + fall_hz exp(-t / 35 ms).
    phase = 2 * np.pi * (low_hz * time - fall_hz * 0.035 * np.expm1(-time / 0.035))
    # The second difference of white noise is its treble.
    noise = rng.standard_normal(len(time) + 2)
    noise = np.diff(noise, n=2) if treble else noise[2:]
    sound: Doubles = (body * np.sin(phase) + rattle * noise) * np.exp(-4.0 * time / seconds)
    return sound


DRUMS: dict[str, Callable[[np.random.Generator], Doubles]] = {
    "kick": partial(_drum, seconds=0.28, low_hz=50.0, fall_hz=90.0, body=1.0, rattle=0.0, treble=False),
    "tom": partial(_drum, seconds=0.30, low_hz=110.0, fall_hz=50.0, body=0.9, rattle=0.03, treble=False),
    "snare": partial(_drum, seconds=0.20, low_hz=190.0, fall_hz=20.0, body=0.5, rattle=0.4, treble=False),
    "hat": partial(_drum, seconds=0.08, low_hz=0.0, fall_hz=0.0, body=0.0, rattle=0.4, treble=True),
    "shaker": partial(_drum, seconds=0.14, low_hz=0.0, fall_hz=0.0, body=0.0, rattle=0.25, treble=False),
    "block": partial(_drum, seconds=0.07, low_hz=900.0, fall_hz=200.0, body=0.9, rattle=0.02, treble=False),
}

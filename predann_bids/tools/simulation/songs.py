"""Songs composed and synthesised from a seed, so that a demonstration needs no download and no licence.

Neighbouring songs differ in tempo, metre, scale, key and instrument. Within a song rhythm, texture and percussion
change from bar to bar: a stretch of a few seconds is recognisable by when its notes start, which is what EEG follows
best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from predann_bids.timing import Rate

AUDIO_RATE = Rate(44100)

Waveform = NDArray[np.float64]

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor": (0, 2, 3, 5, 7, 8, 10),
}
LEADS = ("pluck", "flute", "bell", "organ", "brass")
BEATS_PER_BAR = (4, 3, 4, 4)
# Percussion on the first beat, on the off-beats, and in between.
KITS = (
    ("kick", "snare", "hat"),
    ("shaker", "shaker", "shaker"),
    ("kick", "block", "block"),
    ("tom", "snare", "shaker"),
    ("block", "shaker", "block"),
    ("kick", "tom", "hat"),
)
SLOWEST_BPM, FASTEST_BPM = 72.0, 160.0
BARS_PER_SECTION = 4
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4), (0, 2, 3, 4), (5, 3, 0, 4))

# Rhythmic cells in beats; negative: a rest. A bar is a row of cells drawn at random.
CELLS = (
    (1.0,),
    (0.5, 0.5),
    (1.5, 0.5),
    (-1.0,),
    (2.0,),
    (0.5, -0.5),
    (0.25, 0.25, 0.5),
    (-0.5, 0.5),
    (0.75, 0.25),
)
CELL_CHANCES = (0.2, 0.2, 0.12, 0.1, 0.1, 0.08, 0.08, 0.07, 0.05)


@dataclass(frozen=True)
class Style:
    """What makes a song unlike its neighbours."""

    tempo_bpm: float
    beats_per_bar: int
    scale: tuple[int, ...]
    tonic: int
    """MIDI number of the melody's lowest tonic."""
    lead: str
    """Instrument of the melody, one of `LEADS`."""
    kit: tuple[str, str, str]
    """Percussion, one of `KITS`."""
    has_chords: bool


@dataclass(frozen=True)
class Note:
    """One sound: when it starts and how long it lasts (s), what plays it, at which pitch (MIDI) and level (0 to 1)."""

    onset: float
    duration: float
    instrument: str
    pitch: int
    level: float


@dataclass(frozen=True)
class Section:
    """A few bars of one character."""

    progression: tuple[int, ...]
    has_bass: bool
    has_chords: bool
    drum_density: float


def make_song(number: int, seconds: float, seed: np.random.SeedSequence) -> Waveform:
    """Compose and synthesise one song.

    Parameters
    ----------
    number : int
        0, 1, ...: neighbours in number are unlike in style.
    seconds : float
        Length of the song.
    seed : numpy.random.SeedSequence
        Same number, length and seed: same song.

    Returns
    -------
    numpy.ndarray, shape (samples,)
        Audio at `AUDIO_RATE` within (-1, 1), at the same loudness for every song.
    """
    rng = np.random.default_rng(seed)
    style = choose_style(number, rng)
    return level_loudness(synthesise(compose(style, seconds, rng), seconds, rng))


def choose_style(number: int, rng: np.random.Generator) -> Style:
    """Return the style of a song; only the key depends on chance.

    Multiples of the golden ratio, modulo one, keep clear of each other however many there are, so any number of songs
    spreads over the range of tempi.
    """
    golden = (np.sqrt(5) - 1) / 2
    place = (0.3 + number * golden) % 1.0
    scales = tuple(SCALES.values())
    return Style(
        tempo_bpm=float(SLOWEST_BPM * (FASTEST_BPM / SLOWEST_BPM) ** place),
        beats_per_bar=BEATS_PER_BAR[number % len(BEATS_PER_BAR)],
        scale=scales[number % len(scales)],
        tonic=57 + 5 * (number % 4) + int(rng.integers(-2, 3)),
        lead=LEADS[number % len(LEADS)],
        kit=KITS[number % len(KITS)],
        has_chords=number % 3 != 0,
    )


def compose(style: Style, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Write the notes of a song: melody, bass, chords and drums, bar after bar."""
    beat = 60.0 / style.tempo_bpm
    bar_seconds = style.beats_per_bar * beat
    n_bars = int(np.ceil(seconds / bar_seconds))
    notes: list[Note] = []
    degree = 4
    for bar in range(n_bars):
        if bar % BARS_PER_SECTION == 0:
            section = _draw_section(style, rng)
        chord = section.progression[bar % len(section.progression)]
        melody, degree = _melody_bar(style, chord, degree, rng)
        parts = [*melody, *_accompaniment_bar(style, section, chord, rng), *_drum_bar(style, section, rng)]
        notes += [
            Note(bar * bar_seconds + n.onset * beat, n.duration * beat, n.instrument, n.pitch, n.level) for n in parts
        ]
    return [note for note in notes if note.onset < seconds]


def _draw_section(style: Style, rng: np.random.Generator) -> Section:
    """Draw a texture: what belongs to the song's style plays most of the time, but not always."""
    return Section(
        progression=PROGRESSIONS[rng.integers(len(PROGRESSIONS))],
        has_bass=bool(rng.random() < 0.85),
        has_chords=style.has_chords and bool(rng.random() < 0.85),
        drum_density=float(rng.choice([0.0, 0.35, 0.7], p=[0.15, 0.4, 0.45])),
    )


def _melody_bar(style: Style, chord: int, degree: int, rng: np.random.Generator) -> tuple[list[Note], int]:
    """One bar of melody (times in beats) and the scale degree it ends on: a random walk that rests on chord tones."""
    notes = []
    for beat, length in _rhythm(style.beats_per_bar, rng):
        degree += int(rng.choice([-3, -2, -1, 0, 1, 2, 3], p=[0.06, 0.14, 0.25, 0.1, 0.25, 0.14, 0.06]))
        if beat % 2 == 0:
            tones = np.array([chord + step + octave for step in (0, 2, 4) for octave in (-7, 0, 7)])
            degree = int(tones[np.argmin(np.abs(tones - degree))])
        degree = int(np.clip(degree, -2, 11))
        level = 0.9 if beat == 0 else float(rng.uniform(0.55, 0.85))
        notes.append(Note(beat, 0.92 * length, style.lead, _pitch(style, degree), level))
    return notes, degree


def _rhythm(n_beats: int, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """Yield start and length (beats) of the notes of one bar."""
    start = 0.0
    while start < n_beats:
        for length in CELLS[rng.choice(len(CELLS), p=CELL_CHANCES)]:
            if length > 0 and start < n_beats:
                yield start, min(length, n_beats - start)
            start += abs(length)


def _accompaniment_bar(style: Style, section: Section, chord: int, rng: np.random.Generator) -> Iterator[Note]:
    """Yield the bass and the chords of one bar (times in beats)."""
    if section.has_bass:
        second = float(rng.choice([1.5, 2.0, 2.5]))
        low = _pitch(style, chord) - 24
        yield Note(0.0, 0.9 * second, "bass", low, 0.8)
        if rng.random() < 0.7:
            yield Note(second, 0.9 * (style.beats_per_bar - second), "bass", low, 0.65)
    if section.has_chords:
        start = float(rng.choice([0.0, 0.5, 1.0]))
        for step in (0, 2, 4):
            pitch = _pitch(style, chord + step) - 12
            yield Note(start, style.beats_per_bar - start, "pad", pitch, 0.28)


def _drum_bar(style: Style, section: Section, rng: np.random.Generator) -> Iterator[Note]:
    """Yield the percussion of one bar (times in beats)."""
    if section.drum_density == 0.0:
        return
    first, off_beat, between = style.kit
    for half_beat in range(2 * style.beats_per_bar):
        beat = half_beat / 2
        if half_beat == 0 or rng.random() < 0.15 * section.drum_density:
            yield Note(beat, 0.25, first, 0, 0.8)
        elif half_beat % 4 == 2 and rng.random() < 0.5 + 0.5 * section.drum_density:
            yield Note(beat, 0.25, off_beat, 0, 0.6)
        elif rng.random() < section.drum_density:
            yield Note(beat, 0.25, between, 0, float(rng.uniform(0.2, 0.4)))


def _pitch(style: Style, degree: int) -> int:
    """MIDI number of a scale degree; degrees count on through the octaves, in both directions."""
    octave, step = divmod(degree, len(style.scale))
    return style.tonic + 12 * octave + style.scale[step]


def synthesise(notes: list[Note], seconds: float, rng: np.random.Generator) -> Waveform:
    """Play the notes: (samples,) at `AUDIO_RATE`, at whatever level comes of it."""
    n_samples = AUDIO_RATE.samples(seconds)
    song = np.zeros(n_samples)
    drums = {name: hit(rng) for name, hit in DRUMS.items()}
    played: dict[tuple[str, int, float], Waveform] = {}
    for note in notes:
        key = (note.instrument, note.pitch, round(note.duration, 6))
        if key not in played:
            is_drum = note.instrument in drums
            played[key] = drums[note.instrument] if is_drum else _play(*key)
        start = AUDIO_RATE.samples(note.onset)
        sound = played[key][: n_samples - start]
        song[start : start + len(sound)] += note.level * sound
    return song


def level_loudness(song: Waveform, rms: float = 0.12) -> Waveform:
    """Bring a song to a given root mean square; peaks are bent by a hyperbolic tangent rather than cut."""
    power = np.sqrt(np.mean(song**2))
    if power == 0.0:
        return song
    bent = np.tanh(song * (rms / power))
    level: Waveform = bent * (rms / np.sqrt(np.mean(bent**2)))
    # The second gain is near 1; the clip only meets a song of a few samples.
    return np.clip(level, -0.999, 0.999)


def _play(instrument: str, pitch: int, seconds: float) -> Waveform:
    """One note of a pitched instrument, with its release."""
    voice = VOICES[instrument]
    release = 0.12
    time = np.arange(AUDIO_RATE.samples(seconds + release)) / AUDIO_RATE.hz
    frequency = 440.0 * 2.0 ** ((pitch - 69) / 12)
    sound = voice.oscillator(frequency, time)
    return voice.level * sound * adsr(time, seconds, voice.attack, voice.decay, voice.sustain, release)


def adsr(time: Waveform, held: float, attack: float, decay: float, sustain: float, release: float) -> Waveform:
    """Envelope of a note: rise in `attack`, fall in `decay` to `sustain`, let go after `held` (times in s)."""
    breakpoints = np.array([0.0, attack, attack + decay])
    pressed = np.interp(time, breakpoints, [0.0, 1.0, sustain])
    let_go = np.clip(1.0 - (time - held) / release, 0.0, 1.0)
    envelope: Waveform = pressed * let_go**2
    return envelope


def _partials(frequency: float, time: Waveform, amplitudes: tuple[float, ...], damping: float = 0.0) -> Waveform:
    """Sum of harmonics; with `damping` (1/s) the n-th dies away n times as fast as the first, as on a string."""
    sound = np.zeros_like(time)
    for harmonic, amplitude in enumerate(amplitudes, start=1):
        if amplitude and harmonic * frequency < 0.4 * AUDIO_RATE.hz:
            wave = amplitude * np.sin(2 * np.pi * harmonic * frequency * time)
            sound += wave * np.exp(-damping * harmonic * time) if damping else wave
    return sound


def _pluck(frequency: float, time: Waveform) -> Waveform:
    return _partials(frequency, time, (1.0, 0.6, 0.45, 0.3, 0.2, 0.15, 0.1), damping=2.2)


def _flute(frequency: float, time: Waveform) -> Waveform:
    # Vibrato as a phase that swings: 5 Hz, a fifth of a radian at the fundamental, and its harmonics with it.
    swing = 0.2 * np.sin(2 * np.pi * 5.0 * time)
    phase = 2 * np.pi * frequency * time + swing
    sound: Waveform = np.sin(phase) + 0.25 * np.sin(2 * phase) + 0.08 * np.sin(3 * phase)
    return sound


def _bell(frequency: float, time: Waveform) -> Waveform:
    index = 2.5 * np.exp(-5.0 * time)
    modulator = index * np.sin(2 * np.pi * 3.5 * frequency * time)
    sound: Waveform = np.sin(2 * np.pi * frequency * time + modulator) * np.exp(-2.5 * time)
    return sound


def _organ(frequency: float, time: Waveform) -> Waveform:
    return _partials(frequency, time, (0.8, 0.6, 0.5, 0.4, 0.0, 0.25, 0.0, 0.2))


def _brass(frequency: float, time: Waveform) -> Waveform:
    # The brighter the louder: the modulation index follows the attack.
    index = 2.2 * (1.0 - np.exp(-time / 0.04))
    phase = 2 * np.pi * frequency * time
    sound: Waveform = np.sin(phase + index * np.sin(phase))
    return sound


def _bass(frequency: float, time: Waveform) -> Waveform:
    return _partials(frequency, time, (1.0, 0.5, 0.25, 0.1), damping=1.0)


def _pad(frequency: float, time: Waveform) -> Waveform:
    return _partials(frequency, time, (1.0, 0.3, 0.2)) + _partials(1.004 * frequency, time, (0.6, 0.2))


@dataclass(frozen=True)
class Voice:
    """A pitched instrument: its tone, its envelope (times in s) and its level in the mix."""

    oscillator: Callable[[float, Waveform], Waveform]
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
) -> Waveform:
    """One stroke: a body whose pitch falls by `fall_hz` to `low_hz`, and noise, which `treble` rids of its bass.

    Both die away, with a time constant of a quarter of `seconds`.
    """
    time = np.arange(AUDIO_RATE.samples(seconds)) / AUDIO_RATE.hz
    # The phase is the integral of the frequency low_hz + fall_hz exp(-t / 35 ms).
    phase = 2 * np.pi * (low_hz * time - fall_hz * 0.035 * np.expm1(-time / 0.035))
    # The second difference of white noise is its treble.
    noise = rng.standard_normal(len(time) + 2)
    noise = np.diff(noise, n=2) if treble else noise[2:]
    sound: Waveform = (body * np.sin(phase) + rattle * noise) * np.exp(-4.0 * time / seconds)
    return sound


DRUMS: dict[str, Callable[[np.random.Generator], Waveform]] = {
    "kick": partial(_drum, seconds=0.28, low_hz=50.0, fall_hz=90.0, body=1.0, rattle=0.0, treble=False),
    "tom": partial(_drum, seconds=0.30, low_hz=110.0, fall_hz=50.0, body=0.9, rattle=0.03, treble=False),
    "snare": partial(_drum, seconds=0.20, low_hz=190.0, fall_hz=20.0, body=0.5, rattle=0.4, treble=False),
    "hat": partial(_drum, seconds=0.08, low_hz=0.0, fall_hz=0.0, body=0.0, rattle=0.4, treble=True),
    "shaker": partial(_drum, seconds=0.14, low_hz=0.0, fall_hz=0.0, body=0.0, rattle=0.25, treble=False),
    "block": partial(_drum, seconds=0.07, low_hz=900.0, fall_hz=200.0, body=0.9, rattle=0.02, treble=False),
}

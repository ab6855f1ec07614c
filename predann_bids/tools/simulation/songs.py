"""Songs composed from a seed, so that a demonstration needs neither a download nor a licence.

Songs with neighbouring numbers differ in tempo, metre, scale, key and instrument. Within a song rhythm, texture and
percussion change from bar to bar, so that a few seconds can be recognised by the onsets of the notes, which EEG follows
best.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.tools.simulation.synthesis import Note, level_loudness, synthesise

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
class Section:
    """A few bars of one character."""

    progression: tuple[int, ...]
    has_bass: bool
    has_chords: bool
    drum_density: float


def make_song(number: int, seconds: float, seed: np.random.SeedSequence) -> Doubles:
    """Compose and synthesise one song.

    Parameters
    ----------
    number : int
        0, 1, ...: songs with neighbouring numbers differ in style.
    seconds : float
        Length of the song.
    seed : numpy.random.SeedSequence
        Seed of everything random; equal arguments give equal songs.

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

    Multiples of the golden ratio, modulo one, keep apart however many there are, so that any number of songs spreads
    over the range of tempi.
    """
    golden = (np.sqrt(5) - 1) / 2
    position = (0.3 + number * golden) % 1.0
    scales = tuple(SCALES.values())
    return Style(
        tempo_bpm=float(SLOWEST_BPM * (FASTEST_BPM / SLOWEST_BPM) ** position),
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

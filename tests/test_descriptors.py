"""The teachers that describe harmony and timbre: what they say of sounds whose harmony and timbre are known."""

import numpy as np
import pytest
import torch
from torchaudio.transforms import MFCC

from predann_bids.models.audio.features import make_features
from predann_bids.models.teachers import timbre, tonality
from predann_bids.models.teachers.spectrogram import AUDIO_RATE, BLOCK, FRAMES_PER_S, frequencies, magnitudes
from predann_bids.models.teachers.timbre import timbre as describe_timbre
from predann_bids.models.teachers.tonality import correlate, harmony, remember

C4 = 60
MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)


def tone(*pitches, seconds=1.0, amplitude=0.1, partials=1):
    """Sines at MIDI pitches, with overtones that fall off as 1 / n."""
    t = np.arange(round(seconds * AUDIO_RATE)) / AUDIO_RATE
    hz = [440 * 2 ** ((pitch - 69) / 12) for pitch in pitches]
    waves = [np.sin(2 * np.pi * n * f * t) / n for f in hz for n in range(1, partials + 1)]
    return (amplitude * np.sum(waves, axis=0)).astype(np.float32)


def of_harmony(name, waveform):
    return harmony(waveform)[tonality.NAMES.index(name)]


def of_timbre(name, waveform):
    return describe_timbre(waveform)[timbre.NAMES.index(name)]


def middle(row):
    return float(np.median(row))


def test_a_sine_has_its_amplitude_at_its_frequency_in_every_frame_whatever_the_blocks():
    n_fft, hz = 1024, 1000.0
    waveform = np.sin(2 * np.pi * hz * np.arange(11 * AUDIO_RATE) / AUDIO_RATE).astype(np.float32)
    blocks = list(magnitudes(waveform, n_fft))
    spectra = np.concatenate(blocks, axis=1)
    assert [block.shape[1] for block in blocks] == [BLOCK, 11 * round(FRAMES_PER_S) - BLOCK]
    inner = spectra[:, 5:-5]
    assert (frequencies(n_fft)[inner.argmax(axis=0)] == hz).all()
    assert inner.max(axis=0) == pytest.approx(1.0, abs=1e-6)


def test_the_pitch_classes_of_a_chord_stand_out_and_move_with_it():
    shares = harmony(tone(C4, C4 + 4, C4 + 7))[:12].mean(axis=1)
    assert set(np.argsort(shares)[-3:]) == {0, 4, 7}
    higher = harmony(tone(C4 + 5, C4 + 9, C4 + 12))[:12].mean(axis=1)
    assert set(np.argsort(higher)[-3:]) == {5, 9, 0}


def test_the_tonal_centroid_follows_its_formula():
    classes = np.random.default_rng(0).random((12, 9))
    expected = np.zeros((6, 9))
    for frame in range(9):
        for k in range(12):
            share = classes[k, frame] / (classes[:, frame].sum() + tonality.SILENCE)
            for d, (radius, angle) in enumerate(((1, 7 * np.pi / 6), (1, 3 * np.pi / 2), (0.5, 2 * np.pi / 3))):
                expected[2 * d, frame] += radius * np.sin(k * angle) * share
                expected[2 * d + 1, frame] += radius * np.cos(k * angle) * share
    constant = np.repeat(classes[:, :1], 30, axis=1)  # which smoothing leaves as it is
    assert tonality._tonal_centroid(constant)[:, 15] == pytest.approx(expected[:, 0], abs=1e-12)


def test_harmony_changes_fastest_where_the_chord_does():
    change = of_harmony("harmonic change", np.concatenate([tone(60, 64, 67), tone(61, 65, 68)]))
    inside = slice(20, 80)  # of two seconds, without the beginning and the end of sound
    assert abs((20 + change[inside].argmax()) / FRAMES_PER_S - 1.0) < 0.1
    assert change[inside].max() > 10 * np.median(change[inside])


def test_a_scale_in_major_is_in_major_and_fits_its_key_better_than_a_strange_chord():
    scale = np.concatenate([tone(C4 + step, seconds=0.4) for step in (*MAJOR_SCALE, 12, 7, 4, 0)])
    assert of_harmony("major against minor", scale)[-20:].mean() > 0
    minor = np.concatenate([tone(C4 + step, seconds=0.4) for step in (0, 2, 3, 5, 7, 8, 11, 12, 7, 3, 0)])
    assert of_harmony("major against minor", minor)[-20:].mean() < 0
    at_home, strange = (
        of_harmony("fit to the key", np.concatenate([scale, tone(*chord, seconds=0.5)]))[-20:].mean()
        for chord in ((60, 64, 67), (61, 66, 70))
    )
    assert at_home > strange + 0.3


def test_what_is_heard_again_is_in_context_and_what_is_new_is_not():
    first = np.concatenate([tone(60, 64, 67, seconds=0.5) for _ in range(6)])
    same, other = (
        of_harmony("contextuality in the passage", np.concatenate([first, tone(*chord, seconds=0.5)]))[-10:].mean()
        for chord in ((60, 64, 67), (61, 66, 70))
    )
    assert same > 0.9 > other + 0.5


def test_a_semitone_is_rougher_than_a_fifth():
    semitone, fifth = (middle(of_harmony("roughness", tone(C4, C4 + step, partials=4))) for step in (1, 7))
    assert semitone > 3 * fifth


def test_roughness_is_the_sum_over_all_pairs_of_partials():
    hz = np.arange(0.0, 1000.0, 10.0)
    magnitude = np.zeros((len(hz), 1))
    partials = {200.0: 1.0, 220.0: 0.5, 500.0: 0.25}
    for frequency, amplitude in partials.items():
        magnitude[round(frequency / 10), 0] = amplitude
    expected, pairs = 0.0, [(200.0, 220.0), (200.0, 500.0), (220.0, 500.0)]
    for low, high in pairs:
        x = 0.24 * (high - low) / (0.0207 * low + 18.96)
        expected += partials[low] * partials[high] * (np.exp(-3.51 * x) - np.exp(-5.75 * x))
    expected /= sum(amplitude**2 for amplitude in partials.values()) + 1e-6
    assert tonality._roughness(magnitude, hz)[0] == pytest.approx(expected)


def test_memory_forgets_to_a_share_of_1_over_e_in_its_time_constant():
    step = np.concatenate([np.ones((1, 400)), np.zeros((1, 50))], axis=1)
    remembered = remember(step, 1.0)[0]
    assert remembered[399] == pytest.approx(1.0, abs=1e-3)
    assert remembered[449] == pytest.approx(np.exp(-1), abs=1e-3)


def test_correlations_of_frames_are_those_of_numpy_and_zero_without_contrast():
    one, other = np.random.default_rng(1).random((2, 12, 5))
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, other.T, strict=True)]
    assert correlate(one, other) == pytest.approx(expected, abs=1e-6)
    assert correlate(np.ones((12, 3)), other[:, :3]) == pytest.approx(0.0)


def test_cepstral_coefficients_are_those_of_torchaudio():
    rng = np.random.default_rng(2)
    waveform = (0.1 * np.cumsum(rng.standard_normal(2 * AUDIO_RATE)) / 50).astype(np.float32)
    other = MFCC(
        AUDIO_RATE,
        13,
        log_mels=True,
        melkwargs={
            "n_fft": 1024,
            "hop_length": 320,
            "n_mels": 40,
            "f_min": 60.0,
            "f_max": 8000.0,
            "pad_mode": "constant",
        },
    )
    shifted = np.pad(waveform, (0, 320))[160:]  # whose frames are centred at multiples of the hop
    expected = other(torch.from_numpy(shifted))[1:, 5:90].numpy()
    found = describe_timbre(waveform)[:12, 5:90]
    for mine, theirs in zip(found, expected, strict=True):
        assert np.corrcoef(mine, theirs)[0, 1] > 0.999


def test_the_centroid_of_a_tone_is_its_pitch_and_its_spectrum_is_narrow_and_not_flat():
    noise = (0.1 * np.random.default_rng(3).standard_normal(AUDIO_RATE)).astype(np.float32)
    sine = tone(81, amplitude=0.5)  # 880 Hz
    assert middle(of_timbre("rolloff", sine)) == pytest.approx(np.log2(880), abs=0.05)
    for name in ("spread", "flatness", "entropy", "brightness"):
        assert middle(of_timbre(name, sine)) < middle(of_timbre(name, noise)), name
    assert middle(of_timbre("contrast from 800 Hz", sine)) > 2 * middle(of_timbre("contrast from 800 Hz", noise))
    low, high = (middle(of_timbre("centroid", tone(pitch, amplitude=0.5))) for pitch in (69, 93))
    assert high > low + 0.5


def test_the_shape_changes_where_one_instrument_follows_another():
    flux = of_timbre("flux of the shape", np.concatenate([tone(57, partials=1), tone(57, partials=12)]))
    assert abs((10 + flux[10:90].argmax()) / FRAMES_PER_S - 1.0) < 0.08


@pytest.mark.parametrize("name", ["harmony", "timbre"])
def test_descriptions_hardly_depend_on_the_level_and_are_finite_in_silence(name):
    teacher = make_features(name, 125.0)
    music = np.concatenate([tone(60, 64, 67, partials=6), tone(62, 65, 69, partials=3)])
    loud, soft = (teacher(torch.from_numpy(gain * music)[None])[0].numpy() for gain in (1.0, 0.5))
    changes = np.abs(loud - soft).mean(axis=1) / (loud.std(axis=1) + 1e-3)
    assert np.median(changes) < 0.2
    assert torch.isfinite(teacher(torch.zeros(1, AUDIO_RATE))).all()


@pytest.mark.parametrize("name", ["harmony", "timbre"])
def test_frames_lie_where_the_teacher_says(name):
    """A tone that begins after two seconds is first seen by the frames that reach it."""
    teacher = make_features(name, 125.0)
    waveform = np.concatenate([np.zeros(2 * AUDIO_RATE, np.float32), tone(69, seconds=2.0, partials=5)])
    values = teacher(torch.from_numpy(waveform)[None])[0].numpy()
    assert values.shape == (teacher.bands, 200)
    changed = np.abs(values - values[:, :1]).max(axis=0) > 1e-3
    begins = teacher.first_s + np.flatnonzero(changed)[0] / teacher.frame_rate_hz
    half = {"harmony": tonality.N_FFT, "timbre": timbre.N_FFT}[name] / AUDIO_RATE / 2
    smoothing = {"harmony": 2 * 4 * tonality.CENTROID_FRAMES / FRAMES_PER_S, "timbre": 0.0}[name]
    assert 2.0 - half - smoothing - 0.02 <= begins <= 2.0

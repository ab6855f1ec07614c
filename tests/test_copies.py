"""Songs that hold the same audio: which are found, what they leave to be told apart, and how they are merged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from predann_bids.arrays import Singles
from predann_bids.data.copies import find_copies, limits_of
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import grid
from predann_bids.errors import UnusableData
from predann_bids.report.words.copies import copy_notes, copy_sentence
from predann_bids.timing import Rate, Span
from predann_bids.workflows.group.inputs.audio import SPECTRA, StimulusAudio
from predann_bids.workflows.group.inputs.copies import equal_songs, find_classes

RATE = Rate(125.0)
BANDS = 12


def song(seed, seconds=40.0, rate=RATE) -> Singles:
    """Log-mel spectra that change as those of music do, within about 50 ms."""
    noise = np.random.default_rng(seed).standard_normal((BANDS, rate.samples(seconds)))
    smooth = gaussian_filter1d(noise, 0.03 * rate.hz, axis=1)
    return (smooth / smooth.std()).astype(np.float32)


def noise_of(values, level, seed=99):
    return values + level * song(seed, values.shape[1] / RATE.hz)


def silence(seconds):
    return np.full((BANDS, RATE.samples(seconds)), np.log(1e-3), dtype=np.float32)


def found(*spectra, heard=()):
    return find_copies(spectra, RATE, heard)


ONE = song(1)
COPIES = {
    "equal": (ONE, 0.0, 40.0),
    "at another level": (ONE - 3, 0.0, 40.0),
    "with some noise": (noise_of(ONE, 0.3), 0.0, 40.0),
    "with half of the bands lost": (np.concatenate([ONE[:7], silence(40)[7:]]), 0.0, 40.0),
    "with silence in front": (np.concatenate([silence(3.2), ONE], axis=1), 3.2, 40.0),
    "cut out": (ONE[:, 1250:3750], -10.0, 20.0),
    "cut out between other audio": (np.concatenate([song(2, 20), ONE[:, 2000:], song(3, 20)], axis=1), 4.0, 24.0),
    "followed by other audio": (np.concatenate([ONE, song(4, 100)], axis=1), 0.0, 40.0),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_with_its_shift_and_how_much_is_common(name):
    other, shift_s, shared_s = COPIES[name]
    (copy,) = found(ONE, other)
    assert (copy.first, copy.second) == (0, 1)
    assert RATE.seconds(copy.shift) == pytest.approx(shift_s, abs=0.017)
    assert copy.shared_s == pytest.approx(shared_s, abs=2.1)
    assert copy.share == pytest.approx(shared_s / min(40, other.shape[1] / RATE.hz), abs=0.06)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 900), st.sampled_from([64.0, 100.0, 125.0, 250.0]), st.integers(0, 50))
def test_a_shift_is_found_to_the_frame_at_any_rate(frames, hz, seed):
    rate = Rate(hz)
    whole = song(seed, 30, rate)
    (copy,) = find_copies([whole, whole[:, frames:]], rate)
    assert copy.shift == -frames
    (other_way,) = find_copies([whole[:, frames:], whole], rate)
    assert other_way.shift == frames
    assert other_way.share == pytest.approx(copy.share, abs=0.01)


def faster(values, speed):
    at = np.arange(0, values.shape[1] - 1, speed)
    return np.stack([np.interp(at, np.arange(values.shape[1]), band) for band in values]).astype(np.float32)


DIFFERENT = {
    "other music": (ONE, song(2)),
    "at another speed": (ONE, faster(ONE, 1.03)),
    "silence": (ONE, silence(40)),
    "both silent": (silence(40), silence(30)),
    "a loop in each song": (np.tile(song(5, 4), 10), np.tile(song(6, 4), 10)),
    "a loop of drums under both": tuple(song(7 + n) + np.tile(song(5, 4), 10) for n in range(2)),
    "the same for a few seconds": (ONE, np.concatenate([song(2, 20), ONE[:, :625], song(3, 20)], axis=1)),
    "hardly any music": (song(1, 0.2), song(2, 0.1)),
    "no music": (ONE, ONE[:, :0]),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_is_no_copy_is_not_called_one(name):
    assert found(*DIFFERENT[name]) == ()


def test_of_several_songs_each_pair_is_compared():
    songs = [song(1), song(2), song(1), song(3), song(2)[:, 500:]]
    assert [(copy.first, copy.second, copy.is_whole) for copy in found(*songs)] == [(0, 2, True), (1, 4, False)]


@pytest.mark.parametrize(
    ("other", "whole"),
    [(ONE, True), (ONE[:, :4900], True), (ONE[:, :4000], False), (np.concatenate([silence(1), ONE], axis=1), False)],
)
def test_songs_are_equal_if_they_are_so_from_beginning_to_end_at_the_same_moment(other, whole):
    assert found(ONE, other)[0].is_whole == whole


def test_scenes_of_one_audio_file_are_no_copies_where_nobody_hears_the_same():
    parts = [Span(0, 2000), Span(2500, 5000)]
    assert found(ONE, ONE, heard=parts) == ()
    (copy,) = found(ONE, ONE, heard=[Span(0, 3000), Span(1500, 5000)])
    assert copy.shift == 0  # in frames of the files
    assert copy.spans == (Span(1500, 3000),)
    assert copy.share == pytest.approx(0.5)
    assert not copy.is_whole


@pytest.fixture(scope="module")
def sounds():
    """Two simulated songs of 15 s at 44.1 kHz, and a function that turns sound, as a file holds it, into spectra."""
    import torch

    from predann_bids.models.audio.log_mel import LogMel
    from predann_bids.signals.audio import read_audio
    from predann_bids.tools.simulation.songs import make_song

    front_end = LogMel(RATE.hz)
    songs = [make_song(number, 15.0, np.random.SeedSequence([3, number])).astype(np.float32) for number in range(2)]

    def spectra(file):
        with torch.no_grad():
            return front_end(torch.from_numpy(read_audio(file, front_end.audio_rate))[None])[0].numpy()

    return songs, spectra


@pytest.mark.parametrize(
    ("name", "rate_hz", "level", "silence_s", "channels"),
    [
        ("a.mp3", 44100, 0.5, 0, 2),
        ("a.ogg", 44100, 1, 0, 1),
        ("a.wav", 8000, 0.01, 0, 1),
        ("a.mp3", 22050, 0.1, 2.0, 2),
    ],
)
def test_a_copy_is_found_in_another_file_format_at_another_level(
    sounds, tmp_path, name, rate_hz, level, silence_s, channels
):
    import soundfile
    from scipy.signal import resample_poly

    songs, spectra = sounds
    soundfile.write(tmp_path / "original.wav", songs[0], 44100)
    soundfile.write(tmp_path / "other.wav", songs[1], 44100)
    changed = np.concatenate([np.zeros(int(silence_s * 44100)), level * songs[0]])
    changed = resample_poly(changed, rate_hz // 50, 44100 // 50)
    with soundfile.SoundFile(tmp_path / name, "w", rate_hz, channels) as file:
        for first in range(0, len(changed), 1 << 16):  # libsndfile cannot write long Ogg files at once
            file.write(np.repeat(changed[first : first + (1 << 16), None], channels, axis=1))
    (copy,) = found(*(spectra(tmp_path / file) for file in ("original.wav", "other.wav", name)))
    assert (copy.first, copy.second) == (0, 2)
    assert RATE.seconds(copy.shift) == pytest.approx(silence_s, abs=0.05)
    assert copy.share > 0.95
    assert copy.is_whole == (not silence_s)


# What can be told apart


def trial(stimulus, length=5000, audio_start=0):
    return Trial("01", "", "", "", 0, stimulus, 0, length, audio_start)


def limits(copies, trials, candidates=None, length=250):
    windows = grid([Stretch.of(trials, index) for index in range(len(trials))], length, 125)
    return windows, limits_of(copies, trials, windows, length, candidates)


def test_of_equal_songs_one_in_k_is_named_and_others_always():
    songs = [ONE, ONE, song(2), ONE]
    windows, found_limits = limits(found(*songs), trials := [trial(index) for index in range(4)])
    expected = np.where(windows.stimuli(trials) == 2, 1, 1 / 3)
    np.testing.assert_allclose(found_limits.logits, expected)
    np.testing.assert_allclose(found_limits.match, expected)


def test_a_shifted_copy_can_be_told_by_the_moment_alone():
    _, found_limits = limits(found(ONE, np.concatenate([silence(3.2), ONE], axis=1)), [trial(0), trial(1, 5400)])
    assert found_limits.match.min() == 1
    assert found_limits.logits.max() == 1  # in the silence
    assert (found_limits.logits == 0.5).mean() > 0.9


def test_only_windows_that_lie_in_the_common_stretch_are_the_same():
    half = np.concatenate([ONE[:, :2500], song(8, 20)], axis=1)
    (copy,) = copies = found(ONE, half)
    windows, found_limits = limits(copies, [trial(0), trial(1)])
    inside = windows.start + 250 <= copy.spans[0].stop
    np.testing.assert_array_equal(found_limits.match, np.where(inside, 0.5, 1))
    assert copy.spans[0].stop == pytest.approx(2500, abs=250)


def test_the_moment_is_that_of_the_audio_and_not_of_the_presentation():
    half = np.concatenate([ONE[:, :2500], song(8, 20)], axis=1)
    _, found_limits = limits(found(ONE, half), [trial(0, 2000, audio_start=2800)])
    assert (found_limits.match == 1).all()


def test_a_copy_that_is_no_candidate_takes_nothing_away():
    _, found_limits = limits(found(ONE, ONE), [trial(0)], candidates={0})
    assert (found_limits.match == 1).all()


# Merging


@pytest.fixture
def audio(tmp_path):
    def audio(*songs):
        files = tuple(tmp_path / f"{index}.npy" for index in range(len(songs)))
        for file, values in zip(files, songs, strict=True):
            np.save(file, values)
        return StimulusAudio({SPECTRA: files}, RATE)

    return audio


def test_equal_songs_become_one_class_named_after_the_first(audio):
    songs = [song(2), ONE, song(3), ONE[:, :4900]]
    trials = [trial(index, 4800) for index in range(4)]
    classes = find_classes(["a", "b", "c", "d"], audio(*songs), trials, "merge")
    assert classes.labels == ("a", "b", "c")
    assert [t.stimulus for t in classes.trials] == [0, 1, 2, 1]
    assert [len(values[0]) for values in classes.audio.arrays(SPECTRA)] == [5000, 5000, 5000]
    assert classes.copies == ()
    (row,) = classes.rows
    assert (row["first"], row["second"], row["equal"], row["merged"]) == ("b", "d", True, True)


def test_no_presentation_outlasts_the_audio_that_it_is_merged_with(audio):
    trials = [trial(0, 4950), trial(1, 5000), trial(2, 5000)]
    classes = find_classes("abc", audio(ONE[:, :4950], ONE, song(2)), trials, "merge")
    assert [t.length for t in classes.trials] == [4950, 4950, 5000]


def test_songs_that_are_only_partly_equal_or_shifted_are_named_and_kept(audio):
    songs = [ONE, ONE, np.concatenate([silence(3.2), ONE], axis=1)]
    trials = [trial(0), trial(1), trial(2, 5400)]
    classes = find_classes("abc", audio(*songs), trials, "merge")
    assert classes.labels == ("a", "c")
    assert [(copy.first, copy.second) for copy in classes.copies] == [(0, 1)]
    assert [row["merged"] for row in classes.rows] == [True, False, False]
    merged, kept = copy_notes(classes.rows, merging=True)
    assert "'a' stands for both" in merged
    assert "equal from beginning to end" in kept
    assert "3.20 s later in 'c'" in kept


def test_unless_asked_for_equal_songs_are_only_named(audio):
    classes = find_classes("ab", audio(ONE, ONE), trials := [trial(0), trial(1)], "report")
    assert classes.labels == ("a", "b")
    assert list(classes.trials) == trials
    (note,) = copy_notes(classes.rows, merging=False)
    assert "'a' and 'b' are the same audio" in note
    assert "--copies merge" in note


def test_if_all_songs_are_equal_there_is_nothing_to_merge_to(audio):
    with pytest.raises(UnusableData, match="--copies report"):
        find_classes("ab", audio(ONE, ONE), [trial(0), trial(1)], "merge")


def test_songs_are_equal_if_a_chain_of_equal_ones_joins_them():
    songs = [song(2), ONE, ONE, ONE]
    chain = [copy for copy in found(*songs) if (copy.first, copy.second) != (1, 3)]
    assert equal_songs(chain, 4).tolist() == [0, 1, 1, 1]


def test_what_is_common_is_said_in_a_sentence():
    row = {"first": "a", "second": "b", "shift_s": -43.0, "shared_s": 47.0, "share": 0.52, "equal": False}
    assert copy_sentence(row) == (
        "'a' and 'b' have 47 s of audio in common (52 % of the shorter one), 43.00 s earlier in 'b'."
    )
    assert copy_sentence(row | {"shift_s": 0.03}).endswith("at the same moment.")

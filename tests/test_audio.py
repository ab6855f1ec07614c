"""Reading audio: true lengths, mono mixes, rates, and files that are not what they seem."""

import struct
from contextlib import suppress

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from predann_bids.errors import MissingInput, UnusableData
from predann_bids.signals import resampling
from predann_bids.signals.audio import audio_remarks, audio_seconds, read_audio, read_mono
from predann_bids.signals.mpeg import read_mpeg

RATE = 22050
SECONDS = 4


def noise(seconds=SECONDS, rate=RATE, seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * rate)).astype(np.float32)


def lengths(path):
    """Length as the participant level takes it, and as the group level reads it."""
    mono, rate = read_mono(path)
    assert audio_seconds(path) == len(mono) / rate
    return audio_seconds(path)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(), RATE)
    return path


# MP3


@pytest.fixture(scope="module")
def mp3(tmp_path_factory):
    """A file of variable bit rate that begins with silence, and the place of its tag."""
    path = tmp_path_factory.mktemp("mp3") / "a.mp3"
    sound = noise(24, 44100)
    sound[: 4 * 44100] = 0
    with soundfile.SoundFile(
        path, "w", 44100, 1, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.5
    ) as file:
        file.write(sound)
    return path.read_bytes()


def stating(mp3, frames):
    place = mp3.find(b"Xing") + 8
    return mp3[:place] + struct.pack(">I", frames) + mp3[place + 4 :]


def without_tag(mp3):
    return mp3[read_mpeg(mp3).head.size :]


ID3 = b"ID3\x03\x00\x00" + bytes([0, 0, 0x10, 0]) + b"\0" * 2048


@pytest.mark.parametrize(
    "change",
    [
        lambda mp3: mp3,
        without_tag,
        lambda mp3: stating(mp3, 100),
        lambda mp3: stating(mp3, 5000),
        lambda mp3: stating(mp3, 0),
        lambda mp3: ID3 + mp3 + b"TAG" + b"\0" * 125,
        lambda mp3: ID3 + ID3 + without_tag(mp3),
        lambda mp3: mp3 + b"\0" * 5000,
    ],
    ids=["right", "no tag", "too few", "too many", "none", "titles", "titles and no tag", "padded"],
)
def test_an_mp3_lasts_as_long_as_its_frames_whatever_its_header_says(tmp_path, mp3, change):
    path = tmp_path / "a.mp3"
    path.write_bytes(change(mp3))
    assert lengths(path) == pytest.approx(24, abs=0.05)


def test_an_mp3_whose_first_frame_promises_less_is_read_to_its_end(tmp_path):
    path, quiet = tmp_path / "a.mp3", noise(24, 44100)
    quiet[44100:] *= 0.001
    with soundfile.SoundFile(
        path, "w", 44100, 1, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.5
    ) as file:
        file.write(quiet)
    path.write_bytes(without_tag(path.read_bytes()))
    assert soundfile.info(path).duration < 20  # what libsndfile guesses, and reads
    assert lengths(path) == pytest.approx(24, abs=0.05)


def test_an_mp3_with_a_right_header_is_read_as_ever(tmp_path, mp3):
    path = tmp_path / "a.mp3"
    path.write_bytes(mp3)
    assert np.array_equal(read_mono(path)[0], soundfile.read(path, dtype="float32")[0])
    assert audio_remarks(path) == ()


@pytest.mark.parametrize(("frames", "told"), [(100, "although its header states 2.61 s"), (5000, "breaks off")])
def test_a_header_that_misstates_the_length_is_told(tmp_path, mp3, frames, told):
    path = tmp_path / "a.mp3"
    path.write_bytes(stating(mp3, frames))
    assert told in audio_remarks(path)[0]


# WAV, FLAC, OGG


@pytest.mark.parametrize(("kind", "size"), [("AU", 0), ("AU", 0xFFFFFFFF), ("W64", 0), ("W64", 2**63 - 1)])
def test_another_file_that_was_streamed_is_read_to_its_end(tmp_path, kind, size):
    path = tmp_path / "a.sound"
    soundfile.write(path, noise(), RATE, format=kind, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    place, pattern = (8, ">I") if kind == "AU" else (content.find(b"data") + 16, "<Q")
    content[place : place + struct.calcsize(pattern)] = struct.pack(pattern, size)
    path.write_bytes(content)
    assert lengths(path) == SECONDS
    assert audio_remarks(path) == ()


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_file_that_was_streamed_is_read_to_its_end(wav, size):
    content = bytearray(wav.read_bytes())
    place = content.find(b"data") + 4
    content[place : place + 4] = struct.pack("<I", size)
    content[4:8] = struct.pack("<I", size)
    wav.write_bytes(content)
    assert lengths(wav) == SECONDS
    assert audio_remarks(wav) == ()


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.rf64", "u.wav", "a.au", "le.au", "a.w64", "a.svx"])
def test_a_file_that_was_cut_off_keeps_what_is_there_and_says_so(tmp_path, name):
    path = tmp_path / name
    kind = path.suffix[1:].upper()
    soundfile.write(path, noise(), RATE, SUBTYPES.get(name), "LITTLE" if name == "le.au" else None, kind)
    assert audio_remarks(path) == ()
    assert audio_seconds(path) == SECONDS
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert lengths(path) == pytest.approx(0.6 * SECONDS, abs=0.2)
    (remark,) = audio_remarks(path)
    assert remark.startswith("breaks off")
    assert "its header states 4.00 s" in remark


SUBTYPES = {"u.wav": "ULAW"}


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_that_was_cut_off_keeps_what_is_there_and_says_so(tmp_path, subtype):
    path = tmp_path / "a.ogg"
    soundfile.write(path, noise(20, 16000), 16000, subtype, format="OGG")
    content = path.read_bytes()
    assert audio_remarks(path) == ()
    pages = [place for place in range(len(content)) if content.startswith(b"OggS", place)]
    for size in (pages[-2], pages[-1], pages[-1] + 40, len(content) - 1):
        path.write_bytes(content[:size])
        seconds = lengths(path)
        assert 0 < seconds <= 20
        assert audio_remarks(path)[0].startswith(f"breaks off after {seconds:.2f} s")
    path.write_bytes(content + b"TAG of another program, as long as the header of a page")
    assert audio_remarks(path) == ()


def test_sound_after_the_stated_end_is_a_contradiction(wav):
    content = bytearray(wav.read_bytes())
    place = content.find(b"data") + 4
    content[place : place + 4] = struct.pack("<I", 1000)
    wav.write_bytes(content)
    with pytest.raises(UnusableData, match="contradicts itself"):
        audio_seconds(wav)


@pytest.mark.parametrize("after", [b"LIST" + struct.pack("<I", 4) + b"INFO", b"\0" * 64, b"id3 \2\0\0\0ab"])
def test_what_programs_put_after_the_sound_is_no_contradiction(wav, after):
    wav.write_bytes(wav.read_bytes() + after)
    assert lengths(wav) == SECONDS
    assert audio_remarks(wav) == ()


def test_a_flac_file_that_does_not_state_its_length_is_decoded(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(), RATE)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert lengths(path) == SECONDS


@pytest.mark.parametrize("kind", [("OGG", "VORBIS"), ("WAV", "PCM_24"), ("WAV", "DOUBLE"), ("WAV", "PCM_U8")])
def test_formats_last_as_long_as_they_were_written(tmp_path, kind):
    path = tmp_path / "a.audio"
    soundfile.write(path, noise(), RATE, format=kind[0], subtype=kind[1])
    assert lengths(path) == SECONDS


def test_a_changed_file_is_looked_at_again(wav):
    assert audio_seconds(wav) == SECONDS
    soundfile.write(wav, noise(2), RATE)
    assert audio_seconds(wav) == 2


# Files that are not what they seem


def test_content_counts_and_not_the_extension(tmp_path, mp3):
    (tmp_path / "a.wav").write_bytes(mp3)
    assert lengths(tmp_path / "a.wav") == pytest.approx(24, abs=0.05)


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"<!DOCTYPE html><html></html>", UnusableData, "a web page"),
        (b"la la la", UnusableData, "a text file"),
        (b"", UnusableData, "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", MissingInput, "was not fetched"),
        (b"/annex/objects/MD5E-s1--0.wav\n", MissingInput, "was not fetched"),
        (b"\0\0\0\x20ftypM4A " + bytes(500), UnusableData, r"MPEG-4 .*ffmpeg -i"),
        (b"RIFF\0\0\0\0AVI " + bytes(500), UnusableData, r"AVI video.*ffmpeg -i"),
        (b"RIFF\x24\0\0\0WAVEfm", UnusableData, "cannot be read as audio"),
        (b"\xff" * 3000, UnusableData, "cannot be read as audio"),
    ],
)
def test_what_is_no_audio_is_refused_for_the_true_reason(tmp_path, content, kind, reason):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(kind, match=reason):
        audio_seconds(path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xfb\x90\xc4", b"RIFF\xff\0\0\0WAVE", b"FORM", b"fLaC"]))
def test_no_content_ends_in_anything_but_a_sentence(tmp_path_factory, content, start):
    path = tmp_path_factory.mktemp("any") / "a.wav"
    path.write_bytes(start + content)
    with suppress(UnusableData, MissingInput):
        assert lengths(path) > 0


@pytest.mark.parametrize("rate", [1, 50, 2_000_000])
def test_a_rate_that_no_audio_has_is_refused(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", noise(1), rate)
    with pytest.raises(UnusableData, match=f"states a sampling rate of {rate} Hz"):
        audio_seconds(tmp_path / "a.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path, value):
    sound = noise()
    sound[RATE] = value
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    with pytest.raises(UnusableData, match=r"a\.wav holds values that are no numbers .* at 1\.000 s"):
        read_mono(tmp_path / "a.wav")


# Mono


@pytest.mark.parametrize("right", [lambda y: noise(seed=1), lambda y: 0 * y, lambda y: y, lambda y: -0.2 * y])
def test_ordinary_channels_are_averaged(tmp_path, right):
    stereo = np.stack([noise(), right(noise())], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, RATE, subtype="FLOAT")
    assert np.array_equal(read_mono(tmp_path / "a.wav")[0], stereo.mean(axis=1))
    assert audio_remarks(tmp_path / "a.wav") == ()


@pytest.mark.parametrize(
    "other", [lambda y: -y, lambda y: -0.95 * y, lambda y: 1 - y], ids=["inverted", "nearly", "with an offset"]
)
def test_channels_that_cancel_each_other_are_not_averaged(tmp_path, other):
    stereo = np.stack([noise(), other(noise())], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, RATE, subtype="FLOAT")
    assert np.array_equal(read_mono(tmp_path / "a.wav")[0], stereo[:, 0])
    assert "cancel each other, so channel 1" in audio_remarks(tmp_path / "a.wav")[0]


@pytest.mark.parametrize(
    ("silent_s", "told"), [(4.0, "is silent from beginning to end"), (3.0, "is silent for 75 %"), (1.0, None)]
)
def test_silence_is_told(tmp_path, silent_s, told):
    sound = noise()
    sound[: round(silent_s * RATE)] = 0
    soundfile.write(tmp_path / "a.wav", sound, RATE)
    remarks = audio_remarks(tmp_path / "a.wav")
    assert [told in remark for remark in remarks] == ([True] if told else [])


# Rates


@pytest.mark.parametrize("found", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("wanted", [16000, 44100])
def test_usual_rates_are_resampled_as_by_torchaudio(tmp_path, found, wanted):
    import torch
    from torchaudio.functional import resample

    sound = noise(0.2, found)
    soundfile.write(tmp_path / "a.wav", sound, found, subtype="FLOAT")
    assert np.array_equal(
        read_audio(tmp_path / "a.wav", wanted), resample(torch.from_numpy(sound), found, wanted).numpy()
    )


@pytest.mark.parametrize("found", [44101, 22051, 7919])
@pytest.mark.parametrize("wanted", [16000, 44100])
def test_a_rate_without_common_factors_costs_little_and_does_not_drift(found, wanted, monkeypatch):
    monkeypatch.setattr(resampling, "_by_torchaudio", None)  # would take gigabytes
    seconds = 8
    sound = np.sin(2 * np.pi * 440 * np.arange(seconds * found) / found).astype(np.float32)
    resampled = resampling.resample(sound, found, wanted)
    expected = np.sin(2 * np.pi * 440 * np.arange(seconds * wanted) / wanted)
    assert len(resampled) == seconds * wanted
    assert np.abs(resampled - expected)[100:-100].max() < 2e-3


def test_what_the_new_rate_cannot_hold_is_removed():
    sound = np.sin(2 * np.pi * 12_000 * np.arange(44101) / 44101).astype(np.float32)
    assert np.abs(resampling.resample(sound, 44101, 16000))[100:-100].max() < 0.01


def test_both_ways_to_resample_are_the_same_filter():
    sound = noise(1, 44100)
    one, other = resampling._by_torchaudio(sound, 44100, 16000), resampling._phase_by_phase(sound, 441, 160)
    assert one.shape == other.shape
    assert np.abs(one - other).max() < 1e-4

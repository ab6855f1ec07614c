"""Discontinuous recordings: onsets are true times, samples lie where the file has them, nothing crosses a gap."""

import edfio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.formats import open_raw
from predann_bids.bids.gaps import Gap, TimeLine
from predann_bids.bids.music.gaps import placed_in_file
from predann_bids.bids.music.presentations import Presentation, Resolution
from predann_bids.bids.spans import BadSpan, bad_spans
from predann_bids.errors import UnusableData

RATE = 100


def write(path, starts, *, record_s=1, marks=(), kind="D"):
    """Write records that begin at `starts`; the k-th sample of the file is k in steps of 0.1 microvolts."""
    is_bdf = path.suffix == ".bdf"
    signal = edfio.BdfSignal if is_bdf else edfio.EdfSignal
    data = np.arange(len(starts) * record_s * RATE) / 10.0
    signals = [signal(data, RATE, label="EEG Cz", physical_dimension="uV", physical_range=(-3000, 3000))]
    annotations = [edfio.EdfAnnotation(0, None, "x" * 80)]  # room for the onsets
    make = edfio.Bdf if is_bdf else edfio.Edf
    make(signals, annotations=annotations, data_record_duration=record_s).write(path)
    content = bytearray(path.read_bytes())
    width, head = (3 if is_bdf else 2), int(content[184:192])
    samples = [int(content[256 + 216 * 2 + 8 * k :][:8]) for k in range(2)]
    content[196:197] = kind.encode()
    for number, start in enumerate(starts):
        text = f"+{start:g}\x14\x14\x00"
        last = number == len(starts) - 1
        text += "".join(f"+{onset}\x15{length}\x14{name}\x14\x00" for onset, length, name in marks if last)
        first = head + number * sum(samples) * width + samples[0] * width
        assert len(text) <= samples[1] * width
        content[first : first + samples[1] * width] = text.encode().ljust(samples[1] * width, b"\0")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
def test_a_gap_is_found_with_its_place_and_length(tmp_path, suffix):
    opened = open_raw(write(tmp_path / f"x{suffix}", [0, 1, 2, 7, 8, 9.5]))
    assert opened.timeline.gaps == (Gap(3, 4), Gap(9, 0.5))
    assert opened.timeline.cuts == (3, 5)
    assert opened.raw.n_times == 6 * RATE
    assert bad_spans(opened.raw) == (BadSpan(3, 0, "BAD boundary"), BadSpan(5, 0, "BAD boundary"))
    (warning,) = opened.warnings
    assert "has 2 gaps of 4.500 s in all (the first after 3.000 s)" in warning


@pytest.mark.parametrize("starts", [[0, 1, 2, 3], [0.25, 1.25, 2.25], [5, 6, 7], [0, 1.004, 2.001, 3.003]])
@pytest.mark.parametrize("kind", ["D", "C"])
def test_without_a_gap_nothing_is_told(tmp_path, starts, kind):
    opened = open_raw(write(tmp_path / "x.edf", starts, kind=kind))
    assert opened.timeline == TimeLine()
    assert opened.warnings == ()


def test_a_gap_in_a_file_that_calls_itself_continuous_is_one(tmp_path):
    opened = open_raw(write(tmp_path / "x.edf", [0, 1, 12, 13], kind="C"))
    assert opened.timeline.gaps == (Gap(2, 10),)
    assert "although its header calls it continuous" in opened.warnings[0]


def test_annotations_are_moved_to_their_samples(tmp_path):
    marks = [(0.5, 0, "before"), (4, 0, "lost"), (6, 3, "after"), (1.5, 4, "across")]
    raw = open_raw(write(tmp_path / "x.edf", [0, 1, 6, 7, 8], record_s=1, marks=marks)).raw
    found = dict(
        zip(raw.annotations.description, zip(raw.annotations.onset, raw.annotations.duration, strict=True), strict=True)
    )
    assert found == {"before": (0.5, 0), "across": (1.5, 0.5), "BAD boundary": (2, 0), "after": (2, 3)}


@pytest.mark.parametrize("starts", [[0, 1, 0.5, 2], [5, 1, 2]])
def test_records_in_disorder_are_refused(tmp_path, starts):
    with pytest.raises(UnusableData, match=r"data record .* begins before the last one ends"):
        open_raw(write(tmp_path / "x.edf", starts))


def test_a_discontinuous_file_without_times_is_refused(tmp_path):
    signal = edfio.EdfSignal(np.zeros(300), RATE, label="Cz", physical_dimension="uV", physical_range=(-1, 1))
    edfio.Edf([signal]).write(tmp_path / "x.edf")
    content = bytearray((tmp_path / "x.edf").read_bytes())
    content[192:197] = b"EDF+D"
    (tmp_path / "x.edf").write_bytes(content)
    with pytest.raises(UnusableData, match="has no annotations, which would say when"):
        open_raw(tmp_path / "x.edf")


# -- time --------------------------------------------------------------------------------------------------------------

PIECES = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=5)


def timeline_of(pieces):
    """Samples for the first number of seconds, then none for the second, and so on."""
    gaps, now = [], 0
    for recorded, missing in pieces:
        gaps.append(Gap(now + recorded, missing))
        now += recorded + missing
    return TimeLine(tuple(gaps)), now


@given(PIECES, st.integers(0, 250))
def test_time_in_the_file_counts_the_seconds_that_have_samples(pieces, second):
    timeline, _ = timeline_of(pieces)
    has_samples = [not timeline.is_in_gap(moment) for moment in range(second)]
    assert timeline.in_file(second) == sum(has_samples)
    assert timeline.true_length(sum(recorded for recorded, _ in pieces)) == sum(a + b for a, b in pieces)


@given(PIECES, st.integers(0, 100), st.integers(1, 100), st.integers(1, 5))
def test_what_is_placed_in_the_file_keeps_its_music_and_crosses_no_cut(pieces, onset, duration, shortest):
    timeline, _ = timeline_of(pieces)
    song = Presentation("a", "a.wav", onset, duration, audio_start=2.0)
    placed = placed_in_file(Resolution((song,)), timeline, shortest=shortest, recording="x")
    seconds = {}
    for part in placed.presentations:
        assert part.duration >= shortest
        assert not any(part.onset < cut < part.end for cut in timeline.cuts)
        for k in range(int(part.duration)):
            seconds[part.onset + k] = part.audio_start + k
    for moment in range(onset, onset + duration):  # every second of the file has the music of its true time
        place = timeline.in_file(moment)
        if place in seconds and not timeline.is_in_gap(moment):
            assert seconds[place] == 2 + moment - onset
    lost = duration - sum(part.duration for part in placed.presentations)
    assert bool(placed.warnings) == (lost > 0)


def test_a_song_in_a_gap_is_told_and_left_out():
    timeline = TimeLine((Gap(10, 20),))
    songs = (Presentation("a", "a.wav", 12, 8), Presentation("b", "b.wav", 35, 8))
    placed = placed_in_file(Resolution(songs), timeline, shortest=3, recording="x.edf")
    assert placed.presentations == (Presentation("b", "b.wav", 15, 8),)
    assert placed.warnings == ("x.edf: 'a.wav' at 12 s is left out, as the recording has a gap there.",)


def test_bad_stretches_of_events_are_moved_too():
    timeline = TimeLine((Gap(10, 20),))
    assert BadSpan(5, 2, "BAD").in_file(timeline) == BadSpan(5, 2, "BAD")
    assert BadSpan(5, 30, "BAD").in_file(timeline) == BadSpan(5, 10, "BAD")
    assert BadSpan(31, 2, "BAD").in_file(timeline) == BadSpan(11, 2, "BAD")

"""Quality in numbers: of a recording, of its response to the music, and over participants."""

import json
import re
import shutil

import mne
import numpy as np
import pandas as pd
import pytest
import soundfile

from predann_bids.errors import UnusableData
from predann_bids.report.quality import participants as quality
from predann_bids.report.quality.measures import OutlierRule
from predann_bids.report.quality.participants import fence
from predann_bids.report.quality.writing import write_quality
from predann_bids.signals.onsets import detect_onsets, onsets_played, respond_to_onsets
from predann_bids.signals.quality import line_noise, measure, usable_seconds, usable_spans

RATE_HZ = 100.0


@pytest.fixture
def rng():
    return np.random.default_rng(3)


# One recording


def test_what_lies_in_bad_spans_is_not_usable():
    assert usable_spans((10, 20), [(25, 10), (12, 3), (14, 2), (0, 5)]) == [(10, 12), (16, 25)]
    assert usable_seconds([(10, 20)], [(25, 10), (12, 3), (14, 2), (0, 5)]) == 11


def test_a_point_takes_nothing_away_and_a_bad_recording_leaves_nothing():
    assert usable_spans((10, 20), [(15, 0)]) == [(10, 30)]
    assert usable_spans((10, 20), [(0, 100)]) == []


def test_amplitude_is_that_of_good_channels_within_usable_music(rng):
    eeg = (rng.standard_normal((20_000, 5)) * [5, 10, 20, 40, 1000]).astype(np.float32) + 300
    eeg[:5000] *= 50  # before the music
    eeg[9000:10_000] += 1e4  # in a bad span
    found = measure(eeg.T, RATE_HZ, eeg, RATE_HZ, bad=[4], presentations=[(50, 40), (100, 100)], bad_spans=[(90, 10)])
    inside = np.concatenate([eeg[5000:9000, :4], eeg[10_000:, :4]]).astype(np.float64)
    spread = inside.std(axis=0)
    assert found["amplitude_uv"] == pytest.approx(np.median(spread), rel=1e-4)
    assert found["amplitude_spread_ratio"] == pytest.approx(np.divide(*np.percentile(spread, [90, 10])), rel=1e-4)
    beyond = np.mean(np.abs(inside - inside.mean(axis=0)) > 100)
    assert 0 < beyond == pytest.approx(found["beyond_100uv_share"], rel=1e-4)
    assert (found["channels_count"], found["bad_channels_count"], found["bad_channels_share"]) == (5, 1, 0.2)


def test_usable_share_is_of_the_music():
    eeg = np.zeros((1000, 2), np.float32)
    found = measure(eeg.T, RATE_HZ, eeg, RATE_HZ, presentations=[(0, 4), (5, 4)], bad_spans=[(3, 3)])
    assert (found["music_s"], found["usable_s"], found["usable_share"]) == (8, 6, 0.75)


def test_line_noise_is_the_power_of_the_line_over_that_around(rng):
    noise = rng.standard_normal((3, 60_000))  # density 1 / 100 µV²/Hz up to 100 Hz
    line = 0.5 * np.sin(2 * np.pi * 50 * np.arange(60_000) / 200)  # variance 0.125, in a Hann window 1.5 bins wide
    decibels, share = line_noise(noise + line, 200, 50)
    density = 0.125 / (1.5 * 0.25)
    assert decibels == pytest.approx(10 * np.log10(density / 0.01 + 1), abs=0.4)
    assert share == pytest.approx(0.125 / 1.125, rel=0.05)


def test_without_line_noise_there_is_next_to_none(rng):
    decibels, share = line_noise(rng.standard_normal((3, 60_000)), 200, 50)
    assert decibels < 2
    assert share < 0.005


def test_line_noise_cannot_be_told_where_a_filter_has_left_nothing(rng):
    from scipy.signal import butter, sosfiltfilt

    passed = sosfiltfilt(butter(8, 30, fs=200, output="sos"), rng.standard_normal((3, 60_000)))
    decibels, share = line_noise(passed, 200, 50)
    assert decibels is None
    assert share < 1e-4


def test_line_beyond_the_nyquist_frequency_is_unknown(rng):
    assert line_noise(rng.standard_normal((1, 1000)), 100, 50) == (None, None)


@pytest.mark.parametrize("case", ["all bad", "no music", "silence", "no line", "all in bad spans", "short"])
def test_numbers_are_finite_or_none_whatever_comes(case, rng):
    eeg = rng.standard_normal((30 if case == "short" else 3000, 3)).astype(np.float32) * (case != "silence")
    found = measure(
        eeg.T,
        RATE_HZ,
        eeg,
        RATE_HZ,
        bad=range(3) if case == "all bad" else (),
        line_hz=None if case == "no line" else 25.0,
        presentations=() if case == "no music" else [(0.0, len(eeg) / RATE_HZ)],
        bad_spans=[(0, 100)] if case == "all in bad spans" else (),
        music_onsets=np.arange(0.5, 25),
    )
    assert all(value is None or np.isfinite(value) for value in found.values())
    json.dumps(found, allow_nan=False)


# The response to onsets


def write_tones(path, onsets, rng, rate_hz=22_050):
    sound = 1e-4 * rng.standard_normal(int((onsets[-1] + 1) * rate_hz))
    times = np.arange(int(0.5 * rate_hz)) / rate_hz
    for onset in onsets:
        tone = np.exp(-8 * times) * np.sin(2 * np.pi * rng.choice([220, 330, 440, 550]) * times)
        start = round(onset * rate_hz)
        sound[start : start + len(tone)] += np.minimum(1, times / 0.005) * np.minimum(1, (0.5 - times) / 0.2) * tone
    soundfile.write(path, sound / np.abs(sound).max(), rate_hz)


def test_onsets_of_tones_are_found(tmp_path, rng):
    onsets = np.cumsum(rng.uniform(0.6, 1.0, 40))
    write_tones(tmp_path / "tones.wav", onsets, rng)
    found = detect_onsets(tmp_path / "tones.wav")
    assert np.abs(found[:, None] - onsets).min(axis=0).max() < 0.02  # each is found
    assert len(found) <= 1.1 * len(onsets)  # and little else


def test_silence_has_no_onsets(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(8000), 8000)
    assert detect_onsets(tmp_path / "silence.wav").size == 0


def test_what_is_no_audio_is_named(tmp_path):
    (tmp_path / "song.wav").write_text("la la la")
    with pytest.raises(UnusableData, match=r"song\.wav"):
        detect_onsets(tmp_path / "song.wav")


def test_onsets_are_placed_on_the_clock_of_the_recording():
    heard = onsets_played(np.array([1.0, 3.0, 6.0, 9.0]), audio_start=2, onset=100, duration=5)
    assert heard.tolist() == [101.0, 104.0]


def evoked(rng, latency_s, amplitude, n=40_000):
    """Noise of 1 µV in four channels, with a bump some time after each onset in one of them."""
    eeg = rng.standard_normal((n, 4)).astype(np.float32)
    onsets = np.sort(rng.uniform(1, n / RATE_HZ - 2, 400))
    bump = amplitude * np.hanning(11)
    for onset in onsets:
        place = round((onset + latency_s) * RATE_HZ)
        eeg[place - 5 : place + 6, 1] += bump
    return eeg, onsets


def test_average_is_that_of_the_cut_out_stretches(rng):
    eeg, onsets = evoked(rng, 0.12, 1.0)
    eeg = np.clip(eeg, -3, 3)  # nothing for the limits to do
    found = respond_to_onsets(eeg, RATE_HZ, onsets, [(0, 400)])
    places = np.floor(onsets * RATE_HZ + 0.5).astype(int)
    steady = mne.filter.filter_data(eeg.T.astype(float), RATE_HZ, 1.0, None, verbose="error").T
    expected = np.mean([steady[place - 10 : place + 51] for place in places], axis=0) - np.median(steady[::8], axis=0)
    np.testing.assert_allclose(found.average, expected.T, atol=1e-3)
    np.testing.assert_allclose(found.times_s[[0, 10, -1]], [-0.1, 0, 0.5])
    assert found.count == 400


def test_a_response_is_found_at_its_latency_and_beyond_chance(rng):
    eeg, onsets = evoked(rng, 0.12, 1.0)
    found = respond_to_onsets(eeg, RATE_HZ, onsets, [(0, 400)])
    assert found.times_s[found.field_power.argmax()] == pytest.approx(0.12, abs=0.021)
    assert found.field_power.max() > 2 * found.null_high.max()
    assert found.p == 1 / 200
    assert found.z > 5


def test_neither_drifts_nor_offsets_hide_a_response(rng):
    eeg, onsets = evoked(rng, 0.12, 1.0)
    steady = respond_to_onsets(eeg, RATE_HZ, onsets, [(0, 400)])
    seconds = np.arange(len(eeg))[:, None] / RATE_HZ
    drifting = eeg + [0, -2e4, 1e4, 500] + 300 * np.sin(2 * np.pi * np.array([0.002, 0.005, 0.02, 0.05]) * seconds)
    found = respond_to_onsets(drifting.astype(np.float32), RATE_HZ, onsets, [(0, 400)], bad_spans=[(100, 3)])
    assert found.z > 0.5 * steady.z > 5
    assert found.times_s[found.field_power.argmax()] == pytest.approx(0.12, abs=0.021)


def test_without_a_response_there_is_chance(rng):
    p = []
    for seed in range(40):
        eeg, onsets = evoked(rng, 0.12, 0.0, n=8000)
        bad = [(10, 20)]  # shifted onsets meet it, which must not make a difference
        p.append(respond_to_onsets(eeg, RATE_HZ, onsets, [(0, 80)], bad_spans=bad, seed=seed).p)
    assert 0.35 < np.mean(p) < 0.65
    assert np.mean(np.array(p) <= 0.05) <= 0.15


def test_bad_spans_are_kept_out_of_the_average(rng):
    eeg, onsets = evoked(rng, 0.12, 1.0)
    clean = respond_to_onsets(eeg, RATE_HZ, onsets[onsets > 102], [(102, 298)])
    eeg[:10_200] += 1000 * rng.standard_normal((10_200, 4)).astype(np.float32)
    found = respond_to_onsets(eeg, RATE_HZ, onsets, [(0, 400)], bad_spans=[(0, 102)])
    assert found.count == pytest.approx(clean.count, abs=2)
    np.testing.assert_allclose(found.average, clean.average, atol=0.05)


def test_few_onsets_are_no_average(rng):
    eeg, onsets = evoked(rng, 0.1, 1.0)
    assert respond_to_onsets(eeg, RATE_HZ, onsets[:10], [(0, 400)]) is None


# All participants


def sidecar(*, seconds=600.0, usable=None, bad=0, channels=32, removed=None, **quality):
    steps = [] if removed is None else [{"Name": "ICA", "removed": [{}] * removed}]
    return {
        "EEGChannelCount": channels,
        "BadChannels": [f"E{n}" for n in range(bad)],
        "PreprocessingSteps": steps,
        "Presentations": {"Count": 4, "Seconds": seconds, "UsableSeconds": seconds if usable is None else usable},
        "Quality": quality,
    }


def write_sidecars(root, participants):
    """Participant to sidecars, one for each of several sessions."""
    for label, sidecars in participants.items():
        for number, content in enumerate(sidecars, 1):
            path = root / f"sub-{label}" / f"ses-{number}" / "eeg" / f"sub-{label}_ses-{number}_desc-preproc_eeg.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(content), encoding="utf-8")
    return root


def read_table(root):
    return pd.read_csv(root / "participants.tsv", sep="\t", index_col="participant_id", na_values="n/a")


@pytest.fixture
def ten(tmp_path, rng):
    """Ten participants, alike but for three."""
    amplitudes = rng.uniform(9, 11, 10)
    participants = {
        f"{n:02d}": [sidecar(bad=n % 3, amplitude_uv=amplitude, beyond_100uv_share=0.001)]
        for n, amplitude in enumerate(amplitudes)
    }
    participants["03"] = [sidecar(amplitude_uv=40.0)]
    participants["05"] = [sidecar(usable=200.0, amplitude_uv=10.0)]
    participants["07"] = [sidecar(bad=12, amplitude_uv=10.0)]
    return write_sidecars(tmp_path, participants)


def test_outliers_are_marked_with_the_reason(ten):
    write_quality(ten)
    table = read_table(ten)
    assert table.index[table.outlier == "yes"].tolist() == ["sub-03", "sub-05", "sub-07"]
    assert table.outlier_reason["sub-03"].startswith("amplitude_uv 40 (median ")
    assert table.outlier_reason["sub-05"] == "usable_share 0.333 (below 0.5)"
    assert table.outlier_reason["sub-07"] == "bad_channels_share 0.375 (above 0.25)"


def test_recordings_of_a_participant_are_put_together(tmp_path):
    first = sidecar(seconds=300, usable=150, bad=4, removed=2, amplitude_uv=10.0, onset_response_z=2.0)
    second = sidecar(seconds=900, bad=0, removed=4, amplitude_uv=20.0, onset_response_z=4.0)
    write_quality(write_sidecars(tmp_path, {"01": [first, second]}))
    row = read_table(tmp_path).loc["sub-01"]
    assert (row.recordings, row.presentations, row.music_min, row.usable_min) == (2, 8, 20, 17.5)
    assert (row.usable_share, row.bad_channels, row.bad_channels_share) == (0.875, 1.0, 0.03125)
    assert (row.ica_removed, row.amplitude_uv) == (3.5, 17.5)  # weighted by music
    assert row.onset_response_z == pytest.approx(6 / np.sqrt(2), rel=1e-5)


def test_what_is_unknown_is_not_available(tmp_path):
    old = sidecar()
    del old["Quality"], old["Presentations"]["UsableSeconds"]
    (tmp_path / "sub-02").mkdir()
    write_quality(write_sidecars(tmp_path, {"01": [old]}))
    fields = [line.split("\t") for line in (tmp_path / "participants.tsv").read_text().splitlines()]
    header, known, unknown = fields
    assert dict(zip(header, known, strict=True))["amplitude_uv"] == "n/a"
    assert dict(zip(header, known, strict=True))["outlier"] == "no"
    assert dict(zip(header, unknown, strict=True)) == dict.fromkeys(header, "n/a") | {
        "participant_id": "sub-02",
        "recordings": "0",
    }


def test_few_participants_are_not_compared(tmp_path):
    participants = {f"0{n}": [sidecar(amplitude_uv=40.0 if n == 1 else 10.0)] for n in range(1, 6)}
    write_quality(write_sidecars(tmp_path, participants))
    assert (read_table(tmp_path).outlier == "no").all()
    assert "Fewer than 6 participants" in (tmp_path / "quality.html").read_text(encoding="utf-8")


def test_small_deviations_do_not_matter_however_alike_the_others_are():
    low, high = fence([0.0] * 20 + [0.03], OutlierRule("high", least=0.05))
    assert (low, high) == (-np.inf, 0.05)


def test_fence_is_that_of_iglewicz_and_hoaglin(rng):
    values = rng.standard_normal(31)
    low, high = fence(values, OutlierRule("both", least=0))
    for value, score in ((low, -3.5), (high, 3.5)):
        mad = np.median(np.abs(values - np.median(values)))
        assert 0.6745 * (value - np.median(values)) / mad == pytest.approx(score)
    assert fence(np.exp(values), OutlierRule("both", least=1.0001, logarithmic=True)) == pytest.approx(
        (np.exp(low), np.exp(high))
    )


def test_columns_are_described_with_units(ten):
    write_quality(ten)
    described = json.loads((ten / "participants.json").read_text(encoding="utf-8"))
    columns = read_table(ten).reset_index().columns
    assert set(described) == set(columns)
    assert described["amplitude_uv"]["Units"] == "µV"


def test_page_has_everybody_and_needs_nothing_from_the_net(ten):
    (ten / "sub-03.html").write_text("report")
    page = write_quality(ten).read_text(encoding="utf-8")
    assert "3 of 10 participants stand out: sub-03, sub-05 and sub-07." in page
    assert '<a href="sub-03.html">' in page
    assert '<a href="sub-04.html">' not in page
    assert page.count('<th scope="row"') == 10
    assert not re.search(r'(src|href)="(https?:)?//', page)


@pytest.mark.parametrize("number", [1, 300])
def test_page_can_be_made_of_one_or_of_hundreds(number, tmp_path, rng):
    participants = {
        f"{n:03d}": [sidecar(bad=int(rng.integers(4)), amplitude_uv=rng.lognormal(2, 0.8), line_before_db=12.0)]
        for n in range(number)
    }
    page = write_quality(write_sidecars(tmp_path, participants))
    assert page.read_text(encoding="utf-8").count('<th scope="row"') == number
    assert page.stat().st_size < 1_000_000


def test_a_recording_that_another_job_takes_away_is_left_out(ten, monkeypatch):
    def read(path):
        if "sub-02" in path.name:
            raise FileNotFoundError(path)
        return json.loads(path.read_text(encoding="utf-8"))

    monkeypatch.setattr(quality, "read_json", read)
    write_quality(ten)
    assert read_table(ten).recordings.tolist() == [1, 1, 0, 1, 1, 1, 1, 1, 1, 1]


def test_nothing_is_made_of_nothing(tmp_path):
    assert "No participant has been preprocessed yet." in write_quality(tmp_path).read_text(encoding="utf-8")


def test_table_of_participants_is_valid_bids(derivatives, tmp_path, validator_errors):
    root = shutil.copytree(derivatives, tmp_path / "out", symlinks=True)
    write_quality(root)
    assert len(read_table(root)) == 4
    assert validator_errors(root) == []


def test_the_page_is_drawn_again_only_when_what_it_shows_has_changed(ten):
    page = write_quality(ten)
    page.write_text(page.read_text(encoding="utf-8").replace("<html", "<html data-kept", 1), encoding="utf-8")
    assert "data-kept" in write_quality(ten).read_text(encoding="utf-8")
    (ten / "sub-03.html").touch()  # a report to link to
    assert "data-kept" not in write_quality(ten).read_text(encoding="utf-8")

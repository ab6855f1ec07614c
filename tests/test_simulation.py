import hashlib
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
from mne_bids import BIDSPath, read_raw_bids

from predann_bids.cli import run
from predann_bids.timing import Rate, Span
from predann_bids.tools.cli import tools
from predann_bids.tools.simulation import eeg
from predann_bids.tools.simulation.background.stationary import blinks, everything_else, line_noise
from predann_bids.tools.simulation.dataset import electrode_names, simulate
from predann_bids.tools.simulation.response import audio_features, draw_listener, response, wave_kernels
from predann_bids.tools.simulation.session import Playback, Session
from predann_bids.tools.simulation.settings import Simulation
from predann_bids.tools.simulation.songs import choose_style, make_song
from predann_bids.tools.simulation.synthesis import AUDIO_RATE

RATE = Rate(250)
TINY = Simulation(participants=1, songs=2, seconds=4, channels=4, sampling_rate=100, seed=5)


def digest(root):
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def electrodes():
    rng = np.random.default_rng(0)
    places = rng.standard_normal((16, 3))
    places[:, 2] = np.abs(places[:, 2])
    return places / np.linalg.norm(places, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def features():
    return audio_features(make_song(0, 8, np.random.SeedSequence(1)), AUDIO_RATE, RATE)


def record(electrodes, features, snr, seed=3):
    session = Session(electrodes, RATE, 3000, (Playback(0, Span(500, 500 + features.shape[1])),))
    return eeg.record(session, [features], snr, np.random.SeedSequence(seed))


def test_the_dataset_is_valid_bids(dataset, validator_errors):
    assert validator_errors(dataset) == []


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path):
    one, same, other = (
        digest(simulate(tmp_path / name, simulation))
        for name, simulation in (("one", TINY), ("same", TINY), ("other", Simulation(**{**vars(TINY), "seed": 6})))
    )
    assert one == same
    assert one["stimuli/song-01.wav"] != other["stimuli/song-01.wav"]


def test_mne_reads_volts_positions_and_line_frequency(dataset):
    raw = read_raw_bids(BIDSPath(root=dataset, subject="01", task="music", datatype="eeg"), verbose="error")
    assert 5e-6 < np.median(raw.get_data().std(axis=1)) < 1e-4
    assert all(np.isfinite(channel["loc"][:3]).all() for channel in raw.info["chs"])
    assert raw.info["line_freq"] == 50


def test_events_name_the_audio_with_its_true_duration(dataset):
    events = pd.read_csv(dataset / "sub-02/eeg/sub-02_task-music_events.tsv", sep="\t")
    music = events[events["trial_type"] == "music"]
    assert sorted(music["stim_file"]) == ["song-01.wav", "song-02.wav", "song-03.wav"]
    for row in music.itertuples():
        info = soundfile.info(str(dataset / "stimuli" / row.stim_file))
        assert row.duration == pytest.approx(info.frames / info.samplerate)
    assert events.loc[events["trial_type"] == "fixation", "stim_file"].isna().all()


def test_participants_hear_the_songs_in_orders_of_their_own(dataset):
    orders = set()
    for events in dataset.glob("sub-*/eeg/*_events.tsv"):
        orders.add(tuple(pd.read_csv(events, sep="\t")["stim_file"].dropna()))
    assert len(orders) > 1


def test_the_strength_of_the_response_changes_nothing_else(electrodes, features):
    silent, weak, strong = (record(electrodes, features, snr) for snr in (0, 0.1, 0.4))
    assert (silent[:, :500] == strong[:, :500]).all()
    np.testing.assert_allclose(strong - silent, 2 * (weak - silent), rtol=1e-6, atol=1e-9)


def test_the_signal_to_noise_ratio_is_the_one_asked_for(electrodes, features):
    from scipy.signal import welch

    silent, loud = record(electrodes, features, 0), record(electrodes, features, 0.25)
    music = slice(500, 500 + features.shape[1])
    powers = []
    for signal in (loud - silent, silent):
        hz, density = welch(signal[:, music], 250, nperseg=500)
        powers.append(density[:, (hz >= 1) & (hz <= 30)].sum(axis=1).mean())
    assert powers[0] / powers[1] == pytest.approx(0.25, rel=0.25)


def test_the_response_to_a_click_peaks_near_50_100_and_200_ms(electrodes):
    listener = draw_listener(electrodes, np.random.default_rng(0))
    click = np.zeros((7, 250))
    click[0, 0] = 1
    kernels = wave_kernels(listener, RATE)
    peaks = [RATE.seconds(int(np.abs(kernel).argmax())) for kernel in kernels]
    np.testing.assert_allclose(peaks, [0.05, 0.1, 0.2], atol=0.03)
    evoked = response(Session(electrodes, RATE, 500, (Playback(0, Span(100, 350)),)), listener, [click])
    strength = np.abs(evoked).mean(axis=0)
    assert strength[:100].max() < 1e-6 * strength.max()
    assert 0.03 < RATE.seconds(int(strength.argmax()) - 100) < 0.25


def test_the_response_follows_an_onset_at_the_moment_of_the_onset():
    audio = np.zeros(44100)
    audio[22050:] = np.sin(2 * np.pi * 440 * np.arange(22050) / 44100)
    flux = audio_features(audio, AUDIO_RATE, RATE)[0]
    assert RATE.seconds(int(flux.argmax())) == pytest.approx(0.5, abs=0.012)


def test_line_noise_lies_at_50_hz(electrodes):
    noise = line_noise(Session(electrodes, RATE, 2500), np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(noise, axis=1)).mean(axis=0)
    assert np.fft.rfftfreq(2500, 1 / 250)[spectrum.argmax()] == 50


def test_blinks_are_strongest_at_the_forehead():
    places = np.array([[0.3, 0.9, 0.3], [0, 0, 1], [0, -0.95, 0.3]])
    electrodes = places / np.linalg.norm(places, axis=1, keepdims=True)
    potentials = blinks(Session(electrodes, RATE, 10_000), np.random.default_rng(0))
    assert potentials[0].max() > 3 * np.abs(potentials[1:]).max()


def test_songs_differ_in_tempo_and_sound():
    styles = [choose_style(number, np.random.default_rng(0)) for number in range(4)]
    tempi = sorted(style.tempo_bpm for style in styles)
    assert min(np.diff(tempi)) > 5
    songs = [make_song(number, 6, np.random.SeedSequence(number)) for number in range(3)]
    spectra = [np.log(np.abs(np.fft.rfft(song))[:60_000].reshape(60, -1).mean(axis=1)) for song in songs]
    assert max(np.corrcoef(spectra)[np.triu_indices(3, 1)]) < 0.99


def test_songs_are_loud_but_never_clipped():
    for number in range(3):
        song = make_song(number, 6, np.random.SeedSequence(number))
        assert np.abs(song).max() <= 1
        assert 0.05 < song.std() < 0.3


def test_a_directory_that_is_not_empty_is_left_as_it_is(tmp_path):
    (tmp_path / "precious.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="is not empty; choose"):
        simulate(tmp_path, TINY)
    assert digest(tmp_path).keys() == {"precious.txt"}


@pytest.mark.parametrize("channels", [4, 19, 32, 64, 128])
def test_caps_have_as_many_different_electrodes_as_asked_for(channels):
    assert len(set(electrode_names(channels))) == channels


@pytest.mark.parametrize(
    "wrong", [{"songs": 0}, {"snr": -1}, {"channels": 500}, {"seconds": float("nan")}, {"response_r": 0}]
)
def test_what_cannot_be_simulated_is_refused(wrong):
    with pytest.raises(ValueError, match="must be between"):
        Simulation(**wrong)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--songs", "0"], 64),
        (["--sonsg", "2"], 64),
        (["--songs", "two"], 64),
        (["--background", "quiet"], 64),
        (["--response-r", "0.1", "--participants", "2"], 64),
        (["--response-r", "0.1", "--seconds", "2.5"], 64),
    ],
)
def test_wrong_usage_of_the_tool_gets_its_exit_code(tmp_path, arguments, code, capsys):
    assert run(tools, ["simulate", str(tmp_path / "ds"), *arguments]) == code
    assert "Error:" in capsys.readouterr().err
    assert not (tmp_path / "ds").exists()


def test_an_output_that_exists_cannot_be_created(tmp_path, capsys):
    (tmp_path / "x").write_text("precious")
    assert run(tools, ["simulate", str(tmp_path)]) == 73
    assert "not empty" in capsys.readouterr().err


def test_a_strength_in_two_words_is_refused(tmp_path, capsys):
    assert run(tools, ["simulate", str(tmp_path / "ds"), "--snr", "0.02", "--response-r", "0.1"]) == 64
    assert "snr is 0.02 and response_r is 0.1" in capsys.readouterr().err
    assert not (tmp_path / "ds").exists()


def test_a_strength_that_cannot_be_reached_leaves_no_dataset(tmp_path, capsys):
    size = ["--participants", "3", "--songs", "1", "--seconds", "9", "--channels", "4", "--sampling-rate", "80"]
    assert run(tools, ["simulate", str(tmp_path / "ds"), *size, "--response-r", "0.9"]) == 64
    assert "ask for a weaker response" in capsys.readouterr().err
    assert not (tmp_path / "ds").exists()


def test_what_a_calibrated_dataset_reached_is_printed(tmp_path, capsys):
    size = ["--participants", "3", "--songs", "1", "--seconds", "12", "--channels", "4", "--sampling-rate", "80"]
    assert run(tools, ["simulate", str(tmp_path / "ds"), *size, "--response-r", "0.4"]) == 0
    reached = re.search(r"Response: r ([\d.]+) .* signal-to-noise ratio of ([\d.]+)", capsys.readouterr().out)
    assert float(reached[1]) == pytest.approx(0.4, rel=0.02)
    assert f"snr={reached[2]}" in (tmp_path / "ds" / "dataset_description.json").read_text()


def test_what_was_not_chosen_is_not_told(tmp_path):
    description = (simulate(tmp_path / "ds", TINY) / "dataset_description.json").read_text()
    assert (
        "Simulation(participants=1, songs=2, seconds=4, repetitions=1, channels=4, sampling_rate=100, snr=0.02, seed=5)"
        in description
    )


def test_by_default_the_background_is_the_stationary_one(electrodes, features):
    session = Session(electrodes, RATE, 3000, (Playback(0, Span(500, 500 + features.shape[1])),))
    seed = np.random.SeedSequence(3)
    names = ("listener", "background", "sensors", "alpha", "blinks", "drift", "line", "signatures")
    rngs = {name: np.random.default_rng(np.random.SeedSequence(3, spawn_key=(i,))) for i, name in enumerate(names)}
    assert (eeg.record(session, [features], 0.0, seed) == everything_else(session, rngs)).all()

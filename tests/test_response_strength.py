import math

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from mne_bids import BIDSPath, read_raw_bids
from sklearn.linear_model import Ridge

from predann_bids.errors import WrongUsage
from predann_bids.timing import Rate
from predann_bids.tools.simulation.calibration import Rehearsal, calibrated, measured
from predann_bids.tools.simulation.dataset import simulate
from predann_bids.tools.simulation.settings import Simulation
from predann_bids.tools.simulation.strength import (
    LAGS,
    PENALTIES,
    RATE,
    Heard,
    Presentation,
    _solved,
    cross_validated,
    limited,
    normal_equations,
    onset_envelope,
    presentations,
    referenced,
    window_correlations,
)
from predann_bids.tools.simulation.synthesis import AUDIO_RATE

TINY = Simulation(participants=3, songs=2, seconds=24, channels=6, sampling_rate=100, seed=2, response_r=0.3)


def smooth(rng, *shape):
    return np.apply_along_axis(np.convolve, -1, rng.standard_normal(shape), np.hanning(9), mode="same")


def presentation(rng, channels=3, length=120):
    envelope = rng.standard_normal(length)
    return Presentation(
        rng.standard_normal((channels, length + LAGS - 1)).astype(np.float32) + 1,
        ((envelope - envelope.mean()) / envelope.std()).astype(np.float32),
    )


def lagged(one):
    """Regressors, written out: a column for each channel at each lag."""
    columns = [one.eeg[:, lag : lag + len(one.envelope)] for lag in range(LAGS)]
    return np.vstack(columns).T.astype(float)


def rehearsals(seed=0, participants=4, channels=4, seconds=60):
    """Noise, and an envelope that all participants' channels follow 0.1 s later, each with a weight of its own."""
    rng = np.random.default_rng(seed)
    length = round(seconds * RATE.hz)
    envelope = smooth(rng, length)
    made = []
    for _ in range(participants):
        late = np.roll(envelope, 3) / envelope.std()
        weights = np.linspace(-1, 1, channels) + rng.normal(0, 0.2, channels)
        rest = smooth(rng, channels, length)
        rest /= rest.std()
        made.append(Rehearsal(rest.astype("f4"), np.outer(weights, late).astype("f4"), [Heard(0, envelope)]))
    return made


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(LAGS, 60))
@settings(max_examples=20, deadline=None)
def test_normal_equations_are_those_of_the_lagged_eeg(seed, channels, length):
    one = presentation(np.random.default_rng(seed), channels, length)
    regressors = lagged(one)
    centred = regressors - regressors.mean(axis=0)
    covariance, with_envelope = normal_equations(one)
    np.testing.assert_allclose(covariance, centred.T @ centred, atol=1e-8)
    np.testing.assert_allclose(with_envelope, centred.T @ one.envelope, atol=1e-4)


def test_weights_are_those_of_ridge_regression():
    one = presentation(np.random.default_rng(0))
    equations = normal_equations(one)
    weights = _solved([equations, equations])
    mean = 2 * np.trace(equations[0]) / len(equations[0])
    twice = np.vstack([lagged(one) - lagged(one).mean(axis=0)] * 2)
    for column, penalty in enumerate(PENALTIES):
        ridge = Ridge(alpha=penalty * mean, fit_intercept=False).fit(twice, np.tile(one.envelope, 2))
        np.testing.assert_allclose(weights[:, column], ridge.coef_, atol=1e-6)


def test_correlations_are_those_of_whole_windows_of_three_seconds():
    rng = np.random.default_rng(1)
    one = presentation(rng, length=250)
    weights = rng.standard_normal((LAGS * 3, 2))
    predicted = lagged(one) @ weights
    expected = [
        [np.corrcoef(predicted[first : first + 96, model], one.envelope[first : first + 96])[0, 1] for model in (0, 1)]
        for first in (0, 96)
    ]
    np.testing.assert_allclose(window_correlations(one, weights), expected, atol=1e-5)


def test_beyond_the_end_of_a_recording_the_eeg_is_zero():
    (one,) = presentations(np.ones((2, 50), dtype=np.float32), [Heard(20, np.arange(40.0))])
    assert len(one.envelope) == 30
    assert one.eeg.shape == (2, 30 + LAGS - 1)
    assert (one.eeg[:, :30] == 1).all()
    assert (one.eeg[:, 30:] == 0).all()


def test_a_perfect_response_has_a_correlation_of_nearly_one_and_noise_one_near_zero():
    made = rehearsals()
    assert measured(made, 1e4).r > 0.95
    assert abs(measured(made, 0.0).r) < 0.1


def test_a_response_of_one_participant_alone_is_no_response():
    first, *others = rehearsals(participants=6)
    silent = [Rehearsal(one.rest, 0 * one.music, one.heard) for one in others]
    assert measured([first, *silent], 1.0).r < 0.3 * measured([first, *others], 1.0).r


def test_no_artefact_outweighs_the_rest():
    eeg = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    eeg[0, 500] = 1e6
    assert np.abs(limited(eeg)).max() == 5
    assert limited(eeg)[1].std() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("rate_hz", [100, 250, 512])
def test_slow_eeg_keeps_its_band_and_its_moments(rate_hz):
    time = np.arange(20 * rate_hz) / rate_hz
    inside, outside = np.sin(2 * np.pi * 4 * time), np.sin(2 * np.pi * 20 * time)
    eeg = referenced(np.vstack([inside + outside, -inside - outside]), Rate(rate_hz))
    expected = np.sin(2 * np.pi * 4 * np.arange(eeg.shape[1]) / RATE.hz)
    np.testing.assert_allclose(eeg[0, 64:-64], expected[64:-64], atol=0.1)


def test_the_envelope_rises_where_sounds_begin():
    audio = np.zeros(int(4 * AUDIO_RATE.hz))
    for onset in (1.0, 2.5):
        span = slice(AUDIO_RATE.samples(onset), AUDIO_RATE.samples(onset + 0.3))
        audio[span] = np.sin(2 * np.pi * 440 * np.arange(span.stop - span.start) / AUDIO_RATE.hz)
    envelope = onset_envelope(audio, AUDIO_RATE)
    assert len(envelope) == 4 * RATE.hz
    assert sorted(np.argsort(envelope)[-2:]) == [RATE.samples(1.0), RATE.samples(2.5)]


def test_calibration_reaches_what_is_asked_for_and_more_takes_more():
    made = rehearsals()
    ratios = []
    for wanted in (0.1, 0.2, 0.4, 0.7):
        snr, strength = calibrated(made, wanted)
        assert strength.r == pytest.approx(wanted, rel=0.02)
        assert measured(made, snr) == strength
        ratios.append(snr)
    assert ratios == sorted(ratios)


def test_the_ratio_that_is_found_is_short_enough_to_be_typed():
    snr, _ = calibrated(rehearsals(), 0.3)
    assert snr == float(f"{snr:.5g}")


def test_a_correlation_below_chance_is_refused():
    with pytest.raises(WrongUsage, match="with hardly any response"):
        # the noise is the response to other music, so that it correlates by itself
        calibrated([Rehearsal(one.rest + one.music, one.music, one.heard) for one in rehearsals()], 0.05)


def test_a_correlation_above_what_any_response_gives_is_refused():
    made = rehearsals()
    other = smooth(np.random.default_rng(9), 60 * 32)
    deaf = [Rehearsal(one.rest, np.outer(one.music[:, 0], other).astype("f4"), one.heard) for one in made]
    with pytest.raises(WrongUsage, match="reach no more than"):
        calibrated(deaf, 0.8)


def test_participants_of_any_number_from_three_are_cross_validated():
    for participants in (3, 4, 5, 9):
        made = rehearsals(participants=participants)
        people = [presentations(limited(one.rest + one.music), one.heard) for one in made]
        strength = cross_validated(people)
        assert 0.3 < strength.r < 1
        assert math.isfinite(strength.standard_error)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    said = []
    root = simulate(tmp_path_factory.mktemp("strength") / "asked", TINY, on_strength=said.append)
    return root, said


def test_a_calibrated_dataset_is_valid_bids(asked, validator_errors):
    assert validator_errors(asked[0]) == []


def test_what_is_written_has_the_correlation_that_is_told(asked):
    root, said = asked
    audio = {file.name: onset_envelope(*_heard(file)) for file in (root / "stimuli").glob("*.wav")}
    people = []
    for subject in ("01", "02", "03"):
        path = BIDSPath(root=root, subject=subject, task="music", datatype="eeg")
        raw = read_raw_bids(path, verbose="error")
        events = pd.read_csv(root / f"sub-{subject}/eeg/sub-{subject}_task-music_events.tsv", sep="\t").dropna()
        heard = [Heard(RATE.samples(row.onset), audio[row.stim_file]) for row in events.itertuples()]
        slow = referenced(1e6 * raw.get_data(), Rate(raw.info["sfreq"]))
        people.append(presentations(limited(slow), heard))
    r = cross_validated(people).r
    assert r == pytest.approx(TINY.response_r, rel=0.05)
    told = float(said[0].split()[2])
    assert told == pytest.approx(r, abs=2e-4)
    assert f"It gives {told:.4f}" in (root / "README").read_text()


def _heard(file):
    sound, rate_hz = soundfile.read(file)
    return sound, Rate(rate_hz)


def test_the_ratio_that_was_found_gives_the_same_recordings(asked, tmp_path):
    root, _ = asked
    description = (root / "dataset_description.json").read_text()
    snr = float(description.split("snr=")[1].split(",")[0])
    typed = Simulation(**{**vars(TINY), "response_r": None, "snr": snr})
    again = simulate(tmp_path / "again", typed)
    for file in sorted(root.glob("sub-*/eeg/*.eeg")):
        assert file.read_bytes() == (again / file.relative_to(root)).read_bytes()
    assert "response_r=0.3" in description

from dataclasses import replace

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt, welch

from predann_bids.timing import Rate, Span
from predann_bids.tools.simulation import eeg
from predann_bids.tools.simulation.background.artefacts import happenings, motion, muscles, pops
from predann_bids.tools.simulation.background.realistic import alpha_bursts, seen_through_skull, swelling
from predann_bids.tools.simulation.dataset import MONTAGE, electrode_names, electrode_positions, simulate
from predann_bids.tools.simulation.fields import random_field
from predann_bids.tools.simulation.session import Playback, Session
from predann_bids.tools.simulation.settings import Simulation

RATE = Rate(100)
SEED = np.random.SeedSequence(4)


@pytest.fixture(scope="module")
def session():
    electrodes = electrode_positions(mne.channels.make_standard_montage(MONTAGE), electrode_names(32))
    return Session(electrodes, RATE, RATE.samples(120), (Playback(0, Span(1000, 11_000)),))


@pytest.fixture(scope="module")
def features():
    return np.abs(np.random.default_rng(0).standard_normal((7, 10_000)))


@pytest.fixture(scope="module")
def backgrounds(session, features):
    """From 1 to 40 Hz against the average, without a response."""
    sections = butter(3, (1, 40), "bandpass", fs=RATE.hz, output="sos")
    made = {}
    for name in ("stationary", "realistic"):
        filtered = sosfiltfilt(sections, eeg.record(session, [features], 0.0, SEED, name))
        made[name] = filtered - filtered.mean(axis=0)
    return made


def rng(seed=0):
    return np.random.default_rng(seed)


def power(potentials):
    hz, density = welch(potentials, RATE.hz, nperseg=400)
    return hz, density.sum(axis=0)


def test_neighbours_record_nearly_the_same(backgrounds):
    condition = {}
    for name, recorded in backgrounds.items():
        values = np.linalg.eigvalsh(np.cov(recorded))[1:]  # the average reference takes one dimension
        condition[name] = values[-1] / values[0]
    assert condition["realistic"] > 3 * condition["stationary"]


def test_its_power_changes_over_time(backgrounds):
    spread = {}
    for name, recorded in backgrounds.items():
        windows = recorded.reshape(32, -1, RATE.samples(3))
        spread[name] = np.log(windows.var(axis=2)).std(axis=1).mean()
    assert spread["realistic"] > 1.3 * spread["stationary"]


def test_it_is_as_large_as_eeg(backgrounds):
    assert 4 < np.median(backgrounds["realistic"].std(axis=1)) < 30


def test_the_strength_of_the_response_changes_nothing_else(session, features):
    silent, weak, strong = (eeg.record(session, [features], snr, SEED, "realistic") for snr in (0, 0.1, 0.4))
    assert (silent[:, :1000] == strong[:, :1000]).all()
    np.testing.assert_allclose(strong - silent, 2 * (weak - silent), rtol=1e-6, atol=1e-9)


def test_a_participant_with_more_artefacts_responds_no_stronger(session, features, monkeypatch):
    calm = eeg.make_parts(session, [features], SEED, "realistic")
    monkeypatch.setattr(eeg, "artefacts", lambda session, rngs: 1e3 * np.ones((32, session.n_samples)))
    restless = eeg.make_parts(session, [features], SEED, "realistic")
    assert restless.rest.mean() > 900
    assert restless.music_gain(session, 0.1) == calm.music_gain(session, 0.1)


def test_caps_are_turned_by_a_few_degrees(session):
    seen = seen_through_skull(session, rng()).electrodes
    unit = seen / np.linalg.norm(seen, axis=1, keepdims=True)
    degrees = np.rad2deg(np.arccos(np.clip((unit * session.electrodes).sum(axis=1), -1, 1)))
    assert 0.5 < degrees.mean() < 15


def test_fields_behind_the_skull_are_smoother(session):
    pairs = session.electrodes @ session.electrodes.T
    np.fill_diagonal(pairs, -1)
    nearest = pairs.argmax(axis=1)
    alike = []
    for electrodes in (session.electrodes, seen_through_skull(session, rng()).electrodes):
        fields = np.array([random_field(electrodes, rng(seed)) for seed in range(50)])
        alike.append(np.mean([np.corrcoef(field, field[nearest])[0, 1] for field in fields]))
    assert alike[1] > alike[0]


def test_swelling_is_slow_and_keeps_the_size_on_average(session):
    gains = swelling(200, session, rng())
    assert np.median(gains) == pytest.approx(1, abs=0.05)
    assert np.abs(np.diff(np.log(gains), axis=1)).max() < 3 / RATE.hz


@given(st.integers(0, 10_000), st.floats(0.1, 30), st.integers(50, 3000))
@settings(max_examples=50, deadline=None)
def test_what_happens_happens_within_the_recording(seed, longest, n_samples):
    short = Session(np.eye(3), RATE, n_samples)
    for span in happenings(short, (10, 60), (0.05, 0.05 + longest), rng(seed)):
        assert 0 <= span.start < span.stop <= n_samples


def test_things_happen_as_often_as_they_should():
    hour = Session(np.eye(3), RATE, RATE.samples(3600))
    counts = [len(list(happenings(hour, (1, 3), (1, 2), rng(seed)))) for seed in range(30)]
    assert np.mean(counts) == pytest.approx(120, rel=0.15)


def test_an_electrode_pops_alone(session):
    potentials = pops(session, rng(1))
    popped = np.flatnonzero(np.abs(potentials).max(axis=1))
    assert 1 <= len(popped) < 10
    assert 30 <= np.abs(potentials).max() <= 500
    moments = (potentials != 0).any(axis=0)
    assert moments.mean() < 0.3


def test_muscles_are_fast_and_temporal(session):
    potentials = muscles(session, rng(1))
    hz, density = power(potentials)
    assert density[hz >= 18].sum() > 0.9 * density.sum()
    sideways = np.abs(session.electrodes[:, 0])
    strength = potentials.std(axis=1)
    assert strength[sideways > 0.8].mean() > 3 * strength[sideways < 0.2].mean()


def test_motion_is_slow_and_everywhere(session):
    potentials = motion(replace(session, n_samples=RATE.samples(600)), rng())
    hz, density = power(potentials)
    assert density[hz <= 6].sum() > 0.9 * density.sum()
    assert (potentials.std(axis=1) > 0).all()


def test_alpha_comes_in_bursts_at_the_back(session):
    potentials = alpha_bursts(session, rng(0))
    hz, density = power(potentials)
    assert 8 < hz[density.argmax()] < 12
    front, back = session.electrodes[:, 1] > 0.5, session.electrodes[:, 1] < -0.5
    strength = potentials.std(axis=1)
    assert strength[back].mean() > 1.5 * strength[front].mean()
    assert (potentials == 0).all(axis=0).mean() > 0.2


def test_a_realistic_dataset_says_so_and_repeats_itself(tmp_path):
    simulation = Simulation(
        participants=1, songs=1, seconds=4, channels=4, sampling_rate=100, background="realistic", seed=5
    )
    one, same = (simulate(tmp_path / name, simulation) for name in ("one", "same"))
    for file in sorted(one.rglob("*")):
        assert not file.is_file() or file.read_bytes() == (same / file.relative_to(one)).read_bytes()
    assert "electrodes that pop" in (one / "README").read_text()
    assert "background=realistic" in (one / "dataset_description.json").read_text()

import mne
import numpy as np
import pytest
from mne.preprocessing import ICA

from predann_bids.config import Preprocessing
from predann_bids.signals.preprocessing.steps.components import _express, remove_components
from predann_bids.signals.preprocessing.steps.reference import reference

RATE_HZ = 250.0
SECONDS = 60


def coloured(rng, shape):
    """Noise whose amplitude falls with frequency, of variance 1."""
    hz = np.fft.rfftfreq(shape[-1], 1 / RATE_HZ)
    spectrum = np.fft.rfft(rng.laplace(size=shape)) / np.maximum(hz, 1)
    signal = np.fft.irfft(spectrum, shape[-1])
    return signal / signal.std(axis=-1, keepdims=True)


def blinks(rng, samples):
    trace = np.zeros(samples)
    shape = np.hanning(int(0.35 * RATE_HZ)) ** 2
    for onset in range(300, samples - 300, 800):
        start = onset + rng.integers(0, 300)
        trace[start : start + len(shape)] += shape * rng.uniform(0.7, 1.3)
    return trace


def potential(electrodes, place, moment):
    """The potential of a dipole in a homogeneous medium."""
    distance = electrodes - place
    return distance @ moment / np.linalg.norm(distance, axis=1) ** 3


@pytest.fixture(scope="module")
def recording():
    """Dipoles in the brain, some of them with alpha rhythm, and eyes that blink; (clean, with blinks), 1-100 Hz."""
    rng = np.random.default_rng(0)
    montage = mne.channels.make_standard_montage("biosemi32")
    info = mne.create_info(montage.ch_names, RATE_HZ, "eeg")
    info.set_montage(montage)
    electrodes = np.array([channel["loc"][:3] for channel in info["chs"]])
    centre = np.array([0.0, 0.01, 0.04])
    outwards = rng.standard_normal((24, 3))
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    fields = np.column_stack(
        [
            *(potential(electrodes, centre + 0.06 * direction, direction) for direction in outwards),
            potential(electrodes, np.array([0.03, 0.095, 0]), np.array([0, 0.7, 0.7])),
            potential(electrodes, np.array([-0.03, 0.095, 0]), np.array([0, 0.7, 0.7])),
        ]
    )
    samples = int(SECONDS * RATE_HZ)
    brain = coloured(rng, (24, samples))
    time = np.arange(samples) / RATE_HZ
    brain[:4] += np.sin(2 * np.pi * 10 * time + rng.uniform(0, 6, (4, 1))) * (1 + coloured(rng, (4, samples)))
    clean = fields[:, :24] @ brain
    clean *= 1e-5 / clean.std()
    clean += 3e-7 * rng.standard_normal(clean.shape)
    eye = fields[:, 24:].sum(axis=1, keepdims=True)
    blinking = clean + 1.5e-4 * eye / np.abs(eye).max() * blinks(rng, samples)
    # the reference of the recording sees half of each blink, and passes it on to all channels
    raws = [mne.io.RawArray(data - 0.5 * data[0], info.copy(), verbose="error") for data in (clean, blinking)]
    return [raw.filter(1, 100, verbose="error") for raw in raws]


@pytest.fixture(scope="module")
def removal(recording):
    # Of dipoles that are no brain ICLabel is sure by chance, to a different degree on each processor; of blinks always.
    return remove_components(recording[1], Preprocessing(ica_threshold=0.95))


@pytest.fixture
def few(recording):
    """Ten channels, for what does not depend on how good the components are."""
    names = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2"]
    return recording[1].copy().crop(tmax=35).pick(names)


@pytest.fixture
def judge(monkeypatch):
    """Make the labels of components known: the best label of each, with its probability."""

    def judge(*verdicts):
        def label(_sample, ica):
            table = np.full((ica.n_components_, 7), 0.01)
            table[:, 6] = 0.3
            for row, (column, probability) in zip(table, verdicts, strict=False):
                row[column] = probability
            return table

        monkeypatch.setattr("predann_bids.signals.preprocessing.steps.components._label", label)

    return judge


@pytest.mark.parametrize("kind", ["none", "average", "Oz", "T7,T8", "rest"])
def test_blinks_are_removed_and_the_brain_is_kept_whatever_the_reference(recording, removal, kind):
    clean, blinking = (raw.get_data() for raw in recording)
    matrix, _ = reference(recording[1].info, kind)
    before = matrix @ (blinking - clean)
    after = matrix @ (removal.matrix @ blinking - clean)
    assert after.std() < 0.12 * before.std()
    posterior = [recording[1].ch_names.index(name) for name in ("P3", "P4", "Pz")]
    assert after[posterior].std() < 0.2 * (matrix @ clean)[posterior].std()


def test_the_step_describes_what_was_removed(recording, removal):
    assert removal.step.name == "ICA"
    parameters = removal.step.parameters
    assert parameters["fitted_components"] == 31
    assert parameters["converged"]
    assert parameters["channels"] == recording[1].ch_names
    (blink,) = parameters["removed"]
    assert blink["label"] == "eye"
    assert blink["probability"] > 0.8
    strongest = np.argsort(np.abs(blink["topography"]))[-2:]
    assert {recording[1].ch_names[index] for index in strongest} == {"Fp1", "Fp2"}
    assert sum(parameters["kept"].values()) == 30


def test_the_same_recording_gives_the_same_removal(few, judge):
    judge((2, 0.9))
    first, second = (remove_components(few, Preprocessing()) for _ in range(2))
    np.testing.assert_array_equal(first.matrix, second.matrix)
    assert first.step == second.step


def test_after_average_reference_the_removal_is_mne_s(few):
    average = few.copy().set_eeg_reference("average", verbose="error")
    ica = ICA(6, method="picard", fit_params={"ortho": False, "extended": True}, rng=1, verbose="error")
    ica.fit(average, verbose="error")
    components = _express(average, ica, few.get_data().mean(axis=0))
    ours = reference(few.info, "average")[0] @ components.without([0, 3]) @ few.get_data()
    by_mne = ica.apply(average.copy(), exclude=[0, 3], verbose="error").get_data()
    constant = (by_mne - ours).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(ours + constant, by_mne, atol=1e-6 * by_mne.std())
    ratios = [ica.get_explained_variance_ratio(average, components=[k])["eeg"] for k in range(6)]
    np.testing.assert_allclose(components.explained, ratios, atol=1e-3)


def test_bad_channels_are_left_alone(few, judge):
    judge((2, 0.9))
    few.info["bads"] = ["C3"]
    few._data[4] = 0
    result = remove_components(few, Preprocessing())
    assert "C3" not in result.step.parameters["channels"]
    assert len(result.step.parameters["removed"][0]["topography"]) == 9
    np.testing.assert_array_equal(result.matrix[4], np.eye(10)[4])
    np.testing.assert_array_equal(result.matrix[:, 4], np.eye(10)[4])
    assert not np.allclose(result.matrix, np.eye(10))


def test_only_certain_components_of_the_kinds_asked_for_are_removed(few, judge):
    judge((2, 0.9), (2, 0.7), (1, 0.9), (3, 0.95), (4, 0.99), (0, 0.99))
    config = Preprocessing(ica_reject=("eye", "heart"), ica_threshold=0.8)
    parameters = remove_components(few, config).step.parameters
    assert [(entry["component"], entry["label"]) for entry in parameters["removed"]] == [(0, "eye"), (3, "heart")]
    assert parameters["kept"] == {"other": 3, "eye": 1, "muscle": 1, "line noise": 1, "brain": 1}


def test_without_artefacts_nothing_changes(few, judge):
    judge()
    result = remove_components(few, Preprocessing())
    np.testing.assert_array_equal(result.matrix, np.eye(10))
    assert result.step.parameters["removed"] == []
    assert result.warnings == ()


def test_removing_most_components_is_done_with_a_warning(few, judge):
    judge(*[(1, 0.9)] * 6)
    result = remove_components(few, Preprocessing())
    assert len(result.step.parameters["removed"]) == 6
    assert "6 of 9 independent components" in result.warnings[0]


def test_channels_that_say_the_same_are_no_components_of_their_own(few, judge):
    judge()
    few._data[1] = few._data[0]
    assert remove_components(few, Preprocessing()).step.parameters["fitted_components"] == 8


def test_a_fit_that_does_not_converge_is_told_in_the_step_alone(few, judge, monkeypatch):
    judge()
    monkeypatch.setattr("predann_bids.signals.preprocessing.steps.components.MOST_ITERATIONS", 2)
    assert not remove_components(few, Preprocessing()).step.parameters["converged"]


def test_the_recording_is_not_changed_and_nothing_is_printed(few, capfd):
    before = few.get_data().copy()
    remove_components(few, Preprocessing())
    np.testing.assert_array_equal(few.get_data(), before)
    assert few.info["custom_ref_applied"] == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda raw: raw.pick(raw.ch_names[:6]), "6 good channels"),
        (lambda raw: raw.crop(tmax=20), "shorter than the 30 s"),
        (lambda raw: raw.set_montage(None), "positions"),
        (lambda raw: raw.apply_function(lambda _: raw.get_data()[0], channel_wise=True), "do not differ"),
    ],
)
def test_what_cannot_be_decomposed_is_left_with_a_reason(few, damage, reason):
    damage(few)
    result = remove_components(few, Preprocessing())
    np.testing.assert_array_equal(result.matrix, np.eye(len(few.ch_names)))
    assert result.step.name == "no ICA"
    assert reason in result.step.parameters["reason"]


def test_more_channels_need_a_longer_recording(recording):
    slow = recording[1].copy().crop(tmax=36).resample(25, verbose="error")
    assert "38 s that 31 components need" in remove_components(slow, Preprocessing()).step.parameters["reason"]

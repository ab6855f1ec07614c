import os
import signal

import numpy as np
import pytest
import torch

from predann_bids.config import Training
from predann_bids.data.source import Source
from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import grid
from predann_bids.learning import fitting as training
from predann_bids.learning.fitting import Hardware, fit
from predann_bids.learning.inference import predict
from predann_bids.learning.retrieval import Candidates, rank
from predann_bids.learning.sampling import TrainingBatches
from predann_bids.learning.training import callbacks
from predann_bids.models.decoders.temporal import TemporalSettings
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.surroundings.stopping import PATIENCE_S, Stopped, stop_when_asked
from predann_bids.timing import Span

RATE_HZ, LENGTH = 50.0, 60
CONFIG = Training(epochs=4, batch_size=8, patience=4)


@pytest.fixture(scope="module")
def source():
    """Three listeners of two songs, whose EEG holds the songs' loudness."""
    rng = np.random.default_rng(0)
    songs = [rng.standard_normal((32, 400)).astype(np.float32) for _ in range(2)]
    trials, recordings = [], []
    for person in range(3):
        data = rng.standard_normal((1000, 3)).astype(np.float32)
        for number, song in enumerate(songs):
            onset = 50 + 450 * number
            data[onset : onset + 400, 0] += 2 * song.mean(axis=0) / song.mean(axis=0).std()
            trials.append(Trial(str(person), "", "", "", person, number, onset, 400, 0))
        recordings.append(MappedRecording(data, np.ones(3, np.float32), ("A", "B", "C"), RATE_HZ))
    return Source(tuple(trials), EegStore.open(recordings), AudioStore(tuple(songs)), LENGTH, 0)


@pytest.fixture
def split():
    sets = [tuple(Stretch(2 * person + song, Span(0, 400)) for song in range(2)) for person in range(3)]
    return Split(1, *sets)


@pytest.fixture
def train(source, split, tmp_path):
    settings = TemporalSettings(("A", "B", "C"), ("a", "b"), RATE_HZ, 0.0, LENGTH / RATE_HZ, memory_frames=200)

    def train(config=CONFIG, report=lambda units, note: None, directory="training", hardware=Hardware()):  # noqa: B008
        return fit(
            source,
            split,
            "temporal",
            settings,
            config,
            directory=tmp_path / directory,
            name="x",
            hardware=hardware,
            on_progress=report,
        )

    return train


def weights(decoder):
    return torch.cat([parameter.flatten() for parameter in decoder.parameters()])


def test_equal_seeds_train_equal_decoders_and_others_do_not(train):
    one, same = (train(directory=name)[0] for name in ("one", "same"))
    other = train(CONFIG.model_copy(update={"seed": 1}), directory="other")[0]
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))


def test_a_decoder_that_was_trained_in_double_precision_predicts_from_windows_in_single(train, source, split):
    decoder = train(CONFIG.model_copy(update={"epochs": 1}), hardware=Hardware(precision="64-true"))[0]
    probabilities, _ = predict(decoder, source, grid(split.test, LENGTH, LENGTH), "cpu")
    assert np.isfinite(probabilities).all()


def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(train, monkeypatch):
    monkeypatch.setattr(callbacks, "SAVE_EVERY_S", 0.0)
    whole, history = train(directory="whole")
    epochs = []

    def kill(units, note):
        epochs.append(units)
        if len(epochs) == 3:
            raise KeyboardInterrupt

    with pytest.raises(BaseException, match=r".*") as stop:
        train(report=kill, directory="killed")
    assert stop.type in (KeyboardInterrupt, SystemExit)
    resumed, resumed_history = train(report=lambda units, note: epochs.append(note), directory="killed")
    assert len([note for note in epochs if isinstance(note, str) and "loss" in note]) < CONFIG.epochs
    assert resumed_history == history
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("finished", [1, 2])
def test_a_training_that_goes_on_draws_the_noise_that_it_would_have_drawn(train, monkeypatch, finished):
    monkeypatch.setattr(callbacks, "SAVE_EVERY_S", 0.0)
    step, save = training.NetworkTraining.training_step, callbacks.SaveRegularly.on_train_epoch_end
    drawn = {}

    def step_and_tell(self, batch, number):
        drawn[self.current_epoch, number] = torch.get_rng_state()
        return step(self, batch, number)

    def save_and_die(self, trainer, module):
        save(self, trainer, module)
        if trainer.current_epoch + 1 == finished:
            raise SystemExit(9)

    monkeypatch.setattr(training.NetworkTraining, "training_step", step_and_tell)
    train(directory="whole")
    whole = dict(drawn)
    with monkeypatch.context() as dying:
        dying.setattr(callbacks.SaveRegularly, "on_train_epoch_end", save_and_die)
        with pytest.raises(SystemExit):
            train(directory="killed")
    drawn.clear()
    train(directory="killed")
    assert min(drawn) == (finished, 0)
    assert all(torch.equal(state, whole[place]) for place, state in drawn.items())


@pytest.fixture
def handled():
    before = {number: signal.getsignal(number) for number in PATIENCE_S}
    stop_when_asked()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handled")
@pytest.mark.parametrize(
    ("number", "patience", "from_the_last"),
    [(signal.SIGTERM, 1, 0), (signal.SIGUSR1, 1, 1), (signal.SIGUSR1, 4, 0), (signal.SIGTERM, 4, 1)],
)
def test_a_training_that_is_asked_to_stop_saves_and_goes_on_to_the_same_end(train, number, patience, from_the_last):
    config = CONFIG.model_copy(update={"patience": patience, "epochs": 6})
    whole, history = train(config, directory="whole")
    last, epochs = len(history) - from_the_last, []

    def ask(units, note):
        epochs.append(note)
        if units and len([note for note in epochs if "loss" in note]) == last:
            os.kill(os.getpid(), number)

    with pytest.raises(Stopped, match=signal.Signals(number).name):
        train(config, ask, directory="stopped")
    stop_when_asked()  # as the next process does
    resumed, resumed_history = train(config, directory="stopped")
    assert resumed_history == history
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.usefixtures("handled")
def test_the_best_epoch_is_kept_even_if_the_training_is_stopped_in_it(train):
    config = CONFIG.model_copy(update={"epochs": 30, "patience": 1})
    whole, history = train(config, directory="whole")
    best, epochs = next(row["epoch"] for row in history if row["kept"]), []
    assert best < len(history)

    def ask(units, _):
        epochs.append(units)
        if sum(epochs) == best:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped):
        train(config, ask, directory="stopped")
    stop_when_asked()  # as the next process does
    resumed, resumed_history = train(config, directory="stopped")
    assert resumed_history == history
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.usefixtures("handled")
def test_an_epoch_that_takes_too_long_is_not_waited_for(train, monkeypatch, tmp_path):
    monkeypatch.setitem(PATIENCE_S, signal.SIGTERM, 0.0)
    with pytest.raises(Stopped):
        train(report=lambda units, note: os.kill(os.getpid(), signal.SIGTERM), directory="late")
    saved = torch.load(tmp_path / "late" / "last.ckpt", weights_only=True)
    assert saved["epoch"] == 0


def test_the_tasks_of_a_job_of_slurm_are_none_of_its_business(train, monkeypatch):
    for name, value in (("NTASKS", "2"), ("JOB_ID", "7"), ("JOB_NAME", "x"), ("PROCID", "0"), ("LOCALID", "0")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert len(train(directory="slurm")[1]) == CONFIG.epochs


def test_the_history_in_checkpoints_of_earlier_versions_is_found():
    assert callbacks.History(lambda units, note: None, "x").state_key == "_History"


def test_progress_adds_up_to_all_epochs_even_when_training_stops_early(train):
    done = []
    train(CONFIG.model_copy(update={"epochs": 30, "patience": 1}), report=lambda units, note: done.append(units))
    assert sum(done) == 30


def test_a_long_epoch_gives_signs_of_life(train, monkeypatch):
    monkeypatch.setattr(callbacks, "SIGN_OF_LIFE_S", 0.0)
    told = []
    train(CONFIG.model_copy(update={"epochs": 2}), report=lambda units, note: told.append((units, note)))
    signs = [note for units, note in told if not units]
    for epoch in (1, 2):
        assert f"x: epoch {epoch}, step 1 of 1" in signs
        assert any(note.startswith(f"x: epoch {epoch}, validation 1 of ") for note in signs)
    assert sum(units for units, _ in told) == 2


def test_the_baseline_weight_takes_the_predann_objective_out_of_the_gradient(train):
    _, with_it = train(CONFIG.model_copy(update={"epochs": 1}), directory="with")
    _, without = train(CONFIG.model_copy(update={"epochs": 1, "predann_weight": 0.0}), directory="without")
    first = with_it[0]
    assert first["validation_loss"] == pytest.approx(
        first["validation_eeg_loss"] + first["validation_audio_loss"] + 3 * first["validation_predann_loss"], rel=1e-4
    )
    assert without[0]["validation_loss"] == pytest.approx(
        without[0]["validation_eeg_loss"] + without[0]["validation_audio_loss"], rel=1e-4
    )


def test_every_epoch_draws_other_windows_and_each_epoch_the_same_ones_again(source, split):
    def starts(epoch):
        batches = TrainingBatches(source, split.train, 4, (0, 1), lambda: epoch)
        return torch.cat([batch.eeg.flatten() for batch in batches])

    assert torch.equal(starts(0), starts(0))
    assert not torch.equal(starts(0), starts(1))


def test_a_data_set_smaller_than_a_batch_is_still_one_step(source, split):
    batches = TrainingBatches(source, split.train, 1000, (0, 1), lambda: 0)
    assert [len(batch.stimuli) for batch in batches] == [12]


def test_a_trained_decoder_predicts_what_it_remembers_of_the_song_that_was_heard(train, source, split):
    decoder, _ = train(CONFIG.model_copy(update={"epochs": 20, "patience": 20}))
    windows = grid(split.test, LENGTH, 20)
    probabilities, representations = predict(decoder, source, windows)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert representations.windows.shape == (len(windows), decoder.settings.dimensions, LENGTH // 2)
    candidates = Candidates.of(source.trials, split.test, len(representations.songs), length=LENGTH, stride=20)
    similarities, ranks = rank(representations, source.trials, windows, candidates, {1.0: 1})
    assert (similarities.argmax(axis=1) == windows.stimuli(source.trials)).mean() > 0.6
    assert (ranks["rank_window"] <= ranks["n_window"] / 4).mean() > 0.6

"""Each number of the published protocol (Akama et al. 2025, "Methods"), against formulas written out here."""

import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

import predann_bids
from predann_bids.cli import make_command, run
from predann_bids.config import resolve
from predann_bids.data.splits import make_splits
from predann_bids.data.splits.chunks import published_order
from predann_bids.data.stores.waveforms import WaveformStore
from predann_bids.data.trials import Stretch, Trial, list_trials
from predann_bids.data.windows import Windows, draw_single, place_in_spans
from predann_bids.errors import TooLittleMemory, TryAgain, WrongUsage
from predann_bids.learning.evaluation.decisions import decide
from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.fitting import NetworkTraining
from predann_bids.learning.retrieval import Candidates, Representations, rank
from predann_bids.models.checkpoints import save_decoder
from predann_bids.models.decoders.published import PublishedDecoder, PublishedSettings
from predann_bids.timing import Rate, Span
from predann_bids.workflows import resources
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.inputs.channels import choose_channels
from predann_bids.workflows.group.inputs.notes import preset_notes
from predann_bids.workflows.resources import (
    devices_each,
    devices_of,
    hardware_of,
    left_over,
    on_threads,
    processes_for,
    refuse_too_little_memory,
    threads_for,
)

RATE = Rate(125)
SCIENCE = resolve(preset="published")
WINDOW, CHUNK = 375, 3750


@pytest.fixture(scope="module")
def trials():
    """What NMED-T becomes: 20 people, numbered with gaps, hear ten songs in orders of their own, in two recordings."""
    rng = np.random.default_rng(0)
    numbers = rng.permutation([*range(2, 14), *range(16, 24)])
    found = []
    for person, number in enumerate(numbers.tolist()):
        for place, song in enumerate(rng.permutation(10).tolist()):
            recording = 2 * person + place // 5
            trial = Trial(
                f"{number:02d}", "", "music", str(1 + place // 5), recording, song, 40_000 * (place % 5), 30_000, 0
            )
            found.append(trial)
    return found


@pytest.fixture(scope="module")
def split(trials):
    (only,) = make_splits(trials, SCIENCE.splitting, window=WINDOW, rate=RATE, seed=SCIENCE.training.seed)
    return only


def chunks_of(trials, stretches):
    return {(int(trials[s.trial].participant), trials[s.trial].stimulus, s.span.start // CHUNK) for s in stretches}


def test_the_preset_has_the_numbers_of_the_paper():
    windows, splitting, training = SCIENCE.windows, SCIENCE.splitting, SCIENCE.training
    assert (windows.length, windows.delay, windows.first) == (3.0, 0.2, 240.0)
    assert (RATE.samples(windows.delay), RATE.samples(windows.length)) == (25, 375)
    assert (RATE.samples(windows.span), RATE.samples(windows.span_stride)) == (1000, 200)
    assert (splitting.split, splitting.chunk, splitting.split_seed, splitting.validation) == ("chunk", 30.0, 42, 0.0)
    assert (training.predann_weight, training.temperature, training.stop_gradient) == (0.05, 0.5, True)
    assert (training.learning_rate, training.schedule, training.weight_decay) == (0.003, "constant", 0.0)
    assert (training.batch_size, training.epochs, training.validate_every) == (48, 6000, 12)
    assert training.all_seeds == (0, 1, 2, 42)
    assert SCIENCE.lengths == (3.0, 4.0, 5.0, 6.0, 7.0)
    assert (SCIENCE.preprocessing.resample, SCIENCE.preprocessing.resampling) == (125.0, "fourier")


def test_a_seed_on_the_command_line_wins_over_the_seeds_of_the_preset(tmp_path):
    assert resolve(preset="published", flags={"training.seed": 7}).training.all_seeds == (7,)
    assert resolve(preset="published", flags={"training.n_seeds": 2}).training.all_seeds == (0, 1)
    file = tmp_path / "seeds.toml"
    file.write_text("[training]\nseeds = [3, 5]\n")
    training = resolve(preset="published", file=file).training
    assert (training.seed, training.all_seeds) == (3, (3, 5))


def test_chunks_are_divided_as_the_published_table_is(trials, split):
    recordings = sorted(f"{int(trial.participant)}_{21 + trial.stimulus}_1" for trial in trials)
    table = [(name, chunk) for name in recordings for chunk in range(8)]
    songs = [int(name.split("_")[1]) for name, _ in table]
    train, test = train_test_split(range(1600), test_size=0.25, random_state=42, stratify=songs)
    assert (len(train), len(test)) == (1200, 400)
    for rows, stretches in ((train, split.train), (test, split.test)):
        named = [(table[row][0].split("_"), table[row][1]) for row in rows]
        assert chunks_of(trials, stretches) == {(int(p), int(song) - 21, chunk) for (p, song, _), chunk in named}
        assert len(stretches) == len(rows)
    assert split.validation == ()


def test_participants_are_sorted_as_text_without_leading_zeros():
    labels = ["01", "02", "10", "11", "20"]
    trials = [Trial(label, "", "", "", n, 0, 0, CHUNK, 0) for n, label in enumerate(labels)]
    order = [labels[index] for index in published_order(trials, range(5))]
    assert order == ["10", "11", "01", "20", "02"]  # as '10_', '11_', '1_', '20_', '2_'


def test_repetitions_of_a_song_are_numbered_in_the_order_in_which_they_were_heard():
    trials = [
        Trial("01", "", "", run, n, 0, onset, CHUNK, 0) for n, (run, onset) in enumerate([("2", 0), ("1", 9), ("1", 0)])
    ]
    trials = [Trial(t.participant, "", "", t.run, 2 - int(t.run), 0, t.onset, CHUNK, 0) for t in trials]
    assert published_order(trials, range(3)) == [2, 1, 0]


def test_an_epoch_takes_one_window_from_each_chunk_at_any_place_but_the_last(split):
    rng, starts = np.random.default_rng(0), []
    for _ in range(30):
        windows = draw_single(split.train, WINDOW, rng)
        assert len(windows) == 1200
        assert len(windows) // SCIENCE.training.batch_size == 25
        starts.append(windows.start % CHUNK)
        assert len(set(zip(windows.trial.tolist(), (windows.start // CHUNK).tolist(), strict=True))) == 1200
    drawn = np.concatenate(starts)
    assert drawn.min() == 0
    assert drawn.max() == 3750 - 375 - 1
    # uniform: the mean of 36,000 draws lies within five of its standard errors
    assert abs(drawn.mean() - 3374 / 2) < 5 * (3375 / np.sqrt(12)) / np.sqrt(len(drawn))


def test_each_tested_chunk_has_fourteen_windows_each_somewhere_in_its_span(split):
    windows = placed(split.test).alone()
    assert len(windows) == 5600
    by_chunk = windows.start.reshape(400, 14) - np.array([s.span.start for s in split.test])[:, None]
    within = by_chunk - 200 * np.arange(14)
    assert within.min() == 0
    assert within.max() == 1000 - 375 - 1
    assert abs(within.mean() - 624 / 2) < 5 * (625 / np.sqrt(12)) / np.sqrt(within.size)


def placed(stretches, following=5, seed=0):
    rng = np.random.default_rng(seed)
    return place_in_spans(stretches, WINDOW, span=1000, span_stride=200, stride=125, following=following, rng=rng)


def test_longer_segments_are_windows_a_second_apart_inside_their_span(split):
    windows = placed(split.test)
    rows = np.flatnonzero(windows.place == 1)
    assert len(rows) == 5600
    for step in range(5):
        np.testing.assert_array_equal(windows.start[rows + step], windows.start[rows] + 125 * step)
        np.testing.assert_array_equal(windows.place[rows + step], step + 1)
    begin = np.concatenate([s.span.start + 200 * np.arange(14) for s in split.test])
    assert (windows.start[rows] >= begin).all()
    assert (windows.start[rows] + 7 * 125 < begin + 1000).all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(100, 5000),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 300)), max_size=3),
)
def test_placed_windows_stay_in_their_stretch_and_touch_nothing_bad(length, seed, spans):
    bad = []
    for start, lasts in sorted(spans):
        start = max(start, bad[-1].stop + 1 if bad else 0)
        if start + lasts <= length:
            bad.append(Span(start, start + lasts))
    stretch = Stretch(0, Span(0, length), tuple(bad))
    for windows in (placed([stretch], seed=seed), draw_single([stretch], WINDOW, np.random.default_rng(seed))):
        assert (windows.start >= 0).all()
        assert (windows.start + WINDOW <= length).all()
        for span in bad:
            assert ((windows.start + WINDOW <= span.start) | (windows.start >= span.stop)).all()


def test_of_each_presentation_the_first_part_is_used():
    class Heard:
        label, onset, duration, audio_start = "a", 1.0, 280.0, 0.0

    class Derivative:
        participant, session, task, run, presentations = "1", "", "", "", (Heard,)

    def length(first_s):
        settings = {"rate": RATE, "delay_s": 0.2, "recording_samples": [40_000], "audio_samples": {"a": 35_000}}
        return list_trials([Derivative], ["a"], **settings, first_s=first_s)[0].length

    assert (length(240.0), length(0.0)) == (30_000, 35_000)


def test_training_takes_the_steps_of_plain_adam():
    torch.manual_seed(0)
    settings = PublishedSettings(("a", "b"), ("x", "y"), audio_s=0.01)
    module = NetworkTraining("2d", settings.plain(), SCIENCE.training.model_dump(mode="json"), 1)
    reference = PublishedDecoder(settings)
    reference.load_state_dict(module.decoder.state_dict())
    ours, plain = module.configure_optimizers(), torch.optim.Adam(reference.parameters(), lr=0.003)
    for _ in range(3):
        for mine, theirs in zip(module.decoder.parameters(), reference.parameters(), strict=True):
            theirs.grad = torch.randn_like(theirs)
            mine.grad = theirs.grad.clone()
        ours.step()
        plain.step()
    for mine, theirs in zip(module.decoder.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def test_what_cannot_be_trained_is_refused_with_a_sentence():
    with pytest.raises(WrongUsage, match=r"splitting.validation is 0.*training.keep"):
        resolve(preset="published", flags={"training.keep": "best"})
    with pytest.raises(WrongUsage, match=r"windows.span \(8 s\) must be longer"):
        resolve(preset="published", flags={"evaluation.lengths": (3.0, 8.0)})
    with pytest.raises(WrongUsage, match="seeds must differ"):
        resolve(flags={"training.seeds": (1, 1)})


@pytest.fixture(scope="module")
def group(dataset, tmp_path_factory):
    """Both levels with the preset, one epoch of shorter windows."""
    output = tmp_path_factory.mktemp("published") / "out"
    common = ("--preset", "published", "--skip-bids-validation", "--n-procs", "1")
    assert run(make_command(), [str(dataset), str(output), "participant", "--no-report", *common]) == 0
    short = ("--window", "1", "--epochs", "1", "--seed", "42", "--batch-size", "6")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("predann_bids.report.drawing.Illustration.png", lambda _: b"")
        assert run(make_command(), [str(dataset), str(output), "group", *short, *common]) == 0
    return output / "group" / "predann"


def test_the_preset_runs_from_recordings_to_a_report(group):
    metrics = json.loads((group / "metrics.json").read_text())
    assert metrics["protocol"] | {"split": "chunk", "preset": "published", "seed": 42} == metrics["protocol"]
    assert metrics["models"]["linear"] is None
    for model in ("predann", "baseline"):
        scores = metrics["models"][model]
        assert 0 <= scores["accuracy"] <= 1
        assert 0 <= scores["match_accuracy"] <= 1
        assert scores["retrieval"]["n_candidates"] > 1
    assert "As published, recordings were cut into chunks of 30 s" in (group / "report.html").read_text()


def test_each_span_is_decided_about_once_for_each_length(group):
    rows = pd.read_csv(group / "predictions.tsv", sep="\t", dtype={"participant": str})
    rows = rows[(rows.model == "predann") & (rows.aggregation == "mean")]
    test = pd.read_csv(group / "splits.tsv", sep="\t")
    # chunks of 12 s hold the spans that begin at 0, 1.6 and 3.2 s
    expected = 3 * (test.set == "test").sum()
    assert rows.groupby("length").size().to_dict() == dict.fromkeys([1.0, 2.0, 3.0, 4.0, 5.0], expected)


def test_a_decoder_of_the_preset_loads_with_the_published_shapes(group):
    decoder = predann_bids.load_decoder(group)
    assert isinstance(decoder, PublishedDecoder)
    logits, embedding = decoder.encode_eeg(torch.randn(2, 8, 125))
    assert (logits.shape, embedding.shape) == ((2, 3), (2, 100))
    assert decoder.encode_audio(torch.randn(2, 44_100))[1].shape == (2, 100)


def test_a_public_decoder_is_tested_on_what_the_published_split_holds_out(group, dataset, tmp_path, app):
    output = group.parents[1]
    decoder = predann_bids.load_decoder(group)
    theirs = tmp_path / "theirs.ckpt"
    save_decoder(decoder, theirs)  # which does not say what it was trained on
    arguments = (dataset, output, "group", "--preset", "published", "--skip-bids-validation", "--n-procs", "1")
    assert app(*arguments, "--from-model", theirs, "--label", "theirs", "--no-report", "--no-probe")[0] == 0
    ours, tested = (
        pd.read_csv(output / "group" / label / "predictions.tsv", sep="\t").query("model == 'predann'")
        for label in ("predann", "theirs")
    )
    pd.testing.assert_frame_equal(ours.drop(columns="seed"), tested.drop(columns="seed"))
    assert json.loads((output / "group" / "theirs" / "metrics.json").read_text())["protocol"]["split"] == "chunk"
    code, _, told = app(*arguments, "--from-model", theirs, "--label", "theirs", "--permutations", "9")
    assert code == 64
    assert "--from-model trains nothing" in told


def test_a_decoder_of_the_preset_is_not_tested_on_recordings_it_was_trained_on(group, dataset, app):
    arguments = (dataset, group.parents[1], "group", "--preset", "published", "--skip-bids-validation")
    lean = ("--n-procs", "1", "--no-report", "--no-probe")
    assert app(*arguments, "--from-model", group, "--label", "again", *lean)[0] == 0
    splits = pd.read_csv(group / "splits.tsv", sep="\t", dtype=str)
    trained = set(splits[splits.set == "train"].participant)
    tested = pd.read_csv(group.with_name("again") / "predictions.tsv", sep="\t", dtype=str)
    assert set(tested.participant) == set(splits.participant) - trained


def test_decisions_about_placed_segments_take_the_windows_of_the_segment():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9], [0.7, 0.3], [0.6, 0.4], [0.8, 0.2]])
    places, onsets = [0, 1, 2, 3, 0, 1, 2], [5.0, 0.0, 1.0, 2.0, 3.0, 0.5, 1.5]
    columns = {"seed": 0, "fold": 1, "participant": "a", "trial": 0, "stimulus": 0, "onset": onsets, "place": places}
    windows = WindowPredictions(pd.DataFrame(columns), probabilities, None)
    alone, longer = (decide(windows, "mean", length_s=s, window_s=3, stride_s=1) for s in (3.0, 4.0))
    np.testing.assert_allclose(alone.scores, probabilities[[0, 4]])
    np.testing.assert_allclose(
        longer.scores, [(probabilities[1] + probabilities[2]) / 2, (probabilities[5] + probabilities[6]) / 2]
    )
    assert longer.table["onset"].tolist() == [0.0, 0.5]
    assert windows.alone.tolist() == [place == 0 for place in places]


def test_embeddings_of_placed_windows_are_ranked_by_plain_cosines():
    rng, n_songs, moments, stride, length = np.random.default_rng(3), 3, 50, 5, 10
    songs = tuple(rng.standard_normal((4, moments - length + 1)).astype(np.float32) for _ in range(n_songs))
    trials = [Trial("a", "", "", "", 0, song, 100 * song, moments, 0) for song in range(n_songs)]
    stretches = [Stretch(index, Span(0, moments)) for index in range(n_songs)]
    windows = place_in_spans(stretches, length, span=30, span_stride=10, stride=stride, following=3, rng=rng)
    eeg = rng.standard_normal((len(windows), 4, 1)).astype(np.float32)
    candidates = Candidates.of(trials, stretches, n_songs, length=length, stride=stride)
    representations = Representations(eeg, songs, 1, by_feature=False, centred=False)
    similarities, ranks = rank(representations, trials, windows, candidates, {1.0: 1, 1.5: 2, 2.0: 3})

    def cosine(row, song, moment):
        a, b = eeg[row, :, 0].astype(float), songs[song][:, moment].astype(float)
        return a @ b / np.sqrt(a @ a) / np.sqrt(b @ b)

    for row, (trial, start) in enumerate(zip(windows.trial, windows.start, strict=True)):
        expected = [cosine(row, song, start) for song in range(n_songs)]
        np.testing.assert_allclose(similarities[row], expected, rtol=1e-12)
        if windows.place[row] == 0:
            better = 1 + sum(value > expected[trials[trial].stimulus] for value in expected)
            assert ranks.loc[(ranks.window == row) & (ranks.length == 1.0), "rank_song"].tolist() == [better]
    alone, segments = (windows.place == 0).sum(), (windows.place == 1).sum()
    assert ranks.groupby("length").size().to_dict() == {1.0: alone, 1.5: segments, 2.0: segments}


@pytest.mark.parametrize(
    ("processors", "gb", "trainings", "threads"), [(4, 24.0, 8, 2), (4, 64.0, 8, 1), (16, 64.0, 2, 8), (4, 4.0, 8, 4)]
)
def test_trainings_share_the_processors_that_memory_leaves_idle(processors, gb, trainings, threads, monkeypatch):
    execution = Execution(n_procs=processors, mem_gb=gb)
    assert threads_for(SCIENCE.training, trainings, execution) == threads  # one needs 10 GB
    assert threads_for(resolve().training, trainings, execution) == 1
    assert processes_for(SCIENCE.training, replace(execution, threads=threads)) * threads <= processors


@pytest.mark.parametrize(
    ("text", "chosen"),
    [("1", [0]), ("2", [0, 1]), ("auto", [0, 1, 2]), ("-1", [0, 1, 2]), ("1,", [1]), ("0,2", [0, 2])],
)
def test_devices_are_named_as_lightning_names_them(text, chosen, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert devices_of(Execution(devices=text)) == chosen
    with pytest.raises(WrongUsage, match="there are 3 accelerators"):
        devices_of(Execution(devices="0,3"))
    with pytest.raises(WrongUsage, match="neither a number"):
        devices_of(Execution(devices="some"))


@pytest.mark.parametrize(
    ("devices", "trainings", "processes", "expected"),
    [
        ("4", 8, 0, [(8, 1)]),
        ("4", 5, 0, [(4, 1), (1, 4)]),
        ("4", 6, 0, [(4, 1), (2, 2)]),
        ("4", 7, 0, [(7, 1)]),
        ("4", 1, 0, [(1, 4)]),
        ("4", 8, 1, [(8, 4)]),
        ("1", 3, 0, [(3, 1)]),
    ],
)
def test_devices_that_would_be_idle_share_the_trainings_that_are_left(devices, trainings, processes, expected):
    execution = Execution(accelerator="cpu", devices=devices, n_procs=processes)  # processes stand for devices

    def rounds(training):
        left = left_over(training, trainings, execution)
        parts = [number for number in (trainings - left, left) if number]
        return [(number, devices_each(training, number, execution)) for number in parts]

    assert rounds(SCIENCE.training) == expected
    assert rounds(resolve().training) == [(trainings, 1)]
    number, each = expected[-1]
    workers = [hardware_of(replace(execution, devices_each=each), worker) for worker in range(number)]
    assert [len(hardware.beside) for hardware in workers] == [each - 1] * number


def test_no_device_is_given_to_two_trainings_at_once(monkeypatch):
    monkeypatch.setattr(resources, "uses_accelerator", lambda execution: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    execution = Execution(accelerator="gpu", devices="4", devices_each=2)
    one, other = (hardware_of(execution, worker) for worker in range(processes_for(SCIENCE.training, execution)))
    assert [(one.device, one.beside), (other.device, other.beside)] == [("0,", ("cuda:1",)), ("2,", ("cuda:3",))]


def test_matrix_products_of_windows_stay_on_one_processor():
    from threadpoolctl import threadpool_info, threadpool_limits

    def blas_threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    torch.set_num_threads(2)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert 1 not in before
        with on_threads(1):
            assert blas_threads() == {1}
            assert torch.get_num_threads() == 1
        assert blas_threads() == before


def test_a_training_for_which_there_is_no_memory_is_refused_with_what_would_fit():
    training = SCIENCE.training  # 48 windows in a batch
    refuse_too_little_memory(training, 1200, 3.0, limit_gb=10.5)
    refuse_too_little_memory(training, 6, 3.0, limit_gb=2.5)  # there are not more windows than six
    refuse_too_little_memory(training, 1200, 1.0, limit_gb=4.5)
    refuse_too_little_memory(resolve().training, 1200, 3.0, limit_gb=0.1)  # a small network tries
    with pytest.raises(TooLittleMemory, match=r"needs 10\.0 GB of memory, but --mem-gb .* 4\.5 GB.*--batch-size 18,"):
        refuse_too_little_memory(training, 1200, 3.0, limit_gb=4.5)
    with pytest.raises(TooLittleMemory, match=r"Allow it more\."):
        refuse_too_little_memory(training, 1200, 3.0, limit_gb=0.5)


@pytest.mark.parametrize(("total_gb", "kind", "code", "words"), [
    (4.5, TooLittleMemory, 64, r"or machine has only 4\.5 GB\. Use one with more memory, or .*--batch-size 11,"),
    (64.0, TryAgain, 75, r"of 64\.0 GB only 3\.0 GB are free\. Repeat the command when other programs have ended"),
])  # fmt: skip
def test_only_memory_that_others_use_at_the_moment_is_worth_waiting_for(monkeypatch, total_gb, kind, code, words):
    monkeypatch.setattr(resources, "available_gb", lambda: 3.0)
    monkeypatch.setattr(resources, "total_gb", lambda: total_gb)
    with pytest.raises(kind, match=words) as refused:
        refuse_too_little_memory(SCIENCE.training, 1200, 3.0, limit_gb=None)
    assert refused.value.exit_code == code


def test_audio_context_is_exact_though_half_of_it_is_no_whole_number_of_eeg_samples():
    rng = np.random.default_rng(0)
    song = rng.standard_normal(44_100 * 20).astype(np.float32)
    store = WaveformStore((song,), RATE, Rate(44_100))
    trials = [Trial("a", "", "", "", 0, 0, 0, 2000, 0)]
    margin = 0.5 * RATE.hz  # 62.5 samples
    (heard,) = store.windows(trials, Windows(np.array([0]), np.array([500])), WINDOW, margin)
    np.testing.assert_array_equal(heard, song[round(3.5 * 44_100) :][: 4 * 44_100])


def test_lengths_that_spans_do_not_hold_are_not_evaluated_unless_asked_for():
    assert resolve(preset="published", flags={"windows.length": 5.0}).lengths == (5.0, 6.0, 7.0)
    assert resolve(flags={"windows.length": 5.0}).lengths == (5.0, 6.0, 7.0, 8.0, 9.0)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("bad_spans", "exclude"),
        ("bad_channels", "auto"),
        ("ica", "auto"),
        ("resample", 250.0),
        ("line_noise", "zapline"),
        ("further", ("some",)),
    ],
)
def test_any_preprocessing_that_is_not_as_published_is_noted(flag, value):
    (note, *_) = preset_notes(resolve(preset="published", flags={f"preprocessing.{flag}": value}))
    assert f"differ in {flag}." in note


def test_preprocessing_as_published_and_changes_of_the_default_preset_are_not_noted():
    assert not any("not made as published" in note for note in preset_notes(SCIENCE))
    assert preset_notes(resolve(flags={"preprocessing.ica": "auto"})) == ()


def test_channels_that_are_bad_in_some_recording_are_used_as_published(tmp_path):
    class Recording:
        channels = ("A", "B")

    class Derivative:
        participant = "01"
        sidecar: ClassVar = {"BadChannels": ["B"]}

    common, published = (
        choose_channels([Derivative], [Recording], how) for how in ("common", SCIENCE.windows.channels)
    )
    assert (common.excluded, published.excluded) == ({"B"}, set())
    assert published.notes == ("Bad channels were used, as published: 1 channel in 1 recording (sub-01).",)

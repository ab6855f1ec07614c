"""Several teachers at once: names and weights, what is learned from them, and how their similarities are averaged."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_decoders import LENGTH, SONG, blueprint, source_of
from torch.nn import functional as F

from predann_bids import load_decoder, resolve, run_group
from predann_bids.config import Training, hashed, science_hash
from predann_bids.config.teachers import WeightedTeacher, files_of_teachers, join_teachers, part_teachers
from predann_bids.data.source import Source
from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch
from predann_bids.data.windows import grid
from predann_bids.errors import WrongUsage
from predann_bids.files import read_json
from predann_bids.learning.closed_form.joining import join
from predann_bids.learning.closed_form.solving import solve
from predann_bids.learning.closed_form.validation import ValidationWindows
from predann_bids.learning.inference import predict
from predann_bids.learning.retrieval import unit
from predann_bids.models.audio.teacher import Beside
from predann_bids.models.decoder import DECODERS
from predann_bids.models.decoders.temporal import TemporalDecoder, logits_within_batch
from predann_bids.models.losses import predann_loss, similarity
from predann_bids.models.memory import MOMENT_STRIDE, at_one_moment, evidence, padded
from predann_bids.report.methods.group import group_methods
from predann_bids.signals.frames import Reduction
from predann_bids.timing import Rate, Span
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.inputs.audio import StimulusAudio
from predann_bids.workflows.group.inputs.teachers import refuse_unfit_teacher

pytestmark = pytest.mark.usefixtures("few_solutions")

PARTS = ((2, 0.5), (3, 0.125), (1, 0.375))
BANDS = (20, 12)  # of two made-up teachers, which are the 32 bands of the spectra
RNG = np.random.default_rng(0)


# -- names and weights -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "weight", "written"),
    [
        ("mel", "mel", 1.0, "mel"),
        ("mel=1.0", "mel", 1.0, "mel"),
        ("surprisal=0.50", "surprisal", 0.5, "surprisal=0.5"),
        ("musicnn#cnn3=2", "musicnn#cnn3", 2.0, "musicnn#cnn3=2"),
        ("hubert:/w/model#6=1e-2", "hubert:/w/model#6", 0.01, "hubert:/w/model#6=0.01"),
    ],
)
def test_a_weight_follows_the_name_and_what_is_the_same_is_written_alike(text, name, weight, written):
    teacher = WeightedTeacher.of(text)
    assert (teacher.name, teacher.weight, str(teacher)) == (name, weight, written)
    assert WeightedTeacher.of(str(teacher)) == teacher


def test_an_equals_sign_in_a_path_that_exists_begins_no_weight(tmp_path):
    directory = tmp_path / "layer=3"
    directory.mkdir()
    assert WeightedTeacher.of(f"file:{directory}") == WeightedTeacher(f"file:{directory}")
    weighted = WeightedTeacher.of(f"file:{directory}=0.5")
    assert weighted == WeightedTeacher(f"file:{directory}", 0.5)
    assert part_teachers(join_teachers([WeightedTeacher(f"file:{directory}"), weighted]))[1] == weighted


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "heavy", ""])
def test_a_weight_that_is_no_number_above_0_is_refused(weight):
    with pytest.raises(WrongUsage, match=f"the weight '{weight}' of the teacher 'mel' is no number above 0"):
        resolve(flags={"training.more_teachers": (f"mel={weight}",)})


@pytest.mark.parametrize("text", ["", "=0.5", "a\nb"])
def test_what_names_no_teacher_is_refused(text):
    with pytest.raises(WrongUsage, match="names no teacher"):
        resolve(flags={"training.more_teachers": (text,)})


@pytest.mark.parametrize(
    ("first", "more"),
    [("mel", ("mel=0.5",)), ("joint", ("log-mel",)), ("mel", ("surprisal", "surprisal=2")), ("file:x", ("file:./x",))],
)
def test_a_teacher_that_is_named_twice_is_refused(first, more):
    with pytest.raises(WrongUsage, match="is named twice"):
        resolve(flags={"training.teacher": first, "training.more_teachers": more})


def test_without_further_teachers_fingerprints_are_what_they_were():
    plain = resolve()
    assert "more_teachers" not in hashed(plain.training)
    for nothing in ((), ("none",)):
        assert science_hash(resolve(flags={"training.more_teachers": nothing})) == science_hash(plain)
    one, same, other = (
        science_hash(resolve(flags={"training.more_teachers": (text,)})) for text in ("mel=.5", "mel=0.5", "mel")
    )
    assert one == same != other


def test_files_of_all_teachers_are_watched(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", np.ones((2, 2)))
    training = Training(teacher=f"file:{tmp_path / 'a'}", more_teachers=(f"file:{tmp_path / 'b'}=0.5", "mel"))
    assert files_of_teachers(training.teachers) == [tmp_path / "a" / "x.npy", tmp_path / "b" / "x.npy"]


@pytest.mark.parametrize("encoders", ["2d", "1d", "eeg-transformer"])
def test_networks_that_learn_from_one_teacher_at_most_say_so(encoders, tmp_path):
    training = Training(encoders=encoders, teacher="log-mel", more_teachers=("mel",))
    with pytest.raises(WrongUsage, match=f"Networks '{encoders}' learn from one teacher at most"):
        refuse_unfit_teacher(training, [], {}, [], tmp_path)


def test_the_sound_itself_is_no_further_teacher(tmp_path):
    with pytest.raises(WrongUsage, match="'waveform' is no teacher"):
        refuse_unfit_teacher(Training(more_teachers=("waveform",)), [], {}, [], tmp_path)


# -- similarities ------------------------------------------------------------------------------------------------------


def cosine(one, other):
    return float((one * other).sum() / np.sqrt((one * one).sum() * (other * other).sum()))


def averaged(one, other, parts=PARTS):
    """The weighted mean of the correlations of the parts of (D, T), from the definition."""
    one, other = (np.asarray(side, dtype=np.float64) for side in (one, other))
    total, first = 0.0, 0
    for size, weight in parts:
        a, b = (side[first : first + size] for side in (one, other))
        total += weight * cosine(a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True))
        first += size
    return total


def test_similarities_are_weighted_means_of_those_of_the_parts():
    a, b = (RNG.standard_normal((n, 6, 9)).astype(np.float32) for n in (4, 5))
    a, b = (side - side.mean(axis=2, keepdims=True) for side in (a, b))
    expected = [[averaged(x, y) for y in b] for x in a]
    assert similarity(torch.from_numpy(a), torch.from_numpy(b), PARTS).numpy() == pytest.approx(
        np.array(expected), abs=1e-5
    )
    vectors = [unit(10 * side + 3, by_feature=False, parts=PARTS) for side in (a, b)]
    assert vectors[0] @ vectors[1].T == pytest.approx(np.array(expected), abs=1e-5)


def test_matches_and_song_logits_take_the_weighted_mean_over_parts():
    songs = [torch.from_numpy(RNG.standard_normal((6, n)).astype(np.float32)) for n in (40, 31)]
    z = torch.from_numpy(RNG.standard_normal((3, 6, 12)).astype(np.float32))
    z = z - z.mean(dim=2, keepdim=True)
    memory, lengths = padded(songs)
    logits = evidence(z, memory, lengths, 0.1, parts=PARTS)
    matched = at_one_moment(z, memory, lengths, torch.tensor([0, 7, 25]), parts=PARTS)
    for row in range(3):
        for number, song in enumerate(songs):
            moments = range(0, song.shape[1] - 12 + 1, MOMENT_STRIDE)
            each = [np.exp(averaged(z[row], song[:, m : m + 12]) / 0.1) for m in moments]
            assert float(logits[row, number]) == pytest.approx(np.log(np.mean(each)), abs=1e-3)
            first = (0, 7, 25)[row]
            if first + 12 <= song.shape[1]:
                assert float(matched[row, number]) == pytest.approx(
                    averaged(z[row], song[:, first : first + 12]), abs=1e-5
                )
            else:
                assert matched[row, number].isnan()


def test_the_loss_is_the_weighted_sum_of_the_losses_to_each_teacher():
    a, b = torch.randn(2, 5, 6, 9).unbind()
    expected = 0.5 * predann_loss(a[:, :2], b[:, :2], 0.1)
    expected += 0.125 * predann_loss(a[:, 2:5], b[:, 2:5], 0.1) + 0.375 * predann_loss(a[:, 5:], b[:, 5:], 0.1)
    torch.testing.assert_close(predann_loss(a, b, 0.1, PARTS), expected)


# -- the decoder -------------------------------------------------------------------------------------------------------


def made(*, several=True, seed=0):
    """A decoder of two teachers with weights 3 and 1, or of one."""
    torch.manual_seed(seed)
    settings = TemporalDecoder.settings_for(blueprint("temporal"))
    if several:
        both = {"features": "mel=3\nsurprisal=1", "beside": "spectra", "teacher_bands": BANDS}
        settings = replace(settings, **both)
    return TemporalDecoder(settings)


@pytest.fixture(scope="module")
def source():
    return source_of("spectra")


def batch_of(source):
    return source.batch(grid([Stretch(n, Span(0, 3 * LENGTH)) for n in range(6)], LENGTH, LENGTH))


@pytest.mark.parametrize("moments", ["others", "own", "all"])
def test_with_one_teacher_the_loss_is_that_of_its_formula(source, moments):
    training, batch = Training(moments=moments), batch_of(source)
    found, expected = made(several=False).train(), made(several=False).train()
    for network in (found, expected):
        network.hear(source.songs(), [0, 1, 2])
    torch.manual_seed(1)
    loss = found.objective(*batch, training)["loss"]
    loss.backward()
    torch.manual_seed(1)  # of dropout
    z, heard = expected.eeg_encoder(batch.eeg), expected.audio_encoder(batch.audio[:, :32])
    heard = heard - heard.mean(dim=2, keepdim=True)

    def products():
        return F.normalize(z.flatten(1), dim=1) @ F.normalize(heard.flatten(1), dim=1).T

    if moments == "all":
        memory = expected._training_memory()
        logits, able = evidence(z, memory, expected.training_lengths, 0.05), torch.ones(len(z))
    else:
        logits, able = logits_within_batch(products(), batch.stimuli, 3, 0.05, with_own=moments == "own")
    by_eeg = (F.cross_entropy(logits, batch.stimuli, reduction="none") * able).sum() / able.sum()
    by_audio = F.cross_entropy(expected.audio_logits(heard), batch.stimuli)
    own, scaled = torch.arange(len(z)), products() / training.temperature
    predann = (F.cross_entropy(scaled, own) + F.cross_entropy(scaled.T, own)) / 2
    whole = by_eeg + by_audio + training.predann_weight * predann
    whole.backward()
    torch.testing.assert_close(loss, whole)
    for one, other in zip(found.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_each_teacher_has_an_audio_network_and_a_head_on_one_eeg_network(source):
    network, batch, training = made().train(), batch_of(source), Training()
    assert [encoder.norm.num_features for encoder in network.audio_encoder.of_teachers] == list(BANDS)
    assert network.parts == ((8, 0.75), (8, 0.25))
    z, heard = network.predict(batch.eeg), network.audio_encoder(batch.audio[:, :32])
    assert z.shape == heard.shape == (len(batch.eeg), 16, LENGTH // 2)
    alone = network.audio_encoder.of_teachers[1](batch.audio[:, 20:32])
    torch.testing.assert_close(heard[:, 8:], alone)
    predann_loss(z[:, :8], heard[:, :8], 0.1).backward()
    gradients = network.eeg_encoder.temporal.weight.grad
    assert gradients[:8].abs().sum() > 0 == gradients[8:].abs().sum()
    terms = network.objective(*batch, training)
    assert terms["loss"] == terms["eeg_loss"] + terms["audio_loss"] + training.predann_weight * terms["predann_loss"]
    terms["loss"].backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.audio_encoder.parameters())


@torch.no_grad()
def test_what_is_compared_in_the_test_is_the_weighted_mean_of_similarities(source):
    network = made().eval()
    network.remember(source.songs())
    windows = grid([Stretch(4, Span(0, 4 * LENGTH))], LENGTH, LENGTH)
    representations = predict(network, source, windows).representations
    vectors = representations.unit(representations.windows)
    cut = np.stack([song[:, 50 : 50 + LENGTH // 2] for song in representations.songs])
    found = vectors @ representations.unit(cut).T
    parts = ((8, 0.75), (8, 0.25))
    expected = np.array([[averaged(z, song, parts) for song in cut] for z in representations.windows])
    assert found == pytest.approx(expected, abs=1e-5)
    z = network.predict(source.eeg_of(windows))
    assert network.match(z, torch.full((len(z),), 100)).numpy() == pytest.approx(expected, abs=1e-4)


def joined(source):
    people = [tuple(Stretch(3 * person + song, Span(0, SONG)) for song in range(3)) for person in range(4)]
    split = Split(1, (*people[0], *people[1]), people[2], people[3])
    start = solve(DECODERS["cca"], source, split, DECODERS["cca"].settings_for(blueprint("cca")))
    start.remember(source.songs())
    network = made().eval()
    network = TemporalDecoder(replace(network.settings, shrinkage=start.settings.shrinkage)).eval()
    network.remember(source.songs())
    windows = ValidationWindows.of(source, people[2])
    decoder = join(network, start, windows)
    decoder.remember(source.songs())
    return decoder, network, start, windows


def test_a_closed_form_decoder_is_one_more_part_whose_share_is_chosen(source, tmp_path):
    decoder, network, start, windows = joined(source)
    share, components = decoder.settings.share, len(start.banks.eeg)
    assert decoder.parts == ((8, share * 0.75), (8, share * 0.25), (components, 1 - share))
    information = windows.contrast(decoder).information
    assert information >= max(windows.contrast(network).information, windows.contrast(start).information) - 1e-4
    decoder.save(tmp_path / "x.ckpt", {})
    read = TemporalDecoder.load(tmp_path / "x.ckpt", blueprint("temporal"), source.songs())
    eeg = torch.randn(2, 3, LENGTH)
    torch.testing.assert_close(read.encode_eeg(eeg), decoder.encode_eeg(eeg))
    other = read.for_songs(read.settings.songs, source.songs())
    torch.testing.assert_close(other.encode_eeg(eeg)[0], read.encode_eeg(eeg)[0])


def test_a_decoder_says_which_teachers_it_needs():
    named = made().configuration()["training"]
    assert (named["teacher"], named["more_teachers"]) == ("mel", ("surprisal",))
    assert made(several=False).configuration()["training"]["more_teachers"] == ()
    training = Training(more_teachers=("mel=0.5",))
    features = TemporalDecoder.features_for(training)
    assert [teacher.name for teacher in part_teachers(features)] == ["log-mel", "mel"]
    assert TemporalDecoder.beside_for(training) == "spectra"
    decoder = TemporalDecoder(replace(made().settings, features=features))
    assert Training(**decoder.configuration()["training"]) == training


# -- features ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def audio(tmp_path):
    """Features of two songs: 40 of one teacher, 3 of another, and spectra at the rate of the EEG."""
    sizes = {"file:a": (40, 50.0), "file:b": (3, 20.0), "log-mel": (2, 100.0), "spectra": (50, 100.0)}
    files = {}
    for name, (number, rate) in sizes.items():
        folder = tmp_path / name.replace(":", "-")
        folder.mkdir()
        for song in range(2):
            np.save(folder / f"{song}.npy", RNG.standard_normal((number, int(rate * 8))).astype(np.float32))
            (folder / f"{song}.json").write_text(f'{{"FrameRate": {rate}, "StartTime": 0}}')
        files[name] = tuple(folder / f"{song}.npy" for song in range(2))
    return StimulusAudio(files, Rate(100.0))


def test_many_features_of_one_teacher_are_reduced_beside_few_of_another(audio):
    both = "file:a=1\nfile:b=0.5"
    assert (audio.n_features(both), audio.n_of_teachers(both)) == (43, (40, 3))
    whole = audio.store(both, "spectra").features
    assert [song.shape for song in whole] == [(43 + 18, 800), (43 + 18, 800)]
    assert np.array_equal(whole[0][40:43], audio.frames("file:b")[0].at(100.0, 800))
    learned, reduction = audio.learned(both, {0: None}, 8)
    assert reduction.of_teachers == (8, 3)
    assert reduction.apply(whole[1][:43]) == pytest.approx(learned.features[1], abs=1e-4)
    alone, _ = audio.learned("file:a", {0: None}, 8)
    assert np.array_equal(learned.features[1][:8], alone.features[1])
    assert audio.learned("file:b=1\nlog-mel=1", {0: None}, 8)[1] is None


def test_a_reduction_knows_nothing_of_moments_that_are_not_trained_on(audio):
    spans = [Span(0, 300), Span(200, 400)]  # at 100 Hz; the features have 50 Hz
    _, reduction = audio.learned("file:a", {0: spans}, 8)
    whole = audio.frames("file:a")[0].values
    assert reduction.directions == pytest.approx(Reduction.of([whole[:, :201]], 8).directions, abs=1e-6)
    np.save(audio.files["file:a"][0], np.where(np.arange(400) < 201, whole, 1e3).astype(np.float32))
    _, again = audio.learned("file:a", {0: spans}, 8)
    assert np.array_equal(again.directions, reduction.directions)
    assert not np.allclose(audio.learned("file:a", {0: None}, 8)[1].directions, reduction.directions)


@torch.no_grad()
def test_a_decoder_behind_a_reduction_represents_songs_as_it_did_in_training(audio):
    both = "file:a=1\nfile:b=0.5"
    learned, reduction = audio.learned(both, {0: None, 1: None}, 32)
    plan = replace(blueprint("temporal"), features=both, beside="spectra", bands=43, of_teachers=(40, 3))
    settings = TemporalDecoder.settings_for(plan)
    assert (settings.n_bands, settings.teacher_bands) == (35, (32, 3))
    trained = TemporalDecoder(settings).eval()
    songs = Source((), None, audio.store(both, "spectra"), 100, 0).songs()
    reduced = trained.reducing(reduction.mean, reduction.directions)
    expected = trained.audio_encoder(torch.from_numpy(learned.features[0])[None])
    torch.testing.assert_close(reduced.represent(songs.audio(0)[None]), expected, atol=1e-4, rtol=1e-3)


def test_features_of_several_teachers_are_computed_from_one_waveform():
    both = Beside(125.0, "mel=1\nsurprisal=0.5\nlog-mel=2", "spectra")
    assert both(torch.randn(1, 2 * both.audio_rate)).shape == (1, 64 + 4 + 32 + 18, 250)


# -- words -------------------------------------------------------------------------------------------------------------


def test_the_methods_name_all_teachers_and_their_weights():
    protocol = {"n_participants": 4, "n_stimuli": 3, "split": "participant", "n_folds": 2, "seed": 0}
    flags = {"training.teacher": "mel", "training.more_teachers": ("surprisal=0.5", "musicnn#cnn3=2")}
    text = group_methods(resolve(flags=flags), protocol)
    assert "One teacher is a log-mel spectrogram" in text
    assert "Another teacher is musicnn" in text
    weighted = (
        "weighted by 1 (log-mel spectra of 64 bands), 0.5 (the surprisal of a Markov model) and 2 (layers of musicnn"
        " ('cnn3'))."
    )
    assert weighted in text
    assert "predicts all 3 at once" in text
    assert "weighted by 1 (" not in group_methods(resolve(flags={"training.teacher": "mel"}), protocol)


# -- a whole run -------------------------------------------------------------------------------------------------------


def test_a_run_learns_from_two_teachers_whose_features_are_kept_once(dataset, derivatives, tmp_path):
    output = shutil.copytree(derivatives, tmp_path / "out", symlinks=True)
    flags = {
        "training.teacher": "mel",
        "training.more_teachers": ("surprisal=0.5",),
        "training.epochs": 1,
        "training.batch_size": 8,
        "training.baseline": False,
        "splitting.n_folds": 2,
        "windows.length": 2.0,
        "evaluation.resamples": 99,
        "evaluation.probe": False,
    }
    outcome = run_group(dataset, output, resolve(flags=flags), execution=Execution(n_procs=1, report=False))
    metrics = read_json(outcome.directory / "metrics.json")
    assert metrics["models"]["cca_teacher"]["match_accuracy"] is not None
    decoder = load_decoder(outcome.directory)
    assert (decoder.settings.teacher_bands, decoder.settings.reduced_from) == ((32, 4), 68)
    assert [weight for _, weight in decoder.parts[:2]] == pytest.approx(
        [decoder.settings.share * 2 / 3, decoder.settings.share / 3]
    )
    assert decoder.encode_audio(torch.randn(2, 2 * decoder.audio_rate))[1].shape[1] == decoder.memory.shape[1]
    for name in ("mel", "surprisal"):
        assert len(list((output / "group" / ".audio").glob(f"{name}-*/*.npy"))) == 3
    assert "weighted by 1 (log-mel spectra of 64 bands) and 0.5" in (output / "CITATION.md").read_text()

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter1d
from scipy.stats import rankdata, ttest_1samp
from statsmodels.stats.multitest import multipletests
from torch import nn

from predann_bids.data.source import Source
from predann_bids.data.stores.mapped import AudioStore, EegStore
from predann_bids.data.trials import Stretch, Trial
from predann_bids.errors import UnusableData
from predann_bids.learning.probing.counts import BANDS, Band, Probe, Tally, bands_inside
from predann_bids.learning.probing.geometry import rank_correlation
from predann_bids.learning.probing.perturbations import band_stop, erode, other_windows
from predann_bids.learning.probing.pooling import pool_probes
from predann_bids.learning.probing.probe import DELAYS_S, Effort, probe
from predann_bids.learning.statistics import Scoring
from predann_bids.models.decoders.temporal import TemporalDecoder, TemporalSettings
from predann_bids.models.temporal.layers import centre
from predann_bids.signals.brainvision import MappedRecording
from predann_bids.signals.halves import halve
from predann_bids.signals.scaling import Scaling
from predann_bids.timing import Rate, Span

RATE = Rate(100.0)
LENGTH, DELAY, HEARD, SONGS, CHANNELS = 100, 20, 900, 3, 5
READ = 3  # the only channel that follows the music
GRID = Scoring(1.0, 0.5, (1.0,), resamples=99, seed=0)
ALL = [Stretch(index, Span(0, HEARD)) for index in range(2 * SONGS)]
PLAIN = Scaling(np.zeros(CHANNELS, np.float32), np.ones(CHANNELS, np.float32), np.eye(CHANNELS, dtype=np.float32))


class ReadsOneChannel(nn.Module):
    def forward(self, eeg):
        return centre(halve(eeg[:, [READ]]))


def courses(kind, rng):
    """What songs sound like: smoothed noise, or noise around 10 Hz."""
    noise = rng.standard_normal((SONGS, HEARD))
    if kind == "broad":  # smooth enough for song logits, which look at every fourth sample
        return uniform_filter1d(noise, 7, axis=1) * 2.5
    spectra = np.fft.rfft(noise) * np.exp(-0.5 * ((np.fft.rfftfreq(HEARD, 0.01) - 10.5) / 0.7) ** 2)
    return np.fft.irfft(spectra, HEARD) * 8


def world(kind="broad", seed=0, people=("01", "02")):
    """Listeners whose channel READ repeats the song DELAY later, and a decoder that knows so."""
    rng = np.random.default_rng(seed)
    songs = courses(kind, rng)
    trials, recordings = [], []
    for number, person in enumerate(people):
        data = 0.2 * rng.standard_normal((400 + SONGS * (HEARD + 200), CHANNELS))
        for song in range(SONGS):
            onset = 200 + song * (HEARD + 200)
            data[onset + DELAY : onset + DELAY + HEARD, READ] += songs[song]
            trials.append(Trial(person, "", "", "", number, song, onset, HEARD, 0))
        names = tuple(f"E{channel}" for channel in range(CHANNELS))
        recordings.append(MappedRecording(data.astype(np.float32), np.ones(CHANNELS, np.float32), names, RATE.hz))
    columns = (np.arange(CHANNELS),) * len(people)
    eeg = EegStore(tuple(recordings), columns, recordings[0].channels, (PLAIN,) * len(people))
    audio = AudioStore(tuple(np.repeat(song[None].astype(np.float32), 4, axis=0) for song in songs))
    settings = TemporalSettings(
        *(eeg.channels, ("a", "b", "c"), RATE.hz, 0.2, 1.0, "log-mel", None),
        **{"memory_frames": HEARD // 2, "n_bands": 4, "width": 2, "dimensions": 1},
    )
    decoder = TemporalDecoder(settings)
    decoder.eeg_encoder = ReadsOneChannel()
    decoder.memory[:, 0] = halve(torch.from_numpy(songs).float()[None])[0]
    decoder.memory_lengths[:] = HEARD // 2
    return decoder.eval(), Source(tuple(trials), eeg, audio, LENGTH, DELAY)


def measure(decoder, source, test=ALL, **settings):
    return probe(decoder, source, test, rate=RATE, stride=50, rng=np.random.default_rng(1), **settings)


@pytest.fixture(scope="module")
def broad():
    return measure(*world())


@pytest.fixture(scope="module")
def narrow():
    return measure(*world("narrow"))


# moments of a song, a stride of 0.5 s apart, at which 0.7 s less and 0.8 s more of delay stay within the stretch
MOVABLE = 1 + (HEARD - 150 - LENGTH) // 50


def rates(tally):
    return tally.hits.sum(axis=1) / tally.windows.sum()


def test_a_match_that_is_perfect_at_the_trained_delay_is_so_at_no_other(broad):
    match = dict(zip(broad.delays_s, rates(broad.by_delay)[:, 1], strict=True))
    assert broad.trained_delay_s == 0.2
    assert match.pop(0.2) == 1
    assert max(match.values()) < 0.7


def test_song_logits_that_know_no_moment_do_not_depend_on_the_delay(broad):
    assert (rates(broad.by_delay)[:, 0] > 0.95).all()


def test_the_moment_is_found_at_the_trained_delay_and_guessed_at_others(broad):
    shares = broad.reciprocal_ranks.sum(axis=1) / broad.by_delay.windows.sum()
    right = broad.delays_s.index(0.2)
    assert shares[right] == 1
    chance = (1 / np.arange(1, MOVABLE + 1)).mean()
    np.testing.assert_allclose(broad.guessed_ranks / broad.by_delay.windows, chance)
    assert np.delete(shares, right).mean() == pytest.approx(chance, abs=0.06)


def test_a_decoder_that_finds_all_moments_alike_ranks_each_in_the_middle():
    decoder, source = world()
    decoder.memory.zero_()
    found = measure(decoder, source)
    np.testing.assert_allclose(found.reciprocal_ranks / found.by_delay.windows, 1 / ((1 + MOVABLE) / 2))


def test_a_delay_that_is_not_among_those_tried_is_added():
    decoder, source = world()
    found = measure(decoder, replace(source, delay=23))
    assert found.trained_delay_s == 0.23
    assert found.delays_s[13:17] == (0.15, 0.2, 0.23, 0.25)


@given(st.integers(0, 500), st.integers(0, 900), st.integers(-50, 100), st.lists(st.integers(-60, 120), min_size=1))
def test_eroded_stretches_keep_audio_and_eeg_of_all_delays_inside(start, length, trained, delays):
    span, delays = Span(start, start + length), [*delays, trained]
    inner = erode(Stretch(4, span), trained, delays)
    if inner is None:
        assert length <= max(0, trained - min(delays)) + max(0, max(delays) - trained)
        return
    assert inner.trial == 4
    assert span.start <= inner.span.start < inner.span.stop <= span.stop
    for delay in delays:
        eeg, mine = inner.span.shift(delay), span.shift(trained)
        assert mine.start <= eeg.start
        assert eeg.stop <= mine.stop


def blind(source, keep):
    """Make all EEG unknown but what `keep` gives as (recording, start, stop)."""
    recordings = []
    for index, recording in enumerate(source.eeg.recordings):
        data = np.full_like(recording.data, np.nan)
        for recording_index, start, stop in keep:
            if recording_index == index:
                data[start:stop] = recording.data[start:stop]
        recordings.append(replace(recording, data=data))
    return replace(source, eeg=replace(source.eeg, recordings=tuple(recordings)))


def eeg_of(source, test, less=0):
    begins = [(source.trials[s.trial].recording, source.trials[s.trial].onset + source.delay, s.span) for s in test]
    return [(recording, begin + span.start + less, begin + span.stop - less) for recording, begin, span in begins]


def test_no_eeg_outside_the_test_set_is_read_but_by_filters():
    decoder, source = world()
    test = [Stretch(0, Span(100, 500)), Stretch(1, Span(300, 900)), Stretch(5, Span(0, 450))]
    whole, mine = (measure(decoder, s, test) for s in (source, blind(source, eeg_of(source, test))))
    assert whole.by_delay.windows.sum() > 0
    np.testing.assert_array_equal(mine.by_delay.hits, whole.by_delay.hits)
    np.testing.assert_array_equal(mine.reciprocal_ranks, whole.reciprocal_ranks)
    np.testing.assert_array_equal(mine.by_channel.hits, whole.by_channel.hits)
    np.testing.assert_array_equal(mine.similarity, whole.similarity)
    less = measure(decoder, blind(source, eeg_of(source, test, less=30)), test)
    assert less.by_delay.hits.sum() < whole.by_delay.hits.sum()  # the edge of what may be read is read


def test_stretches_too_short_to_be_moved_are_left_out_of_the_delay_curve():
    test = [Stretch(0, Span(0, 249)), Stretch(3, Span(0, 250))]
    assert measure(*world(), test).by_delay.windows.tolist() == [0, 1]
    uses = pool_probes([measure(*world(), test[:1])], GRID)
    assert uses["delay"]["accuracy"] == [None] * len(DELAYS_S)
    assert uses["full"]["match_accuracy"] == 1


def test_only_the_band_that_holds_the_music_matters(narrow):
    lost = rates(narrow.by_band)[0] - rates(narrow.by_band)[1:]
    by_name = dict(zip([band.name for band in narrow.bands], lost, strict=True))
    alpha = by_name.pop("alpha")
    assert list(by_name) == ["delta", "theta", "beta", "gamma"]
    assert (alpha > 0.3).all()
    assert (np.abs(list(by_name.values())) < 0.05).all()


def test_bands_are_taken_out_alike_in_whatever_order_recordings_are_tested(narrow):
    mixed = [ALL[index] for index in (3, 0, 4, 1, 5, 2)]
    np.testing.assert_array_equal(measure(*world("narrow"), mixed).by_band.hits, narrow.by_band.hits)


@pytest.mark.parametrize("band", BANDS)
def test_a_band_is_taken_out_and_the_rest_is_left_where_it_is(band):
    time = np.arange(3000) / RATE.hz
    waves = {hz: np.sin(2 * np.pi * hz * time) for hz in (2.0, 6.0, 10.5, 20.0, 35.0)}
    samples = np.stack([sum(waves.values()), np.zeros(3000)], axis=1).astype(np.float32)
    left = sum(wave for hz, wave in waves.items() if not band.low_hz < hz < band.high_hz)
    filtered = band_stop(samples, band, RATE)
    np.testing.assert_allclose(filtered[500:-500, 0], left[500:-500], atol=0.06)
    assert (filtered[:, 1] == 0).all()


def test_only_bands_mostly_inside_those_of_the_eeg_are_probed():
    assert [band.name for band in bands_inside((1.0, 40.0), Rate(125))] == [band.name for band in BANDS]
    assert bands_inside((2.0, 25.0), Rate(125))[0] == Band("delta", 2.0, 4.0)
    assert [(band.name, band.high_hz) for band in bands_inside((5.0, 25.0), Rate(125))] == [
        ("theta", 8.0),
        ("alpha", 13.0),
        ("beta", 25.0),
    ]
    assert bands_inside((0.0, np.inf), Rate(50))[-1] == Band("beta", 13.0, 24.5)


def test_shuffling_channels_that_are_not_read_loses_nothing(broad):
    lost = rates(broad.by_channel)[0] - rates(broad.by_channel)[1:]
    assert (lost[READ] > 0.3).all()
    assert (np.delete(lost, READ, axis=0) == 0).all()


def test_channels_are_shuffled_with_their_neighbours_and_regions_whole():
    decoder, source = world()
    angles = np.radians([-40, -60, 10, 40, 60])  # in a row from left to right over the vertex
    positions = 0.095 * np.stack([np.sin(angles), np.zeros(5), np.cos(angles)], axis=1) + [0, 0, 0.04]
    found = measure(decoder, source, positions=positions)
    lost = (rates(found.by_channel)[0] - rates(found.by_channel)[1:])[:, 1]
    assert (lost > 0.3).tolist() == [False, False, True, True, True]
    assert found.regions == {"left central": ("E0", "E1"), "right central": ("E2", "E3", "E4")}
    by_region = (rates(found.by_region)[0] - rates(found.by_region)[1:])[:, 1]
    assert by_region[0] == 0
    assert by_region[1] > 0.3


def test_without_places_and_known_names_there_are_no_regions(broad):
    assert broad.regions == {}
    assert pool_probes([broad], GRID)["regions"] == []
    assert {channel["position"] for channel in pool_probes([broad], GRID)["channels"]} == {None}


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=20), st.integers(0, 9))
def test_each_window_gets_another_one_of_the_same_participant(people, seed):
    people = np.array(people)
    other = other_windows(people, np.random.default_rng(seed))
    assert sorted(other) == list(range(len(people)))
    assert (people[other] == people).all()
    alone = np.array([(people == name).sum() == 1 for name in people])
    assert ((other == np.arange(len(people))) == alone).all()


def test_representations_of_music_that_is_heard_exactly_are_as_alike_as_the_music(broad):
    assert (broad.similarity > 0.9).all()
    assert broad.n_conditions.tolist() == [27, 27]
    silent, source = world()
    unrelated = replace(source, eeg=world(seed=5)[1].eeg)
    assert np.abs(measure(silent, unrelated).similarity).max() < 0.2


def test_repetitions_of_a_moment_are_one_condition():
    decoder, source = world()
    twice = replace(source, trials=tuple(replace(trial, participant="01") for trial in source.trials))
    assert measure(decoder, twice).n_conditions.tolist() == [27]
    moved = [Stretch(index, Span(30, HEARD)) for index in range(3)] + ALL[3:]  # cut elsewhere, the same moments
    assert measure(decoder, twice, moved).n_conditions.tolist() == [27]


def test_rank_correlation_is_that_of_ranks_and_undefined_without_any_order():
    a, b = np.random.default_rng(0).normal(size=(2, 40))
    assert rank_correlation(a, a + b) == pytest.approx(np.corrcoef(rankdata(a), rankdata(a + b))[0, 1])
    assert np.isnan(rank_correlation(a, np.ones(40)))
    assert np.isnan(rank_correlation(a[:1], b[:1]))


def test_songs_that_are_no_candidates_are_never_named():
    decoder, source = world()
    confused = replace(source, trials=tuple(replace(t, stimulus=t.stimulus // 2) for t in source.trials))
    # trials 1 and 4 are said to be of song 0 and are of song 1
    test = [Stretch(index, Span(0, HEARD)) for index in (1, 4)]
    free = measure(decoder, confused, test).by_band
    assert rates(free)[0].tolist() == [0, 0]
    held = measure(decoder, confused, test, candidates=np.array([True, False, False])).by_band
    assert rates(held)[0].tolist() == [1, 1]


def test_where_windows_are_many_some_are_left_out_evenly(monkeypatch):
    monkeypatch.setattr("predann_bids.learning.probing.perturbations.FEWEST_WINDOWS", 1)
    found = measure(*world(), effort=Effort(decisions=60))
    assert found.by_band.windows.tolist() == [5, 5]
    assert found.by_channel.windows.tolist() == [6, 6]
    assert found.by_delay.windows.sum() == 60 // len(DELAYS_S)


def test_a_test_set_without_windows_is_refused():
    with pytest.raises(UnusableData, match="no stretch as long as a window"):
        measure(*world(), [Stretch(0, Span(0, LENGTH - 1))])


def test_every_step_is_reported():
    said = []
    measure(*world(), on_step=said.append)
    assert said == ["delays", "frequency bands", "channels and regions", "similarity of representations"]


def test_equal_seeds_give_equal_probes(broad):
    assert json.dumps(measure(*world()).plain()) == json.dumps(broad.plain())


def test_a_probe_survives_json(broad):
    again = Probe.of(json.loads(json.dumps(broad.plain(), allow_nan=False)))
    assert again.plain() == broad.plain()
    assert pool_probes([again], GRID) == pool_probes([broad], GRID)


def made(participants, lost, windows=10, similarity=0.5):
    """A probe of one band, whose removal costs each participant so many of their windows."""
    n = len(participants)
    full = np.full((n, 2), windows, dtype=float)
    bands = Tally(np.full(n, windows, float), np.stack([full, *(full - np.array(one)[:, None] for one in lost)]))
    other = Tally(bands.windows, np.stack([full, full]))
    return Probe(
        participants=tuple(participants),
        channels=("Cz",),
        positions=np.array([[0.0, 0.0, 0.1]]),
        trained_delay_s=0.2,
        delays_s=(0.2,),
        bands=tuple(Band(str(k), k, k + 1.0) for k in range(len(lost))),
        regions={"mid central": ("Cz",)},
        by_delay=Tally(bands.windows, full[None] / 2),
        reciprocal_ranks=bands.windows[None] / 4,
        guessed_ranks=bands.windows / 8,
        by_band=bands,
        by_region=other,
        by_channel=other,
        similarity=np.full(n, similarity),
        n_conditions=np.full(n, 4.0),
    )


def test_losses_are_means_of_participants_and_their_p_values_are_corrected_for_the_number_of_bands():
    people = [f"{number:02d}" for number in range(8)]
    lost = [[4, 5, 6, 5, 4, 5, 6, 5], [1, -1, 1, -1, 1, -1, 1, 0], [1, 2, 1, 2, 1, 2, 1, 0]]
    uses = pool_probes([made(people, lost)], replace(GRID, resamples=999))
    assert [band["drop"] for band in uses["bands"]] == pytest.approx([np.mean(one) / 10 for one in lost])
    plain = [ttest_1samp(one, 0).pvalue for one in lost]
    assert [band["p_holm"] for band in uses["bands"]] == pytest.approx(multipletests(plain, method="holm")[1])
    assert [band["match_p_holm"] for band in uses["bands"]] == [band["p_holm"] for band in uses["bands"]]
    low, high = uses["bands"][0]["ci95"]
    assert 0.4 < low < 0.5 < high < 0.6


def test_a_participant_tested_in_several_folds_counts_once():
    one, two = made(["a", "b"], [[5, 0]], similarity=0.2), made(["b", "c"], [[10, 10]], windows=30, similarity=0.6)
    uses = pool_probes([one, two], GRID)
    assert uses["bands"][0]["drop"] == pytest.approx(np.mean([5 / 10, 10 / 40, 10 / 30]))
    assert uses["full"]["accuracy"] == 1
    assert uses["delay"]["accuracy"] == [0.5]
    assert (uses["delay"]["moment_mrr"], uses["delay"]["moment_mrr_chance"]) == ([0.25], 0.125)
    assert uses["similarity"]["correlation"] == pytest.approx(np.mean([0.2, 0.4, 0.6]))


def test_one_participant_has_losses_without_intervals():
    uses = pool_probes([made(["a"], [[5]])], GRID)
    (band,) = uses["bands"]
    assert (band["drop"], band["ci95"], band["p_holm"]) == (0.5, None, None)
    assert uses["delay"]["ci95"] == [None]
    assert uses["similarity"] == {"correlation": 0.5, "ci95": None, "p_value": None, "n_conditions": 4}


def test_participants_without_windows_or_correlation_do_not_count():
    probed = made(["a", "b", "c"], [[5, 5, 0]])
    probed.by_band.windows[2] = probed.by_band.hits[:, 2] = 0
    probed.similarity[1] = np.nan
    uses = pool_probes([probed], GRID)
    assert uses["bands"][0]["drop"] == 0.5
    assert uses["similarity"]["correlation"] == 0.5


def test_probes_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="different bands"):
        pool_probes([made(["a"], [[1]]), made(["b"], [[1], [2]])], GRID)


def test_what_is_pooled_has_the_keys_of_the_contract_and_is_json(broad):
    uses = json.loads(json.dumps(pool_probes([broad], GRID), allow_nan=False))
    assert list(uses) == ["model", "full", "delay", "bands", "channels", "regions", "similarity"]
    assert set(uses["delay"]) == set(
        "delay_s trained_delay_s accuracy ci95 match_accuracy match_ci95 moment_mrr moment_mrr_ci95"
        " moment_mrr_chance".split()
    )
    assert set(uses["channels"][0]) == {"name", "position", "drop", "match_drop"}
    assert set(uses["bands"][0]) == set(
        "name low_hz high_hz drop ci95 p_holm match_drop match_ci95 match_p_holm".split()
    )

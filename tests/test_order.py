"""How well the position of a presentation names its song: what counts as a fixed order, and what does not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.data.order import list_orders
from predann_bids.data.trials import Trial
from predann_bids.learning.confounds.order import order_scores
from predann_bids.report.group.confounds import order_words


def heard(person, songs, *, session="", task="music", run="", recording=None):
    """Presentations of one recording, in the order of their onsets."""
    number = hash((person, session, task, run)) if recording is None else recording
    return [Trial(person, session, task, run, number, song, 1000 * place, 900, 0) for place, song in enumerate(songs)]


def people(orders):
    return [trial for number, order in enumerate(orders) for trial in heard(f"{number:02d}", order)]


def in_runs(orders):
    """One song in each run."""
    return [
        trial
        for number, order in enumerate(orders)
        for run, song in enumerate(order, 1)
        for trial in heard(f"{number:02d}", [song], run=str(run))
    ]


def in_sessions(orders):
    """One song in each session."""
    return [replace(trial, session=f"0{trial.run}", run="") for trial in in_runs(orders)]


def scores(trials, *, within_people=False, permutations=199):
    return order_scores(trials, within_people=within_people, seed=[0], permutations=permutations)


def is_warned_of(found):
    return order_words({"order": found}) is not None


def shuffled(n_people, n_songs, seed):
    rng = np.random.default_rng(seed)
    return [rng.permutation(n_songs).tolist() for _ in range(n_people)]


ONE = [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("design", [people, in_runs, in_sessions])
def test_one_order_for_all_names_every_song(design):
    found = scores(design([ONE] * 8))
    assert found["accuracy"] == 1
    assert found["chance"] == pytest.approx(1 / 6)
    assert found["p_value"] < 0.01
    assert is_warned_of(found)
    assert found["by_labels"] == (design is not people)


def test_the_tenth_run_comes_after_the_second():
    songs = list(range(11))
    trials = in_runs([songs] * 3)
    last = [trial for trial in trials if trial.run == "10"]
    (order,) = list_orders(trials, within_people=False)
    assert {int(order.position[trials.index(trial)]) for trial in last} == {9}


@pytest.mark.parametrize("design", [people, in_runs])
def test_one_person_with_another_order_does_not_hide_the_order_of_the_others(design):
    found = scores(design([ONE] * 7 + [[3, 0, 5, 1, 2, 4]]))
    assert found["accuracy"] == pytest.approx(7 / 8)
    assert is_warned_of(found)


def test_two_balanced_orders_name_about_every_second_song():
    found = scores(people([ONE] * 6 + [[1, 2, 3, 4, 5, 0]] * 6))
    assert found["accuracy"] == pytest.approx(5 / 11)  # 5 of the 11 others have the own order
    assert is_warned_of(found)


def test_orders_that_put_every_song_everywhere_equally_often_name_none():
    found = scores(people([np.roll(ONE, shift).tolist() for shift in range(6)] * 2))
    assert found["accuracy"] < found["chance"]
    assert found["p_value"] > 0.5


@pytest.mark.parametrize("design", [people, in_runs])
@pytest.mark.parametrize("size", [(4, 3), (8, 4), (12, 6)])
def test_shuffled_orders_are_silent(design, size):
    assert not any(is_warned_of(scores(design(shuffled(*size, seed)))) for seed in range(5))


def test_p_values_of_shuffled_orders_are_uniform():
    p_values = [scores(people(shuffled(6, 4, seed)), permutations=99)["p_value"] for seed in range(120)]
    for level in (0.05, 0.2, 0.5):  # at most, as agreement takes few values; three standard errors above
        assert np.mean(np.array(p_values) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 120)
    assert np.mean(np.array(p_values) <= 0.5) > 0.3


@given(st.permutations(range(5)), st.integers(0, 2**16))
def test_new_names_for_songs_change_nothing(names, seed):
    orders = [order[:4] for order in shuffled(4, 5, seed)]
    renamed = [[names[song] for song in order] for order in orders]
    some, other = (scores(people(those), permutations=19) for those in (orders, renamed))
    for key in ("accuracy", "chance", "p_value"):
        assert some[key] == pytest.approx(other[key])


@given(st.integers(0, 2**16), st.integers(2, 5), st.integers(2, 4), st.integers(1, 2))
def test_chance_is_what_the_songs_of_each_person_allow(seed, n_people, n_songs, repetitions):
    found = scores(people([order * repetitions for order in shuffled(n_people, n_songs, seed)]), permutations=19)
    assert found["chance"] == pytest.approx(1 / n_songs)
    assert 0 <= found["accuracy"] <= 1
    assert 0 < found["p_value"] <= 1


def test_repeated_songs_and_people_who_heard_less_keep_their_positions():
    found = scores(people([[0, 1, 0, 2, 1, 2]] * 6 + [[0, 1, 0]] * 2))
    assert found["accuracy"] == 1
    assert found["n"] == 42
    # of six, and of three: people know which songs they heard, and how often
    assert found["chance"] == pytest.approx((36 * (1 / 3) + 6 * (2 / 3 * 2 / 3 + 1 / 3 * 1 / 3)) / 42)


def test_positions_that_nobody_else_has_are_guessed():
    found = scores(people([[0, 1], [0, 1], [0, 1, 0, 1]]))
    assert found["accuracy"] == pytest.approx((6 + 2 * 0.5) / 8)


def test_the_order_is_that_of_onsets_not_of_rows():
    trials = people([ONE] * 4)
    assert scores(trials[::-1])["accuracy"] == 1


def sessions(orders):
    """Several sessions of each person, by a list for each person."""
    return [
        trial
        for number, own in enumerate(orders)
        for session, order in enumerate(own, 1)
        for trial in heard(f"{number:02d}", order, session=str(session))
    ]


def test_one_participant_is_compared_with_himself_in_other_sessions():
    found = scores(sessions([[ONE] * 3]))
    assert (found["accuracy"], found["across"], found["unit"]) == (1, "sessions", "session")
    assert is_warned_of(found)


def test_one_participant_is_compared_with_himself_in_other_runs():
    trials = [trial for run in "123" for trial in heard("01", ONE, run=run)]
    found = scores(trials)
    assert (found["accuracy"], found["across"], found["unit"]) == (1, "recordings", "recording")


def test_an_order_of_their_own_matters_only_where_people_are_trained_on_and_tested():
    trials = sessions([[order] * 3 for order in shuffled(6, 6, seed=3)])
    assert not is_warned_of(scores(trials))
    found = scores(trials, within_people=True)
    assert (found["accuracy"], found["across"]) == (1, "sessions")
    assert is_warned_of(found)


def test_an_order_within_each_recording_is_seen_when_recordings_differ_in_length():
    rng = np.random.default_rng(5)
    trials = [
        trial
        for number in range(8)
        for run in "123"
        for trial in heard(f"{number:02d}", ONE[: rng.integers(3, 7)], run=run)
    ]
    found = scores(trials)
    assert found["accuracy"] == 1
    assert found["unit"] == "recording"
    assert [way["p_value"] for way in found["ways"]] == [1 / 200, 1 / 200]
    assert found["p_value"] == 2 / 200  # corrected for two ways to count positions


@pytest.mark.parametrize(
    "trials",
    [
        heard("01", ONE),
        in_runs([ONE]),
        people([[0], [1], [2]]),
        people([[0, 0], [1, 1]]),
        [t for n in "123" for task in ("Film", "Trailer") for t in heard(n, [len(task) % 2], task=task)],
    ],
    ids=["one recording", "one participant", "one song each", "one song each, twice", "tasks without an order"],
)
def test_what_cannot_be_measured_is_null(trials):
    found = scores(trials)
    assert found["accuracy"] is found["chance"] is found["p_value"] is found["unit"] is None
    assert not is_warned_of(found)


def test_tasks_with_numbers_have_an_order():
    trials = [t for n in range(6) for task in range(1, 5) for t in heard(f"{n}", [task], task=f"run{task}")]
    assert scores(trials)["accuracy"] == 1

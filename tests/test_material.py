import pytest

from predann_bids.data.trials import Trial
from predann_bids.workflows.notes import order_notes


def recordings(*orders):
    return [
        Trial(str(index), "", "", "", index, stimulus, 1000 * place, 900, 0)
        for index, order in enumerate(orders)
        for place, stimulus in enumerate(order)
    ]


def test_songs_heard_by_all_in_one_order_are_warned_of():
    (note,) = order_notes(recordings([2, 0, 1], [2, 0, 1], [2, 0, 1]))
    assert "same order" in note


@pytest.mark.parametrize("orders", [([0, 1], [1, 0]), ([0, 1],), ([0], [0]), ([0], [1])])
def test_orders_that_differ_or_say_nothing_are_not_warned_of(orders):
    assert order_notes(recordings(*orders)) == ()


def test_the_order_is_that_of_onsets_not_of_rows():
    trials = recordings([0, 1], [0, 1])
    assert order_notes([trials[1], trials[0], *trials[2:]])

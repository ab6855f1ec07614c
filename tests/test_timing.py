import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.timing import Rate, Span


@given(st.integers(0, 10**7), st.sampled_from([100.0, 125.0, 250.0, 44100.0]))
def test_samples_survive_the_way_to_seconds_and_back(samples, hz):
    assert Rate(hz).samples(Rate(hz).seconds(samples)) == samples


def test_halves_go_up_so_that_equal_steps_stay_equal():
    rate = Rate(125)
    edges = [rate.samples(0.1 * step) for step in range(0, 50, 2)]
    assert [b - a for a, b in itertools.pairwise(edges)] == [25] * 24


@pytest.mark.parametrize("hz", [0, -1, float("nan"), float("inf")])
def test_a_rate_must_be_a_positive_number(hz):
    with pytest.raises(ValueError, match="sampling rate"):
        Rate(hz)


def test_spans_that_touch_do_not_overlap():
    assert not Span(0, 10).overlaps(Span(10, 20))
    assert Span(0, 11).overlaps(Span(10, 20))


def test_an_empty_span_overlaps_nothing():
    assert not Span(5, 5).overlaps(Span(0, 10))


def test_a_span_cannot_end_before_it_starts():
    with pytest.raises(ValueError, match="must not end"):
        Span(3, 2)

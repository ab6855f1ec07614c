"""The report says which model to believe, and where a decoder looks too soon after the sound."""

from typing import Any

import numpy as np
import pytest
from made_up_metrics import everything, metrics_of

from predann_bids.learning.confounds.artefact import lag_scores
from predann_bids.report.group.believe import believe_sentence, below_words, rivals
from predann_bids.report.group.caveats import caveats


def codes(metrics: dict[str, Any]) -> list[str]:
    return [caveat.code for caveat in caveats(metrics)]


def with_accuracy(by_match: float, by_logits: float, *, low: float, p_holm: float = 0.01) -> dict[str, Any]:
    """Metrics in which CCA has these accuracies, and PredANN's lead over it an interval that begins here."""
    metrics = everything()
    metrics["models"]["cca"] |= {"accuracy": by_logits, "match_accuracy": by_match}
    for row in metrics["comparisons"]:
        if row["second"] == "cca":
            row |= {"ci95": [low, low + 0.1], "p_holm": p_holm}
    return metrics


def test_the_best_closed_form_decoder_is_named_for_each_way_to_decide():
    assert [(rival.way.inside, rival.model) for rival in rivals(everything())] == [
        ("by song logits", "cca"),
        ("by match", "cca"),
    ]


def test_a_lead_that_is_shown_is_called_one():
    sentence = believe_sentence(with_accuracy(0.82, 0.72, low=0.05))
    assert sentence.startswith("It is more accurate than the best closed-form decoder: by song logits, canonical")
    assert "reaches 82 %" in sentence


@pytest.mark.parametrize("low", [-0.05, -0.3])
def test_where_no_lead_is_shown_the_headline_says_so(low):
    sentence = believe_sentence(with_accuracy(0.96, 0.84, low=low))
    assert sentence.startswith("It is not shown to be more accurate than the best decoder that is solved for")


def test_a_lead_that_does_not_survive_the_correction_is_not_called_one():
    sentence = believe_sentence(with_accuracy(0.82, 0.72, low=0.05, p_holm=0.19))
    assert sentence.startswith("It is not shown to be more accurate than the best decoder that is solved for")


def test_a_better_closed_form_decoder_is_warned_of_and_a_nearly_equal_one_is_not():
    assert "below_linear" in codes(with_accuracy(0.99, 0.7, low=-0.05))
    assert "below_linear" not in codes(with_accuracy(0.979, 0.7, low=-0.05))


def test_only_a_difference_that_is_shown_makes_the_warning_say_what_to_believe():
    titles = {low: below_words(with_accuracy(0.99, 0.7, low=low))[0] for low in (-0.05, -0.3)}
    assert "no difference between them is shown" in titles[-0.05]
    assert titles[-0.3].endswith("believe that one.")


def test_without_closed_form_decoders_nothing_is_said_of_them():
    metrics = metrics_of(models=("predann", "baseline"))
    assert believe_sentence(metrics) == ""
    assert "below_linear" not in codes(metrics)


# Where filters look


LAGS_S = np.arange(-1, 25) / 62.5


def filters_at(lag_s, *, width_s=0.02, components=3, channels=4):
    shape = np.exp(-0.5 * ((LAGS_S - lag_s) / width_s) ** 2)
    weights = np.random.default_rng(0).standard_normal((components, channels, 1)) * shape
    return weights.astype(np.float32)


@pytest.mark.parametrize("lag_s", [0.1, 0.2, 0.3])
def test_the_centre_of_filters_is_where_their_energy_lies(lag_s):
    found = lag_scores([filters_at(lag_s), filters_at(lag_s)], LAGS_S)
    assert found["centre"] == pytest.approx(lag_s, abs=0.005)
    assert sum(found["share"]) == pytest.approx(1)
    assert found["early_share"] < 0.01


@pytest.mark.parametrize("lag_s", [0.01, 0.15])
def test_noise_at_all_lags_does_not_move_the_centre(lag_s):
    noise = np.random.default_rng(1).standard_normal((3, 40, len(LAGS_S))).astype(np.float32)
    noisy = filters_at(lag_s, channels=40) + 0.3 * noise  # more than half of the energy
    assert lag_scores([noisy], LAGS_S)["centre"] == pytest.approx(lag_s, abs=0.015)


def test_every_fold_counts_the_same_however_large_its_weights_are():
    one, other = filters_at(0.1), filters_at(0.3)
    found, scaled = (lag_scores([one, factor * other], LAGS_S) for factor in (1, 1000))
    assert found["share"] == pytest.approx(scaled["share"])


@pytest.mark.parametrize(("lag_s", "warned"), [(0.0, True), (0.02, True), (0.1, False)])
def test_filters_that_look_at_the_sound_itself_are_warned_of(lag_s, warned):
    metrics = everything() | {"response_lags": lag_scores([filters_at(lag_s)], LAGS_S)}
    assert ("stimulus_artefact" in codes(metrics)) is warned


def test_filters_that_decode_nothing_are_not_warned_of():
    metrics = everything() | {"response_lags": lag_scores([filters_at(0.0)], LAGS_S)}
    chance = metrics["models"]["ridge"]["match_chance"]
    metrics["models"]["ridge"] |= {"match_ci95": [chance - 0.05, chance + 0.1]}
    assert "stimulus_artefact" not in codes(metrics)

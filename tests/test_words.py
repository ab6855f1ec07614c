"""Whatever the report speaks of has a row in a table of words."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from predann_bids.config import Splitting
from predann_bids.data.splits import SPLITS
from predann_bids.errors import WrongUsage
from predann_bids.report.words import add
from predann_bids.report.words.decoders import DECODER_WORDS, DecoderWords, add_decoder_words, decoder_words
from predann_bids.report.words.features import FEATURE_WORDS, FeatureWords, add_feature_words, feature_words
from predann_bids.report.words.models import MODEL_WORDS, ModelWords, add_model_words, model_words
from predann_bids.report.words.splits import (
    SPLIT_WORDS,
    TRANSFER,
    Division,
    SplitWords,
    add_split_words,
    fact_about,
    question_about,
    split_words,
)

TABLES = (
    (SPLIT_WORDS, split_words, add_split_words, SplitWords(held_out="a", tested_on="b", methods=lambda _: "c")),
    (MODEL_WORDS, model_words, add_model_words, ModelWords(name="A", inside="a")),
    (DECODER_WORDS, decoder_words, add_decoder_words, DecoderWords(methods="a")),
    (FEATURE_WORDS, feature_words, add_feature_words, FeatureWords("a")),
)


def test_every_split_has_a_row():
    assert set(SPLIT_WORDS) == {*SPLITS, TRANSFER}


def test_every_decoder_network_has_a_row_and_its_features_have_one():
    from predann_bids.models.decoder import DECODERS
    from predann_bids.models.network import Network

    assert set(DECODER_WORDS) == {name for name in DECODERS if issubclass(DECODERS[name], Network)}
    assert {words.features for words in DECODER_WORDS.values()} <= set(FEATURE_WORDS)


@pytest.mark.parametrize("split", SPLIT_WORDS)
def test_every_split_is_described_with_its_folds_unless_nothing_was_trained(split):
    words = split_words(split)
    assert words.held_out
    assert words.tested_on
    described = words.methods(Division(5, Splitting()))
    assert described.endswith(".")
    assert ("5" in described) == (split != TRANSFER)


@pytest.mark.parametrize("split", sorted(set(SPLIT_WORDS) - {TRANSFER}))
def test_every_split_of_a_run_has_a_question_and_says_why_it_can_leak(split):
    assert question_about(split).endswith("?")
    assert split_words(split).leak


@pytest.mark.parametrize("split", sorted(set(SPLIT_WORDS) - {TRANSFER}))
def test_data_that_were_not_set_apart_are_not_described_as_set_apart(split):
    described = split_words(split).methods(Division(5, Splitting(validation=0)))
    assert "early stopping" not in described
    assert "Validation data" not in described


def test_no_two_models_look_or_sound_the_same():
    for field in ("name", "inside", "colour", "marker"):
        assert len({getattr(words, field) for words in MODEL_WORDS.values()}) == len(MODEL_WORDS)


@pytest.mark.parametrize("decoder", DECODER_WORDS)
def test_a_decoder_is_described_with_what_it_hears(decoder):
    words = decoder_words(decoder)
    assert "{features}" in words.methods
    assert words.methods.format(features="spectra").count("{") == 0


@pytest.mark.parametrize(("table", "look_up", "add_row", "row"), TABLES)
def test_a_name_without_a_row_is_refused_until_it_is_added(table, look_up, add_row, row):
    with pytest.raises(WrongUsage, match=r"no words for the .* 'toy'"):
        look_up("toy")
    add_row("toy", row)
    try:
        assert look_up("toy") is row
    finally:
        del table["toy"]


def test_the_words_for_a_name_cannot_be_replaced():
    with pytest.raises(ValueError, match="already has words for a split named 'time'"):
        add("split", SPLIT_WORDS, "time", dataclasses.replace(SPLIT_WORDS["time"], held_out="x"))


def test_a_split_with_the_fewest_words_is_spoken_of_by_its_name(monkeypatch):
    monkeypatch.setitem(SPLIT_WORDS, "toy", TABLES[0][3])
    assert question_about("toy") == "And with the split 'toy'?"
    assert fact_about("toy") == "split by toy"


def test_words_are_light():
    modules = "splits", "models", "decoders", "features", "controls", "decisions"
    imports = "; ".join(f"import predann_bids.report.words.{module}" for module in modules)
    heavy = "{'numpy', 'pandas', 'matplotlib', 'torch', 'mne', 'scipy'} & set(sys.modules)"
    code = f"import sys; {imports}; sys.exit(', '.join({heavy}) or 0)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0

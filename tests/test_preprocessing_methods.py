"""The methods text of the participant level says what is configured, and cites it, and nothing else."""

import pytest

from predann_bids.config import PUBLISHED, Preprocessing
from predann_bids.report.methods.group import preprocessing_methods
from predann_bids.report.methods.references import references

ALWAYS = {"Gorgolewski", "Gramfort", "Pernet", "Yarkoni"}


def methods(**options):
    return preprocessing_methods(Preprocessing(**options))


def cited(text):
    return {entry.split(",")[0] for entry, _ in references(text)}


def test_defaults_are_described_with_their_parameters():
    text = methods()
    for words in ("zero-phase FIR notch", "from 1 to 40 Hz", "average of all EEG channels", "to 125 Hz", "Perrin"):
        assert words in text
    assert cited(text) == ALWAYS | {"Perrin"}


@pytest.mark.parametrize(
    ("options", "words", "authors"),
    [
        ({"line_noise": "zapline", "notch": 60.0}, ["60 Hz", "ZapLine"], {"de Cheveigné"}),
        ({"bad_channels": "auto", "bad_channels_deviation": 4.5}, ["above 4.5", "RANSAC"], {"Bigdely-Shamlo"}),
        (
            {"ica": "auto", "ica_reject": ("eye", "heart"), "ica_threshold": 0.7},
            ["eyes and the heart", "at least 0.7"],
            {"Ablin", "Pion-Tonachini", "Li"},
        ),
        ({"reference": "rest"}, ["REST"], {"Yao"}),
        ({"reference": "mastoids"}, ["mean of the mastoids"], set()),
        ({"reference": "TP9, TP10"}, ["mean of TP9 and TP10"], set()),
        ({"reference": "Cz"}, ["re-referenced to Cz."], set()),
        ({"reference": "none"}, ["reference of the recordings was kept"], set()),
        ({"l_freq": 0.5, "h_freq": 0}, ["high-pass filtered at 0.5 Hz"], set()),
        ({"l_freq": 0, "h_freq": 30}, ["low-pass filtered at 30 Hz"], set()),
        ({"resampling": "fourier"}, ["resampled to 125 Hz by the Fourier method"], set()),
    ],
)
def test_what_is_configured_is_described_and_cited(options, words, authors):
    text = methods(**options)
    for word in words:
        assert word in text
    assert authors <= cited(text)


@pytest.mark.parametrize(
    ("options", "silent"),
    [
        ({}, ["ICLabel", "ZapLine", "PREP", "REST", "mastoid"]),
        ({"notch": "none", "line_noise": "zapline"}, ["power line", "line frequency", "ZapLine"]),
        ({"bad_channels": "auto", "bad_channels_ransac": False}, ["RANSAC"]),
        ({"interpolation": "none"}, ["spline", "Perrin"]),
        ({"l_freq": 0, "h_freq": 0}, ["pass filtered"]),
        ({"bad_spans": "keep"}, ["annotations"]),
        ({"reference": "none"}, ["re-referenced"]),
        ({}, ["Fourier", "left as recorded"]),
        (PUBLISHED["preprocessing"] | {"reference": "average"}, ["left as recorded"]),
        (PUBLISHED["preprocessing"] | {"h_freq": 40.0}, ["left as recorded", "neither filtered"]),
        (PUBLISHED["preprocessing"] | {"notch": 60.0}, ["left as recorded", "neither filtered"]),
    ],
)
def test_what_is_not_configured_is_not_mentioned(options, silent):
    text = methods(**options)
    for word in silent:
        assert word not in text


def test_bad_channels_that_are_not_interpolated_stay_marked():
    assert "marked as bad in the derivatives" in methods(interpolation="none")


def test_the_published_preset_is_told_to_do_nothing_but_resample():
    text = methods(**PUBLISHED["preprocessing"])
    assert "neither filtered nor re-referenced" in text
    for word in ("notch", "pass filtered", "reference of the recordings", "spline", "components", "annotations"):
        assert word not in text
    assert cited(text) == ALWAYS

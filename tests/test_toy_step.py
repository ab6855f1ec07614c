"""A preprocessing step from outside of the package: one class, and one row of words."""

import json

import numpy as np
import pytest

from predann_bids.config import Preprocessing
from predann_bids.errors import WrongUsage
from predann_bids.report.methods.preprocessing import STEP_WORDS, StepWords, add_step_words, preprocessing_methods
from predann_bids.report.methods.references import Work, references
from predann_bids.signals.brainvision import map_brainvision
from predann_bids.signals.preprocessing.interface import STEPS, PreprocessingStep, ordered_steps
from predann_bids.signals.preprocessing.state import Step

STEM = "sub-01/eeg/sub-01_task-music_desc-preproc_eeg"
TOY = Work("Toy, 2024", "Toy, A. (2024). On the polarity of one channel.", "https://example.org")


class Flip(PreprocessingStep):
    order = 65  # after the reference
    mixes = True

    def apply(self, state):
        signs = np.ones(len(state.channels))
        signs[0] = -1
        return state.mix(np.diag(signs)).note(Step("flip", {"channel": state.channels[0]}))


@pytest.fixture
def flip():
    STEPS.add("flip")(Flip)
    add_step_words("flip", StepWords("The polarity of the first channel was reversed (Toy, 2024).", (TOY,)))
    yield
    STEPS.remove("flip")
    del STEP_WORDS["flip"]


@pytest.mark.usefixtures("flip")
def test_a_step_of_a_plugin_is_applied_recorded_and_described(dataset, derivatives, app, tmp_path):
    (tmp_path / "flip.toml").write_text('[preprocessing]\nfurther = ["flip"]\n')
    options = ("--participant-label", "01", "--no-report", "--n-procs", "1", "--skip-bids-validation")
    assert app(dataset, tmp_path / "out", "participant", "--config", tmp_path / "flip.toml", *options)[0] == 0
    usual, flipped = (map_brainvision(root / f"{STEM}.vhdr").data for root in (derivatives, tmp_path / "out"))
    np.testing.assert_array_equal(flipped[:, 0], -usual[:, 0])
    np.testing.assert_array_equal(flipped[:, 1:], usual[:, 1:])
    sidecar = json.loads((tmp_path / "out" / f"{STEM}.json").read_text())
    assert [step["Name"] for step in sidecar["PreprocessingSteps"]][-3:] == ["reference", "flip", "resample"]
    assert sidecar["PreprocessingSteps"][-2]["variance_removed"] == 0
    citation = (tmp_path / "out" / "CITATION.md").read_text()
    assert "polarity of the first channel was reversed" in citation
    assert TOY.entry in citation


@pytest.mark.usefixtures("flip")
def test_a_registered_step_that_is_not_named_is_not_applied():
    assert "flip" not in ordered_steps(Preprocessing())
    assert "polarity" not in preprocessing_methods(Preprocessing())


@pytest.mark.parametrize(("name", "words"), [("flop", "Unknown preprocessing step 'flop'"), ("ica", "is built in")])
def test_only_steps_of_plugins_can_be_named(name, words):
    with pytest.raises(WrongUsage, match=words):
        ordered_steps(Preprocessing(further=(name,)))


def test_every_step_has_words_whose_works_can_be_listed():
    assert set(STEP_WORDS) == set(STEPS)
    for name, words in STEP_WORDS.items():
        for work in words.works:
            assert references(f"({work.cited})") == [(work.entry, work.link)], name


def test_steps_are_done_in_an_order_of_their_own():
    built_in = ["line_noise", "bad_channels", "ica", "interpolation", "band_pass", "reference", "resampling"]
    assert list(ordered_steps(Preprocessing())) == built_in

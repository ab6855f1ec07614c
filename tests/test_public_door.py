"""`from predann_bids import ...`: what scripts and notebooks use."""

import doctest
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

import predann_bids
from predann_bids import plugins
from predann_bids.config import resolving
from predann_bids.models.audio.features import FEATURES
from predann_bids.report.words.features import FEATURE_WORDS
from predann_bids.workflows.execution import Execution

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("name", sorted(set(predann_bids.__all__) - {"__version__"}))
def test_everything_behind_the_door_is_there_and_says_how_it_is_used(name):
    assert getattr(predann_bids, name).__doc__


def test_the_door_can_be_opened_without_importing_anything_heavy():
    script = (
        "import sys, predann_bids; predann_bids.resolve; predann_bids.__version__\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'mne', 'lightning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'something'"):
        predann_bids.something  # noqa: B018


@pytest.mark.parametrize("module", [plugins, resolving], ids=lambda module: module.__name__)
def test_examples_in_docstrings_run(module):
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
    if "fine-mel" in FEATURES:  # what the example has registered
        FEATURES.remove("fine-mel")
        del FEATURE_WORDS["fine-mel"]


def test_the_example_of_the_readme_runs(dataset, derivatives, tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    shutil.copytree(dataset, tmp_path / "ds")
    shutil.copytree(derivatives, tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    quick = {"training.epochs": 1, "training.baseline": False, "evaluation.probe": False, "evaluation.linear": False}
    quick |= {"splitting.n_folds": 2, "windows.scaling": "window"}
    resolve = predann_bids.resolve
    monkeypatch.setattr("predann_bids.resolve", lambda flags: resolve(flags=flags | quick), raising=False)
    for level in ("run_participant", "run_group"):
        run = partial(getattr(predann_bids, level), execution=Execution(n_procs=1, report=False))
        monkeypatch.setattr(f"predann_bids.{level}", run, raising=False)
    names = {"eeg": torch.randn(2, 8, 375), "__name__": "example"}
    exec(compile(example, "README.md", "exec"), names)
    assert names["song_logits"].shape == (2, 3)
    assert names["representation"].ndim == 3

from pathlib import Path
from types import SimpleNamespace

import pytest

from predann_bids.errors import MissingInput
from predann_bids.workflows.group.run import _refuse_missing

PLAN = SimpleNamespace(directory=Path("out/group/predann"))


def fit(fold, model, *, done=False, given=()):
    return SimpleNamespace(
        split=SimpleNamespace(fold=fold),
        model=SimpleNamespace(name=model),
        study=SimpleNamespace(given=given),
        is_finished=lambda: done,
    )


def test_what_is_missing_is_named_by_fold_and_model_with_the_command_that_makes_it():
    fits = [fit(1, "predann", done=True), fit(3, "predann"), fit(3, "predann"), fit(2, "linear"), fit(2, "predann")]
    with pytest.raises(MissingInput, match=r"fold 2: linear, predann; fold 3: predann\..*--fold 2 3\.$"):
        _refuse_missing(PLAN, fits)


def test_what_is_there_or_was_trained_elsewhere_is_not_missing():
    _refuse_missing(PLAN, [fit(1, "predann", done=True), fit(1, "predann", given={"predann": Path("x.ckpt")})])


@pytest.mark.parametrize("other", [["--fold", "1"], ["--overwrite"]])
def test_pooling_alone_takes_all_folds_as_they_are(app, other):
    code, _, error = app("ds", "out", "group", "--pool-only", *other)
    assert code == 64
    assert "--pool-only" in error

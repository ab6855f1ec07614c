"""What the points of a sweep have in common, and need not be trained for each of them."""

from __future__ import annotations

import shutil

from predann_bids.config import Science
from predann_bids.files import written_whole
from predann_bids.workflows.sweep.points import Point
from predann_bids.workflows.sweep.runs import Runs


def take_over(runs: Runs, point: Point) -> None:
    """Copy what the nearest finished point has trained to a new point.

    Points that differ only in the weight of PredANN, for instance, have the same baseline and linear decoders. The
    group run decides by hashes what really is the same; what is not is trained again and replaced.
    """
    target = runs.of(point)
    if target.exists() or runs.execution.overwrite:
        return
    finished = [other for other in runs.sweep.points if other.label != point.label and runs.is_finished(other)]
    nearest = min(finished, key=lambda other: _distance(point.science, other.science), default=None)
    if nearest is None or _distance(point.science, nearest.science)[0]:
        return
    source = runs.of(nearest)
    # .json files last: they say that a model is finished
    for file in sorted(source.rglob("fold-*/**/*"), key=lambda file: (file.suffix == ".json", file)):
        if file.is_file() and file.suffix in (".ckpt", ".npz", ".csv", ".json") and "_probe" not in file.stem:
            with written_whole(target / file.relative_to(source)) as beside:
                shutil.copyfile(file, beside)


def _distance(one: Science, other: Science) -> tuple[int, int, int]:
    """Count the keys in which configurations differ: those that all models depend on, then decoders, then PredANN."""

    def differing(section: str, keys: set[str]) -> int:
        a, b = getattr(one, section), getattr(other, section)
        return sum(getattr(a, key) != getattr(b, key) for key in keys)

    training = set(type(one.training).model_fields) - {"seed", "seeds", "baseline", "n_seeds", "predann_weight"}
    sections = set(type(one).model_fields) - {"preset", "preprocessing", "training", "evaluation"}
    all_models = sum(getattr(one, section) != getattr(other, section) for section in sections - {"windows"})
    all_models += differing("windows", set(type(one.windows).model_fields) - {"stride"}) + differing(
        "training", {"seed"}
    )
    return all_models, differing("training", training), differing("training", {"predann_weight"})

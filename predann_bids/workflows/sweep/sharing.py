"""What the points of a sweep have in common, and need not be trained for each of them."""

from __future__ import annotations

import shutil

from predann_bids.files import written_whole
from predann_bids.workflows.group.fits import shared_models
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
    nearest = max(finished, key=lambda other: shared_models(point.science, other.science), default=None)
    if nearest is None or not shared_models(point.science, nearest.science):
        return
    source = runs.of(nearest)
    # .json files last: they say that a model is finished
    for file in sorted(source.rglob("fold-*/**/*"), key=lambda file: (file.suffix == ".json", file)):
        if file.is_file() and file.suffix in (".ckpt", ".npz", ".csv", ".json") and "_probe" not in file.stem:
            with written_whole(target / file.relative_to(source)) as beside:
                shutil.copyfile(file, beside)

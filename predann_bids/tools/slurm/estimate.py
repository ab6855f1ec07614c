"""What tasks need of a cluster, estimated from the dataset, or from tasks that have ended.

The estimates are generous: a task that asks for too much waits a little longer, one that asks for too little is done
twice. Times are rough, as nobody knows the nodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from predann_bids.tools.slurm.plan import Needs

SPARE_GB, SPARE = 1.0, 1.5  # beside what is estimated, and as a factor
START_MIN = 10.0  # loading the image and the modules from a file system that many use
PARTICIPANT_MIN, PER_GB_MIN, ICA_FACTOR = 3.0, 15.0, 4.0
WINDOWS_PER_S = {"small": 150.0, "large": 3.0, "gpu": 150.0}  # trained in a second by one process, at the least
TRAINED_MODELS = 3  # with the PredANN objective, without it, and with the moment known
TIME_STEP_MIN = 30
MOST_MIN = 7 * 24 * 60
PARTICIPANT_CPUS, PART_CPUS, POOL_CPUS = 1, 4, 2
POOL_GB, POOL_MIN, PROCESS_GB = 4, 60, 0.7


@dataclass(frozen=True)
class Load:
    """How much work there is.

    Parameters
    ----------
    participant_gb : float
        Memory that the largest recording needs at its peak.
    largest_gb : float
        EEG files of the participant who has most.
    searches : bool
        Whether bad channels or independent components are looked for.
    windows : float
        Windows that fit side by side in all recordings.
    trainings : float
        Epochs of a fold, times models, seeds, and versions of the data.
    parts : int
        Folds that one task trains: 1, or all folds of a point.
    fit_gb : float
        Memory of one training.
    is_large : bool
        Whether the network is large.
    """

    participant_gb: float
    largest_gb: float
    searches: bool
    windows: float
    trainings: float
    parts: int
    fit_gb: float
    is_large: bool


def estimate(load: Load, *, per_job: int, gpus: int) -> dict[str, Needs]:
    """Estimate what a task of each stage needs.

    Parameters
    ----------
    load : Load
        How much work there is.
    per_job : int
        Participants of a task.
    gpus : int
        GPUs of a task that trains.
    """
    return {
        "participants": Needs(
            PARTICIPANT_CPUS, _gb(load.participant_gb), _minutes(_participant_minutes(load) * per_job)
        ),
        **dict.fromkeys(("folds", "points"), _training(load, gpus)),
        "pool": Needs(POOL_CPUS, POOL_GB, POOL_MIN),
    }


def _participant_minutes(load: Load) -> float:
    return PARTICIPANT_MIN + PER_GB_MIN * load.largest_gb * (ICA_FACTOR if load.searches else 1.0)


def _training(load: Load, gpus: int) -> Needs:
    at_once = 1 if load.is_large else PART_CPUS  # a large network uses all processors for one training
    speed = WINDOWS_PER_S["gpu" if gpus else "large" if load.is_large else "small"]
    seconds = load.windows * load.trainings * load.parts / (speed * min(at_once, TRAINED_MODELS))
    return Needs(PART_CPUS, _gb(PROCESS_GB + load.fit_gb * at_once), _minutes(seconds / 60), gpus)


def learned(needs: Needs, seconds: Sequence[float], peak_gb: Sequence[float]) -> Needs:
    """Put what finished tasks took, twice the longest and half as much memory again, in place of an estimate."""
    if seconds:
        needs = replace(needs, minutes=_minutes(2 * max(seconds) / 60))
    return replace(needs, mem_gb=_gb(max(peak_gb))) if peak_gb else needs


def overridden(needs: Mapping[str, Needs], wanted: Mapping[str, Mapping[str, int | None]]) -> dict[str, Needs]:
    """Put what was asked for in place of estimates; None asks for nothing."""
    return {
        name: replace(some, **{field: value for field, value in wanted.get(name, {}).items() if value is not None})
        for name, some in needs.items()
    }


def _gb(gb: float) -> int:
    return math.ceil(gb * SPARE + SPARE_GB)


def _minutes(minutes: float) -> int:
    return min(MOST_MIN, TIME_STEP_MIN * math.ceil((START_MIN + minutes) / TIME_STEP_MIN))

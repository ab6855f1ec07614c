"""Do the fits that are left to do, in several processes and beside other runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from predann_bids.config import Training
from predann_bids.errors import Busy, UnusableData
from predann_bids.progress import Progress
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.fits import ModelFit
from predann_bids.workflows.group.fitting.one_fit import do_fit
from predann_bids.workflows.group.fitting.training import refuse_too_large
from predann_bids.workflows.locks import exclusive
from predann_bids.workflows.processes import Finished, Work, Worker, do_all
from predann_bids.workflows.resources import devices_each, left_over, processes_for

BUSY_S = 600.0  # for which a run waits for another process to finish what alone is left to do
Task = TypeVar("Task")
Value = TypeVar("Value")
PRELOAD = ("predann_bids.learning.fitting", "predann_bids.models.checkpoints", "sklearn.model_selection", __name__)


def train_all(fits: Sequence[ModelFit], execution: Execution) -> None:
    """Do the fits that are not done yet: first what is solved for, which networks contain, then the longest.

    Devices that would have nothing to do at the end share what is left, where networks are large enough. What another
    process is working on is left to it, and waited for when all else is done.

    Raises
    ------
    Busy
        Another process is still working on something.
    """
    to_do = [fit for fit in fits if execution.overwrite or not fit.is_finished()]
    solved = [fit for fit in to_do if not fit.model.in_epochs]
    trained = sorted((fit for fit in to_do if fit.model.in_epochs), key=lambda fit: -fit.units)
    if trained and not trained[0].study.given:
        refuse_too_large(trained[0])  # before anything is solved for, which may take long
    busy: list[ModelFit] = []
    for title, some, work in (
        ("Solving", solved, train_one),
        *(("Training", part, train_one) for part in _rounds(trained, execution)),
        ("Waiting for another process", busy, train_when_free),
    ):
        if not some:
            continue
        waits, in_epochs, training = some is busy, some[0].model.in_epochs, some[0].science.training
        finished = [fit for fit in fits if fit.model.in_epochs == in_epochs and fit not in some and not waits]
        trains = in_epochs and not some[0].study.given
        each = devices_each(training, len(some), execution) if trains else 1
        run_tasks(
            work,
            tuple(fit.on_devices(each) for fit in some) if each > 1 else tuple(some),
            replace(execution, devices_each=each),
            title=title,
            training=training,
            units=lambda fit: fit.units,
            done=sum(fit.units for fit in finished),
            busy=None if waits else busy,
        )


def _rounds(trained: Sequence[ModelFit], execution: Execution) -> list[Sequence[ModelFit]]:
    """Divide trainings into those that have a device each, and a rest that shares the devices."""
    if not trained:
        return []
    whole = len(trained) - left_over(trained[0].science.training, len(trained), execution)
    return [trained[:whole], trained[whole:]]


def run_tasks(
    work: Work[Task, Value],
    tasks: Sequence[Task],
    execution: Execution,
    *,
    title: str,
    training: Training,
    units: Callable[[Task], int] = lambda _: 1,
    done: int = 0,
    busy: list[Task] | None = None,
) -> None:
    """Do tasks in several processes, showing progress; the first failure ends it.

    Parameters
    ----------
    work : callable
        See `processes.do_all`.
    tasks : sequence
        What to do.
    execution : Execution
        How to run.
    title : str
        What it is called in messages.
    training : Training
        Says how much memory and how many processors each task needs.
    units : callable
        How much work a task is, for the progress bar.
    done : int
        How much work an earlier run has done, for the progress bar.
    busy : list, optional
        Takes the tasks that another process is working on, each of which is a failure otherwise.
    """
    if not tasks:
        return
    processes = processes_for(training, execution)
    with Progress(title, done + sum(map(units, tasks)), done) as progress:
        for finished in do_all(
            work, tasks, processes, preload=PRELOAD, on_beat=progress.beat, on_progress=progress.advance
        ):
            if busy is not None and finished.failure and finished.failure.kind is Busy:
                busy.append(finished.task)
            else:
                _refuse_failure(finished, title)


def _refuse_failure(finished: Finished[Task, Value], title: str) -> None:
    failure = finished.failure
    if failure and failure.kind is Busy:
        raise Busy(failure.message)
    if failure:
        raise (failure.kind or UnusableData)(
            f"{title} failed: {failure.message}\n{failure.trace if not failure.kind else ''}".strip()
        )


def train_when_free(fit: ModelFit, worker: Worker) -> None:
    """Do the same as `train_one`, but wait for some minutes when another process is doing it."""
    train_one(fit, worker, wait_s=BUSY_S)


def train_one(fit: ModelFit, worker: Worker, wait_s: float = 0) -> None:
    """Train (or read), test and save one model, unless another process has just done it."""
    lock, what = fit.directory / f".{fit.model.name}.lock", f"{fit.title} of {fit.study.directory}"
    with exclusive(lock, wait_s, what=what):
        if fit.execution.overwrite or not fit.is_finished():
            do_fit(fit, worker)
        else:
            worker.advance(fit.units, f"{fit.title}: done by another process")

import errno
import multiprocessing
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from in_processes import process, squared, unsendable

from predann_bids.config import Training
from predann_bids.errors import Busy
from predann_bids.workflows import processes
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.group.fitting import tasks
from predann_bids.workflows.group.fitting.tasks import train_all
from predann_bids.workflows.processes import do_all


def started_here(monkeypatch, fails):
    """Make it impossible to start processes in some ways."""
    real = multiprocessing.get_context

    def context(method):
        found = real(method)
        if method in fails:
            monkeypatch.setattr(found.Process, "start", refuse)
        return found

    def refuse(_):
        raise OSError(errno.EPERM, "AF_UNIX path too long")

    monkeypatch.setattr(processes.multiprocessing, "get_context", context)


@pytest.fixture
def no_semaphores(monkeypatch):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", read_only)
    monkeypatch.setattr("multiprocessing.heap.Arena.__init__", read_only)


@pytest.mark.usefixtures("no_semaphores")
def test_processes_need_no_semaphores_and_say_how_far_they_are():
    told = []
    done = list(do_all(squared, [1, 2, 3, 4], 2, on_progress=lambda units, note: told.append((units, note))))
    assert {finished.task: finished.value for finished in done} == {1: 1, 2: 4, 3: None, 4: 16}
    assert [finished.failure.message for finished in done if finished.failure] == ["three."]
    assert sorted(told) == [(1, "1"), (1, "2"), (1, "3"), (1, "4")]


def test_each_process_has_a_number_and_the_temporary_directory_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    values = [finished.value for finished in do_all(process, [1, 2], 2)]
    assert len({pid for pid, _, _ in values} - {os.getpid()}) == 2
    assert {number for _, number, _ in values} == {0, 1}
    assert {Path(directory) for _, _, directory in values} == {tmp_path}


def test_a_value_that_cannot_be_sent_is_a_failure_of_its_task():
    assert all("pickle" in finished.failure.message for finished in do_all(unsendable, [1, 2], 2))


def test_where_no_process_can_be_started_one_does_all_and_says_so(monkeypatch, capsys):
    started_here(monkeypatch, {"forkserver", "spawn"})
    assert [finished.value for finished in do_all(squared, [1, 2], 2)] == [1, 4]
    assert "one process does all the work" in capsys.readouterr().err


def test_where_there_can_be_no_socket_processes_are_started_without(monkeypatch, capsys):
    started_here(monkeypatch, {"forkserver"})
    values = [finished.value for finished in do_all(process, [1, 2], 2)]
    assert os.getpid() not in {pid for pid, _, _ in values}
    assert capsys.readouterr().err == ""


def test_no_process_is_left_when_the_caller_stops_listening():
    results = do_all(squared, [1, 2, 4, 5], 2)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []


# -- what another process is working on --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """What is looked at of a fit before it is done."""

    name: str
    in_epochs: bool = True
    units = 1

    model = property(lambda self: self)
    science = property(lambda self: SimpleNamespace(training=Training()))
    study = property(lambda self: SimpleNamespace(given={"predann": "elsewhere"}))

    def is_finished(self):
        return False


@pytest.fixture
def done_by(monkeypatch):
    """Do fits of which the first is busy so many times; gives what was done, waits, and the error if there was one."""

    def done_by(busy_for):
        done, waits = [], []

        def train_one(fit, worker, wait_s=0):
            if fit.name == "solved":
                waits.append(wait_s)
                if len(waits) <= busy_for:
                    raise Busy("Another process is working on fold 1, solved.")
            done.append(fit.name)

        monkeypatch.setattr(tasks, "train_one", train_one)
        try:
            train_all([Fit("solved", in_epochs=False), Fit("trained"), Fit("another")], Execution(n_procs=1))
        except Busy as error:
            return done, waits, str(error)
        return done, waits, ""

    return done_by


def test_what_another_process_works_on_is_left_to_the_end_of_all_stages_and_waited_for(done_by):
    assert done_by(busy_for=0) == (["solved", "trained", "another"], [0], "")
    assert done_by(busy_for=1) == (["trained", "another", "solved"], [0, tasks.BUSY_S], "")


def test_if_it_is_not_done_by_then_the_run_says_so_after_all_else_is_done(done_by):
    done, _, said = done_by(busy_for=2)
    assert done == ["trained", "another"]
    assert said == "Another process is working on fold 1, solved."

import os
import signal
import subprocess
import sys
import time

import pytest

from predann_bids.surroundings.stopping import PATIENCE_S, Request, Stopped, request_to_stop, stop_when_asked
from predann_bids.workflows.processes import do_all


@pytest.fixture
def handled():
    before = {number: signal.getsignal(number) for number in PATIENCE_S}
    stop_when_asked()
    yield request_to_stop()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", PATIENCE_S)
def test_a_signal_ends_what_is_done_and_says_which_it_was(handled, number):
    with pytest.raises(Stopped, match=signal.Signals(number).name):
        os.kill(os.getpid(), number)
    assert handled.has_come


def test_a_signal_waits_for_the_end_of_a_block_that_holds_it_back(handled):
    saved = []

    def save():
        with handled.held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            saved.append(handled.has_come)

    with pytest.raises(Stopped):
        save()
    assert saved == [True]


def test_a_second_signal_does_not_disturb_the_end(handled):
    with pytest.raises(Stopped, match="SIGUSR1"):
        os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGTERM)
    assert "SIGUSR1" in str(handled.as_error())


def test_a_block_that_nobody_asks_to_stop_goes_on(handled):
    with handled.held_back():
        pass
    assert not handled.has_come
    assert not handled.is_overdue


def test_without_a_handler_nothing_is_ever_asked():
    assert isinstance(request_to_stop(), Request)
    assert not request_to_stop().has_come


def sleep(seconds, _):
    time.sleep(seconds)


def test_processes_at_work_are_stopped_as_well(handled):
    begun = time.monotonic()

    def beat():
        if time.monotonic() - begun > 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped):
        list(do_all(sleep, [600, 601], 2, on_beat=beat))


def test_a_program_that_is_stopped_ends_with_75_and_says_how_to_go_on():
    program = (
        "import click, os, signal, sys\n"
        "from predann_bids.cli import run\n"
        "from predann_bids.surroundings.stopping import stop_when_asked\n"
        "stop_when_asked()\n"
        "command = click.Command('x', callback=lambda: os.kill(os.getpid(), signal.SIGUSR1))\n"
        "sys.exit(run(command, []))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 75
    assert "SIGUSR1" in done.stderr
    assert "same command" in done.stderr

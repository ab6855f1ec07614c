"""A tiny dataset with music in it, and its derivatives, made once for all tests, in however many processes they run."""

import gc
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import warnings

import pytest
from filelock import FileLock
from hypothesis import settings

from predann_bids.cli import make_command, run

# each process of a test run has a processor of its own; more threads would wait for each other. Nothing imported so far
# has imported NumPy or PyTorch, which read it once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("suite", max_examples=40, deadline=None)
settings.load_profile("suite")


def pytest_collection_finish():
    """What was imported stays: no collection of garbage, of which the program asks for some, need look at it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """Let no test leave PyTorch more threads, which would keep processors busy while they wait for each other."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    try:
        return (yield)
    finally:
        if before:
            torch.set_num_threads(before)


@pytest.fixture(scope="session")
def built_once(tmp_path_factory):
    """Make a directory once for all processes of a test run: takes its name, and a function that makes it."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"

    def built_once(name, build):
        directory, done = shared / name, shared / f"{name}.done"
        shared.mkdir(exist_ok=True)
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(directory, ignore_errors=True)
                build(directory)
                done.touch()
        return directory

    return built_once


@pytest.fixture(scope="session")
def dataset(built_once):
    """Four participants, three songs of 12 s, 8 channels; read-only by agreement."""
    from predann_bids.tools.simulation.dataset import simulate
    from predann_bids.tools.simulation.settings import Simulation

    tiny = Simulation(participants=4, songs=3, seconds=12, channels=8, sampling_rate=200, snr=1.0, seed=1)
    return built_once("ds", lambda root: simulate(root, tiny))


@pytest.fixture
def dataset_copy(dataset, tmp_path):
    """A copy to damage."""
    return shutil.copytree(dataset, tmp_path / "ds")


@pytest.fixture(scope="session")
def derivatives(dataset, built_once):
    """The participant level's output for `dataset`, without reports; read-only by agreement."""

    def build(output):
        with warnings.catch_warnings():
            quick = ("--no-report", "--n-procs", "1", "--skip-bids-validation")
            assert run(make_command(), [str(dataset), str(output), "participant", *quick]) == 0

    return built_once("derivatives", build)


@pytest.fixture(scope="module")
def few_solutions():
    """Let closed-form decoders choose among 4 solutions, not 96: for runs of which the choice is not looked at."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("filters", "taught"):
            decoders = f"predann_bids.models.decoders.{name}"
            patch.setattr(f"{decoders}.SHRINKAGES", (0.1,))
            patch.setattr(f"{decoders}.EEG_ALPHAS", (1.0,))
            patch.setattr(f"{decoders}.AUDIO_ALPHAS", (3.0,))
        yield


@pytest.fixture
def app(capsys):
    """Run `predann-bids` in this process; gives the exit code, standard output and standard error."""

    def app(*arguments):
        code = run(make_command(), [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return app


@pytest.fixture(scope="session")
def validator_errors():
    """Run the BIDS validator on a directory; gives the errors that it finds."""

    def validator_errors(root):
        command = [
            sysconfig.get_path("scripts") + "/bids-validator-deno",
            str(root),
            "--ignoreWarnings",
            "--format",
            "json",
        ]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        return json.loads(finished.stdout)["issues"]["issues"]

    return validator_errors

"""Start and end processes that help one that trains: each takes a share of every batch, on a device of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from predann_bids.errors import MissingInput, TryAgain
from predann_bids.learning.sharing.joining import Meeting, join, leave
from predann_bids.models.network import Network
from predann_bids.models.published.team import Team

HELPER = "predann_bids.learning.sharing.helper"
LONGEST = timedelta(minutes=5)  # that one waits for another in the middle of a step, in which others may compile
PATIENCE_S = 20.0  # for which a helper may take to end


@contextmanager
def shared(network: Network, device: torch.device, beside: Sequence[str]) -> Iterator[None]:
    """Let processes on other devices take a share of each batch, during a block.

    Parameters
    ----------
    network : Network
        What is trained, in this process; one that `can_share` if there are other devices.
    device : torch.device
        Where this process computes.
    beside : sequence of str
        The other devices, as PyTorch names them. None means that nothing is shared.

    Raises
    ------
    TryAgain
        A helper has ended before its time.
    """
    if not beside:
        yield
        return
    with _helpers(device, beside) as helpers:
        network.share(Team(helpers.send, len(beside)))
        try:
            yield
        except (RuntimeError, OSError) as error:
            helpers.refuse_lost(error)
            raise
        finally:
            network.share(None)


@dataclass(frozen=True)
class _Helpers:
    """Processes, and this side's ends of the pipes to them."""

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    pipes: list[Connection] = field(default_factory=list)

    def start_one(self) -> None:
        # worker processes are not allowed to have children by way of `multiprocessing`
        ours, theirs = Pipe()
        self.pipes.append(ours)
        command = [sys.executable, "-m", HELPER, str(theirs.fileno())]
        with theirs:
            process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
        self.processes.append(process)

    def send(self, message: Any) -> None:
        for pipe in self.pipes:
            pipe.send(message)

    def wait_for(self) -> None:
        """Wait until all have imported what they need."""
        try:
            for pipe in self.pipes:
                pipe.recv()
        except (EOFError, OSError) as error:
            self.refuse_lost(error)

    def refuse_lost(self, error: Exception) -> None:
        """Raise TryAgain if a helper has ended, with what it said last."""
        for process, pipe in zip(self.processes, self.pipes, strict=True):
            said = ""
            with suppress(EOFError, OSError, subprocess.TimeoutExpired):
                process.wait(1)
                said = str(pipe.recv()) if pipe.poll() else ""
            if process.returncode is not None:
                raise TryAgain(
                    f"A process that took a share of a training has ended (exit code {process.returncode}). What is"
                    f" finished is kept: repeat the command, if need be with fewer --devices.{said and chr(10)}{said}"
                ) from error

    def dismiss(self) -> None:
        """Close the pipes, on which helpers end, and wait for them."""
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _helpers(device: torch.device, beside: Sequence[str]) -> Iterator[_Helpers]:
    if not torch.distributed.is_available():
        raise MissingInput("This PyTorch cannot divide a training over devices: use --devices 1.")
    helpers = _Helpers()
    with tempfile.TemporaryDirectory(prefix="predann-bids-") as directory:
        try:
            for _ in beside:
                helpers.start_one()
            helpers.wait_for()
            meetings = _meetings(Path(directory) / "meeting", (str(device), *beside))
            for pipe, meeting in zip(helpers.pipes, meetings[1:], strict=True):
                pipe.send(meeting)
            join(meetings[0])
            yield helpers
        finally:
            for pipe in helpers.pipes:
                pipe.close()
            leave()
            helpers.dismiss()


def _meetings(file: Path, devices: Sequence[str]) -> list[Meeting]:
    # NCCL is for accelerators, one for each process
    fast = devices[0].startswith("cuda") and len(set(devices)) == len(devices)
    return [
        Meeting(
            file=file,
            number=number,
            among=len(devices),
            device=device,
            backend="nccl" if fast else "gloo",
            longest=LONGEST,
            threads=torch.get_num_threads(),
            deterministic=torch.get_deterministic_debug_mode(),
            fills_memory=torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        )
        for number, device in enumerate(devices)
    ]

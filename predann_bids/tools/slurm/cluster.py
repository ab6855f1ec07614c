"""Ask SLURM: what is in the queue, how jobs ended, what they took; and submit."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from predann_bids.errors import MissingInput, TryAgain
from predann_bids.tools.slurm.words import IN_ACCOUNTS, Cause

UNITS = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def submit(directory: Path) -> str:
    """Submit what is missing, and return what `submit.sh` printed.

    Raises
    ------
    MissingInput
        There is no SLURM here.
    TryAgain
        SLURM refuses; the message is its own.
    """
    if not shutil.which("sbatch"):
        raise MissingInput(f"There is no sbatch here. Run {directory / 'submit.sh'} where jobs can be submitted.")
    done = subprocess.run([directory / "submit.sh"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TryAgain(f"The jobs were not all submitted. {done.stdout.strip()} {done.stderr.strip()}".strip())
    return done.stdout


def queue(directory: Path) -> dict[tuple[str, int], str]:
    """Return the state of the tasks of a directory that are in the queue, by stage and number; empty without SLURM."""
    columns = "%j|%K|%T|%Z"
    text = _output(["squeue", "-h", "-r", "-u", getpass.getuser(), "-o", columns])
    found = {}
    for line in text.splitlines():
        name, number, state, where = [*line.split("|", 3), "", "", ""][:4]
        if name.startswith("predann-") and where == str(directory.resolve()):
            found[name.removeprefix("predann-"), int(number) if number.isdigit() else 1] = state
    return found


def accounts(jobs: Sequence[str]) -> dict[str, Cause]:
    """Return why jobs ended, as far as sacct knows; empty where there is none."""
    if not jobs:
        return {}
    text = _output(["sacct", "-n", "-P", "-X", "-j", ",".join(jobs), "-o", "JobIDRaw,State"])
    pairs = (line.split("|", 1) for line in text.splitlines() if "|" in line)
    return {job: IN_ACCOUNTS[word] for job, state in pairs if (word := (state.split() or [""])[0]) in IN_ACCOUNTS}


def peaks_gb(jobs: Sequence[str]) -> list[float]:
    """Return how much memory jobs needed, as far as sacct knows."""
    if not jobs:
        return []
    text = _output(["sacct", "-n", "-P", "-j", ",".join(jobs), "-o", "MaxRSS"])
    return [value for line in text.splitlines() if (value := _gb(line.strip()))]


def _gb(text: str) -> float:
    number, unit = text.rstrip("KMGT"), text[-1:]
    try:
        return float(number) * UNITS.get(unit, 1.0) / 1e9
    except ValueError:
        return 0.0


def _output(command: Sequence[str]) -> str:
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""

"""Kill runs of both levels at random moments, go on with the same command, and compare the results to the byte.

Usage: python tests/cluster/kills.py WORK_DIR [--kills 10 10] [--seed 0] [--command "predann-bids"]

A tiny dataset is simulated in WORK_DIR and done undisturbed. Then it is done again and again in new output directories,
and each run is sent TERM or KILL, to its first process or to all of them, at a moment that is drawn anew. `counts.json`
in WORK_DIR says what was done and what was left behind. The exit code is 1 if anything differs. `--kills` says how many
runs of the participant level and of the group level are killed; where all of the group level are done, only the last
output directory goes on to it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SIMULATED = "--participants 3 --songs 3 --seconds 15 --channels 8 --sampling-rate 125 --seed 1"
LEVELS = {
    "participant": "--n-procs 2 --skip-bids-validation",
    "group": "--n-procs 2 --epochs 2 --n-folds 3 --no-probe --skip-bids-validation --accelerator cpu",
}
COMPARED = {
    "participant": ("sub-*/**/*.eeg", "sub-*/**/*_events.tsv", "sub-*/**/*_channels.tsv", "participants.tsv"),
    "group": tuple(f"group/predann/{name}" for name in ("metrics.json", "predictions.tsv", "splits.tsv")),
}
ENDS_S = 60.0  # for processes that were not killed themselves to notice that they are alone
MARKS = (".writing-*", ".stale-*", ".probe-*", ".scratch")


@dataclass
class Tally:
    """What was done, and what it left behind."""

    kills: Counter[str] = field(default_factory=Counter)
    passes: int = 0
    leftovers: list[str] = field(default_factory=list)
    survivors: int = 0
    differences: list[str] = field(default_factory=list)

    def of(self, level: str) -> int:
        """Kills at a level."""
        return sum(number for name, number in self.kills.items() if name.startswith(level))


def main(arguments: Sequence[str] | None = None) -> int:
    """Do as the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work_dir", type=Path)
    parser.add_argument("--kills", type=int, nargs=2, default=(10, 10), metavar=("PARTICIPANT", "GROUP"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", default=f"{shlex.quote(sys.executable)} -m predann_bids")
    given = parser.parse_args(arguments)
    work, chance, tally = given.work_dir.absolute(), random.Random(given.seed), Tally()
    work.mkdir(parents=True, exist_ok=True)
    bids = work / "bids"
    if not bids.is_dir():
        simulate = [sys.executable, "-m", "predann_bids.tools", "simulate", str(bids), *SIMULATED.split()]
        subprocess.run(simulate, check=True)
    typed = shlex.split(given.command)
    calm = work / "undisturbed"
    took = {level: _undisturbed([*typed, str(bids), str(calm), level, *LEVELS[level].split()]) for level in LEVELS}
    wanted = dict(zip(LEVELS, given.kills, strict=True))
    while any(tally.of(level) < wanted[level] for level in LEVELS):
        tally.passes += 1
        output = work / f"killed-{tally.passes}"
        for level, options in LEVELS.items():
            if (
                level == "group"
                and tally.of("participant") < wanted["participant"]
                and tally.of(level) == wanted[level]
            ):
                continue
            command = [*typed, str(bids), str(output), level, *options.split()]
            took[level] = _with_kills(command, level, took[level], wanted[level], chance, tally)
            tally.differences += differences(calm, output, level)
        tally.leftovers += leftovers(output)
    counts = vars(tally) | {"undisturbed_s": {level: round(seconds, 1) for level, seconds in took.items()}}
    (work / "counts.json").write_text(json.dumps(counts, indent=2) + "\n")
    sys.stdout.write(json.dumps(counts, indent=2) + "\n")
    return int(bool(tally.differences or tally.leftovers or tally.survivors))


def _undisturbed(command: Sequence[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def _with_kills(
    command: Sequence[str], level: str, took_s: float, kills: int, chance: random.Random, tally: Tally
) -> float:
    """Repeat a command until it gets to its end, and kill it meanwhile as long as there are kills left.

    Returns how long a run takes: other work on the machine comes and goes, and later kills have to find runs at work.
    """
    began, is_whole = time.monotonic(), True
    while True:
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        if tally.of(level) < kills:
            try:
                run.communicate(timeout=chance.uniform(0, took_s))
            except subprocess.TimeoutExpired:
                _kill(run, level, chance, tally)
                is_whole = False
                continue
        _, errors = run.communicate()
        if run.returncode:
            raise SystemExit(f"{shlex.join(command)} ended with {run.returncode}:\n{errors.decode()}")
        return time.monotonic() - began if is_whole else took_s


def _kill(run: subprocess.Popen[bytes], level: str, chance: random.Random, tally: Tally) -> None:
    number, everything = chance.choice((signal.SIGTERM, signal.SIGKILL)), chance.choice((True, False))
    (os.killpg if everything else os.kill)(run.pid, number)
    run.wait()
    tally.kills[f"{level}, {number.name} to {'all processes' if everything else 'the first process'}"] += 1
    sys.stdout.write(f"kill {tally.kills.total()}: {level}, {number.name}\n")
    sys.stdout.flush()
    until = time.monotonic() + ENDS_S
    while alive := members(run.pid):
        if time.monotonic() > until:
            tally.survivors += len(alive)
            os.killpg(run.pid, signal.SIGKILL)
            return
        time.sleep(0.2)


def members(session: int) -> list[int]:
    """Processes of a session that are at work."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, own = (process / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:  # ended meanwhile
            continue
        if int(own) == session and state != "Z":
            found.append(int(process.name))
    return found


def differences(calm: Path, other: Path, level: str) -> list[str]:
    """Results that are not the same to the byte, or are in one of the two only."""
    names = {
        path.relative_to(root) for root in (calm, other) for pattern in COMPARED[level] for path in root.glob(pattern)
    }
    if not names:
        return [f"{other.name}: no results"]
    return [f"{other.name}: {name}" for name in sorted(names) if _content(calm / name) != _content(other / name)]


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def leftovers(output: Path) -> list[str]:
    """What runs that were killed have left behind when all is done."""
    return sorted(str(path.relative_to(output.parent)) for mark in MARKS for path in output.rglob(mark))


if __name__ == "__main__":
    sys.exit(main())

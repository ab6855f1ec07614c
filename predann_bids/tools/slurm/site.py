"""What the user says of the site: the program that jobs run, options of sbatch, and needs in place of estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from predann_bids.errors import MissingInput, WrongUsage
from predann_bids.tools.slurm.plan import refuse_multiline

KINDS = {"participant": ("participants",), "fold": ("folds", "points"), "pool": ("pool",)}


def site_lines(given: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Gather the options of sbatch that were given, by stage; those of "" are for all."""
    common = [f"--{name}={given[name]}" for name in ("partition", "account", "qos") if given[name]]
    lines: dict[str, Sequence[str]] = {"": (*common, *given["sbatch"])}
    refuse_multiline(lines[""], "--sbatch")
    for kind, stages in KINDS.items():
        own = given[f"{kind}_sbatch"]
        refuse_multiline(own, f"--{kind}-sbatch")
        lines |= dict.fromkeys(stages, own)
    return lines


def wanted_needs(given: Mapping[str, Any]) -> dict[str, dict[str, int | None]]:
    """Gather what was asked for in place of estimates, by stage."""
    return {
        stage: {
            "cpus": given[f"{kind}_cpus"],
            "mem_gb": given[f"{kind}_mem"],
            "minutes": minutes(given[f"{kind}_time"], f"--{kind}-time"),
        }
        for kind, stages in KINDS.items()
        for stage in stages
    }


def minutes(text: str | None, flag: str) -> int | None:
    """Read a time such as 1:30, in minutes; None for None."""
    if text is None:
        return None
    hours, colon, rest = text.partition(":")
    if not (hours.isdigit() and (rest[:2].isdigit() if colon else True) and int(hours) * 60 + int(rest[:2] or 0) > 0):
        raise WrongUsage(f"{flag} '{text}' is not a time. Give hours and minutes, such as 1:30.")
    return int(hours) * 60 + int(rest[:2] or 0)


def require_program(image: Path | None, venv: Path | None) -> tuple[Path | None, Path | None]:
    """Return the image and the virtual environment with absolute paths; exactly one must be there."""
    if (image is None) == (venv is None):
        raise WrongUsage("Say what the jobs run: --image FILE.sif, or --venv DIR.")
    if image and not image.is_file():
        raise MissingInput(f"There is no image {image}. docs/containers.md says how to make one.")
    if venv and not (venv / "bin" / "predann-bids").is_file():
        raise MissingInput(
            f"{venv} has no bin/predann-bids. Install the program there: {venv}/bin/pip install predann-bids"
        )
    return image and image.absolute(), venv and venv.absolute()

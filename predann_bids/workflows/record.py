"""What was run with what: a record of each run in the output directory.

Each run writes a file of its own, so that jobs which share an output directory never change each other's. Nothing in it
is read again: it cannot change a result. It names no place on the machine, so that it can be published.
"""

from __future__ import annotations

import platform
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from predann_bids import __version__
from predann_bids.config import Science
from predann_bids.errors import PredannError, in_words
from predann_bids.files import write_json
from predann_bids.surroundings.container import container
from predann_bids.surroundings.stopping import Stopped
from predann_bids.workflows.execution import Execution

RUNS = Path("logs") / "runs"


@contextmanager
def recorded(output_dir: Path, level: str, science: Science, execution: Execution, **more: Any) -> Iterator[None]:
    """Keep a record of what happens in the block.

    It is written at the start, with the status 'running', and once more at the end: 'finished', 'failed', or 'stopped'
    by a signal. A run that was killed leaves the first.

    Parameters
    ----------
    output_dir : Path
        The derivative dataset, which exists.
    level : str
        'participant' or 'group'.
    science : Science
        The configuration.
    execution : Execution
        How the work is done, and the command.
    **more
        Further entries, such as the name of a group run.

    Raises
    ------
    ReadOrWriteFailed
        The record cannot be written.
    TryAgain
        No space is left.
    """
    started = datetime.now(UTC)
    file = output_dir / RUNS / f"{started:%Y%m%dT%H%M%SZ}_{level}_{uuid.uuid4().hex[:8]}.json"
    content = _content(level, science, execution) | more | {"Started": _stamp(started)}
    write_json(file, content | {"Status": "running"})
    try:
        yield
    except (Stopped, KeyboardInterrupt):
        with suppress(PredannError):
            write_json(file, content | {"Ended": _stamp(), "Status": "stopped"})
        raise
    except Exception as error:
        with suppress(PredannError):  # the error itself says more than that no record of it can be written
            failure = {"Error": type(error).__name__, "ExitCode": in_words(error).exit_code}
            write_json(file, content | {"Ended": _stamp(), "Status": "failed"} | failure)
        raise
    write_json(file, content | {"Ended": _stamp(), "Status": "finished"})


def _content(level: str, science: Science, execution: Execution) -> dict[str, Any]:
    image = container()
    generator = {"Name": "PredANN-BIDS", "Version": __version__} | ({"Container": image} if image else {})
    configuration = science.model_dump(mode="json", include={"preprocessing"} if level == "participant" else None)
    return {
        "AnalysisLevel": level,
        "Command": list(execution.command) or None,
        "GeneratedBy": generator,
        "Python": platform.python_version(),
        "System": f"{platform.system()} {platform.machine()}",
        "Packages": packages(),
        "Configuration": without_places(configuration),
    }


def without_places(value: Any) -> Any:
    """Keep only the last part of each absolute path in nested values."""
    if isinstance(value, Mapping):
        return {key: without_places(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_places(inner) for inner in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def packages() -> dict[str, str]:
    """Return the versions of all installed Python packages.

    Their directories are named after them; to read what is in all of these would take seconds on a slow disk.
    """
    found: dict[str, str] = {}
    for place in map(Path, reversed(sys.path)):
        for directory in place.glob("*.dist-info") if place.is_dir() else ():
            name, _, version = directory.name.removesuffix(".dist-info").rpartition("-")
            found[name.lower().replace("_", "-")] = version
    return dict(sorted(found.items()))


def _stamp(moment: datetime | None = None) -> str:
    return f"{moment or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

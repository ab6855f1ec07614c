"""Ask the BIDS validator before any work is done."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
from collections import Counter
from pathlib import Path

from predann_bids.bids.recordings import check_dataset
from predann_bids.errors import InvalidDataset, MissingInput

SHOWN = 5


def validate_dataset(bids_dir: Path) -> list[str]:
    """Run bids-validator-deno with the project's configuration.

    Returns
    -------
    list of str
        What the validator warns of, a line for each kind.

    Raises
    ------
    InvalidDataset
        There is no dataset, or the validator finds an error that matters for EEG.
    """
    check_dataset(bids_dir)
    command = [_validator(), str(bids_dir), "--config", str(_config()), "--format", "json", "--datasetTypes", "raw"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        issues = json.loads(finished.stdout)["issues"]["issues"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        said = (finished.stderr or finished.stdout).strip()[-300:]
        raise InvalidDataset(
            f"The BIDS validator could not read {bids_dir}: {said}. Mend it, or use --skip-bids-validation."
        ) from error
    errors = [_sentence(issue) for issue in issues if issue.get("severity") == "error"]
    if errors:
        more = f" and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
        raise InvalidDataset(
            f"The BIDS validator finds {len(errors)} error(s) in {bids_dir}: {'; '.join(errors[:SHOWN])}{more}."
            " Mend them, or use --skip-bids-validation to go on at your own risk."
        )
    warnings = Counter(issue["code"] for issue in issues)
    return [f"{code} ({count})" for code, count in sorted(warnings.items())]


def _sentence(issue: dict[str, str]) -> str:
    what = " ".join(part for part in (issue["code"], issue.get("subCode", "")) if part)
    return f"{what} in {issue['location']}" if issue.get("location") else what


def _validator() -> str:
    # beside the interpreter when the environment is not activated
    found = shutil.which("bids-validator-deno", path=sysconfig.get_path("scripts")) or shutil.which(
        "bids-validator-deno"
    )
    if not found:
        raise MissingInput("bids-validator-deno is not installed; install it or use --skip-bids-validation.")
    return found


def _config() -> Path:
    package = Path(__file__).parents[1]
    # in the wheel beside the package's modules, in a checkout beside the package
    inside, beside = package / "bids_validator_config", package.parent / "bids_validator_config"
    return (inside if inside.is_dir() else beside) / "eeg.json"

"""Write the quality of all participants: tables, and a page that is drawn only when what it shows has changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from predann_bids import __version__
from predann_bids.files import write_text
from predann_bids.report.quality.participants import Participant, write_participants


def write_quality(output_dir: Path) -> Path:
    """Write `participants.tsv`, `participants.json` and `quality.html` from the sidecars that are there.

    Parameters
    ----------
    output_dir : Path
        The derivative dataset. Participants without a finished recording have a row without values.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ReadOrWriteFailed
        A file cannot be written.
    TryAgain
        No space is left.
    """
    participants = write_participants(output_dir)
    reported = {p.label for p in participants if (output_dir / f"{p.label}.html").is_file()}
    page, mark = output_dir / "quality.html", _mark(participants, reported)
    if not _ends_with(page, mark):
        from predann_bids.report.quality.page import quality_page

        write_text(page, f"{quality_page(participants, reported)}{mark}")
    return page


def _mark(participants: Sequence[Participant], reported: Collection[str]) -> str:
    """Return the last line of a page: a fingerprint of what it shows, so that it is drawn only when that changes."""
    shown = [__version__, sorted(reported), [(p.label, p.values, p.reasons) for p in participants]]
    plain = json.dumps(shown, default=asdict).encode()
    return f"<!-- made of {hashlib.blake2b(plain, digest_size=16).hexdigest()} -->\n"


def _ends_with(page: Path, mark: str) -> bool:
    try:
        with page.open("rb") as file:
            file.seek(-len(mark), os.SEEK_END)
            return file.read() == mark.encode()
    except OSError:  # there is no page, or an empty one
        return False

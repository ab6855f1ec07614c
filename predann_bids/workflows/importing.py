"""Bring a decoder from elsewhere into this project's form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from predann_bids.errors import CannotCreateOutput


def import_checkpoint(file: Path, out: Path, *, songs: Sequence[str] = (), overwrite: bool = False) -> str:
    """Write a checkpoint of the authors' public code as one that `predann_bids.load_decoder` reads.

    Parameters
    ----------
    file : Path
        The checkpoint; it is read without executing anything in it.
    out : Path
        File to write.
    songs : sequence of str
        Names of the classes; by default those of NMED-T where there are ten.
    overwrite : bool
        Replace `out` if it is there.

    Returns
    -------
    str
        A sentence that says what was found.

    Raises
    ------
    CannotCreateOutput
        `out` is there already, or is a directory.
    MissingInput, UnusableData, WrongUsage
        As `models.imported.read_public_checkpoint`.
    """
    if out.is_dir() or (out.exists() and not overwrite):
        found = "is a directory" if out.is_dir() else "exists already; --overwrite replaces it"
        raise CannotCreateOutput(f"The decoder cannot be written: {out} {found}.")
    from predann_bids.models.checkpoints import save_decoder
    from predann_bids.models.imported import read_public_checkpoint

    decoder, facts = read_public_checkpoint(file, songs)
    save_decoder(decoder, out, imported_from=file.name, imported=facts)
    kind = {"2d": "2-D", "1d": "1-D"}[decoder.settings.kind]
    trained = f", trained for {facts['epoch']} epochs" if "epoch" in facts else ""  # Lightning 1.4 counts finished ones
    return f"{kind} networks that tell {len(decoder.settings.songs)} songs apart{trained}."

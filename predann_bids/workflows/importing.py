"""Import decoders that were trained elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from predann_bids.errors import CannotCreateOutput
from predann_bids.files import check_place


def import_checkpoint(file: Path, out: Path, *, songs: Sequence[str] = (), overwrite: bool = False) -> str:
    """Convert a checkpoint of the authors' public code into one that `predann_bids.load_decoder` reads.

    Parameters
    ----------
    file : Path
        The checkpoint. It is read without executing anything in it.
    out : Path
        File to write.
    songs : sequence of str
        Names of the classes; by default those of NMED-T, if there are ten.
    overwrite : bool
        Replace `out` if it exists.

    Returns
    -------
    str
        A sentence that describes the decoder.

    Raises
    ------
    CannotCreateOutput
        `out` exists already, is a directory, or is in a place where no file can be made.
    MissingInput, UnusableData, WrongUsage
        As `models.imported.read_public_checkpoint`.
    """
    check_place(out, "The decoder")
    if out.is_dir() or (out.exists() and not overwrite):
        reason = "is a directory" if out.is_dir() else "exists already; --overwrite replaces it"
        raise CannotCreateOutput(f"The decoder cannot be written: {out} {reason}.")
    from predann_bids.models.checkpoints import save_decoder
    from predann_bids.models.imported import read_public_checkpoint

    decoder, facts = read_public_checkpoint(file, songs)
    save_decoder(decoder, out, imported_from=file.name, imported=facts)
    kind = {"2d": "2-D", "1d": "1-D"}[decoder.settings.kind]
    trained = f", trained for {facts['epoch']} epochs" if "epoch" in facts else ""  # Lightning 1.4 counts finished ones
    return f"{kind} networks for {len(decoder.settings.songs)} songs{trained}."

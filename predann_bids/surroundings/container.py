"""The container that the program runs in, as far as it can be known from inside."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

TAG = "PREDANN_BIDS_CONTAINER"  # set in the image, like the next
REVISION = "PREDANN_BIDS_REVISION"
# no image can hold its own digest: whoever starts it may say which it is
DIGEST = "PREDANN_BIDS_IMAGE_DIGEST"
SIF = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")  # set by the runtime: the file on the host


def container(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Describe the container with BIDS's words, and a few more; nothing outside of one.

    Parameters
    ----------
    environment : mapping, optional
        Environment variables; those of this process unless given.

    Returns
    -------
    dict
        Type and Tag; where known, the file, the commit (Revision) and the Digest of the image.
    """
    known = os.environ if environment is None else environment
    if not known.get(TAG):
        return {}
    sif = next((known[name] for name in SIF if known.get(name)), "")
    found = {
        "Type": "apptainer" if sif else "docker",
        "Tag": known[TAG],
        "File": Path(sif).name,
        "Revision": known.get(REVISION, ""),
        "Digest": known.get(DIGEST, ""),
    }
    return {name: value for name, value in found.items() if value}


def version_text(program: str, version: str) -> str:
    """Return what `--version` shows: the program in the first line and, inside a container, the image in the second."""
    image = container()
    details = ", ".join(f"{name.lower()} {image[name]}" for name in ("Revision", "Digest") if name in image)
    line = f"\nimage {image['Tag']}{f' ({details})' if details else ''}" if image else ""
    return f"{program} {version}{line}"

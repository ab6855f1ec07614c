"""musicnn as a teacher: a network that was trained to tag music, whose weights come with the package `musicnn`."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from predann_bids.errors import MissingInput, UnusableData
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.audio.teacher import Teacher
from predann_bids.models.teachers.musicnn_network import (
    AUDIO_RATE,
    DENSE,
    HOP,
    LENGTHS,
    TEMPORAL,
    TIMBRAL,
    MusicnnNetwork,
)
from predann_bids.models.teachers.tensorflow_checkpoint import read_variables

CHECKPOINT = "MTT_musicnn"
ENDINGS = (".index", ".data-00000-of-00001")
USUAL = ("cnn1", "cnn2", "cnn3")
SIZES = {"timbral": 2 * TIMBRAL, "temporal": len(LENGTHS) * TEMPORAL, "cnn1": DENSE, "cnn2": DENSE, "cnn3": DENSE}
REMEDY = (
    "Install the package without what it depends on, 'pip install --no-deps musicnn==0.1.0', or download it,"
    " 'pip download --no-deps musicnn==0.1.0', and give the file: --teacher musicnn:FILE."
)


@FEATURES.add("musicnn")
class Musicnn(Teacher):
    """Layers of musicnn (Pons and Serra, 2019), 62.5 frames per second: the three dense ones, or one by its name.

    The weights, trained on MagnaTagATune, are read from the installed package, from its wheel, or from a directory, as
    in `musicnn:PATH`. The package itself is never imported.
    """

    path = "may"
    layers = tuple(SIZES)
    version = 1
    memory_gb = 1.2

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        files = read_checkpoint(path or _package())
        self._identity = hashlib.blake2b(b"".join(files), digest_size=8).hexdigest()
        self.taken = (layer,) if layer else USUAL
        self.bands = sum(SIZES[name] for name in self.taken)
        self.audio_rate, self.frame_rate_hz = AUDIO_RATE, AUDIO_RATE / HOP
        self.network = MusicnnNetwork(read_variables(*files, f"The checkpoint in {path or 'the package musicnn'}"))

    @classmethod
    def weights(cls, path: Path | None) -> list[Path]:
        """List the wheel, or the two files of the checkpoint."""
        place = path or _package()
        return [place] if place.is_file() else _checkpoint_files(place)

    def identity(self) -> str:
        """Return a fingerprint of the weights."""
        return self._identity

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute features (B, bands, frames) from waveforms (B, samples)."""
        layers = self.network(waveforms)
        return torch.cat([layers[name] for name in self.taken], dim=1)


def _package() -> Path:
    found = importlib.util.find_spec("musicnn")
    places = found.submodule_search_locations if found else None
    if not places:
        raise MissingInput(f"The teacher 'musicnn' needs the weights of a package that is not installed. {REMEDY}")
    return Path(places[0])


def read_checkpoint(place: Path) -> tuple[bytes, bytes]:
    """Read index and data of the checkpoint in a wheel, in the directory of the package, or in a directory of its own.

    Raises
    ------
    MissingInput
        There is none.
    UnusableData
        The file is no wheel.
    """
    if place.is_file():
        try:
            with zipfile.ZipFile(place) as wheel:
                index, data = (wheel.read(f"musicnn/{CHECKPOINT}/{ending}") for ending in ENDINGS)
                return index, data
        except (KeyError, zipfile.BadZipFile) as error:
            raise UnusableData(f"{place} is not the wheel of musicnn. {REMEDY}") from error
    files = _checkpoint_files(place)
    return files[0].read_bytes(), files[1].read_bytes()


def _checkpoint_files(place: Path) -> list[Path]:
    for directory in (place, place / CHECKPOINT, place / "musicnn" / CHECKPOINT):
        files = [directory / ending for ending in ENDINGS]
        if all(file.is_file() for file in files):
            return files
    raise MissingInput(f"{place} holds no checkpoint of musicnn. {REMEDY}")

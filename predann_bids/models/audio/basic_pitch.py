"""Basic Pitch as a teacher: which notes sound, and which begin."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from predann_bids.arrays import Singles
from predann_bids.errors import MissingInput, UnusableData
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.audio.teacher import Teacher

AUDIO_RATE, HOP = 22_050, 256
SAMPLES, FRAMES = 43_844, 172  # that the network takes and gives
EDGE = 15  # frames at either end that hear too little
KEYS = 88
OUTPUTS = {"notes": "StatefulPartitionedCall:1", "onsets": "StatefulPartitionedCall:2"}
INPUT = "serving_default_input_2:0"
MODEL = "basic_pitch/saved_models/icassp_2022/nmp.onnx"
REMEDY = (
    "Install the package without what it depends on, 'pip install --no-deps basic-pitch==0.4.0', or download it,"
    " 'pip download --no-deps basic-pitch==0.4.0', and give the file: --teacher basic-pitch:FILE."
)


@FEATURES.add("basic-pitch")
class BasicPitch(Teacher):
    """Probabilities that each of 88 notes sounds, and that it begins, 86 frames per second (Bittner et al., 2022).

    The network is read from the installed package, from its wheel, or from an ONNX file, as in `basic-pitch:PATH`. The
    package itself is never imported.
    """

    path = "may"
    layers = tuple(OUTPUTS)
    memory_gb = 1.0

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        content = _read_model(path)
        self._identity = hashlib.blake2b(content, digest_size=8).hexdigest()
        self.taken = (layer,) if layer else tuple(OUTPUTS)
        self.bands, self.audio_rate, self.frame_rate_hz = KEYS * len(self.taken), AUDIO_RATE, AUDIO_RATE / HOP
        self.session = _session(content, path)

    @classmethod
    def weights(cls, path: Path | None) -> list[Path]:
        """List the model, or the wheel that holds it."""
        return [_model_file(path or _package())]

    def identity(self) -> str:
        """Return a fingerprint of the weights."""
        return self._identity

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute features (B, bands, frames) from waveforms (B, samples)."""
        return torch.from_numpy(np.stack([self._notes(one) for one in waveforms.cpu().numpy()]))

    def _notes(self, waveform: Singles) -> Singles:
        """Join the middles of overlapping windows, each a whole number of frames after the one before."""
        kept, number = FRAMES - 2 * EDGE, 1 + len(waveform) // HOP
        windows = -(-number // kept)
        padded = np.zeros((windows * kept + 2 * EDGE) * HOP + SAMPLES, dtype=np.float32)
        padded[EDGE * HOP :][: len(waveform)] = waveform
        parts = []
        for window in range(windows):
            first = window * kept * HOP
            cut = padded[None, first : first + SAMPLES, None]
            found = self.session.run([OUTPUTS[name] for name in self.taken], {INPUT: cut})
            parts.append(np.concatenate(found, axis=2)[0, EDGE : FRAMES - EDGE])
        return np.concatenate(parts)[:number].T.astype(np.float32)


def _model_file(place: Path) -> Path:
    if place.is_dir():
        file = next((place / name for name in (MODEL, MODEL.partition("/")[2]) if (place / name).is_file()), None)
        if file is None:
            raise MissingInput(f"{place} holds no model of Basic Pitch. {REMEDY}")
        return file
    if not place.is_file():
        raise MissingInput(f"There is no file {place}. {REMEDY}")
    return place


def _read_model(path: Path | None) -> bytes:
    place = _model_file(path or _package())
    if place.suffix != ".whl":
        return place.read_bytes()
    try:
        with zipfile.ZipFile(place) as wheel:
            return wheel.read(MODEL)
    except (KeyError, zipfile.BadZipFile) as error:
        raise UnusableData(f"{place} is not the wheel of Basic Pitch. {REMEDY}") from error


def _package() -> Path:
    found = importlib.util.find_spec("basic_pitch")
    places = found.submodule_search_locations if found else None
    if not places:
        raise MissingInput(f"The teacher 'basic-pitch' needs a model whose package is not installed. {REMEDY}")
    return Path(places[0])


def _session(content: bytes, path: Path | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several processes share the processors
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = {output.name for output in session.get_outputs()}
    except Exception as error:  # onnxruntime has a class of its own for each way in which it fails
        raise UnusableData(f"{path or 'The model of Basic Pitch'} is no ONNX model. {REMEDY}") from error
    if not set(OUTPUTS.values()) <= names:
        raise UnusableData(f"{path} is an ONNX model, but not that of Basic Pitch. {REMEDY}")
    return session

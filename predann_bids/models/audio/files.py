"""Features that somebody else has computed, in files: one array for each stimulus, and their frame rate."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from predann_bids.arrays import Singles
from predann_bids.errors import MissingInput, PredannError, UnusableData, WrongUsage
from predann_bids.files import read_json
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.audio.teacher import Teacher
from predann_bids.signals.audio import audio_seconds
from predann_bids.signals.frames import Frames

SUFFIXES = (".npy", ".npz")
SIDECAR = "frames.json"  # of all files of a directory; NAME.json is that of one file
TOLERANCE = 2  # frames by which features may be shorter or longer than the audio
EXAMPLE = '{"FrameRate": 50, "StartTime": 0}'


@FEATURES.add("file")
class FileTeacher(Teacher):
    """Features from the files of a directory, `file:DIR`.

    `DIR` holds for each stimulus `NAME.npy`, or `NAME.npz` with one array, (frames, features), where NAME is the label
    of the stimulus or the name of its audio file without extension. `NAME.json`, or `frames.json` for all, says the
    `FrameRate` in Hz, and optionally the `StartTime`: the centre of the first frame in seconds from the beginning of
    the audio. Files are never unpickled.
    """

    path = "must"
    by_name = True

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        assert path
        self.directory = path
        if not path.is_dir():
            raise MissingInput(
                f"There is no directory {path}. Give --teacher file:DIR a directory that holds one .npy or .npz file"
                " for each stimulus."
            )

    @classmethod
    def weights(cls, path: Path | None) -> list[Path]:
        """List all arrays and their frame rates."""
        assert path
        return sorted(file for file in path.iterdir() if file.suffix in (*SUFFIXES, ".json")) if path.is_dir() else []

    def identity(self) -> str:
        """Return a fingerprint of all arrays and their frame rates."""
        digest = hashlib.blake2b(digest_size=8)
        for file in self.weights(self.directory):
            digest.update(f"{file.name} {self.hashed(file)}\n".encode())
        return digest.hexdigest()

    def forward(self, waveforms: Tensor) -> Tensor:  # noqa: ARG002
        """Refuse waveforms: nobody knows how the features of other audio were computed."""
        raise WrongUsage(f"The features in {self.directory} are those of certain stimuli, not of any waveform.")

    @property
    def audio_rate(self) -> int:  # type: ignore[override]
        """Refuse, as `forward` does."""
        raise WrongUsage(f"The features in {self.directory} are those of certain stimuli, not of any waveform.")

    def problems(self, stimuli: Mapping[str, Path]) -> list[str]:
        """Check the files of all stimuli."""
        found: dict[str, Frames] = {}
        problems: list[str] = []
        for label, audio in stimuli.items():
            try:
                found[label] = self.compute(audio, label)
            except PredannError as error:
                problems.append(str(error))
        numbers = {label: len(frames.values) for label, frames in found.items()}
        usual = max(numbers.values(), key=list(numbers.values()).count, default=0)
        others = [f"{self._file(stimuli[label], label)} has {n}" for label, n in numbers.items() if n != usual]
        if others:
            problems.append(f"Other files have {usual} features, but {', '.join(others)}. Compute all of them alike.")
        files: dict[Path, str] = {}
        for label in found:
            file = self._file(stimuli[label], label)
            if (other := files.setdefault(file, label)) != label:
                problems.append(f"{file} would be taken for both '{other}' and '{label}'. Name files after the labels.")
        return problems

    def compute(self, audio: Path, label: str) -> Frames:
        """Read the features of a stimulus.

        Raises
        ------
        MissingInput
            There is no file for it, or no frame rate.
        UnusableData
            The file holds something else, or does not fit the audio.
        """
        file = self._file(audio, label)
        rate_hz, first_s = self._times(file)
        values = _read(file)
        _refuse_other_length(file, values, rate_hz, first_s, audio)
        return Frames(np.ascontiguousarray(values.T), rate_hz, first_s)

    def _file(self, audio: Path, label: str) -> Path:
        names = [name + suffix for name in dict.fromkeys((label, audio.stem)) for suffix in SUFFIXES]
        file = next((self.directory / name for name in names if (self.directory / name).is_file()), None)
        if file is None:
            raise MissingInput(f"{self.directory} holds no features of '{label}': expected {' or '.join(names)}.")
        return file

    def _times(self, file: Path) -> tuple[float, float]:
        sidecars = (file.with_suffix(".json"), self.directory / SIDECAR)
        sidecar = next((one for one in sidecars if one.is_file()), None)
        if sidecar is None:
            raise MissingInput(
                f"The frame rate of {file} is not known: write it to {sidecars[0].name} or {SIDECAR} beside it, such"
                f" as {EXAMPLE}."
            )
        said = read_json(sidecar)
        rate_hz: Any = said.get("FrameRate")
        first_s: Any = said.get("StartTime", 0)
        if not (_is_number(rate_hz) and rate_hz > 0 and _is_number(first_s)):
            raise UnusableData(f"{sidecar} must say a positive FrameRate and a StartTime, such as {EXAMPLE}.")
        return float(rate_hz), float(first_s)


def _read(file: Path) -> Singles:
    """Read one array (frames, features) of finite numbers, without executing anything in the file."""
    try:
        with file.open("rb") as opened:
            content: Any = np.load(opened, allow_pickle=False)
            if isinstance(content, np.ndarray):
                array: Any = content
            elif len(content.files) == 1:
                array = content[content.files[0]]
            else:
                raise UnusableData(
                    f"{file} holds {len(content.files)} arrays ({', '.join(content.files)}): save the one that counts."
                )
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UnusableData(
            f"{file} is no array of numbers, or holds Python objects, which are never read. Save it with numpy.save."
        ) from error
    except OSError as error:
        raise UnusableData(f"{file} cannot be read: {error.strerror or error}.") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu" or 0 in array.shape:
        shape = " x ".join(map(str, array.shape)) or "a single value"
        raise UnusableData(f"{file} holds {array.dtype} of shape {shape}: expected numbers, frames x features.")
    values: Singles = np.asarray(array, dtype=np.float32)
    if not (finite := np.isfinite(values)).all():
        frame, feature = np.argwhere(~finite)[0]
        raise UnusableData(
            f"{file} holds values that are no numbers (NaN or infinite), the first in frame {frame}, feature {feature},"
            " counted from 0. Compute it again."
        )
    return values


def _refuse_other_length(file: Path, values: Singles, rate_hz: float, first_s: float, audio: Path) -> None:
    seconds = audio_seconds(audio)
    expected = (seconds - first_s) * rate_hz
    if abs(len(values) - expected) > TOLERANCE:
        swapped = " Are rows and columns swapped?" if abs(values.shape[1] - expected) <= TOLERANCE else ""
        raise UnusableData(
            f"{file} has {len(values)} frames, but {audio.name} lasts {seconds:.2f} s, which is {expected:.0f} frames"
            f" at {rate_hz:g} Hz.{swapped} Correct the FrameRate or compute it again."
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))

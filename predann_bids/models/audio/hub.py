"""Networks of the transformers library as teachers, from a local path: wav2vec 2.0, HuBERT and MuQ.

Nothing is downloaded, weights are read as safetensors alone, and no code that lies beside them is executed.
"""

from __future__ import annotations

import hashlib
from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from predann_bids.config.teachers import TeacherName
from predann_bids.errors import MissingInput, UnusableData, WrongUsage
from predann_bids.files import read_json
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.audio.teacher import Teacher, need

AUDIO_RATE, MUQ_RATE = 16_000, 24_000
CHUNK_S, CONTEXT_S = 20.0, 2.0  # computed at a time, and heard on either side
MOST_LAYERS = 49  # that can be named
COMMAND = "pip install 'predann-bids[transformers]'"
MUQ_COMMAND = "pip install 'predann-bids[muq]'"


class _HiddenStates(Teacher, ABC):
    """Hidden states of a network from a directory that `save_pretrained` wrote.

    One layer is taken by itself; another one as in `hubert:DIR#6`, where 0 is the input of the first.
    """

    path = "must"
    layers = tuple(map(str, range(MOST_LAYERS)))
    memory_gb = 4.0
    kind: ClassVar[str]
    network: Any
    hop: int
    field: int  # samples that a frame hears

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        assert path
        self.place = path

    def _choose(self, layer: str, usual: int, last: int) -> None:
        self.layer = int(layer) if layer else usual
        if self.layer > last:
            raise WrongUsage(f"{self.place} has layers 0 to {last}, not {layer}.")

    @classmethod
    def weights(cls, path: Path | None) -> list[Path]:
        """List the weights and the configuration."""
        return TeacherName(cls.kind, path).files()

    def identity(self) -> str:
        """Return a fingerprint of the weights and the configuration."""
        named = "\n".join(f"{file.name} {self.hashed(file)}" for file in self.weights(self.place))
        return hashlib.blake2b(f"{named} {self.layer}".encode(), digest_size=8).hexdigest()

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute features (B, bands, frames) from waveforms (B, samples), a part of the music at a time."""
        hop, frames = self.hop, max(1, (waveforms.shape[1] - self.field) // self.hop + 1)
        chunk, context = (round(seconds * self.audio_rate / hop) for seconds in (CHUNK_S, CONTEXT_S))
        parts, sound = [], self._prepared(waveforms)
        for first in range(0, frames, chunk):
            begin, end = max(0, first - context), min(frames, first + chunk + context)
            found = self._states(sound[:, begin * hop : (end - 1) * hop + self.field])
            parts.append(found[:, first - begin : first - begin + chunk])
            self.tell(f"{min(frames, first + chunk) * hop / self.audio_rate:.0f} s are done")
        return torch.cat(parts, dim=1).transpose(1, 2)

    def _prepared(self, waveforms: Tensor) -> Tensor:
        return waveforms

    def _states(self, waveforms: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(waveforms, (0, max(0, self.field - waveforms.shape[1])))
        states: Tensor = self.network(padded, output_hidden_states=True).hidden_states[self.layer]
        return states


class _SpeechTeacher(_HiddenStates, ABC):
    """A network that was trained on speech, 50 frames per second, of which the layer in the middle is taken."""

    class_name: ClassVar[str]

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        refuse_other_model(self.place, self.kind)
        self.network = load_pretrained(self.place, self.class_name, self.kind)
        config = self.network.config
        self._choose(layer, (config.num_hidden_layers + 1) // 2, config.num_hidden_layers)
        self.hop, self.field = _geometry(config.conv_kernel, config.conv_stride)
        self.audio_rate, self.bands = AUDIO_RATE, int(config.hidden_size)
        self.frame_rate_hz, self.first_s = AUDIO_RATE / self.hop, self.field / 2 / AUDIO_RATE

    def _prepared(self, waveforms: Tensor) -> Tensor:
        return _standardised(waveforms)


@FEATURES.add("wav2vec2")
class Wav2Vec2(_SpeechTeacher):
    """wav2vec 2.0 (Baevski et al., 2020) from a local directory."""

    kind = "wav2vec2"
    class_name = "Wav2Vec2Model"


@FEATURES.add("hubert")
class Hubert(_SpeechTeacher):
    """HuBERT (Hsu et al., 2021) from a local directory."""

    kind = "hubert"
    class_name = "HubertModel"


@FEATURES.add("muq")
class Muq(_HiddenStates):
    """MuQ (Zhu et al., 2025) from a local directory, 25 frames per second: the last layer, by the package `muq`."""

    kind = "muq"

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        self.network = _load_muq(self.place)
        config = self.network.config
        self._choose(layer, config.encoder_depth, config.encoder_depth)
        self.audio_rate, self.bands, self.frame_rate_hz = MUQ_RATE, int(config.encoder_dim), float(config.label_rate)
        self.hop = self.field = MUQ_RATE // config.label_rate


def _load_muq(path: Path) -> Any:
    config, weights = path / "config.json", path / "model.safetensors"
    if not (config.is_file() and weights.is_file()):
        raise MissingInput(f"{path} holds no MuQ: expected config.json and model.safetensors.")
    said = read_json(config)
    if "encoder_depth" not in said or said.get("use_encodec_target"):
        raise UnusableData(f"{config} is not the configuration of a MuQ that can be used without downloading anything.")
    need("transformers", MUQ_COMMAND, "muq")
    library = need("muq", MUQ_COMMAND, "muq")
    try:
        return library.MuQ.from_pretrained(str(path), local_files_only=True, strict=True).eval()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnusableData(f"{path} holds no weights of MuQ as safetensors: {reason}") from error


def refuse_other_model(path: Path, model_type: str) -> None:
    """Refuse a directory that holds no model of a type.

    Raises
    ------
    MissingInput, UnusableData
        It has no configuration, or that of another type.
    """
    config = path / "config.json"
    if not config.is_file():
        raise MissingInput(
            f"{config} is missing. Give --teacher {model_type}:DIR a directory with config.json and model.safetensors."
        )
    found = read_json(config).get("model_type")
    if found != model_type:
        raise UnusableData(f"{path} holds a model of type '{found}': expected '{model_type}'.")


def load_pretrained(path: Path, class_name: str, teacher: str) -> Any:
    """Load a network of transformers from a directory, without downloading, unpickling or executing anything.

    Raises
    ------
    MissingInput
        The library is not installed.
    UnusableData
        The directory holds no such weights.
    """
    library = need("transformers", COMMAND, teacher)
    kind: Any = getattr(library, class_name)
    try:
        with _without_bars(library.utils.logging):
            # transformers 5 keeps weights that were saved in half precision so, and 4 does not
            return kind.from_pretrained(str(path), local_files_only=True, use_safetensors=True).float().eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnusableData(f"{path} holds no weights of {class_name} as safetensors: {reason}") from error


@contextmanager
def _without_bars(logging: Any) -> Iterator[None]:
    """Let transformers draw no bars; this program shows its own."""
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()


def _geometry(kernels: list[int], strides: list[int]) -> tuple[int, int]:
    """Return samples from frame to frame, and samples that one frame hears, of stacked convolutions."""
    hop, field = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * hop
        hop *= stride
    return hop, field


def _standardised(waveforms: Tensor) -> Tensor:
    """Bring a whole piece to mean 0 and variance 1, as these networks were trained."""
    centred = waveforms - waveforms.mean(dim=1, keepdim=True)
    return centred / (waveforms.var(dim=1, keepdim=True, unbiased=False) + 1e-7).sqrt()

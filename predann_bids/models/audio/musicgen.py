"""MusicGen as a teacher: how unexpected music is to a language model of sound, from a local path."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from predann_bids.config.teachers import TeacherName
from predann_bids.errors import UnusableData
from predann_bids.models.audio.features import FEATURES
from predann_bids.models.audio.hub import load_pretrained, refuse_other_model
from predann_bids.models.audio.teacher import Teacher
from predann_bids.models.teachers.delayed_tokens import delayed, expected_bits

NAME, CLASS_NAME = "musicgen", "MusicgenForConditionalGeneration"
CONTEXTS, USUAL = ("8", "16", "32"), "16"  # s
ENCODED_S, MARGIN_S = 20.0, 2.0  # turned into tokens at a time, and heard on either side


@FEATURES.add(NAME)
class MusicGen(Teacher):
    """Surprisal and entropy of music to MusicGen (Copet et al., 2023), in bits, 50 frames per second.

    EnCodec turns sound into the tokens of several codebooks; the language model of MusicGen, without a text, says how
    likely each token is after those before. The features are the surprisal of each codebook, then the entropy of each.
    `musicgen:DIR#8`, `#16` and `#32` are the seconds that the model hears at most; each frame, but those of the
    beginning, has at least half of them before it.
    """

    path = "must"
    layers = CONTEXTS
    memory_gb = 16.0

    def __init__(self, rate_hz: float, path: Path | None = None, layer: str = "") -> None:
        super().__init__(rate_hz, path, layer)
        assert path
        self.place, self.context_s = path, int(layer or USUAL)
        refuse_other_model(path, NAME)
        whole = load_pretrained(path, CLASS_NAME, NAME)
        self.codec, self.language = whole.audio_encoder, whole.decoder  # the encoder of texts is not needed
        codec, language = self.codec.config, self.language.config
        if codec.chunk_length_s or 2 in (codec.audio_channels, language.audio_channels):
            raise UnusableData(f"{path} is a model of stereophonic sound, or of sound in pieces. Give another.")
        self.blank, self.codebooks = int(language.pad_token_id), int(language.num_codebooks)
        self.audio_rate, self.hop, self.bands = int(codec.sampling_rate), int(codec.hop_length), 2 * self.codebooks
        self.frame_rate_hz, self.first_s = self.audio_rate / self.hop, self.hop / 2 / self.audio_rate

    @classmethod
    def weights(cls, path: Path | None) -> list[Path]:
        """List the weights and the configuration."""
        return TeacherName(NAME, path).files()

    def identity(self) -> str:
        """Return a fingerprint of the weights and the configuration."""
        named = "\n".join(f"{file.name} {self.hashed(file)}" for file in self.weights(self.place))
        return hashlib.blake2b(f"{named} {self.context_s}".encode(), digest_size=8).hexdigest()

    def forward(self, waveforms: Tensor) -> Tensor:
        """Compute features (B, bands, frames) from waveforms (B, samples)."""
        return torch.stack([self._expected(self.tokens(one)) for one in waveforms])

    def tokens(self, waveform: Tensor) -> Tensor:
        """Turn a waveform (samples,) into tokens (codebooks, frames), a part of the music at a time."""
        frames = max(1, -(-len(waveform) // self.hop))
        at_once, margin = (round(seconds * self.frame_rate_hz) for seconds in (ENCODED_S, MARGIN_S))
        parts = []
        for first in range(0, frames, at_once):
            begin, end = max(0, first - margin), min(frames, first + at_once + margin)
            codes = self.codec.encode(waveform[None, None, begin * self.hop : end * self.hop]).audio_codes[0, 0]
            if len(codes) != self.codebooks:
                raise UnusableData(f"{self.place}: EnCodec has {len(codes)} codebooks, MusicGen {self.codebooks}.")
            parts.append(codes[:, first - begin : first - begin + at_once])
        return torch.cat(parts, dim=1)

    def _expected(self, tokens: Tensor) -> Tensor:
        """Compare tokens with what the model expects, in windows that overlap by half."""
        frames, step = tokens.shape[1], max(1, round(self.context_s * self.frame_rate_hz / 2))
        parts = []
        for first in range(0, frames, step):
            begin, end = max(0, first - step), min(frames, first + step)
            # the delayed codebooks of the last frames are predicted from the coarse tokens of those that follow
            heard = tokens[:, begin : end + self.codebooks - 1]
            logits = self.language(input_ids=delayed(heard, self.blank), use_cache=False).logits
            parts.append(expected_bits(logits, heard)[:, first - begin : end - begin])
            self.tell(f"{end / self.frame_rate_hz:.0f} of {frames / self.frame_rate_hz:.0f} s")
        return torch.cat(parts, dim=1)

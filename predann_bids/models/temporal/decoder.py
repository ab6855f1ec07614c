"""Two encoders, and the memory of songs with which the EEG's song logits are formed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from predann_bids.models.settings import Settings
from predann_bids.models.temporal.audio_encoder import AudioEncoder, LogMel
from predann_bids.models.temporal.eeg_encoder import LinearEegEncoder
from predann_bids.models.temporal.layers import HALVING, log_power

ABSENT = -1e4  # logit of a song that cannot be judged; finite, so that gradients stay finite
MOMENT_STRIDE = 2  # frames of the representation between the moments that the memory is searched at


@dataclass(frozen=True)
class DecoderSettings(Settings):
    """What a decoder of preset `default` is built from, beside what all are.

    Parameters
    ----------
    memory_frames : int
        Length of the longest remembered representation, in frames.
    n_bands, width, dimensions : int
        Mel bands; channels inside the encoders and of the representation.
    channel_dropout : float
        Share of EEG channels left out in training.
    memory_temperature : float
        Divides similarities before they are summed up over moments.
    """

    memory_frames: int = 0
    n_bands: int = 32
    width: int = 16
    dimensions: int = 8
    channel_dropout: float = 0.1
    memory_temperature: float = 0.05


class Decoder(nn.Module):
    """The PredANN decoder of preset `default`.

    The EEG network predicts the representation that the audio network makes of the same moment. Its song logits come
    from that prediction: it is compared with the remembered representation of every moment of every song, and the
    evidence for a song is summed up over its moments, as the moment is not known:

        logit(s) = log mean over moments t of exp(cos(z, a_s(t)) / temperature)
    """

    memory: Tensor
    memory_lengths: Tensor

    def __init__(self, settings: DecoderSettings) -> None:
        super().__init__()
        self.settings = settings
        n_songs, dimensions = len(settings.songs), settings.dimensions
        self.spectra = LogMel(settings.rate_hz, settings.n_bands)
        self.eeg_encoder = LinearEegEncoder(
            len(settings.channels), width=settings.width, dimensions=dimensions, dropout=settings.channel_dropout
        )
        self.audio_encoder = AudioEncoder(settings.n_bands, width=settings.width, dimensions=dimensions)
        self.audio_head = nn.Linear(dimensions, n_songs)
        self.register_buffer("memory", torch.zeros(n_songs, dimensions, settings.memory_frames))
        self.register_buffer("memory_lengths", torch.zeros(n_songs, dtype=torch.long))

    @property
    def audio_rate(self) -> int:
        """Sampling rate of the audio in Hz."""
        return self.spectra.audio_rate

    def encode_eeg(self, eeg: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from EEG.

        Parameters
        ----------
        eeg : Tensor, shape (B, C, T)
            Scaled windows.

        Returns
        -------
        Tensor, shape (B, n_songs)
            Song logits.
        Tensor, shape (B, D, T // 2)
            The predicted representation.
        """
        z = self.eeg_encoder(eeg)
        return self.song_logits(z), z

    def encode_audio(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from audio.

        Parameters
        ----------
        audio : Tensor, shape (B, samples)
            Waveforms at `audio_rate`.

        Returns
        -------
        Tensor, shape (B, n_songs)
            Song logits.
        Tensor, shape (B, D, frames)
            The representation.
        """
        z = self.audio_encoder(self.spectra(audio))
        return self.audio_logits(z), z

    def audio_logits(self, z: Tensor) -> Tensor:
        """Classify audio representations (B, D, T) to song logits (B, n_songs)."""
        logits: Tensor = self.audio_head(log_power(z))
        return logits

    @torch.no_grad()
    def remember(self, spectra: Sequence[Tensor]) -> None:
        """Keep the representations of whole songs.

        Parameters
        ----------
        spectra : sequence of Tensor, shape (n_bands, frames)
            One for each song, in the order of `settings.songs`; no longer than `memory_frames`.
        """
        self.memory.zero_()
        for index, song in enumerate(spectra):
            z = self.audio_encoder(song[None].to(self.memory))[0]
            self.memory[index, :, : z.shape[1]] = z
            self.memory_lengths[index] = z.shape[1]

    def song_logits(self, z: Tensor) -> Tensor:
        """Sum up the evidence for each song over all of its moments: (B, D, T) -> (B, n_songs)."""
        similarities, there = self._at_all_moments(z)  # (B, S, M), (S, M)
        scaled = (similarities / self.settings.memory_temperature).masked_fill(~there, -torch.inf)
        return torch.logsumexp(scaled, dim=2) - torch.log(there.sum(dim=1).clamp(min=1))

    def match(self, z: Tensor, moments: Tensor) -> Tensor:
        """Compare representations with each song at one moment each.

        Parameters
        ----------
        z : Tensor, shape (B, D, T)
            Predicted representations.
        moments : Tensor of int, shape (B,)
            First EEG sample of each window's audio, counted from the start of the songs.

        Returns
        -------
        Tensor, shape (B, n_songs)
            Cosine similarity; NaN where a song does not last that long.
        """
        first = torch.div(moments, HALVING, rounding_mode="floor")
        frames = first[:, None] + torch.arange(z.shape[2], device=z.device)  # (B, T)
        columns = []
        for song, length in zip(self.memory, self.memory_lengths, strict=True):
            there = first + z.shape[2] <= length
            heard = song[:, frames.clamp(max=max(song.shape[1] - 1, 0))].transpose(0, 1)  # (B, D, T)
            heard = heard - heard.mean(dim=2, keepdim=True)
            similarity = F.cosine_similarity(z.flatten(1), heard.flatten(1), dim=1)
            columns.append(similarity.masked_fill(~there, torch.nan))
        return torch.stack(columns, dim=1)

    def _at_all_moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine similarity with every moment of every song (B, S, M), and whether the moment exists (S, M).

        A cross-correlation: as z has mean zero over time, the mean of the remembered stretch drops out of the product,
        and its norm follows from running sums of values and of squares.
        """
        frames = z.shape[2]
        if int(self.memory_lengths.max()) < frames:
            raise RuntimeError("the decoder remembers no song as long as a window; call remember() first")
        unit = F.normalize(z.flatten(1), dim=1).view_as(z)
        products = F.conv1d(self.memory, unit, stride=MOMENT_STRIDE)  # (S, B, M)
        squares = F.avg_pool1d(self.memory.square(), frames, MOMENT_STRIDE)
        means = F.avg_pool1d(self.memory, frames, MOMENT_STRIDE)
        power = (squares - means.square()).sum(dim=1, keepdim=True) * frames  # (S, 1, M)
        similarities = products / power.clamp(min=1e-8).sqrt()
        last = torch.arange(products.shape[2], device=z.device) * MOMENT_STRIDE + frames
        there = last[None] <= self.memory_lengths[:, None]
        return similarities.transpose(0, 1), there


def logits_within_batch(
    similarities: Tensor, stimuli: Tensor, n_songs: int, temperature: float
) -> tuple[Tensor, Tensor]:
    """Form song logits while training, when the other windows of the batch stand for the memory.

    A window's own moment is left out: this objective tells the EEG network only which song was heard. Which moment
    of it, PredANN alone tells.

    Parameters
    ----------
    similarities : Tensor, shape (B, B)
        EEG (rows) with audio (columns) of the same batch.
    stimuli : Tensor of int, shape (B,)
        Song of each window.
    n_songs : int
        Number of songs.
    temperature : float
        Divides the similarities.

    Returns
    -------
    Tensor, shape (B, n_songs)
        Very low for songs that no other window of the batch belongs to.
    Tensor of bool, shape (B,)
        Whether another window of the batch belongs to the right song, so that there is a right answer.
    """
    own = torch.eye(len(stimuli), dtype=torch.bool, device=stimuli.device)
    belongs = F.one_hot(stimuli, n_songs).T.bool()  # (S, B)
    counted = belongs[None] & ~own[:, None]  # (B, S, B)
    number = counted.sum(dim=2)
    scaled = (similarities / temperature)[:, None].masked_fill(~counted, -torch.inf)
    summed = torch.logsumexp(scaled.masked_fill((number == 0)[..., None], ABSENT), dim=2)
    logits = summed - torch.log(number.clamp(min=1))
    return logits, number.gather(1, stimuli[:, None])[:, 0] > 0

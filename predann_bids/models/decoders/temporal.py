"""The decoder of preset `default`: two temporal encoders, and a memory of songs with which EEG is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from predann_bids.arrays import Singles
from predann_bids.config import Training
from predann_bids.config.teachers import MOST_LEARNED, WeightedTeacher, part_teachers
from predann_bids.models.audio.features import JOINT, SPECTRA, AudioFeatures, features_kind
from predann_bids.models.audio.log_mel import BANDS
from predann_bids.models.audio.teacher import heard_features, is_taught, taught_features
from predann_bids.models.decoder import DECODERS, Blueprint, MomentMatcher, Songs
from predann_bids.models.linear.filters import FilterBanks, filter_audio, filter_eeg
from predann_bids.models.losses import loss_of_similarities, predann_loss, similarity
from predann_bids.models.memory import at_one_moment, evidence, stacked
from predann_bids.models.network import RememberingNetwork, StartedNetwork
from predann_bids.models.parts import Parts, with_further
from predann_bids.models.settings import Settings
from predann_bids.models.temporal.audio_encoder import AudioEncoder, AudioEncoders
from predann_bids.models.temporal.eeg_encoder import LinearEegEncoder
from predann_bids.models.temporal.layers import as_map, centre, log_power, middle
from predann_bids.signals.halves import HALVING, Halved, HalvedFeatures, halve

ABSENT = -1e4  # logit of a song without evidence; finite, so that gradients stay finite
TRAINING_AUDIO = ("training_features", "training_mean", "training_variance")
NOTHING_HEARD: tuple[tuple[int, ...], Any] = ((), None)
KNOWS_NO_SONG = (  # whatever the songs are
    *("eeg_encoder", "audio_encoder", "eeg_filters", "audio_filters", "gains"),
    *("reduction_mean", "reduction_directions"),
)


@dataclass(frozen=True)
class TemporalSettings(Settings):
    """Settings of a temporal decoder, in addition to those of all decoders.

    Parameters
    ----------
    memory_frames : int
        Length of the longest remembered representation, in frames.
    n_bands, width, dimensions : int
        Bands of the audio features, channels inside the encoders, and channels of the representation, of that of each
        teacher if there are several.
    channel_dropout : float
        Share of EEG channels dropped in training.
    memory_temperature : float
        Divides similarities before they are summed over moments.
    filters : tuple of int
        Sizes of the closed-form decoder that it contains: components, lags of the EEG, audio features, and their lags;
        empty if it contains none.
    first_lag : int
        First lag of the filters of the EEG, in frames.
    reduced_from : int
        Number of features of the teacher that were reduced to `n_bands`; 0 if they were not reduced.
    beside : str
        Name of features whose part made by hand lies below the teacher's; empty for none.
    teacher_bands : tuple of int
        Bands of each of several teachers, which make up `n_bands`; empty if there is one. Their weights are those in
        `features`.
    share : float
        Share of the learned part in similarities, where there are several teachers and filters.
    taught : bool
        Whether the filters take the features of the teacher, as the network learns from them, above those made by hand.
    """

    memory_frames: int = 0
    n_bands: int = BANDS
    width: int = 16
    dimensions: int = 8
    channel_dropout: float = 0.1
    memory_temperature: float = 0.05
    filters: tuple[int, ...] = ()
    first_lag: int = 0
    reduced_from: int = 0
    beside: str = ""
    teacher_bands: tuple[int, ...] = ()
    share: float = 1.0
    taught: bool = False

    @property
    def learned(self) -> int:
        """Channels of the learned part of the representation, of all teachers together."""
        return self.dimensions * max(1, len(self.teacher_bands))

    def parts(self) -> Parts:
        """Sizes and weights, which sum to one, of the parts of the representation; empty if there is one teacher."""
        if not self.teacher_bands:
            return ()
        weights = [teacher.weight for teacher in part_teachers(self.features)]
        learned = tuple((self.dimensions, weight / sum(weights)) for weight in weights)
        return with_further(learned, self.share, self.filters[0]) if self.filters else learned


@DECODERS.add("temporal")
class TemporalDecoder(StartedNetwork, RememberingNetwork, MomentMatcher):
    """The EEG network predicts the representation that the audio network computes for the same moment.

    The prediction is compared with the remembered representation of every moment of every song. The evidence for a
    song, summed over its moments, is its logit; see `models.memory`. After training, the components of a closed-form
    decoder can be added to the representation.

    With several teachers, each has an audio network, and the last layer of the EEG network predicts one part of the
    representation for each. Similarities and PredANN losses are means over the parts, by the weights of the teachers.
    """

    compares_moments = True
    takes_several_teachers = True
    samples_per_frame = HALVING
    settings_class = TemporalSettings
    settings: TemporalSettings
    eeg_filters: Tensor
    audio_filters: Tensor
    gains: Tensor
    reduction_mean: Tensor
    reduction_directions: Tensor
    training_songs: tuple[int, ...]
    training_frames: tuple[int, ...]
    training_lengths: Tensor
    training_features: Tensor
    training_mean: Tensor
    training_variance: Tensor
    training_samples: int

    def __init__(self, settings: TemporalSettings) -> None:
        super().__init__()
        self.settings = settings
        self._heard = NOTHING_HEARD  # versions of the audio network's weights, and what it makes of the training songs
        n_songs, dimensions = len(settings.songs), settings.learned
        self.eeg_encoder = self.make_eeg_encoder(replace(settings, dimensions=dimensions))
        self.audio_encoder = _make_audio_encoder(settings)
        self.audio_head = nn.Linear(dimensions, n_songs)
        components, n_lags, n_features, reach = settings.filters or (0, 1, 0, 1)
        if settings.filters:
            self.register_buffer("eeg_filters", torch.zeros(components, len(settings.channels), n_lags))
            self.register_buffer("audio_filters", torch.zeros(components, n_features, reach))
            self.register_buffer("gains", torch.ones(2))
        if settings.reduced_from:
            self.register_buffer("reduction_mean", torch.zeros(settings.reduced_from))
            self.register_buffer("reduction_directions", torch.zeros(settings.n_bands, settings.reduced_from))
        self.make_memory(n_songs, dimensions + components, settings.memory_frames)

    def make_eeg_encoder(self, settings: TemporalSettings) -> nn.Module:
        """Return the network that maps EEG (B, C, T) to a representation (B, D, T // 2); override it to try another."""
        return LinearEegEncoder(
            len(settings.channels),
            width=settings.width,
            dimensions=settings.dimensions,
            dropout=settings.channel_dropout,
        )

    @classmethod
    def settings_for(cls, blueprint: Blueprint) -> TemporalSettings:  # noqa: D102
        if len(blueprint.of_teachers) > 1:
            bands = tuple(min(number, MOST_LEARNED) for number in blueprint.of_teachers)
            return cls.settings_class(
                **blueprint.common(),
                memory_frames=blueprint.longest // HALVING,
                n_bands=sum(bands),
                beside=blueprint.beside,
                teacher_bands=bands,
            )
        learned = len(range(blueprint.bands)[features_kind(blueprint.features).for_networks])
        return cls.settings_class(
            **blueprint.common(),
            memory_frames=blueprint.longest // HALVING,
            n_bands=min(learned, MOST_LEARNED) if blueprint.beside else learned,
            beside=blueprint.beside,
        )

    @classmethod
    def features_for(cls, training: Training) -> str:
        """Return the name of the teacher's features, or of spectra together with features made by hand."""
        return taught_features(training) if is_taught(training) else "spectra"

    @classmethod
    def beside_for(cls, training: Training) -> str:
        """Return what the closed-form decoder inside takes by hand, whatever the teacher is."""
        return "spectra" if is_taught(training) else ""

    @cached_property
    def features(self) -> AudioFeatures:
        """The audio features; those of a teacher with those made by hand."""
        return heard_features(self.settings.features, self.settings.beside, self.settings.rate_hz)

    def configuration(self) -> dict[str, dict[str, Any]]:  # noqa: D102
        plain = super().configuration()
        first, *more = part_teachers(self.settings.features)
        teachers = {"teacher": _configured(first).name, "more_teachers": tuple(str(_configured(t)) for t in more)}
        return plain | {"training": plain["training"] | teachers}

    @property
    def parts(self) -> Parts:  # noqa: D102
        return self.settings.parts()

    def encode_eeg(self, eeg: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from EEG (B, C, T): song logits (B, n_songs), predicted representation (B, D, T // 2)."""
        z = self.predict(eeg)
        return self.song_logits(z), z

    def predict(self, eeg: Tensor) -> Tensor:  # noqa: D102
        z: Tensor = self.eeg_encoder(eeg)
        if not self.settings.filters:
            return z
        solved = filter_eeg(halve(eeg), self.eeg_filters, self.settings.first_lag)
        return torch.cat([self.gains[0] * z, centre(solved)], dim=1)

    def represent(self, features: Tensor) -> Tensor:
        """Represent audio features (B, bands, T): (B, D, T // 2)."""
        z: Tensor = self.audio_encoder(self._learned(features))
        if not self.settings.filters:
            return z
        solved = filter_audio(halve(self._filtered_features(features)), self.audio_filters)
        return torch.cat([self.gains[1] * z, centre(solved)], dim=1)

    def _filtered_features(self, features: Tensor) -> Tensor:
        """Cut the features that the closed-form decoder takes: those made by hand, which may follow the teacher's."""
        number = self.settings.filters[2]
        if not self.settings.taught:
            return features[:, features.shape[1] - number :]
        by_hand = number - self.settings.n_bands
        return torch.cat([self._learned(features), features[:, features.shape[1] - by_hand :]], dim=1)

    def _learned(self, features: Tensor) -> Tensor:
        """Cut the features that the network has learned from, and reduce them as it was done for its training."""
        if not self.settings.reduced_from:
            return features[:, : self.settings.n_bands]
        centred = features[:, : self.settings.reduced_from] - self.reduction_mean[:, None]
        return self.reduction_directions @ centred

    def reducing(self, mean: Singles, directions: Singles) -> Self:  # noqa: D102
        other = type(self)(replace(self.settings, reduced_from=len(mean)))
        kept = {name: value for name, value in self.state_dict().items() if not name.startswith("memory")}
        other.load_state_dict(kept, strict=False)
        other.reduction_mean.copy_(torch.from_numpy(mean))
        other.reduction_directions.copy_(torch.from_numpy(directions))
        return other.eval()

    def joined(  # noqa: D102
        self,
        banks: FilterBanks,
        gains: tuple[float, float],
        temperature: float,
        share: float = 1.0,
        *,
        taught: bool = False,
    ) -> Self:
        sizes = (len(banks.eeg), banks.eeg.shape[2], *banks.audio.shape[1:])
        settings = replace(
            self.settings, filters=sizes, first_lag=banks.first_lag, memory_temperature=temperature, taught=taught
        )
        other = type(self)(replace(settings, share=share) if self.settings.teacher_bands else settings)
        kept = {name: value for name, value in self.state_dict().items() if not name.startswith("memory")}
        other.load_state_dict(kept, strict=False)
        for buffer, values in (
            (other.eeg_filters, banks.eeg),
            (other.audio_filters, banks.audio),
            (other.gains, gains),
        ):
            buffer.copy_(torch.as_tensor(values))
        return other.eval()

    def encode_audio(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Recognise songs from waveforms (B, samples): song logits (B, n_songs), representation (B, D, frames)."""
        z = self.represent(self.features.to(audio.device)(audio))
        return self.audio_logits(z[:, : self.settings.learned]), z

    def audio_logits(self, z: Tensor) -> Tensor:
        """Classify audio representations (B, D, T) to song logits (B, n_songs)."""
        logits: Tensor = self.audio_head(log_power(z))
        return logits

    def song_logits(self, representation: Tensor) -> Tensor:  # noqa: D102
        temperature = self.settings.memory_temperature
        return evidence(representation, self.memory, self.memory_lengths, temperature, parts=self.parts)

    def match(self, representation: Tensor, moments: Tensor) -> Tensor:  # noqa: D102
        first = torch.div(moments, HALVING, rounding_mode="floor")
        return at_one_moment(representation, self.memory, self.memory_lengths, first, parts=self.parts)

    @property
    def halved_bands(self) -> int:  # noqa: D102
        return self.settings.n_bands if isinstance(self.eeg_encoder, LinearEegEncoder) else 0

    def objective(
        self, eeg: Tensor | Halved, audio: Tensor | HalvedFeatures, songs: Tensor, training: Training
    ) -> dict[str, Tensor]:
        """Add the cross-entropies of the song logits of EEG and audio, and the weighted PredANN loss.

        `Training.moments` says which moments of songs the logits are computed from: those of the other windows of the
        batch, these and the window's own, or all moments of all training songs, as in the test. Windows whose song no
        such moment has are left out of the cross-entropy of EEG. Unlike in the published method, PredANN by default
        trains both networks, which improves accuracy (see docs/results.md).

        Parameters
        ----------
        eeg : Tensor, shape (B, C, T)
            Scaled windows, or `Halved` windows.
        audio : Tensor, shape (B, bands, frames)
            Features of the same moments, with or without context, or `HalvedFeatures` of them.
        songs : Tensor of int, shape (B,)
            Index of the song of each window.
        training : Training
            Weight and temperature of PredANN, and whether it trains the EEG network alone.

        Returns
        -------
        dict of str to Tensor, shape ()
            The loss and its terms.
        """
        z_eeg = self.eeg_encoder(eeg)
        heard = audio if isinstance(audio, HalvedFeatures) else audio[:, : self.settings.n_bands]
        z_audio = middle(self.audio_encoder(heard), z_eeg.shape[2])
        similarities = similarity(z_eeg, z_audio, self.parts)
        if training.moments == "all":
            logits, answerable = self._logits_among_all(z_eeg), torch.ones_like(songs, dtype=torch.bool)
        else:
            logits, answerable = logits_within_batch(
                similarities,
                songs,
                len(self.settings.songs),
                self.settings.memory_temperature,
                with_own=training.moments == "own",
            )
        errors = F.cross_entropy(logits, songs, reduction="none")
        by_eeg = (errors * answerable).sum() / answerable.sum().clamp(min=1)
        by_audio = F.cross_entropy(self.audio_logits(z_audio), songs)
        if training.stop_gradient or self.parts:
            target = z_audio.detach() if training.stop_gradient else z_audio
            predann = predann_loss(z_eeg, target, training.temperature, self.parts)
        else:
            predann = loss_of_similarities(similarities, training.temperature)
        return {
            "loss": by_eeg + by_audio + training.predann_weight * predann,
            "eeg_loss": by_eeg,
            "audio_loss": by_audio,
            "predann_loss": predann,
        }

    def hear(self, songs: Songs, trained: Sequence[int]) -> None:  # noqa: D102
        spectra = [songs.audio(index)[: self.settings.n_bands] for index in trained]
        ends = tuple(part.shape[1] // HALVING for part in spectra)
        # as numbers, too: a step must not wait for a device to look them up
        self.training_songs, self.training_frames = tuple(trained), ends
        self.register_buffer("training_lengths", torch.tensor(ends), persistent=False)
        whole = [part[:, : end * HALVING] for part, end in zip(spectra, ends, strict=True)]
        halved = HalvedFeatures.of(torch.cat(whole, dim=1)[None])  # together, so that all share one normalisation
        self.training_samples, self._heard = halved.number, NOTHING_HEARD
        values = as_map(halved.values)[:, :, 0]  # laid out once as it is convolved
        for name, value in zip(TRAINING_AUDIO, (values, halved.mean, halved.variance), strict=True):
            self.register_buffer(name, value, persistent=False)

    def _logits_among_all(self, z_eeg: Tensor) -> Tensor:
        """Compute song logits from all moments of all training songs, as they are represented at present."""
        among = evidence(
            z_eeg,
            self._training_memory(),
            self.training_lengths,
            self.settings.memory_temperature,
            parts=self.parts,
            longest=max(self.training_frames),
        )
        known = dict(zip(self.training_songs, among.unbind(dim=1), strict=True))
        absent = among.new_full((len(z_eeg),), ABSENT)
        return torch.stack([known.get(song, absent) for song in range(len(self.settings.songs))], dim=1)

    def _training_memory(self) -> Tensor:
        """Represent the training songs; once for all batches of a validation."""
        weights = (*self.audio_encoder.parameters(), *self.audio_encoder.buffers())
        state = () if torch.is_grad_enabled() or self.training else tuple(weight._version for weight in weights)
        if state and state == self._heard[0]:
            known: Tensor = self._heard[1]
            return known
        features, mean, variance = (getattr(self, name) for name in TRAINING_AUDIO)
        joined = self.audio_encoder(HalvedFeatures(features, mean, variance, self.training_samples))[0]
        memory = stacked(torch.split(joined, list(self.training_frames), dim=1))
        self._heard = (state, memory) if state else NOTHING_HEARD
        return memory

    @property
    def has_fixed_steps(self) -> bool:  # noqa: D102
        return type(self) is TemporalDecoder and isinstance(self.eeg_encoder, LinearEegEncoder)

    def forget(self) -> None:  # noqa: D102
        self._heard = NOTHING_HEARD

    def for_songs(self, names: Sequence[str], songs: Songs) -> Self:
        """Return a decoder with the same encoders and a memory of other songs."""
        frames = max(songs.audio(index).shape[1] for index in range(len(songs))) // HALVING
        other = type(self)(replace(self.settings, songs=tuple(names), memory_frames=frames))
        kept = {name: value for name, value in self.state_dict().items() if name.split(".")[0] in KNOWS_NO_SONG}
        other.load_state_dict(kept, strict=False)
        other.eval().remember(songs)
        return other


def _make_audio_encoder(settings: TemporalSettings) -> AudioEncoder | AudioEncoders:
    """Make the audio network, or one for each of several teachers."""
    sizes = {"width": settings.width, "dimensions": settings.dimensions}
    return (
        AudioEncoders(settings.teacher_bands, **sizes)
        if settings.teacher_bands
        else AudioEncoder(settings.n_bands, **sizes)
    )


def _configured(teacher: WeightedTeacher) -> WeightedTeacher:
    """Name a teacher as in the configuration."""
    return replace(teacher, name=JOINT) if teacher.name in (SPECTRA, "spectra") else teacher


def logits_within_batch(
    similarities: Tensor, stimuli: Tensor, n_songs: int, temperature: float, *, with_own: bool = False
) -> tuple[Tensor, Tensor]:
    """Compute song logits in training, where the other windows of the batch stand in for the memory.

    Without the window's own moment, this objective only teaches the EEG network which song was playing. Which moment it
    was, only PredANN teaches.

    Parameters
    ----------
    similarities : Tensor, shape (B, B)
        Similarity of EEG (rows) with audio (columns) of the same batch.
    stimuli : Tensor of int, shape (B,)
        Index of the song of each window.
    n_songs : int
        Number of songs.
    temperature : float
        Divides the similarities.
    with_own : bool
        Whether the window's own moment counts, too.

    Returns
    -------
    Tensor, shape (B, n_songs)
        Song logits; very low for songs that no counted window of the batch has.
    Tensor of bool, shape (B,)
        Whether a counted window of the batch has the right song, so that the window can be classified correctly.
    """
    own = torch.eye(len(stimuli), dtype=torch.bool, device=stimuli.device) & (not with_own)
    belongs = stimuli == torch.arange(n_songs, device=stimuli.device)[:, None]  # (S, B)
    counted = belongs[None] & ~own[:, None]  # (B, S, B)
    number = counted.sum(dim=2)
    scaled = (similarities / temperature)[:, None].masked_fill(~counted, -torch.inf)
    summed = torch.logsumexp(scaled.masked_fill((number == 0)[..., None], ABSENT), dim=2)
    logits = summed - torch.log(number.clamp(min=1))
    return logits, number.gather(1, stimuli[:, None])[:, 0] > 0

"""Networks: decoders that are trained in epochs on an objective."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from predann_bids.arrays import Doubles, Singles
from predann_bids.config import Training
from predann_bids.errors import WrongUsage
from predann_bids.models.checkpoints import load_decoder, save_decoder
from predann_bids.models.decoder import DECODERS, Blueprint, Decoder, OnProgress, Songs, silent
from predann_bids.models.linear.filters import FilterBanks
from predann_bids.models.published.team import Team


class Network(Decoder):
    """A decoder that is trained in epochs.

    Attributes
    ----------
    is_pretrained : bool
        Whether training can begin with `Training.pretraining_epochs` on another task.
    """

    is_pretrained: ClassVar[bool] = False

    def reducing(self, mean: Singles, directions: Singles) -> Self:  # noqa: ARG002
        """Return this network with the reduction of the teacher's features that it was trained behind.

        Parameters
        ----------
        mean : ndarray, shape (features,)
            What is subtracted from the features.
        directions : ndarray, shape (bands, features)
            What they are multiplied by.
        """
        return self

    def begin(self, covariance: Doubles | None) -> None:
        """Take what training starts from, before the first step: weights that were learned elsewhere, as an example.

        Parameters
        ----------
        covariance : ndarray, shape (C, C), optional
            Mean covariance of the standardised channels of the training recordings, before they are whitened; None
            where windows are scaled one by one.
        """

    def parameter_groups(self, training: Training) -> list[dict[str, Any]]:  # noqa: ARG002 - for subclasses
        """Return the parameters that are trained, in groups as optimisers of PyTorch take them."""
        return [{"params": list(self.parameters())}]

    def hear(self, songs: Songs, trained: Sequence[int]) -> None:
        """Take what the objective needs of whole songs, before training.

        Parameters
        ----------
        songs : Songs
            The audio of all songs.
        trained : sequence of int
            Songs of the training and validation sets, the only ones that may be used.
        """

    def prepare(self, songs: Songs, spans: Mapping[int, Sequence[tuple[int, int]]], training: Training) -> None:
        """Fit to the audio of the training data, before training, what is not trained in epochs.

        Parameters
        ----------
        songs : Songs
            The audio of all songs.
        spans : mapping of int to sequence of (int, int)
            Of each song in the training set, the parts that are trained on: first EEG sample, counted from the start of
            the song, and the one after the last.
        training : Training
            The configuration.
        """

    def begin_epoch(self, epoch: int, training: Training) -> bool:  # noqa: ARG002 - for subclasses
        """Get ready for an epoch, counted from 0; return whether the optimiser has to begin anew with it."""
        return False

    @property
    def halved_bands(self) -> int:
        """Number of audio features that the objective takes halved, like the EEG (`signals.halves`); 0 for none."""
        return 0

    @property
    def has_fixed_steps(self) -> bool:
        """Whether the objective does the same with all batches of a size, so that a CUDA graph can repeat it.

        Then it looks at no value of a tensor, copies nothing to the device, and depends on nothing but the batch, the
        mode of the network, its parameters and its buffers, of which none is replaced between two steps.
        """
        return False

    def forget(self) -> None:
        """Drop what is kept of one batch for the next, such as representations of songs."""

    @property
    def phase(self) -> str:
        """Name of the phase of training that the network is in; empty if there is only one."""
        return ""

    def share(self, team: Team | None) -> None:
        """Let several processes take a share of each batch, where `can_share`; None ends it."""

    def first_step(self, device: str) -> str:  # noqa: ARG002 - for subclasses
        """Return what takes long in the first step of training on a kind of device; empty if nothing does."""
        return ""

    @abstractmethod
    def objective(self, eeg: Any, audio: Any, songs: Tensor, training: Training) -> dict[str, Tensor]:
        """Return the `loss` of a batch and its terms, by name.

        Parameters
        ----------
        eeg : Tensor, shape (B, C, T)
            Scaled windows; `Halved` where there are `halved_bands`.
        audio : Tensor, shape (B, bands, frames) or (B, samples)
            Audio features or waveforms of the same moments; `HalvedFeatures` where there are
            `halved_bands`.
        songs : Tensor of int, shape (B,)
            Index of the song of each window.
        training : Training
            Weights and temperatures.

        Returns
        -------
        dict of str to Tensor, shape ()
        """

    def save(self, path: Path, facts: Mapping[str, Any]) -> None:  # noqa: D102
        save_decoder(self, path, **facts)

    @classmethod
    def load(cls, path: Path, blueprint: Blueprint, songs: Songs) -> Self:  # noqa: ARG003, D102 - the file holds everything
        decoder = load_decoder(path)
        assert isinstance(decoder, cls)
        return decoder


class RememberingNetwork(Network):
    """A network that remembers how it represents whole songs, and compares EEG with them."""

    memory: Tensor
    memory_lengths: Tensor

    def make_memory(self, n_songs: int, dimensions: int, frames: int) -> None:
        """Make room for representations of songs, `frames` long at most; they are saved with the weights."""
        self.register_buffer("memory", torch.zeros(n_songs, dimensions, frames))
        self.register_buffer("memory_lengths", torch.zeros(n_songs, dtype=torch.long))

    @abstractmethod
    def represent(self, features: Tensor) -> Tensor:
        """Represent audio features (B, bands, T): (B, D, frames)."""

    @torch.no_grad()
    def remember(self, songs: Songs) -> None:
        """Store the representations of whole songs, in the order of `settings.songs`."""
        self.memory.zero_()
        for index in range(len(songs)):
            z = self.represent(songs.audio(index)[None].to(self.memory))[0]
            self.memory[index, :, : z.shape[1]] = z
            self.memory_lengths[index] = z.shape[1]

    def represent_songs(self, songs: Songs, on_progress: OnProgress = silent) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Return the remembered representations."""
        lengths = self.memory_lengths.tolist()
        return tuple(song[:, :length].cpu() for song, length in zip(self.memory, lengths, strict=True))


class StartedNetwork(Network):
    """A network that contains a closed-form decoder.

    Its representation has two parts, a learned one and the components of the closed-form decoder. How much each counts
    is chosen on validation data, so that the network does not fall behind what can be solved for.
    """

    @abstractmethod
    def joined(
        self,
        banks: FilterBanks,
        gains: tuple[float, float],
        temperature: float,
        share: float = 1.0,
        *,
        taught: bool = False,
    ) -> Self:
        """Return this network with the filters of a closed-form decoder.

        Parameters
        ----------
        banks : FilterBanks
            Filters of EEG and audio, scaled as they shall count.
        gains : (float, float)
            Factors of the learned representations of EEG and audio.
        temperature : float
            Temperature of the song logits.
        share : float
            Share of the learned part in similarities, if the learned part has `parts`.
        taught : bool
            Whether the filters of the audio take the features of a teacher, too; see `models.decoders.taught`.
        """


def started_network(decoder: Network) -> StartedNetwork | None:
    """Return a network as one that can contain a closed-form decoder; None if it cannot."""
    return decoder if isinstance(decoder, StartedNetwork) else None


def can_be_started(kind: type[Decoder]) -> bool:
    """Return whether decoders of a class can contain a closed-form decoder."""
    return issubclass(kind, StartedNetwork)


def network(kind: str) -> type[Network]:
    """Look up a decoder that is trained in epochs.

    Raises
    ------
    WrongUsage
        There is none of this name.
    """
    decoder = DECODERS[kind]
    if not issubclass(decoder, Network):
        raise WrongUsage(f"The decoder '{kind}' is not trained in epochs: choose another one with --encoders.")
    return decoder


def refuse_pretraining(training: Training) -> None:
    """Refuse epochs of pretraining of a network that has none.

    Raises
    ------
    WrongUsage
        It names the networks that have.
    """
    if training.pretraining_epochs and not network(training.encoders).is_pretrained:
        known = [name for name in DECODERS if getattr(DECODERS[name], "is_pretrained", False)]
        raise WrongUsage(
            f"training.pretraining_epochs is {training.pretraining_epochs}, but the network '{training.encoders}' has"
            f" no pretraining: set it to 0, or choose {' or '.join(known)} with --encoders."
        )

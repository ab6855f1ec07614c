"""What a foundation model of EEG is to the encoder that holds it, and the registry of these models."""

from __future__ import annotations

import importlib.util
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from predann_bids.errors import MissingInput
from predann_bids.models.foundation.montage import Heard
from predann_bids.registry import Registry
from predann_bids.signals.montage import Place


@dataclass(frozen=True)
class Patches:
    """How a model cuts a window into patches of time.

    Parameters
    ----------
    length, step : int
        Samples of a patch, and from one to the next.
    number : int
        Patches of a window.
    """

    length: int
    step: int
    number: int

    @classmethod
    def covering(cls, samples: int, length: int, step: int) -> Patches:
        """Return the fewest patches that cover a window."""
        return cls(length, step, 1 + max(0, math.ceil((samples - length) / step)))

    @property
    def samples(self) -> int:
        """Samples from the first of the first patch to the last of the last one."""
        return self.length + (self.number - 1) * self.step


class FoundationModel(ABC):
    """A network that was made to learn from much EEG of all kinds, and to be used on other EEG.

    Attributes
    ----------
    title : str
        What it is called.
    package : str
        Package that holds it; empty if it needs none.
    rate_hz : int
        Sampling rate of its EEG.
    sizes : tuple of str
        Names of the values that set its sizes, as far as a config.json beside its weights may set them.
    longer : mapping of str to int
        Weights that a file may hold for more patches or channels than a window has, and along which axis.
    heads : tuple of str
        First words of the names of weights that serve another task, and are not taken from a file.
    """

    title: ClassVar[str]
    package: ClassVar[str] = "braindecode"
    rate_hz: ClassVar[int] = 200
    sizes: ClassVar[tuple[str, ...]] = ()
    longer: ClassVar[Mapping[str, int]] = {}
    heads: ClassVar[tuple[str, ...]] = ("final_layer",)

    @classmethod
    def refuse_missing_package(cls) -> None:
        """Raise `MissingInput` if the package of the model is not installed."""
        try:
            found = not cls.package or importlib.util.find_spec(cls.package) is not None
        except ImportError:
            found = False
        if not found:
            raise MissingInput(
                f"{cls.title} comes with the package {cls.package}, which is not installed:"
                ' pip install "predann-bids[foundation]"'
            )

    @abstractmethod
    def hear(self, channels: Sequence[str], positions: Mapping[str, Place], weights: Path | None) -> Heard:
        """Say what becomes of a recording's channels.

        Parameters
        ----------
        channels : sequence of str
            Channels of the recordings.
        positions : mapping
            Head coordinates in metres, of those whose position is known.
        weights : Path, optional
            File that the weights come from.

        Raises
        ------
        UnusableData
            The model knows too few of them.
        """

    @abstractmethod
    def patches(self, samples: int, sizes: Mapping[str, Any]) -> Patches:
        """Say how a window of so many samples at `rate_hz` is cut into patches."""

    @abstractmethod
    def build(self, channels: int, patches: Patches, sizes: Mapping[str, Any]) -> nn.Module:
        """Make the network, with random weights, without what serves another task."""

    @abstractmethod
    def width(self, network: nn.Module) -> int:
        """Return the length of a token."""

    @abstractmethod
    def scaled(self, eeg: Tensor) -> Tensor:
        """Bring EEG of variance one to the amplitudes that the model was trained on."""

    @abstractmethod
    def tokens(self, network: Any, eeg: Tensor, names: Sequence[str], places: Tensor) -> Tensor:
        """Compute a token for each channel and patch.

        Parameters
        ----------
        network : Module
            What `build` made.
        eeg : Tensor, shape (B, channels, samples)
            Scaled EEG of whole patches.
        names : sequence of str
            The model's names of the channels.
        places : Tensor, shape (channels, 3)
            Where the model has them; empty if it does not ask.

        Returns
        -------
        Tensor, shape (B, channels, patches, width)
        """


def braindecode(module: str = "models") -> Any:
    """Import a module of braindecode, which takes seconds and says what only its developers can mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"braindecode.{module}")


FOUNDATION: Registry[type[FoundationModel]] = Registry("foundation model", "predann_bids.models.foundation.kinds")

"""Train one decoder on one fold with Lightning."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from predann_bids.config import Training
from predann_bids.data.batches import AudioStore, EegStore
from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows, draw, fitting, grid
from predann_bids.errors import WrongUsage
from predann_bids.learning.retrieval import Representations
from predann_bids.models.decoder import Decoder, DecoderSettings, logits_within_batch
from predann_bids.models.losses import predann_loss, similarity
from predann_bids.models.temporal import HALVING, middle

WARM_UP = 0.15  # share of the steps in which the learning rate rises
SAVE_EVERY_S = 60.0
Report = Callable[[int, str], None]


class Batch(NamedTuple):
    """Windows of EEG (B, C, T), spectra (B, M, T) of what was heard, and the songs (B,) they belong to."""

    eeg: Tensor
    spectra: Tensor
    stimuli: Tensor


@dataclass(frozen=True)
class Source:
    """Where windows are taken from, and how they are cut, in samples: `margin` is the audio's context on both sides."""

    trials: Sequence[Trial]
    eeg: EegStore
    audio: AudioStore
    length: int
    delay: int
    margin: int = 0

    def batch(self, windows: Windows) -> Batch:
        """Gather a batch."""
        return Batch(
            torch.from_numpy(self.eeg.windows(self.trials, windows, self.length, self.delay)),
            torch.from_numpy(self.audio.windows(self.trials, windows, self.length, self.margin)),
            torch.from_numpy(windows.stimuli(self.trials)),
        )


class TrainingBatches(IterableDataset[Batch]):
    """Batches of windows at random places, drawn anew for each epoch; the last incomplete batch is dropped.

    The draw depends on seed, fold and epoch alone, so a resumed training sees what it would have seen.
    """

    def __init__(
        self, source: Source, stretches: Sequence[Stretch], size: int, key: Sequence[int], epoch: Callable[[], int]
    ) -> None:
        self._source, self._stretches, self._size, self._key, self._epoch = source, stretches, size, key, epoch

    def __len__(self) -> int:
        return max(1, fitting(self._stretches, self._source.length) // self._size)

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng([*self._key, self._epoch()])
        windows = draw(self._stretches, self._source.length, rng)
        for number in range(len(self)):
            yield self._source.batch(windows[slice(number * self._size, (number + 1) * self._size)])


class ValidationBatches(IterableDataset[Batch]):
    """All windows of a grid, shuffled once, so that each batch holds several songs."""

    def __init__(self, source: Source, stretches: Sequence[Stretch], size: int, key: Sequence[int]) -> None:
        windows = grid(stretches, source.length, source.length // 2)
        order = np.random.default_rng(key).permutation(len(windows))
        self._parts = [windows[part] for part in np.array_split(order, max(1, round(len(order) / size)))]
        self._source = source

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Batch]:
        return map(self._source.batch, self._parts)


class DecoderTraining(pl.LightningModule):
    """The weighted sum of objectives: CE(EEG song logits) + CE(audio song logits) + weight * PredANN.

    A window whose song no other window of the batch belongs to does not count in the first. Unlike the published
    method, the audio representation is not detached in the PredANN objective: both networks move towards what EEG and
    audio share (measured; see docs/results.md).
    """

    def __init__(self, settings: dict[str, Any], training: dict[str, Any], fold: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.decoder = Decoder(DecoderSettings.of(settings))
        self.training_config = Training.model_validate(training)
        self.fold = fold

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """One step's loss."""
        losses = self._losses(batch)
        self.log("train_loss", losses["loss"], on_step=False, on_epoch=True, batch_size=len(batch.stimuli))
        return losses["loss"]

    def validation_step(self, batch: Batch, _: int) -> None:
        """Log the loss and its parts on validation data."""
        for name, value in self._losses(batch).items():
            self.log(f"validation_{name}", value, on_epoch=True, batch_size=len(batch.stimuli))

    def on_train_epoch_start(self) -> None:
        """Seed dropout by epoch, so that a resumed training goes on as an uninterrupted one would."""
        torch.manual_seed(int(np.random.SeedSequence([*self._key, self.current_epoch]).generate_state(1)[0]))

    def configure_optimizers(self) -> Any:
        """AdamW; the learning rate rises, then falls to nothing along a cosine."""
        config = self.training_config
        optimizer = torch.optim.AdamW(
            self.decoder.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        steps = int(self.trainer.estimated_stepping_batches)
        rising = max(1, round(WARM_UP * steps))

        def factor(step: int) -> float:
            if step < rising:
                return (step + 1) / rising
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @property
    def _key(self) -> tuple[int, int]:
        return (self.training_config.seed, self.fold)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        config, decoder = self.training_config, self.decoder
        z_eeg = decoder.eeg_encoder(batch.eeg)
        z_audio = middle(decoder.audio_encoder(batch.spectra), z_eeg.shape[2])
        logits, answerable = logits_within_batch(
            similarity(z_eeg, z_audio), batch.stimuli, len(decoder.settings.songs), decoder.settings.memory_temperature
        )
        errors = F.cross_entropy(logits, batch.stimuli, reduction="none")
        eeg = (errors * answerable).sum() / answerable.sum().clamp(min=1)
        audio = F.cross_entropy(decoder.audio_logits(z_audio), batch.stimuli)
        predann = predann_loss(z_eeg, z_audio, config.temperature)
        return {
            "loss": eeg + audio + config.predann_weight * predann,
            "eeg_loss": eeg,
            "audio_loss": audio,
            "predann_loss": predann,
        }


@dataclass
class _History(Callback):
    """Keep the metrics of every epoch, and tell how far training is."""

    report: Report
    name: str
    rows: list[dict[str, float]] = field(default_factory=list)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        metrics = {key: round(float(value), 6) for key, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch + 1, **metrics})
        self.report(1, f"{self.name}: validation loss {metrics.get('validation_loss', math.nan):.3f}")

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows[:] = state["rows"]


class _SaveOnce(Callback):
    """Save the state of a long training every minute, at the end of an epoch, to go on from after a kill."""

    def __init__(self, path: Path) -> None:
        self._path, self._saved = path, time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        if time.monotonic() - self._saved >= SAVE_EVERY_S:
            trainer.save_checkpoint(self._path)
            self._saved = time.monotonic()


@dataclass(frozen=True)
class Hardware:
    """What Lightning runs on."""

    accelerator: str = "cpu"
    devices: str = "1"
    num_nodes: int = 1
    precision: str = "32-true"


def fit(
    source: Source,
    split: Split,
    settings: DecoderSettings,
    config: Training,
    *,
    directory: Path,
    name: str,
    hardware: Hardware,
    report: Report,
) -> tuple[Decoder, list[dict[str, float]]]:
    """Train a decoder on a fold's training set, and return it as it was when its validation loss was lowest.

    Parameters
    ----------
    source : Source
        Where windows are taken from.
    split : Split
        Training and validation stretches; the test set is not touched.
    settings : DecoderSettings
        Form of the decoder.
    config : Training
        Objective and schedule.
    directory : Path
        For checkpoints while training; a training that was killed goes on from what is there.
    name : str
        How to call this training in progress messages.
    hardware : Hardware
        Handed to Lightning.
    report : callable
        Called with a number of finished epochs and a note.

    Returns
    -------
    Decoder
        In eval mode, remembering all songs.
    list of dict
        Metrics of each epoch.
    """
    key = (config.seed, split.fold)
    pl.seed_everything(int(np.random.SeedSequence(key).generate_state(1)[0]), verbose=False)
    module = DecoderTraining(settings.plain(), config.model_dump(mode="json"), split.fold)
    batches = TrainingBatches(source, split.train, config.batch_size, key, lambda: module.current_epoch)
    validation = ValidationBatches(source, split.validation, config.batch_size, key)
    history = _History(report, name)
    best = ModelCheckpoint(
        directory, filename="best", monitor="validation_loss", save_weights_only=True, enable_version_counter=False
    )
    last = directory / "last.ckpt"
    with _quiet_lightning():
        trainer = _trainer(
            accelerator=hardware.accelerator,
            devices=int(hardware.devices) if hardware.devices.isdigit() else hardware.devices,
            num_nodes=hardware.num_nodes,
            precision=hardware.precision,
            max_epochs=config.epochs,
            callbacks=[EarlyStopping("validation_loss", patience=config.patience), best, history, _SaveOnce(last)],
            default_root_dir=directory,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic=True,
        )
        trainer.fit(
            module,
            DataLoader(batches, batch_size=None),
            DataLoader(validation, batch_size=None),
            ckpt_path=str(last) if last.is_file() else None,
            weights_only=True if last.is_file() else None,
        )
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(state["state_dict"])
    decoder = module.decoder.eval()
    decoder.remember([torch.from_numpy(features) for features in source.audio.features])
    report(config.epochs - len(history.rows), f"{name}: done")
    return decoder, history.rows


def _trainer(**settings: Any) -> pl.Trainer:
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        return pl.Trainer(**settings)
    except (ValueError, TypeError, MisconfigurationException) as error:
        raise WrongUsage(
            f"Lightning cannot run with --accelerator {settings['accelerator']} --devices {settings['devices']}"
            f" --num-nodes {settings['num_nodes']} --precision {settings['precision']}: {error}"
        ) from error


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice about loggers and worker processes from the user, for whom it is of no use."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(lightning|torch)\.")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@torch.no_grad()
def represent(decoder: Decoder, source: Source, windows: Windows, size: int = 128) -> tuple[Any, Representations]:
    """Let a decoder hear windows of EEG.

    Returns
    -------
    ndarray, shape (n, songs)
        Softmax of the song logits.
    Representations
        What it predicts from each window, and what it remembers of the songs.
    """
    probabilities, predicted = [], []
    for first in range(0, len(windows), size):
        logits, z = decoder.encode_eeg(source.batch(windows[first : first + size]).eeg)
        probabilities.append(F.softmax(logits, dim=1).double().numpy())
        predicted.append(z.numpy())
    lengths = decoder.memory_lengths.tolist()
    songs = tuple(song[:, :length].numpy() for song, length in zip(decoder.memory, lengths, strict=True))
    return np.concatenate(probabilities), Representations(np.concatenate(predicted), songs, HALVING, by_feature=False)

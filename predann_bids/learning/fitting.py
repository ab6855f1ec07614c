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
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from predann_bids.config import Training
from predann_bids.data.batches import AudioStore, EegStore
from predann_bids.data.resident import make_resident
from predann_bids.data.splits import Split
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.waveforms import WaveformStore
from predann_bids.data.windows import Windows, draw, draw_single, fitting, grid
from predann_bids.errors import WrongUsage
from predann_bids.learning.retrieval import Representations
from predann_bids.models.losses import predann_loss, similarity
from predann_bids.models.published.moments import embed_moments
from predann_bids.models.published.networks import PublishedDecoder, PublishedSettings, published_objective
from predann_bids.models.temporal.decoder import Decoder, DecoderSettings, logits_within_batch
from predann_bids.models.temporal.layers import HALVING, middle

WARM_UP = 0.15  # share of the steps in which the learning rate rises
SAVE_EVERY_S = 60.0
SIGN_OF_LIFE_S = 5.0
HEARD_AT_ONCE = {Decoder: 128, PublishedDecoder: 16}  # windows that fit into little memory
Report = Callable[[int, str], None]


class EegWindows(Protocol):
    """What gives windows of EEG (n, C, T)."""

    @property
    def channels(self) -> tuple[str, ...]: ...  # noqa: D102

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, delay: int) -> Any: ...  # noqa: D102


class AudioWindows(Protocol):
    """What gives windows of audio, (n, M, T) or (n, samples)."""

    def windows(self, trials: Sequence[Trial], windows: Windows, length: int, margin: float) -> Any: ...  # noqa: D102


Eeg = TypeVar("Eeg", bound=EegWindows)
Audio = TypeVar("Audio", bound=AudioWindows)


class Batch(NamedTuple):
    """Windows of EEG (B, C, T), what was heard, as spectra (B, M, T) or waveforms (B, samples), and the songs (B,)."""

    eeg: Tensor
    audio: Tensor
    stimuli: Tensor


@dataclass(frozen=True)
class Source(Generic[Eeg, Audio]):
    """Where windows are taken from, and how they are cut, in EEG samples.

    `margin` is the audio's context on both sides; a fraction where waveforms are cut.
    """

    trials: Sequence[Trial]
    eeg: Eeg
    audio: Audio
    length: int
    delay: int
    margin: float = 0

    def batch(self, windows: Windows) -> Batch:
        """Gather a batch."""
        audio = self.audio.windows(self.trials, windows, self.length, self.margin)
        return Batch(self.heard(windows), torch.as_tensor(audio), torch.from_numpy(windows.stimuli(self.trials)))

    def heard(self, windows: Windows) -> Tensor:
        """Gather the EEG alone."""
        return torch.as_tensor(self.eeg.windows(self.trials, windows, self.length, self.delay))

    def on(self, device: torch.device) -> AnySource:
        """Hold everything on an accelerator, where it fits, so that nothing has to be copied to it any more."""
        eeg, audio = self.eeg, self.audio
        if device.type == "cpu" or not (isinstance(eeg, EegStore) and isinstance(audio, AudioStore | WaveformStore)):
            return self
        resident = make_resident(eeg, audio, device, room=math.ceil(self.length + 2 * self.margin))
        return self.taking_from(*resident) if resident else self

    def taking_from(self, eeg: EegWindows, audio: AudioWindows) -> AnySource:
        """Cut the same windows from other stores."""
        return Source(self.trials, eeg, audio, self.length, self.delay, self.margin)


AnySource: TypeAlias = Source[Any, Any]
MappedSource: TypeAlias = Source[EegStore, AudioStore]  # recordings and spectra, on disk and in memory


class TrainingBatches(IterableDataset[Batch]):
    """Batches of windows at random places, drawn anew for each epoch; the last incomplete batch is dropped.

    The draw depends on seed, fold and epoch alone, so a resumed training sees what it would have seen.

    Parameters
    ----------
    source : Source
        Where windows are taken from.
    stretches : sequence of Stretch
        Training data.
    size : int
        Windows of a batch.
    key : sequence of int
        Seed and fold.
    epoch : callable
        Tells which epoch it is.
    single : bool
        One window from each stretch in an epoch, instead of as many as fit side by side.
    """

    def __init__(
        self,
        source: AnySource,
        stretches: Sequence[Stretch],
        size: int,
        key: Sequence[int],
        epoch: Callable[[], int],
        *,
        single: bool = False,
    ) -> None:
        self._source, self._stretches, self._size, self._key, self._epoch = source, stretches, size, key, epoch
        self._draw = draw_single if single else draw
        length = source.length
        whole = sum(bool(s.pieces(length)) for s in stretches) if single else fitting(stretches, length)
        self._number = max(1, whole // size)

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng([*self._key, self._epoch()])
        windows = self._draw(self._stretches, self._source.length, rng)
        for number in range(len(self)):
            yield self._source.batch(windows[slice(number * self._size, (number + 1) * self._size)])


class ValidationBatches(IterableDataset[Batch]):
    """Windows to validate with, shuffled once, so that each batch holds several songs."""

    def __init__(self, source: AnySource, windows: Windows, size: int, key: Sequence[int]) -> None:
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
    method, the audio representation is by default not detached in the PredANN objective: both networks move towards
    what EEG and audio share (measured; see docs/results.md).
    """

    decoder: Any  # one of two unrelated modules, which Lightning moves to the device

    def __init__(self, settings: dict[str, Any], training: dict[str, Any], fold: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.decoder = self._make(settings)
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

    @staticmethod
    def _make(settings: dict[str, Any]) -> Decoder | PublishedDecoder:
        return Decoder(DecoderSettings.of(settings))

    def on_train_epoch_start(self) -> None:
        """Seed dropout by epoch, so that a resumed training goes on as an uninterrupted one would."""
        torch.manual_seed(int(np.random.SeedSequence([*self._key, self.current_epoch]).generate_state(1)[0]))
        if self.current_epoch:
            torch.empty((), dtype=torch.int64).random_()  # seeds have meant the numbers after this one from the start

    def configure_optimizers(self) -> Any:
        """AdamW, which without weight decay is Adam; the learning rate stays, or rises and falls along a cosine."""
        config = self.training_config
        optimizer = torch.optim.AdamW(
            self.decoder.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        if config.schedule == "constant":
            return optimizer
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
        z_audio = middle(decoder.audio_encoder(batch.audio), z_eeg.shape[2])
        logits, answerable = logits_within_batch(
            similarity(z_eeg, z_audio), batch.stimuli, len(decoder.settings.songs), decoder.settings.memory_temperature
        )
        errors = F.cross_entropy(logits, batch.stimuli, reduction="none")
        eeg = (errors * answerable).sum() / answerable.sum().clamp(min=1)
        audio = F.cross_entropy(decoder.audio_logits(z_audio), batch.stimuli)
        predann = predann_loss(z_eeg, z_audio.detach() if config.stop_gradient else z_audio, config.temperature)
        return {
            "loss": eeg + audio + config.predann_weight * predann,
            "eeg_loss": eeg,
            "audio_loss": audio,
            "predann_loss": predann,
        }


class PublishedTraining(DecoderTraining):
    """The published networks and their objective; see `models.published`."""

    @staticmethod
    def _make(settings: dict[str, Any]) -> PublishedDecoder:
        return PublishedDecoder(PublishedSettings.of(settings))

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        config = self.training_config
        found = published_objective(
            self.decoder,
            batch.eeg,
            batch.audio,
            batch.stimuli,
            weight=config.predann_weight,
            temperature=config.temperature,
            stop_gradient=config.stop_gradient,
        )
        losses = {name: getattr(found, name) for name in ("loss", "eeg_loss", "audio_loss", "predann_loss")}
        return losses | {"accuracy": (found.eeg_logits.argmax(dim=1) == batch.stimuli).float().mean()}


@dataclass
class _History(Callback):
    """Keep the metrics of every epoch, and tell how far training is."""

    report: Report
    name: str
    rows: list[dict[str, float]] = field(default_factory=list)
    validated: bool = False
    said: float = field(default_factory=time.monotonic)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._tell_of("step", trainer.num_training_batches, trainer.fit_loop.batch_idx + 1)

    def on_validation_batch_end(self, trainer: pl.Trainer, *rest: Any) -> None:
        self._tell_of("validation", sum(trainer.num_val_batches), rest[3] + 1)

    def _tell_of(self, what: str, total: float, number: int) -> None:
        """Give a sign of life within an epoch that takes long."""
        if time.monotonic() - self.said >= SIGN_OF_LIFE_S:
            self.said = time.monotonic()
            self.report(0, f"{self.name}: epoch {len(self.rows) + 1}, {what} {number} of {total:g}")

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        self.validated = False  # Lightning goes on telling what the last validation found

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        self.validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        found = trainer.callback_metrics.items()
        metrics = {key: round(float(value), 6) for key, value in found if self.validated or key == "train_loss"}
        self.rows.append({"epoch": trainer.current_epoch + 1, **metrics})
        kind = "validation" if self.validated else "train"
        self.report(1, f"{self.name}: {kind} loss {metrics.get(f'{kind}_loss', math.nan):.3f}")

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
    """What Lightning runs on: one device, 'N,' for that of number N."""

    accelerator: str = "cpu"
    device: str = "1"
    precision: str = "32-true"


def fit(
    source: AnySource,
    split: Split,
    settings: DecoderSettings | PublishedSettings,
    config: Training,
    *,
    directory: Path,
    name: str,
    hardware: Hardware,
    report: Report,
    validation: Windows | None = None,
) -> tuple[Decoder | PublishedDecoder, list[dict[str, float]]]:
    """Train a decoder on a fold's training set.

    It is returned as it was when its validation loss was lowest, or as it is at the end, as configured.

    Parameters
    ----------
    source : Source
        Where windows are taken from.
    split : Split
        Training and validation stretches; the test set is not touched.
    settings : DecoderSettings or PublishedSettings
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
    validation : Windows, optional
        Validate with these instead of a grid on the validation set. Nothing is chosen by them where the last weights
        are kept.

    Returns
    -------
    Decoder or PublishedDecoder
        In eval mode, on the CPU; a `Decoder` remembers all songs.
    list of dict
        Metrics of each epoch.
    """
    key = (config.seed, split.fold)
    pl.seed_everything(int(np.random.SeedSequence(key).generate_state(1)[0]), verbose=False)
    kind = PublishedTraining if isinstance(settings, PublishedSettings) else DecoderTraining
    module = kind(settings.plain(), config.model_dump(mode="json"), split.fold)
    history = _History(report, name)
    best = ModelCheckpoint(
        directory, filename="best", monitor="validation_loss", save_weights_only=True, enable_version_counter=False
    )
    patience = math.ceil(config.patience / config.validate_every)
    choosing = [EarlyStopping("validation_loss", patience=patience), best] if config.keep == "best" else []
    last = directory / "last.ckpt"
    with _quiet_lightning():
        trainer = _trainer(
            accelerator=hardware.accelerator,
            devices=int(hardware.device) if hardware.device.isdigit() else hardware.device,
            precision=hardware.precision,
            max_epochs=config.epochs,
            callbacks=[*choosing, history, _SaveOnce(last)],
            check_val_every_n_epoch=config.validate_every,
            enable_checkpointing=bool(choosing),
            default_root_dir=directory,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            # some steps have no deterministic form on some accelerators
            deterministic=True if hardware.accelerator == "cpu" else "warn",
        )
        source = source.on(trainer.strategy.root_device)
        if validation is None:
            validation = grid(split.validation, source.length, max(1, source.length // 2))
        batches = TrainingBatches(
            source,
            split.train,
            config.batch_size,
            key,
            lambda: module.current_epoch,
            single=config.drawing == "single",
        )
        trainer.fit(
            module,
            _loader(batches),
            _loader(ValidationBatches(source, validation, config.batch_size, key)) if len(validation) else None,
            ckpt_path=str(last) if last.is_file() else None,
            weights_only=True if last.is_file() else None,
        )
    if choosing:
        state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    decoder: Decoder | PublishedDecoder = module.decoder.cpu().eval()
    if isinstance(decoder, Decoder):
        decoder.remember([torch.as_tensor(features).cpu() for features in source.audio.features])
    report(config.epochs - len(history.rows), f"{name}: done")
    return decoder, _marked(history.rows, best=bool(choosing))


def _loader(batches: IterableDataset[Batch]) -> DataLoader[Batch]:
    # a generator of its own: else it draws from the one that dropout draws from, but not when a training is resumed
    return DataLoader(batches, batch_size=None, generator=torch.Generator())


def _marked(rows: Sequence[dict[str, float]], *, best: bool) -> list[dict[str, float]]:
    """Tell which epoch's weights were kept."""
    losses = [row.get("validation_loss", math.inf) for row in rows]
    kept = int(np.argmin(losses)) if best else len(rows) - 1
    return [{**row, "kept": int(place == kept)} for place, row in enumerate(rows)]


def _trainer(**settings: Any) -> pl.Trainer:
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        return pl.Trainer(**settings)
    except (ValueError, TypeError, MisconfigurationException) as error:
        raise WrongUsage(
            f"Lightning cannot run with --accelerator {settings['accelerator']}, device {settings['devices']},"
            f" --precision {settings['precision']}: {error}"
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


def _silent(units: int, note: str) -> None:
    """Report nothing."""


@torch.no_grad()
def represent(
    decoder: Decoder | PublishedDecoder,
    source: AnySource,
    windows: Windows,
    device: torch.device | str = "cpu",
    report: Report = _silent,
) -> tuple[Any, Representations]:
    """Let a decoder hear windows of EEG, telling `report` how far it is.

    Returns
    -------
    ndarray, shape (n, songs)
        Softmax of the song logits.
    Representations
        What it predicts from each window, and what it makes of the songs.
    """
    device = torch.device(device)
    decoder, source = decoder.to(device), source.on(device)
    size = HEARD_AT_ONCE[type(decoder)]
    probabilities, predicted = [], []
    for first in range(0, len(windows), size):
        logits, z = decoder.encode_eeg(source.heard(windows[first : first + size]).to(device))
        probabilities.append(F.softmax(logits, dim=1).double().cpu().numpy())
        predicted.append(z.cpu().numpy())
        report(0, f"test window {min(first + size, len(windows))} of {len(windows)}")
    heard = np.concatenate(predicted)
    if isinstance(decoder, PublishedDecoder):
        songs = tuple(_moments(decoder, source, song, report) for song in range(len(decoder.settings.songs)))
        found = Representations(heard[:, :, None], songs, 1, by_feature=False, centred=False)
    else:
        lengths = decoder.memory_lengths.tolist()
        songs = tuple(song[:, :length].cpu().numpy() for song, length in zip(decoder.memory, lengths, strict=True))
        found = Representations(heard, songs, HALVING, by_feature=False)
    decoder.cpu()
    return np.concatenate(probabilities), found


def _moments(decoder: PublishedDecoder, source: AnySource, song: int, report: Report) -> Any:
    """Embed the window of a song that begins at each EEG sample, shape (100, moments)."""
    report(0, f"moments of {decoder.settings.songs[song]}")
    starts, length = source.audio.moments_of(song, source.length, source.margin)
    device = next(decoder.parameters()).device
    held = source.audio.waveforms[song]
    waveform = (held if isinstance(held, Tensor) else torch.from_numpy(np.array(held))).to(device)
    _, embeddings = embed_moments(decoder.encoder_audio, waveform, torch.as_tensor(starts), length)
    return embeddings.T.cpu().numpy()

"""Train a network on one fold with Lightning."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from predann_bids.arrays import Doubles
from predann_bids.config import Training
from predann_bids.data.source import AnySource, Batch
from predann_bids.data.splits import Split
from predann_bids.data.stores.mapped import EegStore
from predann_bids.data.windows import Windows, grid
from predann_bids.errors import WrongUsage
from predann_bids.learning.sampling import TrainingBatches, ValidationBatches
from predann_bids.learning.sharing.helping import shared
from predann_bids.models.checkpoints import FRONT_END
from predann_bids.models.decoder import OnProgress
from predann_bids.models.network import Network, network
from predann_bids.models.settings import Settings
from predann_bids.surroundings.stopping import Request, keep_handling, request_to_stop

WARM_UP = 0.15  # share of the steps during which the learning rate rises
SAVE_EVERY_S = 60.0
SIGN_OF_LIFE_S = 5.0


class NetworkTraining(pl.LightningModule):
    """The training of a network on its objective.

    Parameters
    ----------
    kind : str
        Registered name of the network.
    settings, training : dict
        Plain values of the settings of the network, and of the training configuration.
    fold : int
        Number of the fold.
    """

    decoder: Network

    def __init__(self, kind: str, settings: dict[str, Any], training: dict[str, Any], fold: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        form: Any = network(kind)
        self.decoder = form(form.settings_class.of(settings))
        self.training_config = Training.model_validate(training)
        self.fold = fold

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss of one batch."""
        loss = self._losses(batch)["loss"]
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.stimuli))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Log the loss and its terms on validation data."""
        for name, value in self._losses(batch).items():
            self.log(f"validation_{name}", value, on_epoch=True, batch_size=len(batch.stimuli))

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Any:
        """Leave a batch where it is if it is on the device; Lightning would look into each part of it."""
        if all(part.device == device for part in batch.tensors()):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_train_epoch_start(self) -> None:
        """Seed dropout by epoch, so that a resumed training continues as an uninterrupted one would."""
        torch.manual_seed(int(np.random.SeedSequence([*self._key, self.current_epoch]).generate_state(1)[0]))
        if self.current_epoch:
            torch.empty(
                (), dtype=torch.int64
            ).random_()  # earlier versions drew this number; later draws must stay the same
        if self.decoder.begin_epoch(self.current_epoch, self.training_config):
            for optimizer in self.trainer.optimizers:
                optimizer.state.clear()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Drop buffers of the audio features, which earlier versions saved, so that their training can be resumed."""
        weights = checkpoint["state_dict"]
        for name in [name for name in weights if name.startswith(f"decoder.{FRONT_END}")]:
            del weights[name]

    def configure_optimizers(self) -> Any:
        """Return AdamW (Adam if weight decay is 0) with a constant learning rate, or warm-up and cosine decay."""
        config = self.training_config
        # all parameters in one go, where that exists
        optimizer = torch.optim.AdamW(
            self.decoder.parameter_groups(config),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=self.device.type in ("cpu", "cuda") and not self.decoder.is_large,
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
        return self.decoder.objective(*batch, self.training_config)


@dataclass
class _History(Callback):
    """Record the metrics of every epoch, and report progress."""

    on_progress: OnProgress
    name: str
    rows: list[dict[str, float]] = field(default_factory=list)
    validated: bool = False
    last_sign: float = field(default_factory=time.monotonic)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        self._sign_of_life(module, "step", trainer.num_training_batches, trainer.fit_loop.batch_idx + 1)

    def on_validation_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        done = trainer.fit_loop.epoch_loop.val_loop.batch_progress.current.ready
        self._sign_of_life(module, "validation", sum(trainer.num_val_batches), done)

    def _sign_of_life(self, module: Any, what: str, total: float, number: int) -> None:
        """Report progress within a long epoch, every few seconds."""
        if time.monotonic() - self.last_sign >= SIGN_OF_LIFE_S:
            self.last_sign = time.monotonic()
            epoch = f"epoch {len(self.rows) + 1}"
            self.on_progress(0, f"{self.name}{_comma(module)}: {epoch}, {what} {number} of {total:g}")

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        self.validated = False  # until the next validation, Lightning repeats the metrics of the last one

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        self.validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        logged = trainer.callback_metrics.items()
        metrics = {key: round(float(value), 6) for key, value in logged if self.validated or key == "train_loss"}
        self.rows.append({"epoch": trainer.current_epoch + 1, **metrics})
        kind = "validation" if self.validated else "train"
        self.on_progress(1, f"{self.name}{_comma(module)}: {kind} loss {metrics.get(f'{kind}_loss', math.nan):.3f}")

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows[:] = state["rows"]
        self.on_progress(len(self.rows), f"{self.name}: resumed after epoch {len(self.rows)}")


def _comma(module: Any) -> str:
    """Name the phase of training, if there are several, behind what is trained."""
    return f", {module.decoder.phase}" if module.decoder.phase else ""


class _SaveRegularly(Callback):
    """Save the state of training at the end of an epoch, at most once a minute, so that it can be resumed if killed.

    A training that is asked to stop saves at the end of its epoch, if that comes soon enough, and goes on from there
    as if nothing had happened. In its last epoch it just ends.
    """

    def __init__(self, path: Path, request: Request) -> None:
        self._path, self._saved, self._request = path, time.monotonic(), request

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        keep_handling(self._request)  # Lightning would stop in the middle of an epoch

    def on_train_batch_end(self, *_: Any) -> None:
        if self._request.is_overdue:
            raise self._request.as_error()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        asked, is_last = self._request.has_come, trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        # a resumed training does not know that its last epoch was to be the last
        if not is_last and (asked or time.monotonic() - self._saved >= SAVE_EVERY_S):
            trainer.save_checkpoint(self._path)
            self._saved = time.monotonic()
        if asked and not is_last:
            raise self._request.as_error()


@dataclass(frozen=True)
class Hardware:
    """What Lightning runs on.

    Parameters
    ----------
    accelerator, precision : str
        As Lightning names them.
    device : str
        Number of devices, or 'N,' for the device with number N.
    room_gb : float
        Memory for recordings that are kept scaled, so that not each window is scaled when it is cut.
    beside : tuple of str
        Further devices, as PyTorch names them, that take a share of each batch if the network can be shared.
    """

    accelerator: str = "cpu"
    device: str = "1"
    precision: str = "32-true"
    room_gb: float = 1.0
    beside: tuple[str, ...] = ()


def fit(
    source: AnySource,
    split: Split,
    kind: str,
    settings: Settings,
    config: Training,
    *,
    directory: Path,
    name: str,
    hardware: Hardware,
    on_progress: OnProgress,
    validation: Windows | None = None,
) -> tuple[Network, list[dict[str, float]]]:
    """Train a network on a fold's training set.

    Depending on the configuration, the weights of the epoch with the lowest validation loss are kept, or the last ones.

    Parameters
    ----------
    source : Source
        Where windows are cut from.
    split : Split
        Training and validation stretches; the test set is not used.
    kind : str
        Registered name of the network.
    settings : Settings
        What the network is built from.
    config : Training
        Objective and schedule.
    directory : Path
        For checkpoints during training, from which a killed training is resumed.
    name : str
        Name of this training in progress messages.
    hardware : Hardware
        What to train on.
    on_progress : callable
        Called with a number of finished epochs and a note.
    validation : Windows, optional
        Windows to validate on; by default a grid on the validation set. If the last weights are kept, they are only
        monitored.

    Returns
    -------
    Network
        In eval mode, on the CPU, with all songs remembered.
    list of dict
        Metrics of each epoch.
    """
    key = (config.seed, split.fold)
    pl.seed_everything(int(np.random.SeedSequence(key).generate_state(1)[0]), verbose=False)
    module = NetworkTraining(kind, settings.plain(), config.model_dump(mode="json"), split.fold)
    module.decoder.begin(_mean_covariance(source, split))
    module.decoder.hear(
        source.songs(), sorted({source.trials[s.trial].stimulus for s in (*split.train, *split.validation)})
    )
    module.decoder.prepare(source.songs(), _heard(source, split), config)
    history = _History(on_progress, name)
    selection = _selection(config, directory)
    last, request = directory / "last.ckpt", request_to_stop()
    with request.held_back(), _quiet_lightning(), _memory_left_as_it_is():
        trainer = _trainer(
            config, hardware, directory, [*selection, history, _SaveRegularly(last, request)], saves=bool(selection)
        )
        source = source.on(trainer.strategy.root_device)
        bands = module.decoder.halved_bands
        taken = source.halved(bands, hardware.room_gb) if bands else source
        if validation is None:
            validation = grid(split.validation, source.length, max(1, source.length // 2))
        single = config.drawing == "single"
        batches = TrainingBatches(
            taken, split.train, config.batch_size, key, lambda: module.current_epoch, single=single
        )
        if slow := module.decoder.first_step(trainer.strategy.root_device.type):
            on_progress(0, f"{name}: {slow}")
        with shared(module.decoder, trainer.strategy.root_device, hardware.beside):
            trainer.fit(
                module,
                _loader(batches),
                _loader(ValidationBatches(taken, validation, config.batch_size, key)) if len(validation) else None,
                ckpt_path=str(last) if last.is_file() else None,
                weights_only=True if last.is_file() else None,
            )
    if selection:
        state = torch.load(selection[-1].best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    decoder = module.decoder.cpu().eval()
    if hardware.precision.startswith("64"):
        decoder = decoder.float()  # as the windows are that it will be given
    decoder.remember(source.songs())
    on_progress(config.all_epochs - len(history.rows), f"{name}: done")
    return decoder, _marked(history.rows, best=bool(selection))


def _heard(source: AnySource, split: Split) -> dict[int, list[tuple[int, int]]]:
    """Return which parts of which songs the training set holds, in EEG samples from the start of the song."""
    heard: dict[int, list[tuple[int, int]]] = {}
    for stretch in split.train:
        trial = source.trials[stretch.trial]
        part = (trial.audio_start + stretch.span.start, trial.audio_start + stretch.span.stop)
        heard.setdefault(trial.stimulus, []).append(part)
    return heard


def _mean_covariance(source: AnySource, split: Split) -> Doubles | None:
    """Average the covariance of the standardised channels over the recordings that are trained on."""
    scalings = source.eeg.scalings if isinstance(source.eeg, EegStore) else ()
    trained = sorted({source.trials[stretch.trial].recording for stretch in split.train})
    covariances = [scalings[recording].covariance for recording in trained] if scalings else []
    known = [covariance for covariance in covariances if covariance is not None]
    return np.mean(known, axis=0) if known else None


def _selection(config: Training, directory: Path) -> list[Any]:
    """Return callbacks for early stopping and for keeping the best weights, or none if the last weights are kept."""
    if config.keep != "best":
        return []
    patience = math.ceil(config.patience / config.validate_every)
    # both right after the validation: at the end of the epoch, the training may have been stopped before their turn
    early = EarlyStopping("validation_loss", patience=patience, check_on_train_epoch_end=False)
    best = ModelCheckpoint(
        directory,
        filename="best",
        monitor="validation_loss",
        save_weights_only=True,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    return [early, best]


def _loader(batches: IterableDataset[Batch]) -> DataLoader[Batch]:
    # with a generator of its own, or it would draw from that of dropout, except when a training is resumed
    return DataLoader(batches, batch_size=None, generator=torch.Generator())


def _marked(rows: Sequence[dict[str, float]], *, best: bool) -> list[dict[str, float]]:
    """Mark the epoch whose weights were kept."""
    losses = [row.get("validation_loss", math.inf) for row in rows]
    kept = int(np.argmin(losses)) if best else len(rows) - 1
    return [{**row, "kept": int(index == kept)} for index, row in enumerate(rows)]


def _trainer(
    config: Training, hardware: Hardware, directory: Path, callbacks: list[Callback], *, saves: bool
) -> pl.Trainer:
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        return pl.Trainer(
            accelerator=hardware.accelerator,
            devices=int(hardware.device) if hardware.device.isdigit() else hardware.device,
            precision=hardware.precision,  # type: ignore[arg-type]
            max_epochs=config.all_epochs,
            callbacks=callbacks,
            check_val_every_n_epoch=config.validate_every,
            enable_checkpointing=saves,
            default_root_dir=directory,
            # else Lightning takes a job of SLURM for one of its own, counts its tasks and requeues it
            plugins=[LightningEnvironment()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            # some operations have no deterministic form on some accelerators
            deterministic=True if hardware.accelerator == "cpu" else "warn",
        )
    except (ValueError, TypeError, MisconfigurationException) as error:
        raise WrongUsage(
            f"Lightning cannot run with --accelerator {hardware.accelerator}, device {hardware.device},"
            f" --precision {hardware.precision}: {error}"
        ) from error


@contextmanager
def _memory_left_as_it_is() -> Iterator[None]:
    """Keep PyTorch from filling new tensors with NaN, as it does where operations have to be deterministic.

    It would show the use of values that were never computed, in a fifth of the time of a training.
    """
    settings: Any = torch.utils.deterministic
    before = settings.fill_uninitialized_memory
    settings.fill_uninitialized_memory = False
    try:
        yield
    finally:
        settings.fill_uninitialized_memory = before


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Suppress Lightning's advice about loggers and worker processes, which is of no use here."""
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

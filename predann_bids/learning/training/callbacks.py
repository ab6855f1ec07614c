"""What watches over a training: its history and progress, early stopping, and saving it so that it can go on."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from predann_bids.config import Training
from predann_bids.models.decoder import OnProgress
from predann_bids.surroundings.stopping import Request, keep_handling

SAVE_EVERY_S = 60.0
SIGN_OF_LIFE_S = 5.0


@dataclass
class History(Callback):
    """Record the metrics of every epoch, and report progress."""

    on_progress: OnProgress
    name: str
    rows: list[dict[str, float]] = field(default_factory=list)
    validated: bool = False
    last_sign: float = field(default_factory=time.monotonic)

    @property
    def state_key(self) -> str:
        """Name under which checkpoints hold the history; earlier versions called this class so."""
        return "_History"

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Report progress now and then."""
        self._sign_of_life(module, "step", trainer.num_training_batches, trainer.fit_loop.batch_idx + 1)

    def on_validation_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Report progress now and then."""
        done = trainer.fit_loop.epoch_loop.val_loop.batch_progress.current.ready
        self._sign_of_life(module, "validation", sum(trainer.num_val_batches), done)

    def _sign_of_life(self, module: Any, what: str, total: float, number: int) -> None:
        """Report progress within a long epoch, every few seconds."""
        if time.monotonic() - self.last_sign >= SIGN_OF_LIFE_S:
            self.last_sign = time.monotonic()
            epoch = f"epoch {len(self.rows) + 1}"
            self.on_progress(0, f"{self.name}{_comma(module)}: {epoch}, {what} {number} of {total:g}")

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        """Forget that there was a validation."""
        self.validated = False  # until the next validation, Lightning repeats the metrics of the last one

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        """Note that there was a validation."""
        self.validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keep the metrics of the epoch."""
        logged = trainer.callback_metrics.items()
        metrics = {key: round(float(value), 6) for key, value in logged if self.validated or key == "train_loss"}
        self.rows.append({"epoch": trainer.current_epoch + 1, **metrics})
        kind = "validation" if self.validated else "train"
        self.on_progress(1, f"{self.name}{_comma(module)}: {kind} loss {metrics.get(f'{kind}_loss', math.nan):.3f}")

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the epochs of a checkpoint."""
        self.rows[:] = state["rows"]
        self.on_progress(len(self.rows), f"{self.name}: resumed after epoch {len(self.rows)}")


def _comma(module: Any) -> str:
    """Name the phase of training, if there are several, behind what is trained."""
    return f", {module.decoder.phase}" if module.decoder.phase else ""


class SaveRegularly(Callback):
    """Save the state of training at the end of an epoch, at most once a minute, so that it can be resumed if killed.

    A training that is asked to stop saves at the end of its epoch, if that comes soon enough, and goes on from there
    as if nothing had happened. In its last epoch it just ends.
    """

    def __init__(self, path: Path, request: Request) -> None:
        self._path, self._saved, self._request = path, time.monotonic(), request

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        """Take signals that ask to stop."""
        keep_handling(self._request)  # Lightning would stop in the middle of an epoch

    def on_train_batch_end(self, *_: Any) -> None:
        """Stop where there is no time until the end of the epoch."""
        if self._request.is_overdue:
            raise self._request.as_error()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: ARG002
        """Save if it is time to, and stop if that was asked."""
        asked, is_last = self._request.has_come, trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        # a resumed training does not know that its last epoch was to be the last
        if not is_last and (asked or time.monotonic() - self._saved >= SAVE_EVERY_S):
            trainer.save_checkpoint(self._path)
            self._saved = time.monotonic()
        if asked and not is_last:
            raise self._request.as_error()


def selection_of(config: Training, directory: Path) -> list[Any]:
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

"""A network's training as Lightning runs it: losses, seeds, optimiser and learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from predann_bids.config import Training
from predann_bids.data.source import Batch
from predann_bids.models.checkpoints import FRONT_END
from predann_bids.models.network import Network, network

WARM_UP = 0.15  # share of the steps during which the learning rate rises


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

    Attributes
    ----------
    losses : callable
        Takes a batch, and returns its `loss` and the terms of it; during a validation, all terms.
    """

    decoder: Network
    losses: Callable[[Batch], dict[str, Tensor]]

    def __init__(self, kind: str, settings: dict[str, Any], training: dict[str, Any], fold: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        form: Any = network(kind)
        self.decoder = form(form.settings_class.of(settings))
        self.training_config = Training.model_validate(training)
        self.fold = fold
        self.losses = self._losses

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss of one batch."""
        loss = self.losses(batch)["loss"]
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.stimuli))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Log the loss and its terms on validation data."""
        for name, value in self.losses(batch).items():
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

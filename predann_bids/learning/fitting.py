"""Train a network on one fold with Lightning."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback
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
from predann_bids.learning.training.callbacks import History, SaveRegularly, selection_of
from predann_bids.learning.training.network import NetworkTraining
from predann_bids.learning.training.repeating import computing
from predann_bids.models.decoder import OnProgress
from predann_bids.models.network import Network
from predann_bids.models.settings import Settings
from predann_bids.surroundings.stopping import request_to_stop


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
    history = History(on_progress, name)
    selection = selection_of(config, directory)
    last, request = directory / "last.ckpt", request_to_stop()
    with request.held_back(), _quiet_lightning(), _memory_left_as_it_is():
        trainer = _trainer(
            config, hardware, directory, [*selection, history, SaveRegularly(last, request)], saves=bool(selection)
        )
        device = trainer.strategy.root_device
        source = source.on(device)
        bands = module.decoder.halved_bands
        taken = source.halved(bands, hardware.room_gb) if bands else source
        if validation is None:
            validation = grid(split.validation, source.length, max(1, source.length // 2))
        single = config.drawing == "single"
        batches = TrainingBatches(
            taken, split.train, config.batch_size, key, lambda: module.current_epoch, single=single
        )

        def say(note: str) -> None:
            on_progress(0, f"{name}: {note}")

        if slow := module.decoder.first_step(device.type):
            say(slow)
        with (
            shared(module.decoder, device, hardware.beside),
            computing(module.decoder, config, device, say) as module.losses,
        ):
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

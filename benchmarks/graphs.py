"""Preset `default` on a GPU: its steps with and without CUDA graphs, whole epochs, and `group` on a simulated dataset.

Without a GPU, both ways are the same; that shows that this works.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from simulated import RATE, Simulated, science

from predann_bids.learning import fitting
from predann_bids.learning.sampling import TrainingBatches
from predann_bids.learning.training.repeating import computing
from predann_bids.models.decoders.temporal import TemporalDecoder, TemporalSettings
from predann_bids.signals.halves import HALVING

WAYS = ("repeated", "one by one")
STEPS_COMPARED = 20
STEPS_TIMED = 50
PEOPLE, SONGS, SECONDS = 8, 4, 60
Figures = dict[str, Any]
Way = Callable[..., AbstractContextManager[Any]]


def way_of(name: str) -> Way:
    """Return what computes losses: by graphs where there is CUDA, or always one operation after the other."""
    return computing if name == "repeated" else _one_by_one


@contextmanager
def _one_by_one(network: Any, training: Any, device: Any, say: Any) -> Iterator[Any]:  # noqa: ARG001
    yield lambda batch: network.objective(*batch, training)


# -- steps -------------------------------------------------------------------------------------------------------------


class Material:
    """Noise of the size of NMED-T on a device, and batches of it."""

    def __init__(self, directory: Path, options: argparse.Namespace) -> None:
        self.made = Simulated(directory, people=3, seconds=20) if options.small else Simulated(directory)
        self.made.write()
        self.device = torch.device(options.device, 0) if options.device == "cuda" else torch.device("cpu")
        self.science = science("default", epochs=3 if options.small else 8)
        self.source, self.split = self.made.source(self.science), self.made.split(self.science)

    def settings(self) -> TemporalSettings:
        """Return what preset `default` makes its network of."""
        windows = self.science.windows
        return TemporalSettings(
            self.source.eeg.channels,
            tuple("abcdefghij"),
            RATE.hz,
            windows.delay,
            windows.length,
            memory_frames=self.source.audio.features[0].shape[1] // HALVING,
        )

    def network(self) -> TemporalDecoder:
        """Make the network, always with the same weights."""
        torch.manual_seed(0)
        made = TemporalDecoder(self.settings())
        songs = sorted({self.source.trials[stretch.trial].stimulus for stretch in self.split.train})
        made.hear(self.source.songs(), songs)
        return made.to(self.device).train()

    def batches(self) -> Iterator[Any]:
        """Yield batches of one epoch after the other, on the device."""
        source = self.source.on(self.device).halved(self.settings().n_bands, 1.0)
        size = self.science.training.batch_size
        for epoch in range(10**6):
            yield from TrainingBatches(source, self.split.train, size, (0, 0), lambda at=epoch: at)


@contextmanager
def training(name: str, material: Material) -> Iterator[Callable[[Any], Any]]:
    """Provide a step of training that takes a batch and returns its loss, on the device."""
    network, said = material.network(), []
    config = material.science.training
    adam = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, fused=True)
    with way_of(name)(network, config, material.device, said.append) as losses:

        def step(batch: Any) -> Any:
            loss = losses(batch)["loss"]
            adam.zero_grad()
            loss.backward()
            adam.step()
            return loss.detach().clone()

        yield step
    if said:
        print(f"{name}: {said[0]}", flush=True)


def step_figures(material: Material, options: argparse.Namespace) -> Figures:
    """Return milliseconds of steps, their data included, for both ways; the first step, in seconds; what is idle."""
    found: Figures = {}
    for name in WAYS:
        batches = material.batches()
        number = 2 if options.small else STEPS_TIMED
        with training(name, material) as step:
            first = _seconds(lambda step=step, batches=batches: step(next(batches)), options)

            def several(step: Any = step, batches: Any = batches, number: int = number) -> None:
                for _ in range(number):
                    step(next(batches))

            several()
            taken = [_seconds(several, options) / number for _ in range(3)]
            found[name] = {"first_s": first, "ms": 1e3 * min(taken), "ms_high": 1e3 * max(taken)}
            if options.device == "cuda":
                found[name]["idle"] = _idle(several)
    return found


def _seconds(action: Callable[[], Any], options: argparse.Namespace) -> float:
    start = time.perf_counter()
    action()
    if options.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _idle(action: Callable[[], Any]) -> float:
    """Return the share of the time in which no kernel runs."""
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    start = time.perf_counter()
    action()
    torch.cuda.synchronize()
    wall = time.perf_counter() - start
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        action()
        torch.cuda.synchronize()
    busy = sum(event.self_device_time_total for event in profiled.key_averages()) / 1e6
    return max(0.0, 1 - busy / wall)


def difference(material: Material) -> float:
    """Return the greatest relative difference between the losses of both ways, from equal weights and seeds."""
    losses = []
    for name in WAYS:
        batches = material.batches()
        with training(name, material) as step:
            torch.manual_seed(1)
            losses.append(torch.stack([step(next(batches)) for _ in range(STEPS_COMPARED)]).double().cpu())
    return float(((losses[0] - losses[1]).abs() / losses[1].abs()).max())


# -- epochs and runs ---------------------------------------------------------------------------------------------------


def epoch_figures(material: Material, options: argparse.Namespace) -> Figures:
    """Return the seconds of epochs as the program trains, validation included, for both ways; the first is apart."""
    found: Figures = {}
    for name in WAYS:
        ends = [time.perf_counter()]
        kept, fitting.computing = fitting.computing, way_of(name)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                fitting.fit(
                    material.source,
                    material.split,
                    "temporal",
                    material.settings(),
                    material.science.training,
                    directory=Path(scratch),
                    name=name,
                    hardware=fitting.Hardware("gpu" if options.device == "cuda" else "cpu"),
                    on_progress=lambda epochs, _, ends=ends: ends.extend([time.perf_counter()] * epochs),
                )
        finally:
            fitting.computing = kept
        taken = [after - before for before, after in pairwise(ends)]
        found[name] = {"first_s": taken[0], "s": min(taken[1:])}
    size = material.science.training.batch_size
    number = len(TrainingBatches(material.source, material.split.train, size, (0, 0), int))
    return found | {"windows": number * size}


def group_figures(options: argparse.Namespace) -> Figures:
    """Return the seconds of a group run of preset `default` on a simulated dataset, on the device and on processors."""
    people, songs, seconds = (3, 2, 20) if options.small else (PEOPLE, SONGS, SECONDS)
    found: Figures = {"participants": people, "songs": songs, "seconds": seconds}
    with tempfile.TemporaryDirectory() as scratch:
        dataset, output = Path(scratch) / "bids", Path(scratch) / "derivatives"
        sizes = {"participants": people, "songs": songs, "seconds": seconds, "channels": 4 if options.small else 32}
        _run("predann_bids.tools", "simulate", dataset, *(f"--{name}={value}" for name, value in sizes.items()))
        _run("predann_bids", dataset, output, "participant")
        short = ["--epochs=2"] if options.small else []
        for device in dict.fromkeys((options.device, "cpu")):
            copy = shutil.copytree(output, Path(scratch) / device)
            accelerator = "gpu" if device == "cuda" else "cpu"
            start = time.perf_counter()
            _run("predann_bids", dataset, copy, "group", f"--accelerator={accelerator}", *short)
            found[device] = time.perf_counter() - start
    return found


def _run(*words: Any) -> None:
    command = [sys.executable, "-m", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ)


def measure(options: argparse.Namespace) -> Figures:
    """Return all figures of preset `default` but those of `group`."""
    with tempfile.TemporaryDirectory() as scratch:
        material = Material(Path(scratch), options)
        return {
            "step": step_figures(material, options),
            "difference": difference(material),
            "epoch": epoch_figures(material, options),
        }

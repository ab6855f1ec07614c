"""Measure everything that is promised of a GPU, in one command, and write it as JSON.

steps       whole training steps of preset `published` (forward, backward, Adam) with data on the device, and their
            memory: ours, compiled and not; and the plain networks (`plain.py` beside this file) at PyTorch's
            defaults with the PredANN loss as two matrix products, channels-last, and compiled.
precision   losses and gradients of one batch against double precision, the worst parameter.
idle        share of an epoch of `published` in which the GPU waits, data included: one minus the time of its kernels.
default     preset `default`, whose steps are repeated as CUDA graphs, beside the same operations one by one: steps,
            data included, and the share of them in which the GPU waits; the greatest difference between losses over
            20 steps; epochs as the program trains, with validation. On one processor: epochs, by `training.py`.
group       a group run of preset `default` on a simulated dataset, on the GPU and on processors.
plusplus    a step of pretraining of preset `plusplus`, and its memory, beside a plain implementation; by `training.py`.

    python benchmarks/gpu.py --json gpu.json               about fifteen minutes
    python benchmarks/gpu.py --only default group          a part of it
    python benchmarks/gpu.py --device cpu --small          that it works, without a GPU; no figures
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import graphs
import plain
import torch
from torch.nn import functional as F

from predann_bids.models.decoders.published import PublishedDecoder, PublishedSettings, published_objective
from predann_bids.models.losses import predann_loss
from predann_bids.models.published import encoder as encoders
from predann_bids.models.published import maps

SONGS = tuple("abcdefghij")
RIVALS = ("plain", "plain channels-last", "plain compiled")
OURS = ("ours uncompiled", "ours")
BATCHES_OF_AN_EPOCH = 25
PROMISED = {"plain": 3.9, "plain compiled": 2.4}  # how many times as fast as these the step has to be
MOST_GB, MOST_IDLE, FARTHEST = 15.0, 0.05, 1.5
LONGEST_EPOCH_S, GREATEST_DIFFERENCE = 0.2, 1e-3  # of preset `default`; what rounding may come to in 20 steps
PARTS = ("steps", "precision", "idle", "default", "group", "plusplus")
Step = Callable[..., Any]


def main() -> None:
    options = parse()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no GPU here. --device cpu --small shows that the command works.")
    figures: dict[str, Any] = {"machine": machine(options), "steps": {}, "precision": {}, "idle": {}}
    for kind in (*RIVALS, *OURS) if "steps" in options.only else ():
        figures["steps"][kind] = step_figures(kind, options)
        show(kind, figures["steps"][kind])
    for kind in ("plain", *OURS) if "precision" in options.only else ():
        figures["precision"][kind] = distance(kind, options)
        show(f"{kind}, distance from double precision", figures["precision"][kind])
    if "idle" in options.only:
        figures["idle"] = idle(options)
        show("idle share of an epoch", figures["idle"])
    if "default" in options.only:
        on_one_processor = {} if options.small else {"one processor": by_training("default", "cpu")["default ours"]}
        figures["default"] = graphs.measure(options) | on_one_processor
        show("preset default", figures["default"])
    if "group" in options.only:
        figures["group"] = graphs.group_figures(options)
        show("group run of preset default", figures["group"])
    if "plusplus" in options.only:
        small = ["--quick"] if options.small else ["--batch", str(options.batch), "--repeat", str(options.repeat)]
        figures["plusplus"] = by_training("plusplus", options.device, *small)
        show("pretraining of preset plusplus, seconds per sample", figures["plusplus"])
    figures["promises"] = promises(figures)
    show("promises", figures["promises"])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--small", action="store_true", help="tiny windows, two windows in a batch, one repetition")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="measure these parts")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    if options.small:
        options.batch, options.repeat = 2, 1
    return options


def machine(options: argparse.Namespace) -> dict[str, Any]:
    """Say what was measured on, with what, and when."""
    there = options.device == "cuda"
    return {
        "card": torch.cuda.get_device_name() if there else "none: figures mean nothing",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if there else None,
        "torch": torch.__version__,
        "predann_bids": version("predann_bids"),
        "python": platform.python_version(),
        "compiler": maps.compiler(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "batch": options.batch,
        "repetitions": options.repeat,
    }


def batch_of(options: argparse.Namespace, number: int) -> tuple[Any, Any, Any]:
    """Return EEG, audio and songs on the device: noise of the size of the paper's windows."""
    rng = torch.Generator().manual_seed(0)
    channels, samples, audio = (6, 40, 486) if options.small else (128, 375, 132_300)
    parts = (torch.randn(number, channels, samples, generator=rng), 0.1 * torch.randn(number, audio, generator=rng))
    songs = torch.arange(number) % len(SONGS)
    return tuple(part.to(options.device) for part in (*parts, songs))  # type: ignore[return-value]


# -- the networks ------------------------------------------------------------------------------------------------------


def make(kind: str, options: argparse.Namespace, dtype: Any = torch.float32, dropout: float = 0.5) -> tuple[Any, Step]:
    """Build networks from the same weights, and their loss as a function of a batch."""
    torch.manual_seed(0)
    small = {"eeg_padding": (20, 21), "audio_padding": (121, 122)} if options.small else {}
    rival = plain.Networks(len(SONGS), **small)
    for one in (rival.encoder_eeg, rival.encoder_audio):
        one.dropout.p = dropout
    if kind in OURS:
        decoder = PublishedDecoder(PublishedSettings(("A",) * (6 if options.small else 128), SONGS, dropout=dropout))
        decoder.load_state_dict(rival.state_dict())
        decoder.to(options.device, dtype).train()
        compiles = kind == "ours" and options.device == "cuda"
        measure = maps.measuring(torch.device("cuda")) if compiles else maps.pool_and_measure_maps
        encoders.measuring = lambda _: measure  # type: ignore[assignment]
        return decoder, lambda *batch: published_objective(decoder, *batch).loss
    layout = torch.channels_last if kind == "plain channels-last" else torch.contiguous_format
    rival.to(options.device, dtype, memory_format=layout).train()  # type: ignore[call-overload]
    loss: Step = lambda *batch: plain_loss(rival, *batch)  # noqa: E731
    return rival, torch.compile(loss, dynamic=False) if kind == "plain compiled" and not options.small else loss


def plain_loss(networks: Any, eeg: Any, audio: Any, songs: Any) -> Any:
    """Sum the objectives as `plain.loss` does, with the PredANN loss as two matrix products."""
    eeg_logits, eeg_embedding = networks.encode_eeg(eeg)
    audio_logits, audio_embedding = networks.encode_audio(audio)
    supervised = F.cross_entropy(eeg_logits, songs) + F.cross_entropy(audio_logits, songs)
    return supervised + plain.PREDANN_WEIGHT * predann_loss(eeg_embedding, audio_embedding.detach(), plain.TEMPERATURE)


# -- what is measured --------------------------------------------------------------------------------------------------


def step_figures(kind: str, options: argparse.Namespace) -> dict[str, float]:
    """Return the milliseconds of a step, median and range, its memory, and the seconds of the first one."""
    networks, loss = make(kind, options)
    adam, batch = torch.optim.Adam(networks.parameters(), lr=0.003), batch_of(options, options.batch)

    def step() -> None:
        adam.zero_grad()
        loss(*batch).backward()
        adam.step()

    taken = [seconds(step, options) for _ in range(3 + options.repeat)]
    figures = {"first_s": taken[0], **spread([1e3 * one for one in taken[3:]])}
    if options.device == "cuda":
        figures["gigabytes"] = torch.cuda.max_memory_allocated() / 1e9
        del networks, adam, batch
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return figures


def seconds(action: Callable[[], Any], options: argparse.Namespace) -> float:
    """Return how long an action takes, until the device has done it."""
    start = time.perf_counter()
    action()
    if options.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def spread(values: list[float]) -> dict[str, float]:
    """Return the median and the range."""
    return {"ms": statistics.median(values), "ms_low": min(values), "ms_high": max(values)}


def distance(kind: str, options: argparse.Namespace) -> dict[str, float]:
    """Return the relative distance of loss and gradients, of the worst parameter, from plain in double precision."""
    loss, gradients = once(kind, options, torch.float32)
    exact, right = once("plain", options, torch.float64)
    # those of biases before a norm are zero but for rounding
    names = [name for name in right if not (name.endswith(".bias") and name.split(".")[2] in ("0", "3", "6"))]
    off = {name: float((gradients[name] - right[name]).norm() / right[name].norm()) for name in names}
    return {"loss": abs(loss - exact) / exact, "gradient": max(off.values())}


def once(kind: str, options: argparse.Namespace, dtype: Any) -> tuple[float, dict[str, Any]]:
    """Return the loss of one small batch without dropout, and all gradients, in double precision."""
    networks, loss = make(kind, options, dtype, dropout=0.0)
    eeg, audio, songs = batch_of(options, 4)
    found = loss(eeg.to(dtype), audio.to(dtype), songs)
    found.backward()
    trained = {name: one for name, one in networks.named_parameters() if one.grad is not None}
    return float(found.detach()), {name: one.grad.double() for name, one in trained.items()}


def idle(options: argparse.Namespace) -> dict[str, float]:
    """Return the share of an epoch of preset `published` in which no kernel runs, data included."""
    if options.device != "cuda":
        return {}
    from torch.profiler import ProfilerActivity, profile

    networks, loss = make("ours", options)
    adam = torch.optim.Adam(networks.parameters(), lr=0.003)
    with tempfile.TemporaryDirectory() as scratch:
        batches = epochs_of(Path(scratch), options)

        def epoch() -> None:
            for _ in range(BATCHES_OF_AN_EPOCH):
                adam.zero_grad()
                loss(*next(batches)).backward()
                adam.step()

        epoch()  # compiles
        wall = seconds(epoch, options)
        with profile(activities=[ProfilerActivity.CUDA]) as profiled:
            epoch()
            torch.cuda.synchronize()
    busy = sum(event.self_device_time_total for event in profiled.key_averages()) / 1e6
    return {"epoch_s": wall, "kernels_s": busy, "idle": max(0.0, 1 - busy / wall)}


def epochs_of(directory: Path, options: argparse.Namespace) -> Iterator[Any]:
    """Yield batches of the size of NMED-T as training draws them, from data held on the device."""
    from simulated import Simulated, science

    from predann_bids.learning.sampling import TrainingBatches

    made, configured = Simulated(directory), science("published")
    made.write()
    source = made.source(configured).on(torch.device(options.device))
    for epoch in range(10**6):
        drawn = TrainingBatches(
            source, made.split(configured).train, options.batch, (0, 0), lambda at=epoch: at, single=True
        )
        yield from ([part.to(options.device) for part in batch] for batch in drawn)


def by_training(part: str, device: str, *others: str) -> dict[str, Any]:
    """Return what `training.py` measures of a part."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "figures.json"
        there = ["--device", device, "--directory", scratch, "--json", str(file), "--only", part, *others]
        subprocess.run([sys.executable, Path(__file__).with_name("training.py"), *there], check=True)
        measured: dict[str, Any] = json.loads(file.read_text())["measured"]
        return measured


def promises(figures: dict[str, Any]) -> dict[str, bool]:
    """Say which promises are kept; without a GPU, none can be judged."""
    if figures["machine"]["cudnn"] is None:
        return {}
    steps, precision, kept = figures["steps"], figures["precision"], {}
    if steps:
        kept |= {
            f"{factor} times as fast as {rival}": steps[rival]["ms"] >= factor * steps["ours"]["ms"]
            for rival, factor in PROMISED.items()
        }
        kept[f"under {MOST_GB:g} GB"] = steps["ours"]["gigabytes"] < MOST_GB
    if precision:
        ours, plainly = precision["ours"], precision["plain"]
        kept["loss and gradients"] = all(ours[name] <= FARTHEST * plainly[name] for name in ours)
    if figures["idle"]:
        kept["GPU idle less than 5 %"] = figures["idle"]["idle"] < MOST_IDLE
    if default := figures.get("default"):
        kept[f"default: an epoch in {LONGEST_EPOCH_S:g} s"] = default["epoch"]["repeated"]["s"] <= LONGEST_EPOCH_S
        kept["default: equal losses"] = default["difference"] <= GREATEST_DIFFERENCE
        kept["default: repeated faster"] = default["step"]["repeated"]["ms"] < default["step"]["one by one"]["ms"]
    return kept


def show(what: str, figures: dict[str, Any]) -> None:
    print(f"{what}: {json.dumps(figures)}", flush=True)


if __name__ == "__main__":
    main()

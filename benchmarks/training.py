"""Measure training against a plain implementation of the published method (`plain.py` beside this file).

Measured on simulated data of the size of NMED-T, each in a fresh process:

data        a batch of windows: EEG cut and scaled, audio cut. "plain" reads the whole audio file for each sample and
            calls scikit-learn's RobustScaler for each channel; "mapped" uses our memory-mapped files; "resident" uses
            data held on the accelerator, if there is one.
encoders    forward and backward passes of each published network.
step        a whole training step of preset `published` on a batch, with its data.
plusplus    a step of pretraining of preset `plusplus`, without data; "plain", of `plusplus.py`, holds whole attention
            matrices.
default     epochs of preset `default` on the same data, as the program trains, with validation.

Derived from these:
epoch       preset `published`: 1200 windows in 25 batches of 48, extrapolated from the measured steps.
arithmetic  multiply-adds of the networks, and their share of the machine's rate in float32 matrix products.

All figures are medians, with the range in brackets. On a shared machine, use --rounds to measure the kinds alternately
several times; "x" is the ratio within a round.

    python benchmarks/training.py                                 batch 8, one thread
    python benchmarks/training.py --quick                         a quick look, about a minute
    python benchmarks/training.py --device cuda --batch 48        on a GPU
    python benchmarks/training.py --only data --json data.json
"""

from __future__ import annotations

import argparse
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

import arithmetic
import numpy as np
import published
from simulated import RATE, Simulated, science

PARTS = {
    "data": ("plain", "mapped", "resident"),
    "eeg": ("plain", "ours"),
    "audio": ("plain", "ours"),
    "step": ("plain", "ours"),
    "plusplus": ("plain", "ours"),
    "default": ("ours",),
    "machine": ("any",),
}
PUT_TOGETHER = {"encoders": ("eeg", "audio"), "arithmetic": ("eeg", "audio", "machine"), "epoch": ("step", "default")}
NETWORKS = ("eeg", "audio")
EPOCH = 1200  # windows
Figures = dict[str, float]
Table = dict[tuple[str, str], Figures]


def main() -> None:
    options = parse()
    if options.one:
        print(json.dumps(measure(*options.one, options)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        options.directory = options.directory or Path(scratch)
        simulated(options).write()
        print(f"{processor()}, {options.threads} threads, {options.device}, batch {options.batch}", flush=True)
        table: Table = {}
        for part, kinds in wanted(options).items():
            rounds = [{kind: in_fresh_process(part, kind, options) for kind in kinds} for _ in range(options.rounds)]
            for kind in kinds:
                table[part, kind] = together(kind, rounds)
                print("\n".join(lines_of(part, kind, table[part, kind])), flush=True)
    derived = {**epochs(table, quick=options.quick), **shares(table)}
    for line in summary(derived):
        print(line)
    if options.json:
        named = {" ".join(key): figures for key, figures in table.items()}
        machine = {"processor": processor(), "torch": version("torch")}
        how = {name: getattr(options, name) for name in ("device", "threads", "batch", "repeat", "rounds", "quick")}
        results = {"machine": machine, "options": how, "measured": named, "derived": derived}
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("--only", choices=[*PARTS, *PUT_TOGETHER], nargs="+")
    parser.add_argument("--kinds", choices=sorted({kind for kinds in PARTS.values() for kind in kinds}), nargs="+")
    parser.add_argument("--quick", action="store_true", help="small batches, few repetitions, little data")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    parser.add_argument("--directory", type=Path, help="directory of the simulated data, to reuse or to keep")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.batch, options.repeat = min(options.batch, 2), 1
    return options


def wanted(options: argparse.Namespace) -> dict[str, list[str]]:
    """Return the kinds to measure of each part."""
    chosen = {part for name in options.only or PARTS for part in PUT_TOGETHER.get(name, (name,))}
    left_out = {"resident"} if options.device == "cpu" else set()
    kinds = {*options.kinds, "any"} if options.kinds else {kind for kinds in PARTS.values() for kind in kinds}
    return {part: [kind for kind in PARTS[part] if kind in kinds - left_out] for part in PARTS if part in chosen}


def in_fresh_process(part: str, kind: str, options: argparse.Namespace) -> Figures:
    """Measure in a process whose memory and allocator nothing else has touched."""
    kept = [f"--{name}={getattr(options, name)}" for name in ("batch", "threads", "repeat", "device", "directory")]
    command = [sys.executable, __file__, *kept, *["--quick"] * options.quick, "--one", part, kind]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: Figures = json.loads(finished.stdout.splitlines()[-1])
    return figures


def together(kind: str, rounds: list[dict[str, Figures]]) -> Figures:
    """Combine rounds: medians of medians, the range of all, and how much faster than "plain" they are."""
    of_kind = [one[kind] for one in rounds]
    how = {"low": min, "high": max}
    figures = {name: how.get(name.split("_")[-1], statistics.median)(f[name] for f in of_kind) for name in of_kind[0]}
    if kind == "plain" or "plain" not in rounds[0]:
        return figures
    return figures | spread("faster", [one["plain"]["step"] / one[kind]["step"] for one in rounds])


def simulated(options: argparse.Namespace) -> Simulated:
    return Simulated(options.directory, people=8, seconds=30) if options.quick else Simulated(options.directory)


# -- what is measured --------------------------------------------------------------------------------------------------


def measure(part: str, kind: str, options: argparse.Namespace) -> Figures:
    import torch

    from predann_bids.workflows.resources import on_threads

    torch.manual_seed(0)
    with on_threads(options.threads):
        if part == "machine":
            return arithmetic.machine_rate(options.device, options.repeat)
        if part == "default":
            return default_epochs(options)
        if part == "plusplus":
            import plusplus

            return plusplus.measure(kind, options)
        if part in NETWORKS:
            return published.measure(kind, part, options) | {"multiply_adds": work_of(kind, part, options)}
        return data_or_step(part, kind, options)


def data_or_step(part: str, kind: str, options: argparse.Namespace) -> Figures:
    import torch

    from predann_bids.learning.memory import keep_memory

    if kind != "plain":
        keep_memory()
    taking = data_of(kind, options)
    if part == "data":
        return published.times({"step": taking}, options)
    _, step = published.make(kind, torch.device(options.device))
    return step_times(taking, step, options)


def work_of(kind: str, what: str, options: argparse.Namespace) -> float:
    """Multiply-adds that a sample takes, counted while it is done."""
    import torch

    networks, _ = published.make(kind, torch.device(options.device))
    shape = (2, 128, 375) if what == "eeg" else (2, 132_300)
    windows = torch.randn(shape, device=options.device)
    encode = networks.encode_eeg if what == "eeg" else networks.encode_audio
    return arithmetic.counted(lambda: sum(output.sum() for output in encode(windows)).backward()) / 2


def data_of(kind: str, options: argparse.Namespace) -> Callable[[], tuple[Any, Any, Any]]:
    """Return what takes a batch, each time another: EEG (B, C, T), audio (B, samples) and songs (B,), on the device."""
    import torch

    from predann_bids.data.windows import draw_single

    made, configured, rng = simulated(options), science("published"), np.random.default_rng(0)
    source = made.source(configured)
    chunks = made.split(configured).train
    device = torch.device(options.device)
    if kind == "plain":
        take = plain_batches(made)
    else:
        stored = source.on(device) if kind in ("resident", "ours") else source
        if kind == "resident" and stored is source:
            raise SystemExit("The data do not fit into the accelerator's memory.")
        take = stored.batch

    def taking() -> tuple[Any, Any, Any]:
        some = rng.choice(len(chunks), options.batch, replace=False)
        windows = draw_single([chunks[index] for index in some], source.length, rng)
        eeg, audio, songs = take(windows)
        return eeg.to(device), audio.to(device), songs.to(device)

    return taking


def plain_batches(made: Simulated) -> Callable[[Any], tuple[Any, Any, Any]]:
    import plain
    import torch

    recording, trials = np.array(made.recording().T), made.trials()

    def take(windows: Any) -> tuple[Any, Any, Any]:
        pairs = zip(windows.trial.tolist(), windows.start.tolist(), strict=True)
        samples = [
            plain.sample(recording, made.song, trials[index].onset + start, trials[index].onset)
            for index, start in pairs
        ]
        eeg, audio = (torch.stack(column) for column in zip(*samples, strict=True))
        return eeg, audio, torch.from_numpy(windows.stimuli(trials))

    return take


def step_times(taking: Callable[[], Any], step: Callable[..., Any], options: argparse.Namespace) -> Figures:
    """Return the seconds per sample of whole steps, and those of them that are spent on data."""
    on_data: list[float] = []

    def whole() -> None:
        start = time.perf_counter()
        batch = taking()
        synchronise(options)
        on_data.append((time.perf_counter() - start) / options.batch)
        step(*batch)

    figures = published.times({"step": whole}, options)
    return figures | spread("data", on_data[1:])  # the first warms up


def synchronise(options: argparse.Namespace) -> None:
    import torch

    if options.device != "cpu":
        torch.cuda.synchronize()


def default_epochs(options: argparse.Namespace) -> Figures:
    """Return the seconds per epoch of preset `default`: training and validation, by `fit` itself."""
    from predann_bids.learning.fitting import Hardware, fit
    from predann_bids.learning.memory import keep_memory
    from predann_bids.learning.sampling import TrainingBatches
    from predann_bids.models.decoders.temporal import TemporalSettings
    from predann_bids.signals.halves import HALVING
    from predann_bids.workflows.execution import Execution
    from predann_bids.workflows.resources import hardware_of

    keep_memory()  # as the program does
    made, configured = simulated(options), science("default", epochs=options.repeat + 1)
    source, split, training = made.source(configured), made.split(configured), configured.training
    frames = source.audio.features[0].shape[1] // HALVING
    settings = TemporalSettings(
        source.eeg.channels,
        tuple("abcdefghij"),
        RATE.hz,
        configured.windows.delay,
        configured.windows.length,
        memory_frames=frames,
    )
    ends: list[float] = []
    hardware = hardware_of(Execution(accelerator="cpu"), 0) if options.device == "cpu" else Hardware("gpu")
    with tempfile.TemporaryDirectory() as scratch:
        fit(
            source,
            split,
            "temporal",
            settings,
            training,
            directory=Path(scratch),
            name="default",
            hardware=hardware,
            on_progress=lambda epochs, _: ends.extend([time.perf_counter()] * epochs),
        )
    taken = np.diff(ends).tolist()  # the first epoch warms up
    windows = len(TrainingBatches(source, split.train, training.batch_size, (0,), int)) * training.batch_size
    return spread("epoch", taken) | {"windows": windows}


def spread(name: str, taken: list[float]) -> Figures:
    return {name: statistics.median(taken), f"{name}_low": min(taken), f"{name}_high": max(taken)}


# -- what is printed ---------------------------------------------------------------------------------------------------


def epochs(table: Table, *, quick: bool) -> dict[str, Figures]:
    """Return seconds per epoch; those of preset `published` are extrapolated from steps."""
    seconds = {f"published {kind}": scaled(table["step", kind], "step", EPOCH) for kind in kinds_of("step", table)}
    if ("default", "ours") in table and not quick:  # whose data are fewer
        seconds["default ours"] = scaled(table["default", "ours"], "epoch", 1)
    return {f"epoch of {name}": figures for name, figures in seconds.items()}


def shares(table: Table) -> dict[str, Figures]:
    """Return the arithmetic of each network for one sample's step, and its share of the machine's rate."""
    rate = table.get(("machine", "any"), {}).get("rate")
    results = {}
    for what in NETWORKS:
        for kind in kinds_of(what, table):
            done, taken = (table[what, kind][name] for name in ("multiply_adds", "step"))
            figures = {**arithmetic.published(what), "done_step": done, "per_second": done / taken}
            results[f"{what} {kind}"] = figures | ({"share_of_machine": done / taken / rate} if rate else {})
    return results


def kinds_of(part: str, table: Table) -> list[str]:
    return [kind for kind in PARTS[part] if (part, kind) in table]


def scaled(figures: Figures, name: str, factor: float) -> Figures:
    return {f"seconds{suffix}": figures[f"{name}{suffix}"] * factor for suffix in ("", "_low", "_high")}


def lines_of(part: str, kind: str, figures: Figures) -> Iterator[str]:
    start = f"{part:10s}{kind:9s}"
    faster = f"  {interval(figures, 'faster', 1, 'x', 3)}" if "faster" in figures else ""
    memory = f"  {figures['gigabytes']:.2f} GB" if "gigabytes" in figures else ""
    if part == "data":
        yield f"{start}{interval(figures, 'step', 1e3, 'ms per sample')}{faster}"
    elif part in (*NETWORKS, "plusplus"):
        rate = f"{1 / figures['step']:.2f} samples/s"
        yield f"{start}{rate}, {interval(figures, 'step', 1, 's per sample')}{faster}{memory}"
    elif part == "step":
        data = f"  of which data {100 * figures['data'] / figures['step']:.2f} %"
        yield f"{start}{interval(figures, 'step', 1, 's per sample')}{faster}{data}{memory}"
    elif part == "default":
        unit = f"s per epoch of {figures['windows']:.0f} windows, with validation"
        yield f"{start}{interval(figures, 'epoch', 1, unit)}"
    else:
        for name in ("rate", "rate_tf32"):
            if name in figures:
                yield f"{part:10s}{name:9s}{interval(figures, name, 1e-9, '10^9 multiply-adds per second')}"


def interval(figures: Figures, name: str, factor: float, unit: str, digits: int = 4) -> str:
    middle, low, high = (f"{figures[f'{name}{suffix}'] * factor:.{digits}g}" for suffix in ("", "_low", "_high"))
    return f"{middle} {unit} ({low} to {high})" if low != high else f"{middle} {unit}"


def summary(derived: dict[str, Figures]) -> Iterator[str]:
    for name, figures in derived.items():
        if "seconds" in figures:
            note = "" if "default" in name else f", extrapolated to {EPOCH} windows"
            compared = ", ".join(
                f"{other['seconds'] / figures['seconds']:.3g} times faster than {another}"
                for another, other in derived.items()
                if other.get("seconds", 0) > figures["seconds"]
            )
            yield f"{name}: {interval(figures, 'seconds', 1, 's')}{note}{compared and '; '}{compared}"
        else:
            share = (
                f", {100 * figures['share_of_machine']:.0f} % of the machine" if "share_of_machine" in figures else ""
            )
            yield (
                f"{name}: a step takes {figures['step'] / 1e9:.2f} x 10^9 multiply-adds as published,"
                f" {100 * figures['padding_share']:.0f} % of them on constant padding; done"
                f" {figures['done_step'] / 1e9:.2f}, at"
                f" {figures['per_second'] / 1e9:.1f} x 10^9 per second{share}"
            )


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()

"""Measure the published networks against a plain implementation (`plain.py` beside this file).

Each figure comes from a fresh process: seconds per sample of the forward pass and of a training step (forward,
backward, optimiser), as the median over repetitions, and peak resident memory. "reused" is the plain implementation
with memory kept between steps, which the C library does not do by itself.

    python benchmarks/published.py                        batch 8, one thread
    python benchmarks/published.py --batch 48 --only ours --what training    the published batch, only ours
    python benchmarks/published.py --device cuda --batch 48
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

KINDS = ("plain", "reused", "ours")
WHATS = ("eeg", "audio", "training")


def main() -> None:
    options = parse()
    if options.one:
        print(json.dumps(measure(*options.one, options)))
        return
    table = {}
    for what in options.what or WHATS:
        for kind in options.only or KINDS:
            again = [sys.executable, __file__, *sys.argv[1:], "--one", kind, what]
            finished = subprocess.run(again, capture_output=True, text=True, check=True)
            table[kind, what] = json.loads(finished.stdout.splitlines()[-1])
            show(kind, what, table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=KINDS, nargs="+")
    parser.add_argument("--what", choices=WHATS, nargs="+")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def show(kind: str, what: str, table: dict[tuple[str, str], dict[str, float]]) -> None:
    figures = table[kind, what]
    text = f"{what:9s}{kind:7s}" + "".join(
        f"  {name} {figures[name]:.3f} s ({figures[f'{name}_low']:.3f} to {figures[f'{name}_high']:.3f})"
        for name in ("forward", "step")
        if name in figures
    )
    if ("plain", what) in table and kind != "plain":
        text += "".join(
            f"  {name} x{table['plain', what][name] / figures[name]:.2f}"
            for name in ("forward", "step")
            if name in figures
        )
    print(f"{text}  {figures['gigabytes']:.2f} GB", flush=True)


def measure(kind: str, what: str, options: argparse.Namespace) -> dict[str, float]:
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if kind != "plain":
        from predann_bids.learning.memory import keep_memory

        keep_memory()
    device, n = torch.device(options.device), options.batch
    eeg, audio = torch.randn(n, 128, 375, device=device), torch.randn(n, 132_300, device=device)
    songs = torch.arange(n, device=device) % 10
    networks, step = make(kind, device)
    if what == "training":
        return times({"step": lambda: step(eeg, audio, songs)}, options)
    encode, data = (networks.encode_eeg, eeg) if what == "eeg" else (networks.encode_audio, audio)

    def both_ways() -> None:
        networks.zero_grad()
        logits, embedding = encode(data)
        (logits.sum() + embedding.sum()).backward()

    return times({"forward": lambda: encode(data), "step": both_ways}, options)


def make(kind: str, device: Any) -> tuple[Any, Callable[..., Any]]:
    """Build networks, and the function that does a training step with them."""
    import plain
    import torch

    if kind != "ours":
        networks = plain.Networks().to(device).train()
        optimizer = plain.optimizer_of(networks)
        return networks, lambda *batch: plain.training_step(networks, optimizer, *batch)
    from predann_bids.models.decoders.published import PublishedDecoder, PublishedSettings, published_objective

    decoder = PublishedDecoder(PublishedSettings(tuple(f"E{i}" for i in range(128)), tuple("abcdefghij")))
    decoder.to(device).train()
    adam = torch.optim.Adam(decoder.parameters(), lr=0.003)

    def step(*batch: Any) -> float:
        adam.zero_grad()
        loss = published_objective(decoder, *batch).loss
        loss.backward()
        adam.step()
        return float(loss.detach())

    return decoder, step


def times(actions: dict[str, Callable[[], Any]], options: argparse.Namespace) -> dict[str, float]:
    """Return seconds per sample (median, lowest, highest) and peak memory."""
    import torch

    figures: dict[str, float] = {}
    for name, action in actions.items():
        taken = []
        for _ in range(options.repeat + 1):
            start = time.perf_counter()
            action()
            if options.device != "cpu":
                torch.cuda.synchronize()
            taken.append((time.perf_counter() - start) / options.batch)
        taken = sorted(taken[1:])  # without the first, which warms up
        figures |= {name: statistics.median(taken), f"{name}_low": taken[0], f"{name}_high": taken[-1]}
    on_device = torch.cuda.max_memory_allocated() / 2**30 if options.device != "cpu" else None
    figures["gigabytes"] = on_device or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return figures


if __name__ == "__main__":
    main()

"""Run both levels on datasets without music in them, and count how often something is found.

    python benchmarks/null_datasets.py DIR [--datasets 40] [--participants 6] [--songs 4] [--seconds 20] [--epochs 5]

simulates datasets whose EEG holds no response to the music (every recording keeps its drift, alpha and noise), runs the
participant and the group level of each, and keeps its metrics.json in DIR; those that are there already are not made
again. Then it prints, for each score of each model: the standard deviation over datasets, the mean half-width of the
intervals in these standard deviations, the share of intervals that exclude chance, and the share of p < 0.05 of
permuted labels; and for each comparison, the share of p < 0.05, plain and corrected. Right are 5 % and half-widths of
1.96 (many participants) to 2.44 (six); in one row of 40 datasets, 5 % are seen as anything between 0 and 12.5 %.

A dataset takes about half a minute of one core. docs/evidence.md has the results of 60.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids import resolve, run_group, run_participant
from predann_bids.tools.simulation.dataset import simulate
from predann_bids.tools.simulation.settings import Simulation
from predann_bids.workflows.execution import Execution

SMALL = Simulation(participants=6, songs=4, seconds=20.0, channels=8, snr=0.0)


def metrics_of(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Simulate a dataset and run both levels, unless that was done before."""
    kept = options.directory / f"seed-{seed:04d}.json"
    if not kept.is_file():
        settings = {name: getattr(options, name) for name in ("participants", "songs", "seconds", "channels", "snr")}
        flags = {"training.epochs": options.epochs, "training.seed": seed, "evaluation.probe": False}
        flags |= {"splitting.split": options.split, "splitting.n_folds": options.n_folds}
        science, execution = resolve(flags=flags), Execution(n_procs=1, report=False)
        with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
            bids, output = Path(scratch) / "bids", Path(scratch) / "output"
            simulate(bids, Simulation(seed=seed, **settings))
            run_participant(bids, output, science, execution=execution)
            outcome = run_group(bids, output, science, execution=execution)
            shutil.copy(outcome.directory / "metrics.json", kept)
    content: dict[str, Any] = json.loads(kept.read_text())
    return content


def scores_of(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float, Sequence[float], float, float | None]]:
    """List name, accuracy, interval, chance, and p-value of permuted labels."""
    for model, scores in metrics["models"].items():
        if scores is None:
            continue
        null = scores.get("permutation") or {}
        if scores["accuracy"] is not None:
            yield f"{model}, logits", scores["accuracy"], scores["ci95"], metrics["chance"], null.get("p_value")
            balanced, limits = scores["balanced_accuracy"], scores["balanced_ci95"]
            yield f"{model}, balanced", balanced, limits, metrics["chance"], None
        if scores["match_accuracy"] is not None:
            p_value, limits = null.get("match_p_value"), scores["match_ci95"]
            yield f"{model}, match", scores["match_accuracy"], limits, scores["match_chance"], p_value


def show_scores(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Make a line for each score, and one for all."""
    rows = defaultdict(list)
    for metrics in found:
        for name, *row in scores_of(metrics):
            rows[name].append(row)
    yield f"{'score':26s} {'mean':>6s} {'SD':>7s} {'half-width/SD':>14s} {'excluded':>9s} {'p < 0.05':>9s}"
    whole = []
    for name, of_name in rows.items():
        accuracy, limits, chance = (np.array([row[part] for row in of_name], dtype=float) for part in range(3))
        spread, half = accuracy.std(ddof=1), np.diff(limits, axis=1).mean() / 2
        excluded = (limits[:, 0] > chance) | (limits[:, 1] < chance)
        significant = [row[3] < 0.05 for row in of_name if row[3] is not None]
        whole.append((half / spread, excluded, significant))
        yield (
            f"{name:26s} {accuracy.mean():6.3f} {spread:7.4f} {half / spread:14.2f} {excluded.mean():9.3f}"
            f" {share(significant):>9s}"
        )
    ratios, excluded, significant = zip(*whole, strict=True)
    yield (
        f"{'all':26s} {'':6s} {'':7s} {np.mean(ratios):14.2f} {np.concatenate(excluded).mean():9.3f}"
        f" {share([one for some in significant for one in some]):>9s}"
    )


def share(found: Sequence[bool]) -> str:
    """Write a share, or nothing if nothing was tested."""
    return f"{np.mean(found):.3f}" if found else ""


def show_comparisons(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Make a line for each comparison."""
    rows = defaultdict(list)
    for metrics in found:
        for row in metrics["comparisons"]:
            low, high = row["ci95"]
            excluded = low > 0 or high < 0
            agree = excluded == (row["p_value"] < 0.05)
            name = f"{row['first']} - {row['second']}, {row['by']}"
            rows[name].append((row["p_value"] < 0.05, row["p_holm"] < 0.05, excluded, agree))
    yield f"{'comparison':42s} {'p < 0.05':>9s} {'Holm':>6s} {'interval excludes 0':>20s} {'they agree':>11s}"
    rows["all"] = [row for of_name in rows.values() for row in of_name]
    for name, of_name in rows.items():
        p_value, holm, excluded, agree = np.mean(of_name, axis=0)
        yield f"{name:42s} {p_value:9.3f} {holm:6.3f} {excluded:20.3f} {agree:11.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where the metrics are kept")
    parser.add_argument("--datasets", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=0)
    for name in ("participants", "songs", "seconds", "channels", "snr"):
        default = getattr(SMALL, name)
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--split", default="participant")
    parser.add_argument("--n-folds", type=int, default=0)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    found = []
    for seed in range(options.first_seed, options.first_seed + options.datasets):
        found.append(metrics_of(seed, options))
        print(f"seed {seed}", flush=True)
    for line in (*show_scores(found), "", *show_comparisons(found)):
        print(line)


if __name__ == "__main__":
    main()

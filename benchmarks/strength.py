"""Measure the accuracy of every model against the strength of the response, and draw it.

    python benchmarks/strength.py DIR [--response-r 0.02 0.05 0.1 0.2 0.5] [--participants 12] [--seconds 90]
    python benchmarks/strength.py DIR --response-r 0.08 --participants 6 12 24 --seconds 30 90 180

simulates a dataset for each combination of the values, runs the participant and the group level of each, and keeps its
metrics.json in DIR; those that are there already are not made again. Then it writes, from all that DIR holds of this
background, `strength.tsv`, a row for each dataset, model and way to decide, with PredANN's gain over the model; and a
figure for each axis along which there are several values (`response_r.svg`, with the range of real EEG shaded,
`participants.svg`, `seconds.svg`): accuracy by match and by song logits, and PredANN's gain over each other model.

A dataset of twelve people and six songs of 90 s takes about a quarter of an hour of two cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from predann_bids import resolve, run_group, run_participant
from predann_bids.report.words.models import model_words
from predann_bids.tools.simulation.dataset import simulate
from predann_bids.tools.simulation.settings import Simulation
from predann_bids.workflows.execution import Execution

REAL = (0.02, 0.15)  # correlations that linear reconstructions of music and speech reach in real EEG
AXES = {
    "response_r": "response r (linear reconstruction)",
    "participants": "participants",
    "seconds": "seconds of each song",
}
WAYS = {"match": ("match_accuracy", "match_ci95"), "logits": ("accuracy", "ci95")}


def run_point(point: Mapping[str, Any], options: argparse.Namespace) -> None:
    """Simulate a dataset and run both levels, unless that was done before."""
    name = "_".join(f"{key}-{value:g}" for key, value in point.items())
    kept = options.directory / f"{options.background}_{name}.json"
    if kept.is_file():
        return
    flags = {"evaluation.probe": False, "training.n_seeds": options.n_seeds}
    science, execution = resolve(flags=flags), Execution(n_procs=options.n_procs, report=False)
    simulation = Simulation(songs=options.songs, channels=options.channels, background=options.background, **point)
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        bids, output = Path(scratch) / "bids", Path(scratch) / "output"
        simulate(bids, simulation)
        run_participant(bids, output, science, execution=execution)
        outcome = run_group(bids, output, science, execution=execution)
        kept.write_text(json.dumps({"point": point, "metrics": outcome.metrics}))
    print(kept.name, flush=True)


def rows_of(file: Path) -> Iterator[dict[str, Any]]:
    """List accuracy, interval and PredANN's gain for each model and way to decide."""
    kept = json.loads(file.read_text())
    point, metrics = kept["point"], kept["metrics"]
    gains = {(row["second"], row["by"]): row for row in metrics["comparisons"] if row["first"] == "predann"}
    for model, scores in metrics["models"].items():
        for way, (accuracy, limits) in WAYS.items():
            if scores is None or scores[accuracy] is None:
                continue
            gain = gains.get((model, way), {})
            low, high = scores[limits] or (None, None)
            gained = gain.get("ci95") or (None, None)
            yield {
                **point,
                "strength": metrics["strength"],
                "chance": metrics["chance"],
                "model": model,
                "by": way,
                "accuracy": scores[accuracy],
                "low": low,
                "high": high,
                "gain": gain.get("difference"),
                "gain_low": gained[0],
                "gain_high": gained[1],
            }


def along(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Keep the rows that differ along one axis alone: of the others, the combination with most values along it."""
    others = [name for name in AXES if name != axis]
    values = table.groupby(others)[axis].nunique()
    chosen = values.idxmax() if len(values) else ()
    return table[(table[others] == list(chosen)).all(axis=1)] if values.max() > 1 else table.iloc[:0]


def draw(table: pd.DataFrame, axis: str, path: Path) -> None:
    """Draw accuracy and, below it, PredANN's gain over the others along an axis; a column for each way to decide."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, len(WAYS), figsize=(10, 8), sharex=True, sharey="row", layout="constrained")
    for (above, below), way in zip(panels.T, WAYS, strict=True):
        for axes in (above, below) if axis == "response_r" else ():
            axes.axvspan(*REAL, color="0.92", label="real EEG")
        for model, rows in table[table.by == way].groupby("model", sort=False):
            mean, words = (
                rows.groupby(axis)[["accuracy", "gain", "gain_low", "gain_high"]].mean(),
                model_words(str(model)),
            )
            style = {"color": words.colour, "marker": words.marker, "label": words.name}
            above.plot(mean.index, 100 * mean.accuracy, **style)
            if mean.gain.notna().any():
                gain = 100 * mean.gain
                limits = [gain - 100 * mean.gain_low, 100 * mean.gain_high - gain]
                below.errorbar(mean.index, gain, yerr=limits, capsize=2, **style)
        above.axhline(100 * table.chance.mean(), color="0.5", linestyle=":", label="chance")
        below.axhline(0, color="0.5", linestyle=":")
        above.set(xscale="log", title=f"By {way}")
        below.set(xscale="log", xlabel=AXES[axis], xticks=mean.index, xticklabels=[f"{x:g}" for x in mean.index])
        below.minorticks_off()
    panels[0, 0].set_ylabel("Accuracy (%)")
    panels[1, 0].set_ylabel("PredANN minus the other (points, 95 % interval)")
    panels[0, 0].legend(fontsize="small")
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where the metrics are kept")
    parser.add_argument("--response-r", type=float, nargs="+", default=[0.02, 0.05, 0.1, 0.2, 0.5])
    parser.add_argument("--participants", type=int, nargs="+", default=[12])
    parser.add_argument("--seconds", type=float, nargs="+", default=[90.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the simulation")
    parser.add_argument("--songs", type=int, default=6)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--background", default="stationary")
    parser.add_argument("--n-seeds", type=int, default=1, help="of the training")
    parser.add_argument("--n-procs", type=int, default=0)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    names = ("response_r", "participants", "seconds", "seed")
    for values in itertools.product(options.response_r, options.participants, options.seconds, options.seeds):
        run_point(dict(zip(names, values, strict=True)), options)
    files = sorted(options.directory.glob(f"{options.background}_*.json"))
    table = pd.DataFrame([row for file in files for row in rows_of(file)])
    table.to_csv(options.directory / "strength.tsv", sep="\t", index=False)
    for axis in AXES:
        rows = along(table, axis)
        if len(rows):
            draw(rows, axis, options.directory / f"{axis}.svg")


if __name__ == "__main__":
    main()

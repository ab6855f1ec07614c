"""What was done to a recording: the steps in words, and how much of the EEG each took away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from matplotlib.figure import Figure

from predann_bids.report.participant.drawn import AFTER, figure_html, light_grid, new_figure, table_html
from predann_bids.report.participant.recorded import Recorded

SHOWN_ELSEWHERE = {"bad channels": ("reasons",), "ICA": ("removed", "kept", "channels")}  # figures and tables have them
PAIRS = (("low_hz", "high_hz"), ("from_hz", "to_hz"))
MOST_LISTED = 24
UNITS = {"hz": "Hz", "s": "s", "uv": "µV", "db": "dB", "mm": "mm"}


def processing_html(recorded: Recorded) -> str:
    """Facts about the recording, and the steps with their parameters."""
    before, after = recorded.before, recorded.after
    facts = [
        ("Source", ", ".join(source.removeprefix("bids:raw:") for source in recorded.sidecar["Sources"])),
        ("Duration", f"{recorded.seconds:.1f} s ({recorded.seconds / 60:.1f} min)"),
        ("Sampling rate", f"{before.info['sfreq']:g} Hz before, {after.info['sfreq']:g} Hz after"),
        ("Channels", f"{len(after.ch_names)} EEG"),
        ("Bad channels", ", ".join(recorded.bad) or "none"),
        ("Reference", str(recorded.sidecar["EEGReference"])),
    ]
    steps = [describe_step(step) for step in recorded.steps]
    numbered = [(str(place), escape(name), escape(words)) for place, (name, words) in enumerate(steps, 1)]
    listed = table_html(["#", "Step", "Parameters"], numbered) if steps else "<p>The EEG was left as it was.</p>"
    return table_html([], [(f"<b>{key}</b>", escape(value)) for key, value in facts]) + listed


def describe_step(step: Mapping[str, Any]) -> tuple[str, str]:
    """Put a preprocessing step of a sidecar into words.

    Parameters
    ----------
    step : mapping
        An entry of `PreprocessingSteps`: `"Name"` and parameters, whose names end in their unit.

    Returns
    -------
    name, parameters : str
        Such as ``("Band-pass", "1 to 40 Hz; zero-phase FIR")``.
    """
    name = str(step["Name"])
    hidden = {"Name", *SHOWN_ELSEWHERE.get(name, ())}
    parameters = {key: value for key, value in step.items() if key not in hidden and value != {}}
    if "band_hz" in parameters:
        parameters["low_hz"], parameters["high_hz"] = parameters.pop("band_hz")
    words = []
    for pair in PAIRS:
        if set(pair) <= set(parameters):
            words.append("{} to {} Hz".format(*(_in_words(parameters.pop(key), "open") for key in pair)))
    if name == "ICA":
        words.append(f"components removed {len(step.get('removed', ()))}")
    words += [_parameter(key, value) for key, value in parameters.items()]
    return name[:1].upper() + name[1:], "; ".join(words)


def _parameter(key: str, value: Any) -> str:
    name, _, unit = key.rpartition("_")
    if name and unit in UNITS:
        return f"{name.replace('_', ' ')} {_in_words(value)} {UNITS[unit]}"
    if key in ("variance_removed", "variance_explained") and isinstance(value, int | float):
        return f"{key.replace('_', ' ')} {100 * value:.3g} %"
    if key in ("filter", "reason", "kind"):
        return _in_words(value)
    return f"{key.replace('_', ' ')} {_in_words(value)}"


def _in_words(value: Any, nothing: str = "none") -> str:
    if value is None or value == [] or value == {}:
        return nothing
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_in_words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        more = f" and {len(value) - MOST_LISTED} more" if len(value) > MOST_LISTED else ""
        return ", ".join(_in_words(item) for item in value[:MOST_LISTED]) + more
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def variance_html(recorded: Recorded, key: str) -> str:
    """Bars of the variance that each step took away; empty when it was not measured."""
    measured = [(describe_step(step)[0], step["variance_removed"]) for step in recorded.steps if _is_measured(step)]
    if not measured:
        return ""
    figure = draw_variance([name for name, _ in measured], [float(share) for _, share in measured])
    caption = (
        "Share of the variance of the EEG before each step that the step took away: the median over channels, on a"
        " stretch of the recording. Negative: the step added variance."
    )
    return figure_html(figure, name=f"{key}-variance", title="Variance removed by each step", caption=caption)


def _is_measured(step: Mapping[str, Any]) -> bool:
    return isinstance(step.get("variance_removed"), int | float)


def draw_variance(names: Sequence[str], shares: Sequence[float]) -> Figure:
    """Draw the share of variance that each step took away, the first step at the top."""
    figure = new_figure(0.9 + 0.32 * len(names))
    axes = figure.subplots()
    percent = [100 * share for share in shares]
    bars = axes.barh(range(len(names)), percent, height=0.62, color=AFTER)
    axes.bar_label(bars, [f"{value:.3g} %" for value in percent], padding=4, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(min(0.0, *percent, 0.0) * 1.15, 112 if min(percent) >= 0 else 115)
    axes.set_xticks([tick for tick in range(-100, 101, 20) if tick >= axes.get_xlim()[0]])
    axes.set_xlabel("Variance removed (%)")
    light_grid(axes, "x")
    return figure

"""What the figures of the group report share.

Colours are those of Okabe and Ito (2008), told apart with every kind of colour vision; a model has one colour and one
marker in all figures. Text in SVG stays text.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from predann_bids.report.evidence import Models, match_chance

WIDTH_IN, DPI = 8.0, 150
INK, CHANCE, FAINT = "#222222", "#555555", "#dddddd"
CHANCE_LINE: Mapping[str, Any] = {"color": CHANCE, "linestyle": "--", "linewidth": 1.2, "zorder": 1}
LONGEST_NAME = 28
WIDEST_LEGEND = 72  # characters that fit side by side
BLANK: Mapping[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind text
BY_LOGITS, BY_MATCH, BY_RETRIEVAL = "By song logits", "By match", "By retrieval"
COMPARED = {"logits": BY_LOGITS, "match": BY_MATCH, "retrieval": BY_RETRIEVAL}  # ways in which models are compared
STYLE: Mapping[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.titlesize": 11.5,
    "figure.titleweight": "bold",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": "#888888",
    "figure.constrained_layout.wspace": 0.05,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class ModelStyle:
    """How a kind of model is called and drawn."""

    name: str
    colour: str
    marker: str


STYLES: Mapping[str, ModelStyle] = {
    "predann": ModelStyle("PredANN", "#0072B2", "o"),
    "baseline": ModelStyle("Baseline (weight 0)", "#D55E00", "s"),
    "linear": ModelStyle("Linear decoder", "#009E73", "D"),
    "linear_whitened": ModelStyle("Linear decoder, whitened EEG", "#CC79A7", "^"),
}


def style_of(model: str) -> ModelStyle:
    """Name, colour and marker of a model; one that is not known yet goes by its own name."""
    return STYLES.get(model, ModelStyle(model, "#E69F00", "v"))


@dataclass(frozen=True)
class Illustration:
    """A figure with its caption.

    Parameters
    ----------
    name : str
        Stem of its files.
    title : str
        What it shows, in a few words.
    caption : str
        What is shown, and how to read it.
    figure : Figure
        The drawing.
    """

    name: str
    title: str
    caption: str
    figure: Figure

    def svg(self) -> str:
        """Render as SVG: same figure, same bytes; identifiers are its own among all figures of a page."""
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with matplotlib.rc_context({"svg.hashsalt": self.name}):
            self._save(buffer, format="svg", metadata=nothing)
        return _tidy(buffer.getvalue(), self.title)

    def png(self) -> bytes:
        """Render as PNG with 150 dots per inch."""
        buffer = io.BytesIO()
        self._save(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()

    def _save(self, buffer: Any, **options: Any) -> None:
        with warnings.catch_warnings():
            # Names in a script that the font lacks are drawn as boxes in the PNG; SVG and tables have them in full.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.figure.savefig(buffer, **options)
        self.figure.set_layout_engine("none")  # the layout, which takes longest, is found once


def _tidy(svg: str, title: str) -> str:
    """Leave out what a page cannot use: prolog, identifiers that nothing refers to, the names of fonts."""
    svg = svg[svg.index("<svg ") :]
    used = set(re.findall(r'(?:url\(#|xlink:href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", svg)
    svg = re.sub(r"'DejaVu Sans'(, [^;\"]*)?sans-serif", "sans-serif", svg)
    svg = re.sub(r"^\s*<!--.*?-->\n", "", svg, flags=re.MULTILINE)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw alike everywhere, whatever the user's own settings of matplotlib are."""
    from matplotlib.style import context

    with context(["default", dict(STYLE)]):
        yield


def shorten(name: str, longest: int = LONGEST_NAME) -> str:
    """Cut a name that is too long for a figure, with an ellipsis."""
    return name if len(name) <= longest else f"{name[: longest - 1].rstrip()}…"


def row_of_panels(title: str, n_panels: int, height_in: float) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels side by side that share their rows."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    figure.suptitle(title, x=0.005, ha="left")
    return figure, list(figure.subplots(1, n_panels, squeeze=False, sharey=True)[0])


def name_panel(axes: Axes, name: str) -> None:
    """Head a panel of rows."""
    axes.set_title(name, pad=18)  # the name of the chance line goes below
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def accuracy_axis(axes: Axes, top: float) -> None:
    """Make the horizontal axis one of accuracy, from 0 to `top` percent."""
    axes.set_xlim(0, top)
    axes.set_xlabel("Accuracy (%)")
    axes.grid(axis="x", color=FAINT, linewidth=0.7)


def draw_chance(axes: Axes, level: float | None) -> None:
    """Draw and name the chance level across horizontal rows."""
    if level is None:
        return
    axes.axvline(100 * level, **CHANCE_LINE)
    axes.annotate(
        f"chance {percent(level)}", (100 * level, 1), (0, 3), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="center", va="bottom", fontsize=8, color=CHANCE,
    )  # fmt: skip


def draw_interval(
    axes: Axes, place: float, style: ModelStyle, value: float, low: float, high: float, *, written: bool = True
) -> None:
    """Draw a share with its interval in a row, with the number above it."""
    axes.plot([100 * low, 100 * high], [place, place], color=style.colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot([100 * value], [place], style.marker, color=style.colour, markersize=7.5, clip_on=False)
    if written and math.isfinite(value):
        axes.annotate(
            percent(value), (100 * value, place), (0, 8), textcoords="offset points", ha="center", va="bottom",
            bbox=BLANK,
        )  # fmt: skip


def shifts(n_models: int) -> NDArray[np.float64]:
    """Places of several models within a row of height one, so that no dot hides another."""
    step = min(0.3, 0.7 / n_models)
    return np.array([step * (model - (n_models - 1) / 2) for model in range(n_models)])


def legend(figure: Figure, models: Iterable[str], chance: str | None = None) -> None:
    """Name models, and what the dashed line is, below a figure."""
    styles = [style_of(model) for model in models]
    handles = [Line2D([], [], color=s.colour, marker=s.marker, linestyle="", markersize=6) for s in styles]
    names = [style.name for style in styles]
    if chance:
        handles, names = [*handles, Line2D([], [], **CHANCE_LINE)], [*names, chance]
    columns = len(names) if sum(map(len, names)) <= WIDEST_LEGEND else math.ceil(len(names) / 2)
    figure.legend(handles, names, loc="outside lower center", ncols=columns)


def common_match_chance(models: Models, chance: float | None) -> float | None:
    """Chance level of decisions by match, one for all models."""
    return next((match_chance(scores, chance) for scores in models.values()), chance)


def upper(values: Sequence[float | None]) -> float:
    """End of an accuracy axis in percent: a round number with some room beyond the highest value."""
    finite = [100 * value for value in values if value is not None and math.isfinite(value)]
    highest = max(finite, default=100.0)
    return next((float(end) for end in (10, 20, 30, 40, 50, 60, 80) if highest * 1.08 <= end), 100.0)


def number(value: Any) -> float:
    """Return a number, or NaN for none."""
    return math.nan if value is None else float(value)


def percent(share: float) -> str:
    """Write a share in percent, as precisely as a reader needs."""
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"

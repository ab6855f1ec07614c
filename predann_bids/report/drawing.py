"""What all figures share: their style, their files, and the elements that they are drawn from.

Text in SVG stays text.
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
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from predann_bids.arrays import Doubles
from predann_bids.files import write_text, written_whole
from predann_bids.report import text
from predann_bids.report.words.models import Mark

WIDTH_IN, DPI = 8.0, 150
INK, CHANCE, FAINT = "#222222", "#555555", "#dddddd"
CHANCE_LINE: Mapping[str, Any] = {"color": CHANCE, "linestyle": "--", "linewidth": 1.2, "zorder": 1}
LONGEST_NAME = 28
WIDEST_LEGEND = 72  # characters that fit side by side
BLANK: Mapping[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind text
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
        """Render as SVG: the same figure gives the same bytes, with identifiers that no other figure of a page has."""
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
            # the layout, which takes longest, is computed once, and without the drawing that savefig does for it
            if layout := self.figure.get_layout_engine():
                layout.execute(self.figure)
                self.figure.set_layout_engine("none")
            self.figure.savefig(buffer, **options)


def _tidy(svg: str, title: str) -> str:
    """Remove what a page cannot use: the prolog, identifiers that nothing refers to, the names of fonts."""
    svg = svg[svg.index("<svg ") :]
    used = set(re.findall(r'(?:url\(#|xlink:href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = re.sub(r"'DejaVu Sans'(, [^;\"]*)?sans-serif", "sans-serif", svg)
    svg = re.sub(r"^\s*<!--.*?-->\n", "", svg, flags=re.MULTILINE)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)


def write_figure(illustration: Illustration, directory: Path) -> str:
    """Write a figure as SVG and PNG; return the SVG."""
    svg = illustration.svg()
    write_text(directory / f"{illustration.name}.svg", svg)
    with written_whole(directory / f"{illustration.name}.png") as beside:
        beside.write_bytes(illustration.png())
    return svg


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw the same everywhere, whatever the user's own settings of matplotlib are."""
    from matplotlib.style import context

    with context(["default", dict(STYLE)]):
        yield


def shorten(name: str, longest: int = LONGEST_NAME) -> str:
    """Shorten a name that is too long for a figure, with an ellipsis."""
    return name if len(name) <= longest else f"{name[: longest - 1].rstrip()}…"


def new_figure(title: str, height_in: float) -> Figure:
    """Make an empty figure as wide as the page, with its title."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    figure.suptitle(title, x=0.005, ha="left")
    return figure


def row_of_panels(title: str, n_panels: int, height_in: float) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels side by side that share their rows."""
    figure = new_figure(title, height_in)
    return figure, list(figure.subplots(1, n_panels, squeeze=False, sharey=True)[0])


def name_panel(axes: Axes, name: str) -> None:
    """Write the heading of a panel of rows."""
    axes.set_title(name, pad=18)  # leaves room for the name of the chance line
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def accuracy_axis(axes: Axes, top: float) -> None:
    """Make the horizontal axis one of accuracy, from 0 to `top` percent."""
    axes.set_xlim(0, top)
    axes.set_xlabel("Accuracy (%)")
    axes.grid(axis="x", color=FAINT, linewidth=0.7)


def draw_chance(axes: Axes, level: float | None) -> None:
    """Draw and name the chance level across horizontal rows."""
    if level is not None:
        draw_reference(axes, 100 * level, f"chance {text.share(level)}")


def draw_reference(axes: Axes, value: float, name: str) -> None:
    """Draw a dashed line across horizontal rows, with its name above."""
    axes.axvline(value, **CHANCE_LINE)
    axes.annotate(
        name, (value, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center",
        va="bottom", fontsize=8, color=CHANCE,
    )  # fmt: skip


def draw_interval(
    axes: Axes, height: float, mark: Mark, value: float, low: float, high: float, *, written: bool = True
) -> None:
    """Draw a share with its interval in a row.

    Parameters
    ----------
    axes : Axes
        Panel of rows.
    height : float
        Vertical position of the row.
    mark : Mark
        Colour and marker.
    value, low, high : float
        The share and the ends of its interval, from 0 to 1; NaN is not drawn.
    written : bool
        Whether to write the number above the marker.
    """
    axes.plot([100 * low, 100 * high], [height, height], color=mark.colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot([100 * value], [height], mark.marker, color=mark.colour, markersize=7.5, clip_on=False)
    if written and math.isfinite(value):
        axes.annotate(
            text.share(value), (100 * value, height), (0, 8), textcoords="offset points", ha="center", va="bottom",
            bbox=BLANK,
        )  # fmt: skip


def shifts(n_models: int) -> Doubles:
    """Return the vertical offsets of several models within a row of height one, so that no dot hides another."""
    step = min(0.3, 0.7 / n_models)
    return np.array([step * (model - (n_models - 1) / 2) for model in range(n_models)])


def legend(figure: Figure, marks: Iterable[Mark], chance: str | None = None) -> None:
    """Explain marks, and the dashed line by what `chance` calls it, below a figure."""
    shown = list(marks)
    handles = [Line2D([], [], color=m.colour, marker=m.marker, linestyle="", markersize=6) for m in shown]
    names = [mark.name for mark in shown]
    if chance:
        handles, names = [*handles, Line2D([], [], **CHANCE_LINE)], [*names, chance]
    columns = len(names) if sum(map(len, names)) <= WIDEST_LEGEND else math.ceil(len(names) / 2)
    figure.legend(handles, names, loc="outside lower center", ncols=columns)


def upper(values: Sequence[float | None]) -> float:
    """Return the end of an accuracy axis in percent: a round number with some room beyond the highest value."""
    finite = [100 * value for value in values if value is not None and math.isfinite(value)]
    highest = max(finite, default=100.0)
    return next((float(end) for end in (10, 20, 30, 40, 50, 60, 80) if highest * 1.08 <= end), 100.0)


def number(value: Any) -> float:
    """Return a number, or NaN for none."""
    return math.nan if value is None else float(value)

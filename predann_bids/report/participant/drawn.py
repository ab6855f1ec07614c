"""What the figures and tables of the participant report share: colours, style, and how they get into the page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from predann_bids.report.drawing import Illustration

WIDTH_IN, DPI = 9.5, 100
REM_PER_INCH = 6.3

# Okabe and Ito (2008): told apart with every kind of colour vision. Black and yellow are left out, as one is the ink
# and the other is lost on white paper.
STIMULUS_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
BEFORE, AFTER, BAD, INK, PALE, GRID = "#E69F00", "#0072B2", "#D55E00", "#222222", "#8a8a8a", "#dddddd"

CSS = """
#content .accordion-body table { font-size: 0.9rem; }
#content .accordion-body td, #content .accordion-body th { padding: 0.3rem 0.6rem 0.3rem 0.3rem; }
#content .accordion-body th { white-space: nowrap; }
#content .accordion-body td:first-child { white-space: nowrap; }
#content .accordion-body td.number, #content .accordion-body th.number { text-align: right; }
#content .predann-scroll { overflow-x: auto; }
#content .predann-scroll svg, #content .predann-scroll img { display: block; margin: 0 auto; height: auto; }
#content .predann-wide svg, #content .predann-wide img { width: 100%; min-width: 36rem; }
#content .predann-narrow svg { width: 100%; }
#content .accordion-body figcaption { max-width: 56rem; margin: 0.4rem auto 0; }
#content .predann-warnings { color: #9c3a00; }
#content .predann-box { padding: 0.6rem 1rem; border-left: 0.35rem solid #d55e00; background: #fdf1e7; }
#content .predann-box p, #content .predann-box ul { margin: 0.2rem 0; }
#content .predann-long { max-height: 26rem; overflow: auto; }
@media (max-width: 40rem) {
  #toc { display: none; }
  #content { margin-left: 0; width: 100%; }
}
@media print { #content .predann-long { max-height: none; } }
"""


def figure_html(figure: Figure, *, name: str, title: str, caption: str) -> str:
    """Put a figure into the page as SVG, in which text stays text.

    Parameters
    ----------
    figure : Figure
        The drawing.
    name : str
        Its own among all figures of the page.
    title, caption : str
        What it is, as plain text, and how to read it, as HTML.
    """
    return _framed(Illustration(name, title, caption, figure).svg(), caption, float(figure.get_size_inches()[0]))


def image_html(figure: Figure, *, title: str, caption: str, inks: Sequence[str]) -> str:
    """Put a figure into the page as pixels of few colours.

    Tens of thousands of points weigh less as pixels than as vectors, and a fifth with no more than 16 colours.

    Parameters
    ----------
    figure : Figure
        The drawing.
    title, caption : str
        Alternative text, and what stands below.
    inks : sequence of str
        Colours that must be kept.
    """
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    pixels = Image.open(drawn).convert("RGB").quantize(palette=_palette(*inks), dither=Image.Dither.NONE)
    pixels.save(small, "PNG", optimize=True)
    source = f"data:image/png;base64,{b64encode(small.getvalue()).decode()}"
    return _framed(f'<img alt="{escape(title)}" src="{source}">', caption, WIDTH_IN)


def _framed(drawn: str, caption: str, width_in: float) -> str:
    kind = "wide" if width_in == WIDTH_IN else "narrow"  # on a small screen, wide ones scroll
    most = f"max-width: {width_in * REM_PER_INCH:.0f}rem"
    return (
        f'<figure class="figure d-block"><div class="predann-scroll predann-{kind}"><div class="mx-auto"'
        f' style="{most}">{drawn}</div></div>'
        f'<figcaption class="figure-caption text-center">{caption}</figcaption></figure>'
    )


def _palette(*inks: str, shades: int = 5) -> Image.Image:
    """Make a palette of white and of each ink in shades, which is what smooth lines on white paper consist of."""
    strengths = np.arange(1, shades + 1) / shades
    colours = [1 - strength * (1 - np.array(matplotlib.colors.to_rgb(ink))) for ink in inks for strength in strengths]
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 255, 255, *(round(255 * part) for colour in colours for part in colour)])
    return palette


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Lay out cells, which are HTML, as a table; the columns in `numbers` are aligned to the right."""

    def line(cells: Sequence[str], kind: str) -> str:
        classes = ['class="number"' if place in numbers else "" for place in range(len(cells))]
        return "".join(f"<{kind} {name}>{cell}</{kind}>" for name, cell in zip(classes, cells, strict=True))

    head = f"<thead><tr>{line(header, 'th')}</tr></thead>" if header else ""
    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    table = f'<table class="table table-sm w-auto">{head}<tbody>{body}</tbody></table>'
    return f'<div class="predann-scroll">{table}</div>'


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """Make a figure as wide as the page."""
    return Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")


def light_grid(axes: Any, axis: str) -> None:
    """Draw faint lines behind the data."""
    axes.grid(axis=axis, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def stimulus_colours(labels: Sequence[str]) -> dict[str, str]:
    """Give each stimulus its colour: Okabe and Ito's, or from viridis when they are too few."""
    names = sorted(set(labels))
    if len(names) <= len(STIMULUS_COLOURS):
        return dict(zip(names, STIMULUS_COLOURS, strict=False))
    # The brightest end is left out, as it is lost on white paper.
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.92, len(names)))
    return {name: matplotlib.colors.to_hex(shade) for name, shade in zip(names, shades, strict=True)}

"""Which song was named for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from predann_bids.arrays import Doubles, Ints
from predann_bids.report import text
from predann_bids.report.drawing import CHANCE_LINE, INK, LONGEST_NAME, Illustration, new_figure, shorten, upper
from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.figures import FIGURES
from predann_bids.report.words.decisions import BY_LOGITS, BY_MATCH
from predann_bids.report.words.models import model_words

MOST_SONGS_BESIDE = 6  # so many rows and columns fit twice into the width
MOST_SONGS_NAMED_TWICE = 15  # beyond, columns are numbered, and cells are too small for text


@FIGURES.add("confusion")
def draw_confusion(evidence: GroupEvidence) -> Illustration | None:
    """Draw which song was named for which, by song logits and by match, for the first model."""
    if not evidence.models:
        return None
    model, scores = next(iter(evidence.models.items()))
    panels = [
        (way, np.array(scores[key], dtype=np.int64))
        for way, key in ((BY_LOGITS, "confusion"), (BY_MATCH, "match_confusion"))
        if scores.get(key)
    ]
    if not panels:
        return None
    labels, n_songs = evidence.labels, len(evidence.labels)
    # Where cells are too small for numbers, the colours span the values; else they are the same in all reports.
    many = n_songs > MOST_SONGS_NAMED_TWICE
    top = upper([share for _, counts in panels for share in _row_shares(counts).ravel() / 100]) if many else 100.0
    beside = n_songs <= MOST_SONGS_BESIDE
    title = f"Which song {model_words(model).name} names for which"
    figure = new_figure(title, 4.1 if beside else 0.6 + len(panels) * (5.6 + 0.035 * n_songs))
    matrices = figure.subplots(*((1, len(panels)) if beside else (len(panels), 1)), squeeze=False).ravel()
    for index, (axes, (way, counts)) in enumerate(zip(matrices, panels, strict=True)):
        _draw_matrix(axes, counts, labels, top=top, named=index == 0 or not beside, small=beside)
        axes.set_title(way.title)
    _draw_scale(figure, matrices, evidence.chance)
    caption = _caption(n_songs, every_song_could_be_named=scores.get("confusion") is not None)
    return Illustration("confusion", title, caption, figure)


def _caption(n_songs: int, *, every_song_could_be_named: bool) -> str:
    cells = "Each cell gives the percentage and, below it, the number of windows."
    numbers = "The columns have the numbers that stand behind the names of the songs."
    guess = (
        "a guessing one has the marked chance level everywhere."
        if every_song_could_be_named
        else "a guessing one shares each row evenly among the songs that were held out together. Only these could be"
        " named; all other cells are 0."
    )
    return (
        "Rows: the song that was playing; columns: the song that was named. Each row adds up to 100 %; a perfect"
        f" decoder has 100 % on the diagonal, {guess} {cells if n_songs <= MOST_SONGS_NAMED_TWICE else numbers}"
    )


def _row_shares(counts: Ints) -> Doubles:
    """Return percentages of the windows of each song that was playing, (songs, songs)."""
    shares: Doubles = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _draw_matrix(axes: Axes, counts: Ints, labels: Sequence[str], *, top: float, named: bool, small: bool) -> None:
    shares = _row_shares(counts)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=top, interpolation="none", aspect="auto")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    n = len(labels)
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2 if n <= MOST_SONGS_NAMED_TWICE else 0.3)
    axes.tick_params(which="minor", length=0)
    _name_songs(axes, labels, named=named, longest=16 if small else LONGEST_NAME)
    axes.set_xlabel("Song named")
    if named:
        axes.set_ylabel("True song")
    if n <= MOST_SONGS_NAMED_TWICE:
        _write_cells(axes, counts, shares, dark=0.55 * top)


def _name_songs(axes: Axes, labels: Sequence[str], *, named: bool, longest: int) -> None:
    n = len(labels)
    if n > MOST_SONGS_NAMED_TWICE:
        rows = [f"{shorten(label)}  {number}" for number, label in enumerate(labels, 1)]
        columns = [str(number) for number in range(1, n + 1)]
        turn: Mapping[str, Any] = {"rotation": 90, "ha": "center"}
    else:
        rows, columns = ([shorten(label, length) for label in labels] for length in (longest, 18))
        turn = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    size = max(5.0, min(9.0, 320 / n))
    axes.set_yticks(range(n), rows if named else [""] * n, fontsize=size, parse_math=False)  # a $ is a $
    axes.set_xticks(range(n), columns, fontsize=size, parse_math=False, **turn)


def _write_cells(axes: Axes, counts: Ints, shares: Doubles, dark: float) -> None:
    n = len(counts)
    size = 9.0 if n <= MOST_SONGS_BESIDE else 7.5
    for (row, column), share in np.ndenumerate(shares):
        ink = "white" if share > dark else INK
        axes.text(column, row - 0.06, f"{share:.0f}", ha="center", va="bottom", color=ink, fontsize=size)
        count = str(counts[row, column])
        axes.text(column, row + 0.06, count, ha="center", va="top", color=ink, fontsize=0.72 * size, alpha=0.85)


def _draw_scale(figure: Figure, matrices: NDArray[Any], chance: float | None) -> None:
    bar = figure.colorbar(
        matrices[0].images[0], ax=list(matrices), shrink=0.75 if len(matrices) == 1 else 0.6, aspect=28, pad=0.02
    )
    bar.outline.set_visible(False)
    bar.set_label("Share of the windows of a song (%)")
    if chance is not None:
        bar.ax.axhline(100 * chance, **CHANCE_LINE)
        bar.ax.annotate(
            f"chance {text.share(chance)}", (0, 100 * chance), (-4, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", rotation=90, ha="right", va="bottom" if chance < 0.2 else "center", fontsize=8,
        )  # fmt: skip

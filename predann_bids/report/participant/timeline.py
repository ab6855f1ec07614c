"""Which music played when, and how much of it can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from matplotlib.figure import Figure

from predann_bids.bids.music.presentations import Presentation
from predann_bids.report.drawing import shorten
from predann_bids.report.participant.drawn import INK, figure_html, light_grid, new_figure, table_html
from predann_bids.report.participant.recorded import Recorded

LONGEST_NAME = 32
SHADE = "#bdbdbd"

BadSpans = Sequence[tuple[float, float, str]]


def timeline_html(recorded: Recorded, colours: Mapping[str, str], key: str) -> str:
    """Draw presentations and bad spans along the recording."""
    figure = draw_timeline(recorded.presentations, recorded.seconds, colours, recorded.bad_spans)
    return figure_html(figure, name=f"{key}-timeline", title="Presentations", caption=_caption(recorded))


def _caption(recorded: Recorded) -> str:
    caption = "Which stimulus played when; the axis spans the recording."
    stretches = [span for span in recorded.bad_spans if span[1] > 0]
    cuts = len(recorded.bad_spans) - len(stretches)
    if stretches:
        kinds = ", ".join(sorted({escape(description) for *_, description in stretches if description}))
        total = sum(duration for _, duration, _ in stretches)
        caption += f" Hatched: bad spans ({kinds or 'not named'}; {total:.1f} s together)."
    if cuts:
        caption += f" Dotted: {cuts} boundar{'y' if cuts == 1 else 'ies'}, where the recording was cut."
    if recorded.bad_spans:
        config = recorded.sidecar.get("PreprocessingConfiguration", {})
        kept = config.get("bad_spans") == "keep"
        caption += " They are kept, as configured." if kept else " Windows that touch them are left out."
    return caption


def draw_timeline(
    presentations: Sequence[Presentation], recording_s: float, colours: Mapping[str, str], bad_spans: BadSpans = ()
) -> Figure:
    """Draw presentations as bars along a recording, one lane per stimulus in the order of their first onsets.

    Parameters
    ----------
    presentations : sequence of Presentation
        In the order of their onsets.
    recording_s : float
        Length of the recording in seconds.
    colours : mapping
        Stimulus to colour.
    bad_spans : sequence of (onset, duration, description)
        In seconds; those without a duration are points.
    """
    lanes = list(dict.fromkeys(p.label for p in presentations))
    figure = new_figure(0.9 + max(1, len(lanes)) * max(0.12, min(0.36, 9 / max(1, len(lanes)))))
    axes = figure.subplots()
    scale, unit = (60.0, "min") if recording_s > 600 else (1.0, "s")
    for p in presentations:
        lane = lanes.index(p.label)
        axes.barh(lane, p.duration / scale, left=p.onset / scale, height=0.72, color=colours[p.label])
    for onset, duration, _ in bad_spans:
        if duration > 0:
            axes.axvspan(
                onset / scale, (onset + duration) / scale, facecolor=SHADE, alpha=0.55, hatch="////", edgecolor=INK,
                linewidth=0,
            )  # fmt: skip
        else:
            axes.axvline(onset / scale, color=INK, linestyle=":", linewidth=1)
    names = [shorten(name, LONGEST_NAME) for name in lanes]
    size = max(4.0, min(9.0, 350 / max(1, len(lanes))))
    axes.set_yticks(range(len(lanes)), names, fontsize=size, parse_math=False)
    axes.set_ylim(max(1, len(lanes)) - 0.4, -0.6)
    axes.set_xlim(0, recording_s / scale)
    axes.set_xlabel(f"Time from the start of the recording ({unit})")
    light_grid(axes, "x")
    axes.tick_params(axis="y", length=0)
    return figure


def presentation_table(recorded: Recorded) -> str:
    """List the presentations, with how much of each can be used."""
    rows = [
        (
            str(n),
            f"{p.onset:.3f}",
            f"{p.duration:.3f}",
            escape(p.label),
            escape(p.stim_file),
            f"{p.audio_start:.3f}",
            f"{100 * recorded.usable_s(p) / p.duration:.1f}",
        )
        for n, p in enumerate(recorded.presentations, 1)
    ]
    header = ["#", "Onset (s)", "Duration (s)", "Stimulus", "Audio file", "Audio start (s)", "Usable (%)"]
    return f'<div class="predann-long">{table_html(header, rows, numbers=(0, 1, 2, 5, 6))}</div>'

"""The participant report: for each recording, what was done to it and what the EEG looks like before and after.

The page is an `mne.Report` with one section per recording. It shows a reader what no table of scores can: which
channels were bad, whether filters did what the sidecar claims, and which music was heard when.
"""

from __future__ import annotations

import math
import warnings
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import mne
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import welch

from predann_bids import __version__
from predann_bids.bids.derivatives import DerivativePaths
from predann_bids.bids.presentations import Presentation, from_table
from predann_bids.bids.recordings import Recording
from predann_bids.files import read_json, written_whole
from predann_bids.signals.eeg import has_positions

SPECTRUM_STRETCH_S = 300.0  # the first minutes show the filters as well as hours do
SPECTRUM_SEGMENT_S = 4.0  # resolves 0.25 Hz, so that a notch is seen as one
SPECTRUM_HIGHEST_HZ = 80.0
TRACE_BEFORE_S, TRACE_AFTER_S = 2.0, 8.0
MOST_TRACES = 32
LONGEST_NAME = 32
WIDTH_IN, DPI = 9.5, 100

# Okabe and Ito (2008): told apart with every kind of colour vision. Black and yellow are left out, as one is the ink
# and the other is lost on white paper.
STIMULUS_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
BEFORE, AFTER, BAD, INK, PALE = "#E69F00", "#0072B2", "#D55E00", "#222222", "#8a8a8a"

CSS = """
#content .accordion-body table { font-size: 0.92rem; }
#content .accordion-body td, #content .accordion-body th { padding: 0.3rem 0.9rem 0.3rem 0.3rem; }
#content .accordion-body th { white-space: nowrap; }
#content .accordion-body td.number, #content .accordion-body th.number { text-align: right; }
#content .accordion-body figure svg, #content .accordion-body figure img { max-width: 100%; height: auto; }
#content .accordion-body figcaption { max-width: 56rem; margin: 0.4rem auto 0; }
#content .predann-warnings { color: #9c3a00; }
#content .predann-long { max-height: 26rem; overflow-y: auto; }
@media print { #content .predann-long { max-height: none; } }
"""


@dataclass(frozen=True)
class ReportJob:
    """The report of one participant.

    Parameters
    ----------
    participant : str
        Label without `sub-`.
    recordings : tuple of (Recording, DerivativePaths)
        The finished recordings, each with the files it became.
    target : Path
        The `.html` file to write.
    """

    participant: str
    recordings: tuple[tuple[Recording, DerivativePaths], ...]
    target: Path


@dataclass(frozen=True)
class Spectra:
    """Power spectral densities of several channels.

    Parameters
    ----------
    frequencies : ndarray, shape (F,)
        In Hz.
    power_db : ndarray, shape (C, F)
        In dB relative to 1 µV²/Hz.
    """

    frequencies: NDArray[np.float64]
    power_db: NDArray[np.float64]


@dataclass(frozen=True)
class _Recorded:
    """One recording with its derivative, opened but not loaded."""

    name: str
    before: Any  # mne.io.BaseRaw, EEG channels only
    after: Any
    sidecar: Mapping[str, Any]
    presentations: tuple[Presentation, ...]

    @property
    def bad(self) -> tuple[str, ...]:
        """Channels found bad."""
        return tuple(self.sidecar["BadChannels"])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know about the presentations."""
        return tuple(self.sidecar["Presentations"]["Warnings"])

    @property
    def seconds(self) -> float:
        """Length of the derivative."""
        return float(self.after.n_times / self.after.info["sfreq"])

    def step(self, name: str) -> Mapping[str, Any]:
        """Parameters of a preprocessing step; empty when it was not done."""
        return next((step for step in self.sidecar["PreprocessingSteps"] if step["Name"] == name), {})


def write_report(job: ReportJob) -> Path:
    """Write the report of a participant, whole or not at all, and return its path.

    Raises
    ------
    ReadOrWriteFailed
        The file cannot be written, or the data cannot be read.
    TryAgain
        No space is left.
    """
    with written_whole(job.target) as beside:
        with warnings.catch_warnings():
            # Names in a script that the font lacks are drawn as boxes; the tables have them in full.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            report = _compose(job)
        report.save(beside, open_browser=False, overwrite=True, verbose="error")
    return job.target


def _compose(job: ReportJob) -> mne.Report:
    report = mne.Report(title=f"sub-{job.participant} - PredANN-BIDS", image_format="svg", verbose="error")
    report.add_custom_css(CSS)
    opened = [_open(recording, paths) for recording, paths in job.recordings]
    report.add_html(_overview(opened), title="Overview", tags=("overview",))
    colours = stimulus_colours([p.label for recorded in opened for p in recorded.presentations])
    for recorded in opened:
        _add_recording(report, recorded, colours)
    return report


def _open(recording: Recording, paths: DerivativePaths) -> _Recorded:
    sidecar = read_json(paths.sidecar)
    after = _quietly(mne.io.read_raw_brainvision, paths.header, verbose="error")
    after.info["bads"] = [name for name in after.ch_names if name in sidecar["BadChannels"]]
    before = _quietly(recording.read).pick("eeg", exclude=())
    return _Recorded(recording.name, before, after, sidecar, from_table(paths.events))


def _quietly(read: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    # What a reader warns of was of no concern when the recording was preprocessed, and is not now.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(*arguments, **options)


def _add_recording(report: mne.Report, recorded: _Recorded, colours: Mapping[str, str]) -> None:
    def add_html(html: str, title: str, tag: str) -> None:
        report.add_html(html, title=title, tags=(tag,), section=recorded.name)

    def add_figure(figure: Figure, title: str, tag: str, caption: str) -> None:
        report.add_figure(figure, title=title, caption=caption, tags=(tag,), section=recorded.name)

    add_html(_processing(recorded), "What was done", "preprocessing")
    if has_positions(recorded.after):
        add_figure(draw_sensors(recorded.after.info), "Sensors", "sensors", _sensors_caption(recorded))
    else:
        add_html("<p>The positions of the electrodes are not known.</p>", "Sensors", "sensors")
    add_figure(_draw_recorded_spectra(recorded), "Spectra before and after", "spectra", _spectra_caption(recorded))
    timeline = draw_timeline(recorded.presentations, recorded.seconds, colours)
    add_figure(timeline, "Presentations", "presentations", "Which stimulus played when; the axis spans the recording.")
    add_html(_presentation_table(recorded.presentations), "Table of presentations", "presentations")
    if recorded.presentations:
        add_html(_first_presentation(recorded), "EEG around the first presentation", "traces")


# Tables


def _overview(opened: Sequence[_Recorded]) -> str:
    rows = [
        (
            escape(r.name),
            f"{r.seconds / 60:.1f}",
            str(len(r.presentations)),
            str(len({p.label for p in r.presentations})),
            f"{sum(p.duration for p in r.presentations) / 60:.1f}",
            str(len(r.after.ch_names)),
            escape(", ".join(r.bad)) or "none",
            str(len(r.warnings)),
        )
        for r in opened
    ]
    header = ["Recording", "Length (min)", "Presentations", "Stimuli", "Music (min)", "EEG channels"]
    table = _table([*header, "Bad channels", "Warnings"], rows, numbers=(1, 2, 3, 4, 5, 7))
    return f"{table}<p>Made by PredANN-BIDS {__version__}; <code>CITATION.md</code> holds the methods in words.</p>"


def _processing(recorded: _Recorded) -> str:
    steps = [describe_step(step) for step in recorded.sidecar["PreprocessingSteps"]]
    before, after = recorded.before, recorded.after
    facts = [
        ("Source", ", ".join(source.removeprefix("bids:raw:") for source in recorded.sidecar["Sources"])),
        ("Duration", f"{recorded.seconds:.1f} s ({recorded.seconds / 60:.1f} min)"),
        ("Sampling rate", f"{before.info['sfreq']:g} Hz before, {after.info['sfreq']:g} Hz after"),
        ("Channels", f"{len(after.ch_names)} EEG"),
        ("Bad channels", ", ".join(recorded.bad) or "none"),
        ("Reference", str(recorded.sidecar["EEGReference"])),
    ]
    numbered = [(str(place), escape(name), escape(words)) for place, (name, words) in enumerate(steps, 1)]
    listed = _table(["#", "Step", "Parameters"], numbered) if steps else "<p>The EEG was left as it was.</p>"
    return _table([], [(f"<b>{key}</b>", escape(value)) for key, value in facts]) + listed + _warnings(recorded)


def _warnings(recorded: _Recorded) -> str:
    if not recorded.warnings:
        return "<p>No warnings about the presentations.</p>"
    items = "".join(f"<li>{escape(warning)}</li>" for warning in recorded.warnings)
    return f'<p>Warnings about the presentations:</p><ul class="predann-warnings">{items}</ul>'


def _presentation_table(presentations: Sequence[Presentation]) -> str:
    rows = [
        (str(n), f"{p.onset:.3f}", f"{p.duration:.3f}", escape(p.label), escape(p.stim_file), f"{p.audio_start:.3f}")
        for n, p in enumerate(presentations, 1)
    ]
    header = ["#", "Onset (s)", "Duration (s)", "Stimulus", "Audio file", "Audio start (s)"]
    return f'<div class="predann-long">{_table(header, rows, numbers=(0, 1, 2, 5))}</div>'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    def line(cells: Sequence[str], kind: str) -> str:
        classes = ['class="number"' if place in numbers else "" for place in range(len(cells))]
        return "".join(f"<{kind} {name}>{cell}</{kind}>" for name, cell in zip(classes, cells, strict=True))

    head = f"<thead><tr>{line(header, 'th')}</tr></thead>" if header else ""
    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f'<table class="table table-sm w-auto">{head}<tbody>{body}</tbody></table>'


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
    parameters = {key: value for key, value in step.items() if key != "Name"}
    words = []
    for pair, joined in (("low_hz", "high_hz"), "{} to {} Hz"), (("from_hz", "to_hz"), "{} to {} Hz"):
        if set(pair) <= set(parameters):
            words.append(joined.format(*(_in_words(parameters.pop(key), "open") for key in pair)))
    words += [_parameter(key, value) for key, value in parameters.items()]
    name = str(step["Name"])
    return name[:1].upper() + name[1:], "; ".join(words)


def _parameter(key: str, value: Any) -> str:
    name, _, unit = key.rpartition("_")
    units = {"hz": "Hz", "s": "s", "uv": "µV"}
    if name and unit in units:
        return f"{name.replace('_', ' ')} {_in_words(value)} {units[unit]}"
    if key in ("filter", "reason", "kind"):
        return _in_words(value)
    return f"{key.replace('_', ' ')} {_in_words(value)}"


def _in_words(value: Any, nothing: str = "none") -> str:
    if value is None or value == []:
        return nothing
    if isinstance(value, list | tuple):
        return ", ".join(_in_words(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


# Numbers


def estimate_spectra(eeg: NDArray[np.float64], rate_hz: float) -> Spectra:
    """Estimate power spectral densities with Welch's method (Hann windows of 4 s that overlap by half).

    Parameters
    ----------
    eeg : ndarray, shape (C, T)
        In µV.
    rate_hz : float
        Sampling rate.
    """
    segment = min(eeg.shape[1], round(SPECTRUM_SEGMENT_S * rate_hz))
    # one channel at a time, as the windows of all together take several times the memory of the EEG
    power = np.stack([welch(trace, rate_hz, nperseg=segment)[1] for trace in eeg])
    frequencies = np.arange(power.shape[1]) * rate_hz / segment
    floor = np.finfo(np.float64).tiny  # a channel without any signal has no logarithm
    return Spectra(frequencies, 10 * np.log10(np.maximum(power, floor)))


def _microvolts(raw: Any, start_s: float, stop_s: float, names: Sequence[str]) -> NDArray[np.float64]:
    rate = raw.info["sfreq"]
    stretch = slice(max(0, round(start_s * rate)), min(raw.n_times, round(stop_s * rate)))
    data: NDArray[np.float64] = _quietly(
        raw.get_data, picks=list(names), start=stretch.start, stop=stretch.stop, verbose="error"
    )
    data *= 1e6
    return data


def stimulus_colours(labels: Sequence[str]) -> dict[str, str]:
    """Give each stimulus its colour: Okabe and Ito's, or from viridis when they are too few."""
    names = sorted(set(labels))
    if len(names) <= len(STIMULUS_COLOURS):
        return dict(zip(names, STIMULUS_COLOURS, strict=False))
    # The brightest end is left out, as it is lost on white paper.
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.92, len(names)))
    return {name: matplotlib.colors.to_hex(shade) for name, shade in zip(names, shades, strict=True)}


# Figures


def draw_sensors(info: mne.Info) -> Figure:
    """Draw the electrodes on the head, with their names; `info["bads"]` stand out."""
    figure = Figure(figsize=(5.6, 5.2), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    crowd = len(info["ch_names"])
    size = max(20.0, min(430.0, 16000 / crowd))
    mne.viz.plot_sensors(info, axes=axes, show_names=False, pointsize=size, linewidth=0.8, show=False, verbose="error")
    dots = axes.collections[-1]
    dots.set_zorder(4)  # above the outline of the head
    bad = [name in info["bads"] for name in info["ch_names"]]
    dots.set_facecolor([BAD if is_bad else "#dce9f3" for is_bad in bad])
    dots.set_edgecolor([INK if is_bad else AFTER for is_bad in bad])
    for name, (x, y), is_bad in zip(info["ch_names"], np.asarray(dots.get_offsets()), bad, strict=True):
        text = axes.text(x, y, name, ha="center", va="center", zorder=5, parse_math=False)
        text.set(fontsize=max(4.0, min(8.0, 420 / crowd)), color="white" if is_bad else INK)
        text.set_fontweight("bold" if is_bad else "normal")
    return figure


def _sensors_caption(recorded: _Recorded) -> str:
    template = " The recording has none; these are a template's." if recorded.step("template positions") else ""
    marked = f" Bad: {escape(', '.join(recorded.bad))}." if recorded.bad else " No channel was bad."
    return f"Positions of the electrodes, seen from above, nose up.{template}{marked}"


def draw_spectra(
    before: Spectra, after: Spectra, *, line_hz: float | None = None, band_hz: Sequence[float | None] = ()
) -> Figure:
    """Draw spectra before and after preprocessing: the median over channels, with the interquartile range.

    Parameters
    ----------
    before, after : Spectra
        Of the same channels.
    line_hz : float, optional
        Line frequency to mark.
    band_hz : sequence of float
        Edges of the band-pass to mark; None for an open one.
    """
    figure = Figure(figsize=(WIDTH_IN, 3.9), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for spectra, colour, name in ((before, BEFORE, "before"), (after, AFTER, "after preprocessing")):
        frequencies = spectra.frequencies[spectra.frequencies <= SPECTRUM_HIGHEST_HZ]
        low, median, high = np.percentile(spectra.power_db[:, : frequencies.size], [25, 50, 75], axis=0)
        axes.fill_between(frequencies, low, high, color=colour, alpha=0.25, linewidth=0)
        axes.plot(frequencies, median, color=colour, linewidth=1.4, label=name)
    axes.set_xlim(0, min(before.frequencies[-1], SPECTRUM_HIGHEST_HZ))
    axes.set_ylim(*_decibel_limits(before, after))
    edges = [(hz, f"{hz:g} Hz", "--") for hz in band_hz if hz]
    line = [(line_hz, f"line, {line_hz:g} Hz", ":")] if line_hz else []
    for hz, name, style in [*edges, *line]:
        axes.axvline(hz, color=PALE, linestyle=style, linewidth=1, zorder=0)
        axes.text(hz, 1.01, name, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=8)
    axes.set_xlabel("Frequency (Hz)")
    axes.set_ylabel("Power spectral density\n(dB re 1 µV²/Hz)")
    axes.legend(frameon=False, loc="upper right")
    _open_frame(axes)
    return figure


def _decibel_limits(before: Spectra, after: Spectra) -> tuple[float, float]:
    # What a filter has removed lies arbitrarily low; the axis is for what was and what is left.
    shown = (before.frequencies > 0) & (before.frequencies <= SPECTRUM_HIGHEST_HZ)
    median = np.median(before.power_db[:, shown], axis=0)
    kept = np.median(after.power_db, axis=0)
    return float(median.min()) - 20, float(max(median.max(), kept.max())) + 6


def _draw_recorded_spectra(recorded: _Recorded) -> Figure:
    good = [name for name in recorded.after.ch_names if name not in recorded.bad]
    before, after = (
        estimate_spectra(_microvolts(raw, 0, SPECTRUM_STRETCH_S, good), raw.info["sfreq"])
        for raw in (recorded.before, recorded.after)
    )
    band = recorded.step("band-pass")
    line_hz = recorded.sidecar.get("PowerLineFrequency")
    return draw_spectra(
        before,
        after,
        line_hz=line_hz if isinstance(line_hz, int | float) else None,  # BIDS allows "n/a"
        band_hz=(band.get("low_hz"), band.get("high_hz")),
    )


def _spectra_caption(recorded: _Recorded) -> str:
    stretch = "the recording"
    if recorded.seconds > SPECTRUM_STRETCH_S:
        stretch = f"the first {SPECTRUM_STRETCH_S / 60:g} minutes of the recording"
    band = " Dashed: the edges of the band-pass." if recorded.step("band-pass") else ""
    return (
        f"Median over the good channels with the interquartile range, from {stretch}; Welch's method with windows of"
        f" {SPECTRUM_SEGMENT_S:g} s.{band}"
    )


def draw_timeline(presentations: Sequence[Presentation], recording_s: float, colours: Mapping[str, str]) -> Figure:
    """Draw presentations as bars along a recording, one lane per stimulus in the order of their first onsets.

    Parameters
    ----------
    presentations : sequence of Presentation
        In the order of their onsets.
    recording_s : float
        Length of the recording in seconds.
    colours : mapping
        Stimulus to colour.
    """
    lanes = list(dict.fromkeys(p.label for p in presentations))
    height = 0.9 + max(1, len(lanes)) * max(0.12, min(0.36, 9 / max(1, len(lanes))))
    figure = Figure(figsize=(WIDTH_IN, height), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    scale, unit = (60.0, "min") if recording_s > 600 else (1.0, "s")
    for p in presentations:
        lane = lanes.index(p.label)
        axes.barh(lane, p.duration / scale, left=p.onset / scale, height=0.72, color=colours[p.label])
    names = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in lanes]
    size = max(4.0, min(9.0, 350 / max(1, len(lanes))))
    axes.set_yticks(range(len(lanes)), names, fontsize=size, parse_math=False)
    axes.set_ylim(max(1, len(lanes)) - 0.4, -0.6)
    axes.set_xlim(0, recording_s / scale)
    axes.set_xlabel(f"Time from the start of the recording ({unit})")
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    _open_frame(axes)
    return figure


def _first_presentation(recorded: _Recorded) -> str:
    first, rate = recorded.presentations[0], recorded.after.info["sfreq"]
    names = _shown_channels(recorded.after.ch_names, recorded.bad)
    start_s = max(0.0, first.onset - TRACE_BEFORE_S)
    eeg = _microvolts(recorded.after, start_s, first.onset + TRACE_AFTER_S, names)
    times = start_s - first.onset + np.arange(eeg.shape[1]) / rate
    figure = draw_traces(eeg, times, names, recorded.bad)
    total = len(recorded.after.ch_names)
    shown = f" {len(names)} of {total} channels are shown." if len(names) < total else ""
    marked = f" Vermilion: channels that were bad ({escape(', '.join(recorded.bad))})." if recorded.bad else ""
    return _as_image(figure, f"Preprocessed EEG; at 0 s {escape(first.label)} begins.{shown}{marked}")


def _as_image(figure: Figure, caption: str) -> str:
    # Tens of thousands of points weigh less as pixels than as vectors, and a fifth with no more than 16 colours.
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png")
    pixels = Image.open(drawn).convert("RGB").quantize(palette=_palette(INK, BAD, AFTER), dither=Image.Dither.NONE)
    pixels.save(small, "PNG", optimize=True)
    source = f"data:image/png;base64,{b64encode(small.getvalue()).decode()}"
    return (
        f'<figure class="figure mx-auto d-block"><img class="mx-auto d-block" alt="Traces of EEG" src="{source}">'
        f'<figcaption class="figure-caption text-center">{caption}</figcaption></figure>'
    )


def _shown_channels(names: Sequence[str], bad: Sequence[str]) -> list[str]:
    every = math.ceil(len(names) / MOST_TRACES)
    return [name for place, name in enumerate(names) if place % every == 0 or name in bad]


def _palette(*inks: str, shades: int = 5) -> Image.Image:
    """Make a palette of white and of each ink in shades, which is what smooth lines on white paper consist of."""
    strengths = np.arange(1, shades + 1) / shades
    colours = [1 - strength * (1 - np.array(matplotlib.colors.to_rgb(ink))) for ink in inks for strength in strengths]
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 255, 255, *(round(255 * part) for colour in colours for part in colour)])
    return palette


def draw_traces(
    eeg: NDArray[np.float64], times: NDArray[np.float64], names: Sequence[str], bad: Sequence[str] = ()
) -> Figure:
    """Draw EEG as traces below each other, with a scale bar.

    Parameters
    ----------
    eeg : ndarray, shape (C, T)
        In µV.
    times : ndarray, shape (T,)
        Seconds from the onset of a presentation.
    names : sequence of str
        Channel names, C of them.
    bad : sequence of str
        Channels to set apart.
    """
    figure = Figure(figsize=(WIDTH_IN, 1.0 + 0.19 * max(10, len(names))), dpi=DPI)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    spacing = _round_up(3 * float(np.median(np.std(eeg, axis=1))))
    for lane, (name, trace) in enumerate(zip(names, eeg, strict=True)):
        colour, width = (BAD, 0.9) if name in bad else (INK, 0.55)
        axes.plot(times, trace / spacing - lane, color=colour, linewidth=width)
    axes.axvline(0, color=AFTER, linewidth=1.2)
    axes.set_yticks(-np.arange(len(names)), names, fontsize=8, parse_math=False)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(BAD if name in bad else INK)
    axes.set_xlim(times[0], math.ceil(times[-1]))
    axes.set_ylim(-len(names) - 0.2, 1.2)
    axes.plot([1.012, 1.012], [-1, 0], transform=axes.get_yaxis_transform(), color=INK, linewidth=2, clip_on=False)
    axes.text(1.02, -0.5, f"{spacing:g} µV", transform=axes.get_yaxis_transform(), va="center", fontsize=9)
    axes.set_xlabel("Time from the onset of the presentation (s)")
    axes.tick_params(axis="y", length=0)
    _open_frame(axes)
    return figure


def _round_up(value: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= value)


def _open_frame(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)

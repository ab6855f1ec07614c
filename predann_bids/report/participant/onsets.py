"""What the EEG does after onsets in the music: whether stimuli and EEG are on one clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import mne
import numpy as np
from matplotlib.figure import Figure

from predann_bids.arrays import Doubles
from predann_bids.bids.music.presentations import Presentation
from predann_bids.errors import PredannError
from predann_bids.report.participant.drawn import AFTER, INK, PALE, figure_html, light_grid, new_figure
from predann_bids.report.participant.recorded import Recorded, has_positions
from predann_bids.report.text import p as p_in_words
from predann_bids.signals.brainvision import map_brainvision
from predann_bids.signals.onsets import OnsetResponse, detect_onsets, onsets_played, respond_to_onsets

SHADE = "#c9c9c9"
TRACE = "#6b6b6b"


def detect_all(presentations: Iterable[Presentation], stimuli_dir: Path) -> dict[str, Doubles]:
    """Find the onsets in each audio file that was played; missing or unreadable files are left out."""
    found = {}
    for name in sorted({p.stim_file for p in presentations}):
        try:
            found[name] = detect_onsets(stimuli_dir / name)
        except PredannError:
            continue  # the page says that there is no audio
    return found


def respond(recorded: Recorded, onsets: Mapping[str, Doubles]) -> OnsetResponse | None:
    """Average the EEG over all onsets of all presentations; None without audio, or with too few onsets."""
    played = [
        onsets_played(onsets[p.stim_file], audio_start=p.audio_start, onset=p.onset, duration=p.duration)
        for p in recorded.presentations
        if p.stim_file in onsets
    ]
    if not played:
        return None
    mapped = map_brainvision(recorded.header)
    eeg = mapped.data if (mapped.resolution == 1).all() else mapped.data * mapped.resolution
    return respond_to_onsets(
        eeg,
        mapped.rate_hz,
        np.concatenate(played),
        [(p.onset, p.duration) for p in recorded.presentations if p.stim_file in onsets],
        bad_spans=[(onset, duration) for onset, duration, _ in recorded.bad_spans],
        picks=[mapped.channels.index(name) for name in recorded.good],
    )


def onsets_html(recorded: Recorded, response: OnsetResponse | None, has_audio: bool, key: str) -> str:
    """Show the response, or say why there is none.

    Parameters
    ----------
    recorded : Recorded
        The recording, before and after preprocessing.
    response : OnsetResponse or None
        Average over onsets; None if there are too few.
    has_audio : bool
        Whether the audio was there to find onsets in.
    key : str
        Distinguishes this recording's figures from those of others.
    """
    if response is None:
        reason = "there are too few onsets" if has_audio else "the audio is not in stimuli/ of the derivatives"
        return f"<p>No average over onsets in the music: {reason}.</p>"
    info = mne.pick_info(recorded.after.info, [recorded.after.ch_names.index(name) for name in recorded.good])
    figure = draw_response(response, info)
    verdict = "beyond chance" if response.p <= 0.05 else "not distinguishable from chance"
    caption = (
        f"Average over {response.count} onsets of sounds in the music (peaks of the spectral flux of the audio; Dixon,"
        " 2006), good channels, bad spans left out, drifts below 1 Hz removed, no baseline correction. Top: global"
        " field power; grey, the middle 95 % of averages around onsets shifted in time within each presentation."
        " Bottom: all channels."
        f" From 0 to 0.4 s, the response is {verdict} (z = {response.z:.1f}, p {p_in_words(response.p)}, of 199"
        " shifts). Where music repeats itself, shifted onsets meet sounds too, which makes the comparison strict. No"
        " response may mean that stimulus times are wrong; it may also be weak in a single recording."
    )
    return figure_html(figure, name=f"{key}-onsets", title="Response to onsets in the music", caption=caption)


def draw_response(response: OnsetResponse, info: mne.Info) -> Figure:
    """Draw global field power with its chance band, all channels, and the topography at the peak."""
    figure = new_figure(4.2)
    placed = has_positions(info)
    grid = figure.add_gridspec(2, 2 if placed else 1, width_ratios=[3, 1] if placed else [1], height_ratios=[1, 1.3])
    top = figure.add_subplot(grid[0, 0])
    bottom = figure.add_subplot(grid[1, 0], sharex=top)
    times = 1000 * response.times_s
    top.fill_between(times, response.null_low, response.null_high, color=SHADE, linewidth=0, label="shifted onsets")
    top.plot(times, response.field_power, color=AFTER, linewidth=1.8, label="onsets")
    top.set_ylim(bottom=0)
    top.legend(frameon=False, loc="upper right", fontsize=8)
    top.set_ylabel("Global field\npower (µV)")
    top.tick_params(labelbottom=False)
    bottom.plot(times, response.average.T, color=TRACE, linewidth=0.5, alpha=0.7)
    bottom.set(xlabel="Time from the onset (ms)", ylabel="Average (µV)", xlim=(times[0], times[-1]))
    peak = _peak(response)
    for axes in (top, bottom):
        axes.axvline(0, color=INK, linewidth=0.9)
        axes.axvline(times[peak], color=PALE, linewidth=0.9, linestyle="--")
        light_grid(axes, "y")
    if placed:
        _draw_topography(figure.add_subplot(grid[:, 1]), response.average[:, peak], info, times[peak])
    return figure


def _peak(response: OnsetResponse) -> int:
    after = response.times_s >= 0
    return int(np.argmax(np.where(after, response.field_power, -1)))


def _draw_topography(axes: object, values: Doubles, info: mne.Info, time_ms: float) -> None:
    largest = float(np.abs(values - values.mean()).max()) or 1.0
    image, _ = mne.viz.plot_topomap(
        values, info, axes=axes, sensors=False, contours=0, res=64, cmap="RdBu_r", vlim=(-largest, largest), show=False
    )
    image.axes.set_title(f"{time_ms:.0f} ms", loc="center")
    bar = image.figure.colorbar(image, ax=image.axes, orientation="horizontal", shrink=0.8, pad=0.04)
    bar.set_label("µV")
    bar.outline.set_visible(False)

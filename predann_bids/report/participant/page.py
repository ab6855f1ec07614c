"""Put the page together."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mne

from predann_bids.arrays import Doubles
from predann_bids.bids.derivatives import DerivativePaths
from predann_bids.bids.recordings import Recording
from predann_bids.files import written_whole
from predann_bids.report.drawing import drawing_style
from predann_bids.report.participant.amplitudes import Amplitudes, amplitudes_html
from predann_bids.report.participant.components import components_html
from predann_bids.report.participant.drawn import CSS, stimulus_colours
from predann_bids.report.participant.onsets import detect_all, onsets_html, respond
from predann_bids.report.participant.overview import noteworthy_html, overview_html
from predann_bids.report.participant.recorded import Recorded, in_both, open_recorded, stretches
from predann_bids.report.participant.sensors import sensors_html
from predann_bids.report.participant.spectra import Spectra, estimate_spectra, spectra_html
from predann_bids.report.participant.steps import processing_html, variance_html
from predann_bids.report.participant.timeline import presentation_table, timeline_html
from predann_bids.report.participant.traces import traces_html


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
        The `.html` file to write, at the root of the derivative dataset.
    stimuli_dir : Path, optional
        Where the audio is; `stimuli/` of the derivative dataset unless given.
    """

    participant: str
    recordings: tuple[tuple[Recording, DerivativePaths], ...]
    target: Path
    stimuli_dir: Path | None = None


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
        with warnings.catch_warnings(), drawing_style():
            # Names in a script that the font lacks are drawn as boxes; the tables have them in full.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            report = _compose(job)
        report.save(beside, open_browser=False, overwrite=True, verbose="error")
    return job.target


def _compose(job: ReportJob) -> mne.Report:
    report = mne.Report(title=f"sub-{job.participant} - PredANN-BIDS", verbose="error")
    report.add_custom_css(CSS)
    opened = [open_recorded(recording, paths) for recording, paths in job.recordings]
    report.add_html(overview_html(opened), title="Overview", tags=("overview",))
    presentations = [p for recorded in opened for p in recorded.presentations]
    colours = stimulus_colours([p.label for p in presentations])
    onsets = detect_all(presentations, job.stimuli_dir or job.target.parent / "stimuli")
    for recorded in opened:
        for title, tag, html in _parts(recorded, colours, onsets):
            if html:
                report.add_html(html, title=title, tags=(tag,), section=recorded.name)
    return report


def _parts(recorded: Recorded, colours: Mapping[str, str], onsets: Mapping[str, Doubles]) -> list[tuple[str, str, str]]:
    """Title, tag and HTML of each part of a recording's section; those without data are empty."""
    key, music = recorded.name, recorded.presentations
    response = respond(recorded, onsets)
    spectra, amplitudes = _measured(recorded)
    shared = in_both(recorded, recorded.after.ch_names)
    has_audio = any(p.stim_file in onsets for p in music)
    return [
        ("What to know", "overview", noteworthy_html(recorded, response)),
        ("What was done", "preprocessing", processing_html(recorded)),
        ("Variance removed by each step", "preprocessing", variance_html(recorded, key)),
        ("Sensors", "sensors", sensors_html(recorded, key)),
        ("Independent components", "ica", components_html(recorded, key)),
        ("Spectra before and after", "spectra", spectra_html(recorded, *spectra, key)),
        ("Amplitudes before and after", "amplitudes", amplitudes_html(recorded, shared, *amplitudes, key)),
        ("Presentations", "presentations", timeline_html(recorded, colours, key)),
        ("Table of presentations", "presentations", presentation_table(recorded)),
        ("Response to onsets in the music", "onsets", onsets_html(recorded, response, has_audio, key) if music else ""),
        ("EEG around the first presentation", "traces", traces_html(recorded) if music else ""),
    ]


def _measured(recorded: Recorded) -> tuple[tuple[Spectra, Spectra], tuple[Amplitudes, Amplitudes]]:
    names = in_both(recorded, recorded.after.ch_names)
    good = [place for place, name in enumerate(names) if name in recorded.good] or list(range(len(names)))
    found = [(estimate_spectra(eeg[good], rate), Amplitudes.of(eeg)) for eeg, rate in stretches(recorded)]
    (before, amplitudes_before), (after, amplitudes_after) = found
    return (before, after), (amplitudes_before, amplitudes_after)

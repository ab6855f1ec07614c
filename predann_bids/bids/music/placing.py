"""Find where in an opened recording its music is: clocks compared, presentations resolved, gaps minded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from predann_bids.bids.music.clocks import settle_onsets
from predann_bids.bids.music.cues import Cues, read_rows
from predann_bids.bids.music.gaps import placed_in_file
from predann_bids.bids.music.presentations import Resolution, resolve_cues
from predann_bids.bids.recordings import Reading
from predann_bids.bids.spans import unreadable_marks


def place_music(
    cues: Cues,
    events: Path | None,
    reading: Reading | None,
    *,
    shortest: float,
    audio_seconds: Callable[[Path], float],
) -> Resolution:
    """Resolve cues in a recording, with all that a reader should know about its files and its music.

    Parameters
    ----------
    cues : Cues
        What tables say about its music.
    events : Path, optional
        Its events.tsv.
    reading : Reading, optional
        The opened recording; without it, its length is unknown, and nothing is compared with it.
    shortest : float
        Presentations shorter than this, in seconds, are left out.
    audio_seconds : callable
        Returns the length of an audio file in seconds.

    Returns
    -------
    Resolution
        Presentations in seconds of the file.

    Raises
    ------
    PredannError
        As `settle_onsets` and `resolve_cues`.
    """
    if reading is None:
        return resolve_cues(cues, recording_seconds=math.inf, shortest=shortest, audio_seconds=audio_seconds)
    rows = read_rows(events) if events else []
    rate_hz, timeline = float(reading.raw.info["sfreq"]), reading.timeline
    # the samples of a file with gaps count its own time
    settled, notes = (cues, ()) if timeline.gaps else settle_onsets(cues, rows, rate_hz, events)
    seconds = timeline.true_length(reading.raw.n_times / rate_hz)
    resolution = resolve_cues(settled, recording_seconds=seconds, shortest=shortest, audio_seconds=audio_seconds)
    placed = placed_in_file(resolution, timeline, shortest=shortest, recording=str(reading.raw.filenames[0]))
    unread = unreadable_marks(rows) if cues.times_are_of_the_recording else []
    told = (*reading.warnings, *notes, *placed.warnings, *(f"{events}, {one}" for one in unread))
    return replace(placed, warnings=told)

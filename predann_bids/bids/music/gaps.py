"""Presentations in discontinuous recordings: what was played during a gap was not recorded."""

from __future__ import annotations

from dataclasses import replace

from predann_bids.bids.gaps import TimeLine
from predann_bids.bids.music.presentations import Presentation, Resolution


def placed_in_file(resolution: Resolution, timeline: TimeLine, *, shortest: float, recording: str) -> Resolution:
    """Move presentations from true time to where their samples are; a gap parts what is played across it.

    Parameters
    ----------
    resolution : Resolution
        Presentations in true time, gaps included.
    timeline : TimeLine
        Where the gaps are.
    shortest : float
        Parts that last less, in seconds, are left out.
    recording : str
        Name of the recording, for warnings.

    Returns
    -------
    Resolution
        Presentations in seconds of the file, and what was lost.
    """
    if not timeline.gaps:
        return resolution
    placed: list[Presentation] = []
    notes = list(resolution.warnings)
    for presentation in resolution.presentations:
        parts = [
            replace(
                presentation,
                onset=timeline.in_file(start),
                duration=stop - start,
                audio_start=presentation.audio_start + start - presentation.onset,
            )
            for start, stop in timeline.recorded(presentation.onset, presentation.end)
            if stop - start >= shortest
        ]
        placed += parts
        lost_s = presentation.duration - sum(part.duration for part in parts)
        if lost_s > 1e-6:
            what = "is left out" if not parts else f"loses {lost_s:.2f} s"
            notes.append(
                f"{recording}: '{presentation.stim_file}' at {presentation.onset:g} s {what}, as the recording has a"
                " gap there."
            )
    return replace(resolution, presentations=tuple(placed), warnings=tuple(notes))

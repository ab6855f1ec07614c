"""Choose how to draft a stimulus map."""

from __future__ import annotations

import re
from pathlib import Path

from predann_bids.tools.stimuli.drafting.counting import DatasetEvents
from predann_bids.tools.stimuli.drafting.from_names import draft_from_names
from predann_bids.tools.stimuli.drafting.from_recordings import draft_from_recordings
from predann_bids.tools.stimuli.drafting.from_stim_files import draft_from_stim_files
from predann_bids.tools.stimuli.drafting.from_values import draft_from_values
from predann_bids.tools.stimuli.inspection import audio_in


def draft_map(dataset: str, events: DatasetEvents, stimuli_dir: Path, *, shortest: float) -> str:
    """Draft a stimulus map in the first of these ways that is possible.

    1. `stim_file` names audio: rules for missing files, or for where the music ends.
    2. Values of an events column, or labels of sessions, tasks or runs, are named like the audio files.
    3. Values of an events column come seconds apart: a rule for each, with audio to be filled in.
    4. Each recording contains one stimulus: a rule for each session, task or run, with audio to be filled in.

    Parameters
    ----------
    dataset : str
        Name of the dataset.
    events : DatasetEvents
        Events of all recordings.
    stimuli_dir : Path
        Directory of the audio files.
    shortest : float
        Durations below this, in seconds, are those of markers.

    Returns
    -------
    str
        The text of the map.
    """
    audio = [name for name in audio_in(stimuli_dir) if not re.search(r"[{}]", name)]  # a map replaces words in braces
    draft = (
        draft_from_stim_files(events, stimuli_dir, audio, shortest)
        or draft_from_names(events, audio)
        or draft_from_values(events)
        or draft_from_recordings(events)
    )
    return draft.text(dataset, audio)

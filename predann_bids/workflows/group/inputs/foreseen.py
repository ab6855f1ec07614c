"""What a group run will be, before the participant level has run: its folds, and how much there is to train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from predann_bids.bids.music.presentations import Presentation
from predann_bids.bids.recordings import Recording
from predann_bids.config import Science
from predann_bids.data.splits import make_splits
from predann_bids.data.trials import Trial
from predann_bids.models.decoder import DECODERS
from predann_bids.timing import Rate

CONTROLS = 2


@dataclass(frozen=True)
class Foreseen:
    """What a group run will be.

    Parameters
    ----------
    folds : int
        Folds of the split that has most.
    windows : float
        Windows that fit side by side in the recordings.
    trainings : int
        Epochs of a fold, times seeds, splits and controls; for one model.
    fit_gb : float
        Memory that one training needs.
    is_large : bool
        Whether the network is large.
    """

    folds: int
    windows: float
    trainings: int
    fit_gb: float
    is_large: bool


def foresee(music: Mapping[Recording, Sequence[Presentation]], science: Science) -> Foreseen:
    """Divide the music of recordings into folds as the group level will, and count what there is to train.

    Parameters
    ----------
    music : mapping of Recording to sequence of Presentation
        What was played in each recording.
    science : Science
        Configuration.

    Raises
    ------
    UnusableData
        There are too few participants, songs or sessions, or the presentations are too short.
    WrongUsage
        The number of folds is not possible, or a name is not registered.
    """
    trials, rate = _trials(music, science), Rate(science.preprocessing.resample)
    splitting, training, windows = science.splitting, science.training, science.windows
    others = [split for split in dict.fromkeys(science.evaluation.also_splits) if split != splitting.split]
    kinds = [splitting, *map(splitting.by_other, others)]
    length = rate.samples(windows.length)
    guard = rate.samples(max(windows.length, windows.audio_context))
    folds = [len(make_splits(trials, k, window=length, rate=rate, seed=training.seed, guard=guard)) for k in kinds]
    versions = len(kinds) + (CONTROLS if science.evaluation.control == "fingerprint" else 0)
    network = DECODERS[training.encoders]
    return Foreseen(
        max(folds),
        sum(trial.length for trial in trials) / length,
        training.all_epochs * len(training.all_seeds) * versions,
        network.memory_gb(training.batch_size, max(windows.length, windows.audio_context)),
        network.is_large,
    )


def _trials(music: Mapping[Recording, Sequence[Presentation]], science: Science) -> list[Trial]:
    """Take presentations as they are; what is bad in a recording is not known yet."""
    rate, most = Rate(science.preprocessing.resample), science.windows.first or float("inf")
    labels = sorted({presentation.label for presentations in music.values() for presentation in presentations})
    late = max(0.0, science.windows.delay)  # the EEG of the end may lie behind the end of the recording
    return [
        Trial(
            recording.participant,
            recording.session,
            recording.task,
            recording.run,
            number,
            labels.index(presentation.label),
            rate.samples(presentation.onset),
            max(0, rate.samples(min(presentation.duration - late, most))),
            rate.samples(presentation.audio_start),
        )
        for number, (recording, presentations) in enumerate(music.items())
        for presentation in presentations
    ]

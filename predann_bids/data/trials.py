"""Trials: presentations expressed in samples of the preprocessed recordings. Windows and splits are made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from predann_bids.bids.derivatives import Derivative
from predann_bids.errors import UnusableData
from predann_bids.timing import Rate, Span


@dataclass(frozen=True)
class Trial:
    """One presentation of one stimulus, in samples of the preprocessed recording.

    Parameters
    ----------
    participant, session, task, run : str
        Entities of the recording; empty when it has none.
    recording : int
        Index into the list of recordings.
    stimulus : int
        Index into the list of stimuli.
    onset : int
        EEG sample at which the stimulus begins.
    length : int
        Samples of the stimulus that were played and have EEG `delay` later.
    audio_start : int
        Position in the audio file at `onset`, in samples at the rate of the EEG.
    bad : tuple of Span
        Where the EEG paired with the stimulus is bad, in samples since `onset`; sorted and disjoint.
    """

    participant: str
    session: str
    task: str
    run: str
    recording: int
    stimulus: int
    onset: int
    length: int
    audio_start: int
    bad: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Stretch:
    """A part of a trial, in samples since the onset of its stimulus.

    Parameters
    ----------
    trial : int
        Index of the trial.
    span : Span
        Which part of the trial.
    bad : tuple of Span
        Spans within it that no window may touch; sorted and disjoint.
    """

    trial: int
    span: Span
    bad: tuple[Span, ...] = ()

    @classmethod
    def of(cls, trials: Sequence[Trial], index: int, span: Span | None = None) -> Stretch:
        """Take a part of a trial, or the whole trial, together with its bad spans."""
        span = span or Span(0, trials[index].length)
        return cls(index, span, tuple(bad for bad in trials[index].bad if bad.overlaps(span)))

    def clean_stretches(self, shortest: int) -> list[Stretch]:
        """Cut out the bad spans and return the stretches between them that have at least `shortest` samples."""
        starts = [self.span.start, *(bad.stop for bad in self.bad)]
        stops = [*(bad.start for bad in self.bad), self.span.stop]
        edges = [(start, stop) for start, stop in zip(starts, stops, strict=True) if stop - start >= shortest]
        return [Stretch(self.trial, Span(start, stop)) for start, stop in edges]

    def chunks(self, length: int) -> list[Stretch]:
        """Cut into chunks of equal length and drop the remainder; a stretch shorter than a chunk is one chunk."""
        starts = range(self.span.start, max(self.span.stop - length, self.span.start) + 1, length)
        spans = [Span(start, min(start + length, self.span.stop)) for start in starts]
        return [Stretch(self.trial, span, tuple(bad for bad in self.bad if bad.overlaps(span))) for span in spans]


def audio_spans(trials: Sequence[Trial], stretches: Iterable[Stretch]) -> dict[int, list[Span]]:
    """Return where in the audio of each song some stretches lie, in samples since its beginning."""
    spans: dict[int, list[Span]] = {}
    for stretch in stretches:
        trial = trials[stretch.trial]
        spans.setdefault(trial.stimulus, []).append(stretch.span.shift(trial.audio_start))
    return spans


def list_trials(
    derivatives: Sequence[Derivative],
    labels: Sequence[str],
    *,
    rate: Rate,
    delay_s: float,
    recording_samples: Sequence[int],
    audio_samples: Mapping[str, int],
    first_s: float = 0.0,
) -> list[Trial]:
    """Turn the presentations of all recordings into trials.

    A trial lasts while both music and EEG are available: until the end of the presentation, of the audio file, or of
    the recording (`delay_s` later), whichever comes first. It also ends where the next presentation begins, so that no
    EEG belongs to two trials.

    Parameters
    ----------
    derivatives : sequence of Derivative
        Preprocessed recordings.
    labels : sequence of str
        Names of the stimuli, in the order of their indices.
    rate : Rate
        Sampling rate of the derivatives.
    delay_s : float
        The EEG of a window is taken this many seconds later than its audio.
    recording_samples : sequence of int
        Length of each recording in samples.
    audio_samples : mapping of str to int
        Length of the audio of each stimulus, in samples at the rate of the EEG.
    first_s : float
        Use only the first seconds of each presentation; 0 uses all of it.

    Returns
    -------
    list of Trial

    Raises
    ------
    UnusableData
        A negative delay reaches before the start of a recording.
    """
    delay, most = rate.samples(delay_s), rate.samples(first_s)
    trials = []
    for index, (derivative, samples) in enumerate(zip(derivatives, recording_samples, strict=True)):
        onsets = [rate.samples(presentation.onset) for presentation in derivative.presentations]
        for position, presentation in enumerate(derivative.presentations):
            onset, audio_start = onsets[position], rate.samples(presentation.audio_start)
            following = [o for number, o in enumerate(onsets) if o > onset or (o == onset and number > position)]
            played = min([rate.samples(presentation.duration), *(o - onset for o in following)])
            available = min(played, samples - onset - delay, audio_samples[presentation.label] - audio_start)
            available = min(available, most) if most else available
            begin = max(0, -(onset + delay))  # a negative delay must not reach before the recording
            if begin:
                raise UnusableData(
                    f"{derivative.name}: the stimulus at {presentation.onset:g} s begins too early in the recording"
                    f" for a delay of {delay_s:g} s. Use a later delay."
                )
            trials.append(
                Trial(
                    derivative.participant,
                    derivative.session,
                    derivative.task,
                    derivative.run,
                    index,
                    labels.index(presentation.label),
                    onset,
                    max(0, available),
                    audio_start,
                )
            )
    return trials

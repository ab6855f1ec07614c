"""Presentations in samples of their derivatives: what windows and splits are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        Samples of the stimulus that were heard and have EEG `delay` later.
    audio_start : int
        Place in the audio at `onset`, in samples at the rate of the EEG.
    bad : tuple of Span
        Where the EEG that is paired with the stimulus is bad, in samples since `onset`: sorted, and apart.
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
        The part.
    bad : tuple of Span
        Parts of it that no window may touch: sorted, and apart.
    """

    trial: int
    span: Span
    bad: tuple[Span, ...] = ()

    @classmethod
    def of(cls, trials: Sequence[Trial], index: int, span: Span | None = None) -> Stretch:
        """Take a part of a trial, or the whole, with what is bad in it."""
        span = span or Span(0, trials[index].length)
        return cls(index, span, tuple(bad for bad in trials[index].bad if bad.overlaps(span)))

    def pieces(self, shortest: int) -> list[Stretch]:
        """Cut out what is bad; pieces shorter than `shortest` samples are left out."""
        starts = [self.span.start, *(bad.stop for bad in self.bad)]
        stops = [*(bad.start for bad in self.bad), self.span.stop]
        edges = [(start, stop) for start, stop in zip(starts, stops, strict=True) if stop - start >= shortest]
        return [Stretch(self.trial, Span(start, stop)) for start, stop in edges]

    def chunks(self, length: int) -> list[Stretch]:
        """Cut into chunks of equal length; what is left at the end is dropped, but a shorter stretch is one chunk."""
        starts = range(self.span.start, max(self.span.stop - length, self.span.start) + 1, length)
        spans = [Span(start, min(start + length, self.span.stop)) for start in starts]
        return [Stretch(self.trial, span, tuple(bad for bad in self.bad if bad.overlaps(span))) for span in spans]


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

    A trial is as long as music and EEG are both there: to the end of the presentation, of the audio, or of the
    recording `delay_s` later; and no longer than to the next presentation, so that no EEG belongs to two of them.

    Parameters
    ----------
    derivatives : sequence of Derivative
        Preprocessed recordings.
    labels : sequence of str
        Names of the stimuli, in the order of their indices.
    rate : Rate
        Sampling rate of the derivatives.
    delay_s : float
        The EEG of a window is taken this much later than its audio.
    recording_samples : sequence of int
        Length of each recording.
    audio_samples : mapping
        Length of each stimulus's audio at the rate of the EEG.
    first_s : float
        Use no more than this of each presentation, from its onset; 0 uses all.
    """
    delay, most = rate.samples(delay_s), rate.samples(first_s)
    trials = []
    for index, (derivative, samples) in enumerate(zip(derivatives, recording_samples, strict=True)):
        onsets = [rate.samples(presentation.onset) for presentation in derivative.presentations]
        for place, presentation in enumerate(derivative.presentations):
            onset, audio_start = onsets[place], rate.samples(presentation.audio_start)
            following = [o for other, o in enumerate(onsets) if o > onset or (o == onset and other > place)]
            heard = min([rate.samples(presentation.duration), *(o - onset for o in following)])
            available = min(heard, samples - onset - delay, audio_samples[presentation.label] - audio_start)
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

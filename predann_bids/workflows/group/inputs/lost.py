"""Stimuli whose audio cannot be used: what is left without them, and what a run says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from predann_bids.bids.derivatives import Derivative
from predann_bids.errors import MissingInput, PredannError, UnusableData, people, some


@dataclass(frozen=True)
class LostStimulus:
    """A stimulus that is left out of a run.

    Parameters
    ----------
    label : str
        Its name.
    presentations : int
        How often it was presented in the recordings of the run.
    error : PredannError
        Why, with file and remedy.
    """

    label: str
    presentations: int
    error: PredannError

    def row(self) -> dict[str, Any]:
        """Return it as `unusable_stimuli` of metrics.json holds it."""
        return {"stimulus": self.label, "presentations": self.presentations}


def leave_out(
    derivatives: Sequence[Derivative], errors: Mapping[str, PredannError], how: str
) -> tuple[list[Derivative], tuple[LostStimulus, ...]]:
    """Leave out the presentations of stimuli whose audio cannot be used, and recordings that have no others.

    Parameters
    ----------
    derivatives : sequence of Derivative
        Preprocessed recordings.
    errors : mapping of str to PredannError
        Label of each such stimulus to what is wrong.
    how : {"skip", "fail"}
        As `--missing-audio` says.

    Raises
    ------
    PredannError
        The first error, if they are not to be skipped or if fewer than two stimuli would be left.
    """
    if not errors:
        return list(derivatives), ()
    counted = Counter(p.label for derivative in derivatives for p in derivative.presentations)
    first = next(iter(errors.values()))
    if how == "fail" or len(set(counted) - set(errors)) < 2:
        raise first
    kept = [
        replace(one, presentations=tuple(p for p in one.presentations if p.label not in errors)) for one in derivatives
    ]
    lost = tuple(LostStimulus(label, counted[label], errors[label]) for label in sorted(errors))
    return [one for one in kept if one.presentations], lost


def lost_notes(derivatives: Sequence[Derivative], lost: Collection[LostStimulus]) -> tuple[str, ...]:
    """Tell what was left out, here and at the participant level."""
    notes = [f"'{one.label}' is left out ({one.presentations} presentations): {one.error}" for one in lost]
    before = [(one, told) for one in derivatives for told in one.unusable]
    if before:
        whose, told = people(one.participant for one, _ in before), some([told for _, told in before], 3)
        notes.append(f"The participant level could not use some presentations of {whose}: {told}")
    return tuple(notes)


def missing(events: object, stim_file: str, directories: Sequence[object]) -> MissingInput:
    """Say that audio is not where it should be, and what to do."""
    return MissingInput(
        f"{events}: the audio '{stim_file}' is not in {' or '.join(map(str, directories))}. Put it there, or say"
        " where it is with --stimuli-dir."
    )


def one_stimulus(labels: Collection[str], derivatives: Sequence[Derivative]) -> UnusableData:
    """Say that there is nothing to tell apart."""
    return UnusableData(
        f"There is only one stimulus ({next(iter(labels), 'none')}) in the recordings of"
        f" {people(derivative.participant for derivative in derivatives)}, so nothing to tell apart. Select more"
        " recordings."
    )

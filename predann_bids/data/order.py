"""The order in which songs were heard: the position of each presentation, and whose orders can be compared."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from predann_bids.arrays import Ints
from predann_bids.data.trials import Trial

Unit = Literal["session", "participant", "recording"]
Across = Literal["participants", "sessions", "recordings"]


@dataclass(frozen=True)
class Order:
    """The positions of all presentations, and the orders that are compared with each other.

    Parameters
    ----------
    unit : str
        What positions are counted in: a session, all sessions of a participant, or a recording.
    across : str
        Whose orders are compared: those of participants, or those of the sessions or recordings of one participant.
    position : ndarray of int, shape (trials,)
        Position of each presentation, from 0.
    block : ndarray of int, shape (trials,)
        The participant, session or recording whose order a presentation belongs to.
    pool : ndarray of int, shape (trials,)
        Blocks are compared within a pool: all participants, or all that belongs to one participant.
    by_labels : bool
        Whether positions rest on the labels of sessions, tasks and runs, because they are counted over recordings.
    """

    unit: Unit
    across: Across
    position: Ints
    block: Ints
    pool: Ints
    by_labels: bool

    @property
    def is_comparable(self) -> bool:
        """Whether some block has several positions, one of which is found in another block of its pool."""
        own = set(zip(self.block.tolist(), self.position.tolist(), strict=True))
        several = len(own) > len(set(self.block.tolist()))
        places = {(self.pool[row], self.position[row]) for row in range(len(self.pool))}
        return several and len(own) > len(places)

    def is_same(self, other: Order) -> bool:
        """Whether another order compares the same."""
        mine, theirs = ((order.position, order.block, order.pool) for order in (self, other))
        return all(np.array_equal(one, another) for one, another in zip(mine, theirs, strict=True))


def list_orders(trials: Sequence[Trial], *, within_people: bool) -> list[Order]:
    """List the ways to count positions that are comparable in a design, each once.

    Sessions, tasks and runs are taken in the natural order of their labels, presentations of a recording in the order
    of their onsets. Tasks that differ in more than a number have no order; positions are then only counted within
    recordings.

    Parameters
    ----------
    trials : sequence of Trial
        All presentations.
    within_people : bool
        Whether orders of the same participant are compared, too. With a single participant they always are.
    """
    people = _numbered(trial.participant for trial in trials)
    sessions = _numbered((trial.participant, trial.session) for trial in trials)
    recordings = _numbered(trial.recording for trial in trials)
    counted: dict[Unit, Ints] = {"recording": recordings}
    if _is_ordered(trials):
        counted = {"session": sessions, "participant": people, "recording": recordings}
    heard = sorted(range(len(trials)), key=lambda index: _place(trials[index], index))
    everybody = np.zeros_like(people)
    pairs: list[tuple[Unit, Across, Ints, Ints]] = [(unit, "participants", people, everybody) for unit in counted]
    if within_people or not people.any():
        pairs += [(unit, "sessions", sessions, people) for unit in counted if unit == "session"]
        pairs += [("recording", "recordings", recordings, people)]
    orders: list[Order] = []
    for unit, across, block, pool in pairs:
        holds_recordings = len(set(counted[unit].tolist())) < len(set(recordings.tolist()))
        order = Order(unit, across, _ranks(counted[unit], heard), block, pool, by_labels=holds_recordings)
        if order.is_comparable and not any(order.is_same(other) for other in orders):
            orders.append(order)
    return orders


def _numbered(keys: Iterable[Hashable]) -> Ints:
    """Number things in the order in which they appear."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _ranks(counted: Ints, heard: Sequence[int]) -> Ints:
    """Count the presentations of each session, participant or recording in the order in which they were heard."""
    position = np.zeros(len(counted), dtype=np.int64)
    passed: dict[int, int] = {}
    for index in heard:
        key = int(counted[index])
        position[index] = passed.get(key, 0)
        passed[key] = passed.get(key, 0) + 1
    return position


def _place(trial: Trial, index: int) -> tuple[Hashable, ...]:
    labels = (_natural(label) for label in (trial.session, trial.task, trial.run))
    return (trial.participant, *labels, trial.recording, trial.onset, index)


def _natural(label: str) -> tuple[tuple[bool, int, str], ...]:
    """Make 'run2' come before 'run10'."""
    parts = [part for part in re.split(r"(\d+)", label) if part]
    return tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)


def _is_ordered(trials: Sequence[Trial]) -> bool:
    """Whether the tasks of each session differ in numbers at most, so that they have an order."""
    tasks: dict[tuple[str, str], set[str]] = {}
    for trial in trials:
        tasks.setdefault((trial.participant, trial.session), set()).add(re.sub(r"\d", "", trial.task))
    return all(len(names) == 1 for names in tasks.values())

"""Average the song probabilities of several networks, and ask what that gains.

The mean of several networks is more accurate than one of them even if they differ in their seeds alone. What networks
of different kinds add can therefore only be seen beside an ensemble of as many seeds of one kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from predann_bids.learning.comparison import compared
from predann_bids.learning.evaluation.predictions import WindowPredictions
from predann_bids.learning.evaluation.scores import score
from predann_bids.learning.statistics import Scoring, holm

Kind = Literal["ensemble", "member", "seeds", "all"]
SAME = ("fold", "participant", "session", "task", "run", "stimulus", "onset")  # what makes a window the same window


@dataclass(frozen=True)
class Member:
    """A model of a finished run, with everything that it says of the test windows.

    Parameters
    ----------
    name : str
        What it is called.
    windows : WindowPredictions
        Predictions with all seeds, with song probabilities.
    """

    name: str
    windows: WindowPredictions

    def by_seed(self) -> list[WindowPredictions]:
        """Return the predictions of each seed, in the order in which seeds were trained."""
        return [self.windows.of_seed(seed) for seed in self.windows.table["seed"].unique()]


@dataclass(frozen=True)
class Candidate:
    """One row of the comparison: a member alone, or an average.

    Parameters
    ----------
    name : str
        What it is called in metrics.json.
    kind : {'ensemble', 'member', 'seeds', 'all'}
        The average over members; a member alone; the average over seeds of one member; over all seeds of all members.
    n_networks : int
        Networks that one decision comes from.
    windows : WindowPredictions
        What it says of the test windows. Where several averages are made of it, `seed` counts them.
    member : str
        The member that it is or is made of; empty for several.
    """

    name: str
    kind: Kind
    n_networks: int
    windows: WindowPredictions
    member: str = ""


def averaged(parts: Sequence[WindowPredictions], number: int) -> WindowPredictions:
    """Average song probabilities window by window.

    Parameters
    ----------
    parts : sequence of WindowPredictions
        Predictions of one seed each, for the same windows in the same order.
    number : int
        Stands as `seed` in the result.

    Raises
    ------
    ValueError
        The windows differ, or a part has no song probabilities.
    """
    tables = [part.table for part in parts]
    if not all(table[list(SAME)].equals(tables[0][list(SAME)]) for table in tables[1:]):
        raise ValueError("probabilities of different windows cannot be averaged")
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    if len(probabilities) < len(parts):
        raise ValueError("predictions without song probabilities cannot be averaged")
    return WindowPredictions(tables[0].assign(seed=number), np.mean(probabilities, axis=0), None)


def list_candidates(members: Sequence[Member]) -> list[Candidate]:
    """List the ensemble, its members, and what the ensemble has to be compared with.

    The k-th average over members is made of the k-th seed of each, so there are as many as every member has seeds. A
    member with several seeds also gives ensembles of its own, of as many networks as there are members, or of all its
    seeds where these are fewer.

    Parameters
    ----------
    members : sequence of Member
        At least two, which were tested on the same windows.

    Returns
    -------
    list of Candidate
        The ensemble first; then the members; then the ensembles of seeds; last the average of everything, if that is
        not the ensemble itself.
    """
    seeds = [member.by_seed() for member in members]
    groups = list(zip(*seeds, strict=False))
    found = [Candidate("ensemble", "ensemble", len(members), _joined(groups))]
    found += [Candidate(member.name, "member", 1, member.windows, member.name) for member in members]
    for member, own in zip(members, seeds, strict=True):
        if len(own) > 1:
            size = min(len(members), len(own))
            rotated = [sorted((first + step) % len(own) for step in range(size)) for first in range(len(own))]
            chosen = [[own[index] for index in group] for group in _distinct(rotated)]
            found.append(Candidate(f"seeds of {member.name}", "seeds", size, _joined(chosen), member.name))
    every = [part for own in seeds for part in own]
    if len(every) > len(members):
        found.append(Candidate("everything", "all", len(every), _joined([every])))
    return found


def _joined(groups: Sequence[Sequence[WindowPredictions]]) -> WindowPredictions:
    return WindowPredictions.concatenate([averaged(group, number) for number, group in enumerate(groups)])


def _distinct(groups: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    return list(dict.fromkeys(tuple(group) for group in groups))


def score_ensemble(candidates: Sequence[Candidate], labels: Sequence[str], scoring: Scoring) -> dict[str, Any]:
    """Score all candidates, and compare the ensemble with the others.

    Two questions are asked of the ensemble: whether it is better than its members, and whether it is better than an
    ensemble of seeds. The p-values of one question are corrected together (Holm 1979).

    Parameters
    ----------
    candidates : sequence of Candidate
        As `list_candidates` returns them.
    labels : sequence of str
        Names of the stimuli.
    scoring : Scoring
        Lengths of windows and segments, and how intervals are made.

    Returns
    -------
    dict
        `models`, `networks` and `comparisons` of metrics.json.
    """
    whole = next(candidate for candidate in candidates if candidate.kind == "ensemble")
    rows: list[dict[str, Any]] = []
    for kind in ("member", "seeds"):
        rows += _compared([other for other in candidates if other.kind == kind], whole, scoring)
    return {
        "models": {candidate.name: score(candidate.windows, labels, scoring) for candidate in candidates},
        "networks": {candidate.name: candidate.n_networks for candidate in candidates},
        "comparisons": rows,
    }


def _compared(others: Sequence[Candidate], whole: Candidate, scoring: Scoring) -> list[dict[str, Any]]:
    """Compare the ensemble with candidates of one kind; with fewer than two participants, there is nothing to say."""
    rows: list[dict[str, Any]] = []
    for other in others:
        found = compared(_numbered(whole.windows), _numbered(other.windows), "logits", scoring)
        if found:
            del found["by_seed"]  # an average is of several
            rows.append({"first": whole.name, "second": other.name, "by": "logits", **found})
    corrected = holm([row["p_value"] for row in rows])
    return [row | {"p_holm": p_value} for row, p_value in zip(rows, corrected, strict=True)]


def _numbered(windows: WindowPredictions) -> WindowPredictions:
    """Count seeds from 0, so that the first of each is compared with the first."""
    seeds: Mapping[int, int] = {seed: number for number, seed in enumerate(windows.table["seed"].unique())}
    return WindowPredictions(
        windows.table.assign(seed=windows.table["seed"].map(seeds)), windows.probabilities, windows.similarities
    )

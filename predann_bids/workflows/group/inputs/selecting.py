"""Which derivatives a run is about, and how they were made."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from predann_bids.bids.derivatives import Derivative
from predann_bids.bids.finding.labels import comparable
from predann_bids.bids.recordings import Selection
from predann_bids.config import Preprocessing
from predann_bids.errors import NothingSelected, UnusableData, WrongUsage, people, some


def select(derivatives: Sequence[Derivative], selection: Selection, output_dir: Path) -> list[Derivative]:
    """Keep the derivatives that are asked for.

    Raises
    ------
    NothingSelected
        A participant was not preprocessed, or nothing is left.
    WrongUsage
        The filters name entities that derivatives do not have.
    """
    present = {derivative.participant for derivative in derivatives}
    missing = [label for label in selection.participants if label not in present]
    if missing:
        raise NothingSelected(
            f"{output_dir} has no preprocessed participant {', '.join(missing)}; it has {', '.join(sorted(present))}."
        )
    unknown = set(selection.filters) - {"subject", "session", "task", "run", "suffix", "extension", "datatype"}
    if unknown:
        raise WrongUsage(
            f"The filter file names {', '.join(sorted(unknown))}; the group level knows subject, session, task, run."
        )
    wanted = {
        "participant": (selection.participants, selection.filters.get("subject")),
        "session": (selection.sessions, selection.filters.get("session")),
        "task": (selection.tasks, selection.filters.get("task")),
        "run": (selection.runs, selection.filters.get("run")),
    }
    meant = [
        (entity, _meant(labels, {getattr(derivative, entity) for derivative in derivatives}, entity))
        for entity, pair in wanted.items()
        for labels in pair
        if labels or labels == 0
    ]
    chosen = [
        derivative
        for derivative in derivatives
        if all(getattr(derivative, entity) in labels for entity, labels in meant)
    ]
    if not chosen:
        raise NothingSelected(f"The filters select none of the preprocessed recordings of {output_dir}. Loosen them.")
    return chosen


def _meant(wanted: Any, present: Collection[str], entity: str) -> set[str]:
    """Return the labels that are meant: numbers count by their value, unless there is a label that is written so.

    Numbers of runs always do, as BIDS says of them.
    """
    labels = {str(one) for one in ([wanted] if isinstance(wanted, str | int) else wanted)}
    exact = labels & set(present) if entity != "run" else set()
    values = {comparable(one) for one in labels - exact}
    return {label for label in present if label in exact or comparable(label) in values}


def _made(derivative: Derivative) -> str:
    return json.dumps(derivative.sidecar.get("PreprocessingConfiguration"), sort_keys=True)


def _differences(one: str, other: str) -> str:
    """Name the keys in which two configurations differ, with the values of the first and the second."""
    mine, theirs = (json.loads(made) or {} for made in (one, other))
    keys = [key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
    return some([f"{key} is {mine.get(key)} and {theirs.get(key)}" for key in keys], 3)


def preprocessing_of(derivatives: Sequence[Derivative]) -> Preprocessing:
    """Read from the derivatives how they were made, which must be the same for all."""
    made = Counter(_made(derivative) for derivative in derivatives)
    if len(made) > 1:
        usual = made.most_common(1)[0][0]
        odd = [derivative for derivative in derivatives if _made(derivative) != usual]
        raise UnusableData(
            f"The recordings of {people(derivative.participant for derivative in odd)} and {made[usual]} others were"
            f" preprocessed differently: {_differences(_made(odd[0]), usual)}. Run the participant level again with one"
            f" configuration, or select with --participant-label. See {odd[0].paths.sidecar}."
        )
    try:
        return Preprocessing.model_validate(derivatives[0].sidecar.get("PreprocessingConfiguration"))
    except ValueError as error:
        raise UnusableData(
            f"{derivatives[0].paths.sidecar} does not say how it was made. Run the participant level again."
        ) from error

"""Why folds are still to do: nobody has done them yet, or they were trained on something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from predann_bids.errors import people
from predann_bids.files import read_json
from predann_bids.workflows.group.fits import ModelFit
from predann_bids.workflows.group.request import Request


@dataclass(frozen=True)
class Outstanding:
    """Folds without which nothing can be pooled.

    Parameters
    ----------
    folds : tuple of int
        All of them.
    others : mapping of int to str
        Those that were trained on something else than this run asks for, and in what it differs.
    """

    folds: tuple[int, ...]
    others: Mapping[int, str]

    @classmethod
    def of(cls, fits: Sequence[ModelFit], request: Request) -> Outstanding:
        """Look at what is there of all fits of a run."""
        folds = sorted({fit.split.fold for fit in fits if not fit.is_finished()})
        of_fold = {fold: [fit for fit in fits if fit.split.fold == fold] for fold in folds}
        differing = {fold: _difference(some, request) for fold, some in of_fold.items()}
        return cls(tuple(folds), {fold: text for fold, text in differing.items() if text})

    def in_words(self) -> str:
        """Say which folds were trained on something else, and what to do; empty if none were."""
        if not self.others:
            return ""
        found = " ".join(f"Fold {fold} was trained {text}." for fold, text in self.others.items())
        again = " ".join(map(str, self.others))
        return (
            f"{found} Folds are pooled only when all were trained on the same. Train again what differs, with"
            f" --fold {again}, or all that is left, by the same command without --fold. To keep it instead, repeat the"
            " other folds as that one was made, with --participant-label if people are to be left out."
        )


def _difference(fits: Sequence[ModelFit], request: Request) -> str:
    """Say in what the fits of a fold differ from what is asked for; nothing if they are only not done, or outdated."""
    markers = [fit.marker for fit in fits]
    if not all(marker.is_file() for marker in markers) or any(fit.is_trained() or fit.is_finished() for fit in fits):
        return ""
    if all(request.was_left_finished(marker) for marker in markers):  # of a whole run, which this one replaces
        return ""
    before = read_json(markers[0]).get("Recordings")
    now = fits[0].study.material.recordings()
    if not isinstance(before, dict) or before == now:
        return "with another configuration, on other audio, or by another version of the program"
    came, went, changed = (
        {name.split("_")[0].removeprefix("sub-") for name in names}
        for names in (
            set(now) - set(before),
            set(before) - set(now),
            {name for name in set(now) & set(before) if now[name] != before[name]},
        )
    )
    parts = [
        f"without recordings of {people(came)}, which are selected now" if came else "",
        f"with recordings of {people(went)}, which are not there or not selected now" if went else "",
        f"with other data of {people(changed)}" if changed else "",
    ]
    return ", and ".join(part for part in parts if part)

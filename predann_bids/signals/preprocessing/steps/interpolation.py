"""Interpolate bad channels from the others with spherical splines (Perrin et al. 1989)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from predann_bids.arrays import Doubles
from predann_bids.signals.preprocessing.interface import STEPS, PreprocessingStep
from predann_bids.signals.preprocessing.spatial import matrix_of, positions, sphere_origin, with_position
from predann_bids.signals.preprocessing.state import State, Step

if TYPE_CHECKING:
    from mne import Info

FEWEST_FOR_SPLINES = 4


@STEPS.add("interpolation")
class Interpolation(PreprocessingStep):
    """Replace bad channels, or note that they stay."""

    order = 40
    mixes = True

    def apply(self, state: State) -> State:
        """Interpolate what is bad, as far as the positions of electrodes are known."""
        if not state.bad_channels:
            return state
        if self.config.interpolation == "none":
            return state.note(Step("no interpolation", {"reason": "it is switched off"}))
        matrix, step = interpolation(state.info, state.bad_channels)
        if step.name == "no interpolation":
            return state.note(step)
        return replace(state.mix(matrix), interpolated=tuple(step.parameters["channels"])).note(step)


def interpolation(info: Info, bads: Sequence[str]) -> tuple[Doubles, Step]:
    """Interpolate bad channels from the others with spherical splines (Perrin et al. 1989).

    Parameters
    ----------
    info : mne.Info
        The EEG channels, C of them.
    bads : sequence of str
        Channels to interpolate; at least one.

    Returns
    -------
    ndarray, shape (C, C), and Step
        Channels without a position are neither interpolated nor interpolated from. Where interpolation is not
        possible, the identity and a step that gives the reason.
    """
    from mne import pick_info

    known = np.flatnonzero(with_position(info))
    names = [info["ch_names"][index] for index in known if info["ch_names"][index] in set(bads)]
    matrix = np.eye(len(info["ch_names"]))
    if not names:
        return matrix, Step("no interpolation", {"reason": "electrode positions are not known"})
    if len(known) - len(names) < FEWEST_FOR_SPLINES:
        reason = f"fewer than {FEWEST_FOR_SPLINES} channels are left to interpolate from"
        return matrix, Step("no interpolation", {"reason": reason})
    positioned = pick_info(info, known)
    positioned["bads"] = names
    origin = tuple(sphere_origin(positions(positioned)))
    matrix[np.ix_(known, known)] = matrix_of(
        positioned, lambda raw: raw.interpolate_bads(origin=origin, verbose="error")
    )
    return matrix, Step("interpolation", {"method": "spherical splines", "channels": names})

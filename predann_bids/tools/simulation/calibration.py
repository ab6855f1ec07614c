"""Find the signal-to-noise ratio at which a linear decoder reaches a given correlation on the dataset being made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from scipy import optimize

from predann_bids.arrays import Singles
from predann_bids.errors import WrongUsage
from predann_bids.tools.simulation.strength import Heard, Strength, cross_validated, limited, presentations

LOWEST_SNR, HIGHEST_SNR = 1e-6, 1e3
STEP = 8.0
CLOSE_ENOUGH = 0.01  # of the correlation asked for
DIGITS = 5  # of the signal-to-noise ratio, so that typing it again gives the same dataset


@dataclass(frozen=True)
class Rehearsal:
    """A recording before the response has its strength.

    Parameters
    ----------
    rest, music : numpy.ndarray, shape (C, m)
        Everything but the response, and the response at a signal-to-noise ratio of one, as `strength.referenced` gives
        them.
    heard : sequence of Heard
        The songs in it.
    """

    rest: Singles
    music: Singles
    heard: Sequence[Heard]


def measured(rehearsals: Sequence[Rehearsal], snr: float) -> Strength:
    """Return the strength of the response at a signal-to-noise ratio; one rehearsal for each participant."""
    gain = math.sqrt(snr)
    return cross_validated(
        [presentations(limited(one.rest + gain * one.music), one.heard) for one in rehearsals],
    )


def calibrated(rehearsals: Sequence[Rehearsal], wanted: float) -> tuple[float, Strength]:
    """Return the signal-to-noise ratio that gives a correlation, and what it gives.

    The recording is the sum of the rest and the response times the root of the ratio, and the correlation grows with
    it. So the ratio is bracketed, then found by Brent's method on its logarithm.

    Parameters
    ----------
    rehearsals : sequence of Rehearsal
        At least three participants.
    wanted : float
        Correlation.

    Returns
    -------
    snr : float
        Rounded to five digits.
    strength : Strength
        Within 1 % of what is wanted; or as close as it comes, since it jumps where another penalty is chosen.

    Raises
    ------
    WrongUsage
        The correlation is less than chance alone gives on this dataset, or more than any response does.
    """
    strengths: dict[float, Strength] = {}

    def excess(logarithm: float) -> float:
        snr = float(f"{math.exp(logarithm):.{DIGITS}g}")
        strengths[snr] = measured(rehearsals, snr)
        difference = strengths[snr].r - wanted
        return 0.0 if abs(difference) <= CLOSE_ENOUGH * wanted else difference

    once = cache(excess)
    low, high = _bracket(once, math.log(0.1 * wanted**2))
    if once(low) > 0 or once(high) < 0:
        raise WrongUsage(_unreachable(wanted, strengths))
    if low < high:
        optimize.brentq(once, low, high, xtol=1e-3)
    best = min(strengths, key=lambda snr: abs(strengths[snr].r - wanted))
    return best, strengths[best]


def _bracket(excess: Callable[[float], float], guess: float) -> tuple[float, float]:
    """Return logarithms of ratios between which the excess changes its sign, or as far apart as allowed."""
    low = high = guess
    while excess(low) > 0 and low > math.log(LOWEST_SNR):
        low, high = low - math.log(STEP), low
    while excess(high) < 0 and high < math.log(HIGHEST_SNR):
        low, high = high, high + math.log(STEP)
    return low, high


def _unreachable(wanted: float, strengths: dict[float, Strength]) -> str:
    snr, strength = min(strengths.items(), key=lambda pair: abs(pair[1].r - wanted))
    if strength.r > wanted:
        return (
            f"response_r is {wanted:g}, but these data give {strength.r:.4f} (standard error"
            f" {strength.standard_error:.4f}) with hardly any response (a signal-to-noise ratio of {snr:g}): ask for a"
            " stronger response, or for more participants or music, which make the correlation more precise."
        )
    return (
        f"response_r is {wanted:g}, but these data reach no more than {strength.r:.4f} (at a signal-to-noise ratio of"
        f" {snr:g}), because participants respond differently: ask for a weaker response."
    )

"""Join a trained network with the closed-form decoder that it contains: how much each counts, and the temperature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predann_bids.arrays import Bools, Floats
from predann_bids.learning.closed_form.contrast import Contrast, best_temperature, informations
from predann_bids.learning.closed_form.data import TINY
from predann_bids.learning.closed_form.validation import ValidationWindows
from predann_bids.models.decoder import Decoder
from predann_bids.models.decoders.filters import FilterDecoder
from predann_bids.models.network import StartedNetwork
from predann_bids.models.parts import Parts, with_further

SHARES = (0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0)  # of the learned part in the power of the representation
UNKNOWN_SHARE = 0.5  # where there are no validation data to choose by
# where songs are tested that were not trained on, but the songs of the validation data were
CAUTIOUS_SHARES = (0.0, 0.15)


def join(
    network: StartedNetwork,
    start: FilterDecoder,
    windows: ValidationWindows,
    of_start: ValidationWindows | None = None,
    *,
    held_out: bool = True,
    cautious: bool = False,
) -> StartedNetwork:
    """Choose how much the learned and the closed-form part of a network's representation count.

    Both are brought to one power. Then the share is taken at which predictions tell the audio of validation windows
    apart best, from the closed-form decoder alone (0) to the network alone (1), and the temperature of the song logits
    that is best at this share. Where similarities to parts of the learned representation are averaged, as to several
    teachers, that to the closed-form part is averaged with them, and shares are weights.

    Parameters
    ----------
    network : StartedNetwork
        As it was trained, in eval mode, with all songs remembered.
    start : FilterDecoder
        The closed-form decoder, with all songs remembered; it takes the same EEG.
    windows : ValidationWindows
        Windows to measure on.
    of_start : ValidationWindows, optional
        The same windows with the audio features of the closed-form decoder, if the network hears others.
    held_out : bool
        Whether neither was fitted to these windows; else both parts count the same.
    cautious : bool
        Whether other songs are tested than were trained on, while the songs of these windows were trained on. How
        well the network tells these apart says little about others, so it is given a small share at most.

    Returns
    -------
    StartedNetwork
        It remembers no songs yet.
    """
    parts = [_Part.of(network, windows), _Part.of(start, of_start or windows)]
    measured = CAUTIOUS_SHARES if cautious else SHARES
    shares, same = measured if held_out else (UNKNOWN_SHARE,), windows.same()
    found = {share: _mixed_contrast(parts, share, same, network.parts) for share in shares}
    best = max(shares, key=lambda share: found[share].information)
    learned, solved = (part.gains(share) for part, share in zip(parts, (best, 1 - best), strict=True))
    return network.joined(
        start.banks.scaled(*solved), learned, found[best].temperature, best, taught=start.hears_teacher
    )


@dataclass(frozen=True)
class _Part:
    """What one decoder predicts from the EEG of windows, and how it represents their audio: (n, D, T) each."""

    predicted: Floats
    heard: Floats

    @classmethod
    def of(cls, decoder: Decoder, windows: ValidationWindows) -> _Part:
        sides = (windows.predicted(decoder), windows.heard(decoder))
        return cls(*(side - side.mean(axis=2, keepdims=True) for side in sides))

    def gains(self, share: float) -> tuple[float, float]:
        """Return the factors of both sides at which this part has a share of the power."""
        powers = (float(np.square(side).sum(axis=1).mean()) for side in (self.predicted, self.heard))
        of_eeg, of_audio = (math.sqrt(share / max(TINY, power)) for power in powers)
        return of_eeg, of_audio


def _mixed_contrast(parts: Sequence[_Part], share: float, same: Bools, learned: Parts) -> Contrast:
    gains = [part.gains(s) for part, s in zip(parts, (share, 1 - share), strict=True)]
    sides = ([part.predicted for part in parts], [part.heard for part in parts])
    predicted, heard = (
        np.concatenate([factors[index] * side for factors, side in zip(gains, both, strict=True)], axis=1)
        for index, both in enumerate(sides)
    )
    averaged = with_further(learned, share, parts[1].predicted.shape[1]) if learned else ()
    return best_temperature(informations(predicted, heard, same, parts=averaged))

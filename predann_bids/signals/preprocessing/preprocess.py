"""Preprocess one EEG recording: estimate what has to be estimated, then apply everything linear in one pass.

The steps are those of `interface.STEPS`. Whatever mixes channels (removal of components, interpolation, reference) is a
matrix, and whatever filters them a response; `chain` applies both at once, in blocks, so that a recording need not be
in memory. What looks for bad channels or components works on a smaller copy that the chain makes. Only ZapLine and the
Fourier method of resampling need the whole recording.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from predann_bids.arrays import Singles
from predann_bids.config import Preprocessing
from predann_bids.errors import UnusableData
from predann_bids.signals.preprocessing.chain import Chain, run
from predann_bids.signals.preprocessing.electrodes import place_electrodes
from predann_bids.signals.preprocessing.interface import ordered_steps
from predann_bids.signals.preprocessing.reading import Extremes, find_extremes, readable_in_blocks
from predann_bids.signals.preprocessing.state import SmallCopy, State, Step, info_after
from predann_bids.signals.preprocessing.variance import VarianceMeter, changes_samples, with_share

if TYPE_CHECKING:
    from mne import Info
    from mne.io import BaseRaw

FINGERPRINT_PARTS, FINGERPRINT_SAMPLES = 8, 50
REFERENCE_NAMES = ("VREF", "REF", "VERTEX REFERENCE")
GEODESIC_REFERENCES = (33, 65, 129, 257)  # the last electrode of a Geodesic net, when it is one of these


@dataclass(frozen=True)
class Preprocessed:
    """A preprocessed recording, and what was done to it.

    Parameters
    ----------
    data : ndarray, shape (samples, channels), float32
        Microvolts.
    info : mne.Info
        Channels with their positions, and the sampling rate.
    steps : tuple of Step
        In the order in which they were done.
    bad_channels : tuple of str
        Channels found bad, whether they were interpolated or not.
    warnings : tuple of str
        What a reader should know.
    """

    data: Singles
    info: Info
    steps: tuple[Step, ...]
    bad_channels: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def rate_hz(self) -> float:
        """Sampling rate."""
        return float(self.info["sfreq"])


def samples_fingerprint(raw: BaseRaw) -> str:
    """Fingerprint a raw recording by samples from all over it, whatever is done to it afterwards."""
    starts = np.linspace(0, max(0, raw.n_times - FINGERPRINT_SAMPLES), FINGERPRINT_PARTS).astype(int)
    parts = [raw.get_data(start=int(s), stop=min(raw.n_times, int(s) + FINGERPRINT_SAMPLES)) for s in starts]
    samples = np.ascontiguousarray(np.concatenate(parts, axis=1), dtype="<f4")
    return hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()


def preprocess(
    raw: BaseRaw,
    config: Preprocessing,
    *,
    recorded_against: str = "",
    judged_by: Sequence[tuple[float, float]] = (),
    workers: int = 1,
    on_block: Callable[[int, int], None] | None = None,
) -> Preprocessed:
    """Keep the EEG channels, find bad ones and artefacts, remove them and line noise, filter, re-reference, resample.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        A recording in volts; `info["line_freq"]` and `info["bads"]` as the sidecars say. It is not changed.
    config : Preprocessing
        What to do.
    recorded_against : str
        The sidecar's EEGReference. A flat channel that it names is the reference itself, and is left out.
    judged_by : sequence of (start, stop)
        Stretches, in seconds, in which bad channels and components are sought; empty for all of the recording.
    workers : int
        Threads to use.
    on_block : callable, optional
        Called with how many blocks of the recording are done, and how many there are.

    Returns
    -------
    Preprocessed

    Raises
    ------
    UnusableData
        There is no EEG channel, a value is not finite, or the sampling rate is too low for the band.
    """
    state = _begin(raw, config, recorded_against, SmallCopy(judged_by, workers))
    state = _apply_steps(state, config, VarianceMeter(workers))
    state.small_copies.clear()  # its memory may be needed now
    matrix = state.chain.matrix
    if matrix is not None and np.array_equal(matrix, np.eye(len(matrix))):
        matrix = None
    chain = replace(state.chain, matrix=matrix)
    return Preprocessed(
        run(state.raw, chain, workers=workers, on_block=on_block),
        info_after(state.raw.info, chain),
        state.steps,
        state.bad_channels,
        state.warnings,
    )


def _apply_steps(state: State, config: Preprocessing, variance_of: VarianceMeter) -> State:
    """Do the steps that are wanted, in order, and measure which share of the variance each removes."""
    variance = variance_of(state)
    for name, step in ordered_steps(config).items():
        before, previous = variance, state
        state = step.apply(state) if step.wanted else state
        changed = changes_samples(previous, state)
        if changed and len(state.steps) == len(previous.steps):
            state = state.note(Step(name))
        if step.mixes and state.chain.matrix is None:
            # from here on variances are those of float64, whether or not something was mixed
            state = state.mix(np.eye(len(state.channels)))
        variance = variance_of(state)
        if changed:
            state = with_share(state, before, variance)
    return state


# Preparation


def _begin(raw: BaseRaw, config: Preprocessing, recorded_against: str, small_copies: SmallCopy) -> State:
    """Keep the EEG channels, check their values, leave out the reference electrode, and find where electrodes are."""
    if "eeg" not in raw:
        raise UnusableData("no channel is of type EEG; see the column 'type' of channels.tsv")
    raw = raw.copy().pick("eeg", exclude=())
    _check_band(raw, config)
    raw = readable_in_blocks(raw, range(len(raw.ch_names)))
    extremes = find_extremes(raw, range(len(raw.ch_names)))
    _check_values(raw, extremes)
    raw, extremes, left_out = _leave_out_reference(raw, extremes, recorded_against)
    steps = (*left_out, *place_electrodes(raw))
    chain = Chain(range(len(raw.ch_names)), float(raw.info["sfreq"]))
    return State(raw, chain, extremes, small_copies, steps=steps)


def _check_band(raw: BaseRaw, config: Preprocessing) -> None:
    nyquist = raw.info["sfreq"] / 2
    if config.h_freq and config.h_freq >= nyquist:
        raise UnusableData(
            f"the band's upper edge ({config.h_freq:g} Hz) does not lie below half the sampling rate ({nyquist:g} Hz);"
            " lower it with --h-freq"
        )


def _check_values(raw: BaseRaw, extremes: Extremes) -> None:
    if not extremes.finite.all():
        names = [name for name, good in zip(raw.ch_names, extremes.finite, strict=True) if not good]
        raise UnusableData(
            f"the values of channel {', '.join(names[:5])} are not finite numbers (NaN or infinite); replace them, or"
            " exclude the channel by giving it a type other than EEG in channels.tsv"
        )


def _leave_out_reference(
    raw: BaseRaw, extremes: Extremes, recorded_against: str
) -> tuple[BaseRaw, Extremes, list[Step]]:
    """Leave out the electrode that all others were recorded against, when the file holds it as a flat channel."""
    numbers = [int(name[1:]) for name in raw.ch_names if re.fullmatch(r"E\d+", name)]
    net = [f"E{number}" for number in GEODESIC_REFERENCES if number == max(numbers, default=0)]
    named = [name for name in raw.ch_names if re.search(rf"\b{re.escape(name)}\b", recorded_against, re.IGNORECASE)]
    references = {*named, *net, *(name for name in raw.ch_names if name.upper() in REFERENCE_NAMES)}
    keep = [name not in references or not flat for name, flat in zip(raw.ch_names, extremes.flat, strict=True)]
    if all(keep) or not any(keep):
        return raw, extremes, []
    left = [name for name, kept in zip(raw.ch_names, keep, strict=True) if not kept]
    step = Step(
        "reference channel left out", {"channels": left, "reason": "flat, as all others were recorded against it"}
    )
    return raw.drop_channels(left), Extremes(extremes.minimum[keep], extremes.maximum[keep]), [step]

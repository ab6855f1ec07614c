"""Preprocess one EEG recording: estimate what has to be estimated, then apply everything linear in one pass.

Whatever mixes channels (removal of components, interpolation, reference) is a matrix, and whatever filters them a
response; `signals.chain` applies both at once, in blocks, so that a recording need not be in memory. What looks for bad
channels or components works on a smaller copy that the chain makes. Only Zapline and the Fourier method of resampling
need the whole recording.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from predann_bids.config import Preprocessing
from predann_bids.errors import UnusableData
from predann_bids.signals.preprocessing import spatial
from predann_bids.signals.preprocessing.bad_channels import BadChannels, find_bad_channels
from predann_bids.signals.preprocessing.chain import Chain, Survey, readable_in_blocks, run, survey
from predann_bids.signals.preprocessing.components import remove_components
from predann_bids.signals.preprocessing.electrodes import place_electrodes
from predann_bids.signals.preprocessing.line_noise import notch_frequencies, remove_line_noise
from predann_bids.signals.preprocessing.steps import Step

if TYPE_CHECKING:
    from mne import Annotations, Info
    from mne.io import BaseRaw

Matrix = NDArray[np.float64]

FINGERPRINT_PARTS, FINGERPRINT_SAMPLES = 8, 50
ESTIMATION_HZ, ESTIMATION_BAND_HZ = 250.0, (1.0, 100.0)  # what ICLabel was trained on, and enough to hear muscles
REFERENCE_NAMES = ("VREF", "REF", "VERTEX REFERENCE")
MARKED = "marked in channels.tsv"
GEODESIC_REFERENCES = (33, 65, 129, 257)  # the last electrode of a Geodesic net, when it is one of these
MEASURED_S = 30.0  # stretch on which it is measured how much of the variance each step removes


@dataclass(frozen=True)
class Preprocessed:
    """A preprocessed recording, what was done to it, and what is to be known of it.

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

    data: NDArray[np.float32]
    info: Info
    steps: tuple[Step, ...]
    bad_channels: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def rate_hz(self) -> float:
        """Sampling rate."""
        return float(self.info["sfreq"])


def samples_fingerprint(raw: BaseRaw) -> str:
    """Tell raw recordings apart by samples from all over them, whatever is done to them afterwards."""
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
        Stretches, in seconds, in which bad channels and components are looked for; empty for all of the recording.
    workers : int
        Threads to use.
    on_block : callable, optional
        Called with how many blocks of the recording are done, and how many there are.

    Raises
    ------
    UnusableData
        There is no EEG channel, a value is not finite, or the sampling rate is too low for the band.
    """
    raw = raw.copy().pick("eeg", exclude=()) if "eeg" in raw else None
    if raw is None or not raw.ch_names:
        raise UnusableData("no channel is of type EEG; see the column 'type' of channels.tsv")
    _check_band(raw, config)
    raw = readable_in_blocks(raw, range(len(raw.ch_names)))
    seen = survey(raw, range(len(raw.ch_names)))
    _check_values(raw, seen)
    raw, seen, leaving = _leave_out_reference(raw, seen, recorded_against)
    placing = (*leaving, *place_electrodes(raw))
    raw, line_steps = _remove_line_noise(raw, config)
    filters = _filters(raw, config)
    mixing = _mix(raw, config, seen, _SmallCopy(raw, filters, judged_by, workers))
    steps = (*placing, *line_steps, *mixing.steps, *_band_step(config), *mixing.reference, *_resampling(raw, config))
    measured = _variance_removed(raw, filters, mixing, workers)
    matrix = None if np.array_equal(mixing.matrix, np.eye(len(raw.ch_names))) else mixing.matrix
    chain = replace(filters, matrix=matrix, rate_hz=config.resample, resampling=config.resampling)
    return Preprocessed(
        run(raw, chain, workers=workers, on_block=on_block),
        _info_at(raw, chain),
        tuple(_with_share(step, measured) for step in steps),
        mixing.bad,
        mixing.warnings,
    )


# Filters


def _check_band(raw: BaseRaw, config: Preprocessing) -> None:
    nyquist = raw.info["sfreq"] / 2
    if config.h_freq and config.h_freq >= nyquist:
        raise UnusableData(
            f"the band's upper edge ({config.h_freq:g} Hz) does not lie below half the sampling rate ({nyquist:g} Hz);"
            " lower it with --h-freq"
        )


def _check_values(raw: BaseRaw, seen: Survey) -> None:
    if not seen.finite.all():
        names = [name for name, good in zip(raw.ch_names, seen.finite, strict=True) if not good]
        raise UnusableData(
            f"the values of channel {', '.join(names[:5])} are not finite numbers (NaN or infinite); replace them, or"
            " leave the channel out by another type than EEG in channels.tsv"
        )


def _leave_out_reference(raw: BaseRaw, seen: Survey, told: str) -> tuple[BaseRaw, Survey, list[Step]]:
    """Leave out the electrode that all others were recorded against, when the file holds it as a flat channel."""
    numbers = [int(name[1:]) for name in raw.ch_names if re.fullmatch(r"E\d+", name)]
    net = [f"E{number}" for number in GEODESIC_REFERENCES if number == max(numbers, default=0)]
    named = [name for name in raw.ch_names if re.search(rf"\b{re.escape(name)}\b", told, re.IGNORECASE)]
    references = {*named, *net, *(name for name in raw.ch_names if name.upper() in REFERENCE_NAMES)}
    keep = [name not in references or not flat for name, flat in zip(raw.ch_names, seen.flat, strict=True)]
    if all(keep) or not any(keep):
        return raw, seen, []
    left = [name for name, kept in zip(raw.ch_names, keep, strict=True) if not kept]
    step = Step(
        "reference channel left out", {"channels": left, "reason": "flat, as all others were recorded against it"}
    )
    return raw.drop_channels(left), Survey(seen.minimum[keep], seen.maximum[keep]), [step]


def _remove_line_noise(raw: BaseRaw, config: Preprocessing) -> tuple[BaseRaw, list[Step]]:
    """Say how line noise is removed; do it, when it takes the whole recording at once."""
    from mne.io import RawArray

    frequencies = notch_frequencies(config, raw.info["line_freq"], raw.info["sfreq"])
    if not frequencies:
        reason = "the sidecar gives no PowerLineFrequency"
        return raw, [Step("no notch", {"reason": reason})] if config.notch == "auto" else []
    if config.line_noise == "notch":
        return raw, [Step("notch", {"frequencies_hz": frequencies, "filter": "zero-phase FIR, Hamming window"})]
    noisy = raw.get_data()
    clean, step = remove_line_noise(noisy, raw.info["sfreq"], frequencies[0])
    share = 1 - float(np.median(clean.var(axis=1)) / max(np.median(noisy.var(axis=1)), np.finfo(float).tiny))
    return RawArray(clean, raw.info, verbose="error"), [_with_share(step, {"zapline": round(share, 4)})]


def _filters(raw: BaseRaw, config: Preprocessing) -> Chain:
    """Return the filters of the configuration, without any mixing of channels, at the rate of the recording."""
    rate = float(raw.info["sfreq"])
    notches = notch_frequencies(config, raw.info["line_freq"], rate) if config.line_noise == "notch" else []
    return Chain(range(len(raw.ch_names)), rate, notches, config.l_freq or None, config.h_freq or None)


def _band_step(config: Preprocessing) -> list[Step]:
    low, high = config.l_freq or None, config.h_freq or None
    words = "zero-phase FIR, Hamming window, MNE's transition bands"
    return [Step("band-pass", {"low_hz": low, "high_hz": high, "filter": words})] if low or high else []


def _resampling(raw: BaseRaw, config: Preprocessing) -> list[Step]:
    before = float(raw.info["sfreq"])
    if before == config.resample:
        return []
    return [Step("resample", {"from_hz": before, "to_hz": config.resample, "method": config.resampling})]


def _info_at(raw: BaseRaw, chain: Chain) -> Info:
    """Describe what the chain makes of the recording."""
    info = raw.info.copy()
    with info._unlock():
        info["sfreq"] = chain.rate_hz
        info["highpass"] = max(info["highpass"], chain.low_hz or 0.0)
        info["lowpass"] = min(info["lowpass"], chain.high_hz or math.inf, chain.rate_hz / 2)
    info["bads"] = []
    return info


# Mixing of channels


@dataclass(frozen=True)
class _Mixing:
    """What becomes of the channels: the product of all matrices, and the steps that it stands for."""

    removal: Matrix  # of components
    repair: Matrix  # and then interpolation
    matrix: Matrix  # and then the reference
    steps: tuple[Step, ...]
    reference: tuple[Step, ...]
    bad: tuple[str, ...]
    warnings: tuple[str, ...]


class _SmallCopy:
    """The recording as it is looked at for bad channels and components, made when it is asked for."""

    def __init__(self, raw: BaseRaw, filters: Chain, judged_by: Sequence[tuple[float, float]], workers: int) -> None:
        self._raw, self._filters, self._judged_by, self._workers = raw, filters, judged_by, workers

    @cached_property
    def raw(self) -> BaseRaw:
        from mne.io import RawArray

        low, high = ESTIMATION_BAND_HZ
        rate = min(ESTIMATION_HZ, self._filters.rate_hz)
        chain = replace(self._filters, low_hz=low, high_hz=high if high < rate / 2 else None, rate_hz=rate)
        data = run(self._raw, chain, workers=self._workers)
        small = RawArray(data.T * 1e-6, _info_at(self._raw, chain), verbose="error")
        return small.set_annotations(self._not_judged_by(len(data) / rate), verbose="error")

    def _not_judged_by(self, seconds: float) -> Annotations:
        from mne import Annotations

        spans = sorted(self._judged_by) or [(0.0, seconds)]
        starts = [0.0, *(stop for _, stop in spans)]
        stops = [*(start for start, _ in spans), seconds]
        gaps = [(start, stop - start) for start, stop in zip(starts, stops, strict=True) if stop > start]
        return Annotations([onset for onset, _ in gaps], [duration for _, duration in gaps], "BAD_not judged by")


def _mix(raw: BaseRaw, config: Preprocessing, seen: Survey, small: _SmallCopy) -> _Mixing:
    """Find what is wrong with the channels, and the matrix that mends it and chooses the reference."""
    found = _bad_channels(raw, config, seen, small)
    bad = [name for name in raw.ch_names if name in found.reasons]
    if len(bad) == len(raw.ch_names):
        raise UnusableData(_all_bad(found))
    info, steps, warnings = raw.info.copy(), _bad_step(bad, found, config), [*found.warnings]
    removal = repair = np.eye(len(raw.ch_names))
    info["bads"] = bad
    if config.ica == "auto":
        small.raw.info["bads"] = bad
        components = remove_components(small.raw, config)
        removal = repair = components.matrix
        steps.append(components.step)
        warnings += components.warnings
    if bad and config.interpolation == "spline":
        interpolating, step = spatial.interpolation(info, bad)
        repair = interpolating @ removal
        steps.append(step)
        info["bads"] = [name for name in bad if name not in step.parameters.get("channels", ())]
    elif bad:
        steps.append(Step("no interpolation", {"reason": "it is switched off"}))
    referencing, step = spatial.reference(info, config.reference)
    reference = () if step.name == "no reference" else (step,)
    return _Mixing(removal, repair, referencing @ repair, tuple(steps), reference, tuple(bad), tuple(warnings))


def _all_bad(found: BadChannels) -> str:
    counts = Counter(reason for reasons in found.reasons.values() for reason in reasons)
    why = ", ".join(f"{count} by '{reason}'" for reason, count in counts.most_common())
    looked_for = set(counts) - {"flat", MARKED}
    remedy = "; look at the recording, or do without --bad-channels auto" if looked_for else ""
    return f"every EEG channel is flat, marked as bad, or was found to be bad ({why}){remedy}"


def _bad_channels(raw: BaseRaw, config: Preprocessing, seen: Survey, small: _SmallCopy) -> BadChannels:
    """List the channels that are flat, marked as bad by who recorded them, or found bad among the others."""
    reasons: dict[str, tuple[str, ...]] = dict.fromkeys(raw.info["bads"], (MARKED,))
    reasons |= {name: ("flat",) for name, is_flat in zip(raw.ch_names, seen.flat, strict=True) if is_flat}
    if config.bad_channels == "none":
        return BadChannels(reasons)
    small.raw.info["bads"] = [name for name in raw.ch_names if name in reasons]
    found = find_bad_channels(small.raw, config)
    return replace(found, reasons=found.reasons | reasons)


def _bad_step(bad: list[str], found: BadChannels, config: Preprocessing) -> list[Step]:
    parameters: dict[str, Any] = {"channels": bad, "reasons": {name: list(found.reasons[name]) for name in bad}}
    if config.bad_channels == "auto":
        parameters["method"] = "PREP"
        parameters["skipped"] = dict(found.skipped)
    return [Step("bad channels", parameters)] if bad or config.bad_channels == "auto" else []


# What the steps do to the variance


def _variance_removed(raw: BaseRaw, filters: Chain, mixing: _Mixing, workers: int) -> dict[str, float]:
    """Measure which share of the variance each kind of step removes, on a stretch from the middle of the recording.

    The steps are done to it one by one, in the order in which they are told; the variance is the median over channels.
    """
    rate = filters.rate_hz
    half, middle = MEASURED_S / 2, raw.n_times / rate / 2
    stretch = raw.copy().crop(max(0.0, middle - half), min((raw.n_times - 1) / rate, middle + half))
    unfiltered = replace(filters, notches_hz=(), low_hz=None, high_hz=None)
    recorded, notched, filtered = (
        run(stretch, chain, workers=workers)
        for chain in (unfiltered, replace(filters, low_hz=None, high_hz=None), filters)
    )
    stages: dict[str, NDArray[Any]] = {
        "": recorded,
        "notch": notched,
        "ICA": notched @ mixing.removal.T,
        "interpolation": notched @ mixing.repair.T,
        "band-pass": filtered @ mixing.repair.T,
        "reference": filtered @ mixing.matrix.T,
    }
    spread = [float(np.median(np.var(data, axis=0))) for data in stages.values()]
    names = list(stages)[1:]
    pairs = zip(names, spread[:-1], spread[1:], strict=True)
    return {name: round(1 - after / before, 4) for name, before, after in pairs if before > 0}


def _with_share(step: Step, measured: Mapping[str, float]) -> Step:
    share = measured.get(step.name)
    return step if share is None else Step(step.name, step.parameters | {"variance_removed": share})

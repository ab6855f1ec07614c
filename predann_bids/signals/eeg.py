"""Preprocess one EEG recording with MNE-Python."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from predann_bids.config import Preprocessing
from predann_bids.errors import UnusableData

if TYPE_CHECKING:
    from mne.io import BaseRaw


FINGERPRINT_PARTS, FINGERPRINT_SAMPLES = 8, 50


def samples_fingerprint(raw: BaseRaw) -> str:
    """Tell raw recordings apart by samples from all over them, whatever is done to them afterwards."""
    starts = np.linspace(0, max(0, raw.n_times - FINGERPRINT_SAMPLES), FINGERPRINT_PARTS).astype(int)
    parts = [raw.get_data(start=int(s), stop=min(raw.n_times, int(s) + FINGERPRINT_SAMPLES)) for s in starts]
    samples = np.ascontiguousarray(np.concatenate(parts, axis=1), dtype="<f4")
    return hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Step:
    """One step that was done to a recording, with all of its parameters."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Preprocessed:
    """A preprocessed recording, what was done to it, and the channels that were bad in it."""

    raw: BaseRaw
    steps: tuple[Step, ...]
    bad_channels: tuple[str, ...]


def preprocess(raw: BaseRaw, config: Preprocessing) -> Preprocessed:
    """Keep the EEG channels, repair bad ones, remove line noise, filter, re-reference and resample.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        A recording in volts; `info["line_freq"]` and `info["bads"]` as the sidecars say. It is not changed.
    config : Preprocessing
        What to do.

    Raises
    ------
    UnusableData
        There is no EEG channel, a value is not finite, or the sampling rate is too low for the band.
    """
    raw = raw.copy().pick("eeg", exclude=()) if "eeg" in raw else None
    if raw is None or not raw.ch_names:
        raise UnusableData("no channel is of type EEG; see the column 'type' of channels.tsv")
    raw.load_data(verbose="error")
    _check_values(raw)
    steps = [*place_electrodes(raw), *_repair(raw), *_filter(raw, config), *_reference(raw, config)]
    raw, resampling = _resample(raw, config)
    steps += resampling
    bad: list[str] = next((step.parameters["channels"] for step in steps if step.name == "bad channels"), [])
    return Preprocessed(raw, tuple(steps), tuple(bad))


def notch_frequencies(config: Preprocessing, line_hz: float | None, rate_hz: float) -> list[float]:
    """List the line frequency and its harmonics below the Nyquist frequency; empty for no notch."""
    hz = line_hz if config.notch == "auto" else None if config.notch == "none" else config.notch
    # one Hz of room, as the notch itself has a width
    return [float(f) for f in np.arange(hz, rate_hz / 2 - 1, hz)] if hz else []


def has_positions(raw: BaseRaw) -> bool:
    """Tell whether every channel has a position on the head."""
    positions = np.array([channel["loc"][:3] for channel in raw.info["chs"]])
    return bool(np.isfinite(positions).all() and (np.abs(positions).sum(axis=1) > 0).all())


def place_electrodes(raw: BaseRaw) -> Sequence[Step]:
    """Give a recording without electrode positions those of the 10-05 system, if it knows all of its channels."""
    from mne.channels import make_standard_montage

    if has_positions(raw):
        return []
    montage = make_standard_montage("colin27_1005")
    known = {name.lower() for name in montage.ch_names}
    if not all(name.lower() in known for name in raw.ch_names):
        return []
    raw.set_montage(montage, match_case=False, verbose="error")
    return [Step("template positions", {"montage": "colin27_1005"})]


def _check_values(raw: BaseRaw) -> None:
    finite = np.isfinite(raw.get_data()).all(axis=1)
    if not finite.all():
        names = [name for name, good in zip(raw.ch_names, finite, strict=True) if not good]
        raise UnusableData(f"the values of channel {', '.join(names[:5])} are not finite numbers (NaN or infinite)")


def _repair(raw: BaseRaw) -> Sequence[Step]:
    flat = [name for name, trace in zip(raw.ch_names, raw.get_data(), strict=True) if np.ptp(trace) == 0]
    bad = [name for name in raw.ch_names if name in {*flat, *raw.info["bads"]}]
    if not bad:
        return []
    if len(bad) == len(raw.ch_names):
        raise UnusableData("every EEG channel is flat or marked as bad")
    raw.info["bads"] = bad
    step = Step("bad channels", {"channels": bad, "flat": flat})
    if not has_positions(raw):
        return [step, Step("no interpolation", {"reason": "electrode positions are not known"})]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw.interpolate_bads(reset_bads=True, verbose="error")
    return [step, Step("interpolation", {"method": "spherical splines", "channels": bad})]


def _filter(raw: BaseRaw, config: Preprocessing) -> Sequence[Step]:
    steps = []
    line = raw.info["line_freq"]
    notches = notch_frequencies(config, line, raw.info["sfreq"])
    if notches:
        raw.notch_filter(notches, verbose="error")
        steps.append(Step("notch", {"frequencies_hz": notches, "filter": "zero-phase FIR, Hamming window"}))
    elif config.notch == "auto":
        steps.append(Step("no notch", {"reason": "the sidecar gives no PowerLineFrequency"}))
    low, high = config.l_freq or None, config.h_freq or None
    if high and high >= raw.info["sfreq"] / 2:
        raise UnusableData(
            f"the band's upper edge ({high:g} Hz) does not lie below half the sampling rate"
            f" ({raw.info['sfreq'] / 2:g} Hz); lower it with --h-freq"
        )
    if low or high:
        raw.filter(low, high, verbose="error")
        steps.append(
            Step(
                "band-pass",
                {
                    "low_hz": low,
                    "high_hz": high,
                    "filter": "zero-phase FIR, Hamming window, MNE's transition bands",
                },
            )
        )
    return steps


def _reference(raw: BaseRaw, config: Preprocessing) -> Sequence[Step]:
    if config.reference == "none":
        return []
    raw.set_eeg_reference("average", projection=False, verbose="error")
    return [Step("reference", {"kind": "average"})]


def _resample(raw: BaseRaw, config: Preprocessing) -> tuple[BaseRaw, Sequence[Step]]:
    before = raw.info["sfreq"]
    if before == config.resample:
        return raw, []
    samples = raw.n_times
    ratio = Fraction(config.resample / before).limit_denominator(10_000)
    # MNE rounds the number of samples and stretches time to fit, by up to half a sample. A length that the ratio
    # divides leaves nothing to round; what is appended for it is cut off again.
    longer = _append(raw, -samples % ratio.denominator)
    longer.resample(config.resample, method="polyphase", verbose="error")
    longer.crop(tmax=(int(samples * ratio) - 1) / config.resample)
    return longer, [Step("resample", {"from_hz": before, "to_hz": config.resample, "method": "polyphase"})]


def _append(raw: BaseRaw, samples: int) -> BaseRaw:
    """Repeat the last sample; `raw.append` would not do, as MNE resamples what was appended apart."""
    from mne.io import RawArray

    if not samples:
        return raw
    return RawArray(np.pad(raw.get_data(), ((0, 0), (0, samples)), mode="edge"), raw.info, verbose="error")

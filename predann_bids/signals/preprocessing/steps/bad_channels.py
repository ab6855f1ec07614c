"""Find bad channels as the PREP pipeline does (Bigdely-Shamlo et al. 2015), with pyprep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from predann_bids.config import Preprocessing
from predann_bids.errors import UnusableData
from predann_bids.signals.preprocessing.interface import ESTIMATED, STEPS, STREAMED, PreprocessingStep
from predann_bids.signals.preprocessing.spatial import has_positions
from predann_bids.signals.preprocessing.state import State, Step
from predann_bids.signals.preprocessing.stretches import evenly_spaced, quiet

if TYPE_CHECKING:
    from mne.io import BaseRaw
    from pyprep import NoisyChannels

MARKED = "marked in channels.tsv"
SEED = 0
# Every criterion but the spread of amplitudes counts windows of 1 or 5 s, so that stretches serve as well as all.
MOST_S, SHORTEST_S = 300.0, 10.0
FEWEST_CHANNELS, FEWEST_FOR_RANSAC = 4, 16
NOISE_ABOVE_HZ = 50.0
FLAT_V, STILL = 1e-15, 1e-3
CRITERIA = ("deviation", "hf noise", "correlation", "dropout", "ransac")
ALIKE = "the channels do not differ, so none deviates"
# RANSAC predicts from a quarter of all channels, and needs one more to be predicted
RANSAC_SHARE = 0.25


@dataclass(frozen=True)
class BadChannels:
    """Channels found bad, and the criteria that were not applied.

    Attributes
    ----------
    reasons : dict
        Channel to one or more of 'flat', 'deviation', 'hf noise', 'correlation', 'dropout' and 'ransac', in the
        recording's order of channels.
    skipped : dict
        Criterion to the reason why it was not applied.
    warnings : tuple of str
        What a user should look at.
    """

    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@STEPS.add("bad_channels")
class FindBadChannels(PreprocessingStep):
    """List the channels that are flat or marked as bad by who recorded them; look for others when asked to."""

    order = 20

    @property
    def memory(self) -> float:
        """Looking for them takes a copy."""
        return ESTIMATED if self.config.bad_channels == "auto" else STREAMED

    def apply(self, state: State) -> State:
        """Name the bad channels; what becomes of them is up to later steps."""
        result = self._judge(state)
        bad = [name for name in state.channels if name in result.reasons]
        if len(bad) == len(state.channels):
            raise UnusableData(_all_bad(result))
        state = replace(state, bad_channels=tuple(bad)).note(warnings=result.warnings)
        parameters: dict[str, Any] = {"channels": bad, "reasons": {name: list(result.reasons[name]) for name in bad}}
        if self.config.bad_channels == "auto":
            parameters |= {"method": "PREP", "skipped": dict(result.skipped)}
        return state.note(Step("bad channels", parameters)) if bad or self.config.bad_channels == "auto" else state

    def _judge(self, state: State) -> BadChannels:
        reasons: dict[str, tuple[str, ...]] = dict.fromkeys(state.raw.info["bads"], (MARKED,))
        flat = zip(state.channels, state.extremes.flat, strict=True)
        reasons |= {name: ("flat",) for name, is_flat in flat if is_flat}
        if self.config.bad_channels == "none":
            return BadChannels(reasons)
        copy = state.judged_copy([name for name in state.channels if name in reasons])
        result = find_bad_channels(copy, self.config)
        return replace(result, reasons=result.reasons | reasons)


def _all_bad(result: BadChannels) -> str:
    counts = Counter(reason for reasons in result.reasons.values() for reason in reasons)
    why = ", ".join(f"{count} by '{reason}'" for reason, count in counts.most_common())
    looked_for = set(counts) - {"flat", MARKED}
    remedy = "; look at the recording, or omit --bad-channels auto" if looked_for else ""
    return f"every EEG channel is flat, marked as bad, or was found to be bad ({why}){remedy}"


def find_bad_channels(raw: BaseRaw, config: Preprocessing) -> BadChannels:
    """Find bad channels by amplitude, noise, correlation with others, and predictability from others.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        EEG channels in volts, high-passed at about 1 Hz, without line noise; it is not changed. Channels
        in `info["bads"]` are neither judged nor compared with.
    config : Preprocessing
        Thresholds.
    """
    names = [name for name in raw.ch_names if name not in raw.info["bads"]]
    if reason := _obstacle(len(names), raw.duration):
        return BadChannels(skipped=dict.fromkeys(CRITERIA, reason))
    with quiet():
        sample = _without_pauses(evenly_spaced(raw, MOST_S, names))
        found = {"flat": _flat(sample)}
        if reason := _obstacle(len(names) - len(found["flat"]), sample.duration):
            skipped = dict.fromkeys(CRITERIA, reason)
        else:
            compared, skipped = _compare(sample.drop_channels(found["flat"]), config)
            found |= compared
    reasons = {name: tuple(why for why in ("flat", *CRITERIA) if name in found.get(why, ())) for name in names}
    reasons = {name: why for name, why in reasons.items() if why}
    return BadChannels(reasons, skipped, _warnings(len(reasons), len(names)))


def _obstacle(n_channels: int, seconds: float) -> str | None:
    if n_channels < FEWEST_CHANNELS:
        return f"there are {n_channels} channels to compare, fewer than {FEWEST_CHANNELS}"
    if seconds < SHORTEST_S:
        return f"the recording is shorter than {SHORTEST_S:g} s"
    return None


def _warnings(n_bad: int, n_channels: int) -> tuple[str, ...]:
    if 2 * n_bad <= n_channels:
        return ()
    return (
        f"{n_bad} of {n_channels} EEG channels look bad, more than half; look at the recording before you rely on it",
    )


def _without_pauses(raw: BaseRaw) -> BaseRaw:
    """Drop seconds in which most channels stand still, as when the amplifier was stopped."""
    from mne.io import RawArray

    n_samples = round(raw.info["sfreq"])
    data = raw.get_data()[:, : raw.n_times // n_samples * n_samples]
    seconds = data.reshape(len(data), -1, n_samples)
    spread = seconds.std(axis=2)
    usual = np.quantile(spread, 0.9, axis=1, keepdims=True)
    live = usual[:, 0] > FLAT_V
    # filters make a pause small, but not zero
    moving = (spread[live] > STILL * usual[live]).mean(axis=0) > 0.5 if live.any() else np.array([True])
    if moving.all():
        return raw
    return RawArray(seconds[:, moving].reshape(len(data), -1), raw.info, verbose="error")


def _flat(raw: BaseRaw) -> list[str]:
    """Name the channels that stay at one value for at least half of the time."""
    data = raw.get_data()
    deviation = np.median(np.abs(data - np.median(data, axis=1, keepdims=True)), axis=1)
    return [name for name, value in zip(raw.ch_names, deviation, strict=True) if value < FLAT_V]


def _compare(raw: BaseRaw, config: Preprocessing) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Apply PREP's criteria to channels that are not flat: what each finds, and why it was not applied."""
    from pyprep import NoisyChannels

    noisy = NoisyChannels(raw, do_detrend=False, random_state=SEED)
    found, skipped = {}, {}
    if _differ(noisy.find_bad_by_deviation, config.bad_channels_deviation):
        found["deviation"] = noisy.bad_by_deviation
    else:
        skipped["deviation"] = ALIKE
    content_hz = min(raw.info["lowpass"], raw.info["sfreq"] / 2)
    if content_hz <= NOISE_ABOVE_HZ:
        skipped["hf noise"] = f"the data hold nothing above {content_hz:g} Hz"
    elif _differ(noisy.find_bad_by_hfnoise, config.bad_channels_hf_noise):
        found["hf noise"] = noisy.bad_by_hf_noise
    else:
        skipped["hf noise"] = ALIKE
    # PREP tolerates 1 % of the windows of 1 s, which in a short recording is not even one
    tolerated = max(0.01, 1.5 / raw.duration)
    noisy.find_bad_by_correlation(correlation_threshold=config.bad_channels_correlation, frac_bad=tolerated)
    found |= {"correlation": noisy.bad_by_correlation, "dropout": noisy.bad_by_dropout}
    if reason := _no_ransac(noisy, config):
        skipped["ransac"] = reason
    else:
        noisy.find_bad_by_ransac(sample_prop=RANSAC_SHARE)
        found["ransac"] = noisy.bad_by_ransac
    return found, skipped


def _differ(criterion: Callable[[float], None], threshold: float) -> bool:
    """Apply a robust z-score; where channels are all alike it is 0 / 0, for which pyprep would call all of them bad."""
    try:
        with np.errstate(invalid="raise", divide="raise"):
            criterion(threshold)
    except FloatingPointError:
        return False
    return True


def _no_ransac(noisy: NoisyChannels, config: Preprocessing) -> str | None:
    if not config.bad_channels_ransac:
        return "not asked for"
    if not has_positions(noisy.raw_mne.info):
        return "electrode positions are not known"
    usable = len(noisy.ch_names_new)
    if usable < FEWEST_FOR_RANSAC:
        return f"there are {usable} channels that are not flat, fewer than {FEWEST_FOR_RANSAC}"
    bad = {*noisy.bad_by_correlation, *noisy.bad_by_deviation, *noisy.bad_by_dropout}
    left = len(set(noisy.ch_names_new) - bad)
    if left <= round(RANSAC_SHARE * usable):
        return f"only {left} channels are left that other criteria do not call bad"
    return None

"""Compare what is stated twice: in a recording's own header, in its JSON sidecar, and in channels.tsv."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predann_bids.bids.formats import Opened
from predann_bids.bids.rows import read_channel_table
from predann_bids.bids.tables import Table
from predann_bids.errors import UnusableData

# two statements about a rate differ by more than rounding
RATE_TOLERANCE = 1e-3
# two rates that differ by less put the end of a recording wrong by this, in seconds
DRIFT_S = 0.005
# lengths that differ by more than this share and this many seconds
DURATION_TOLERANCE, DURATION_TOLERANCE_S = 0.01, 2.0
QUANTITY = re.compile(r"([-+]?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?)\s*([^\W\d_]*)\.?", re.IGNORECASE)
HZ = {"hz": 1.0, "hertz": 1.0, "khz": 1e3, "sps": 1.0}
SECONDS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3,
           "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hours": 3600.0}  # fmt: skip
COUNTS = ("EEG", "EOG", "ECG", "EMG", "MISC", "Misc", "Trigger")

Stating = Callable[[str], Path]


@dataclass(frozen=True)
class Quantity:
    """A number as people write it, and its unit in lower case; empty where they write none."""

    number: float
    unit: str = ""

    @classmethod
    def of(cls, value: Any) -> Quantity | None:
        """Understand a number, or text that begins with one; None for all else, and for what is not positive."""
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        match = QUANTITY.fullmatch(str(value).strip())
        number = float(match[1].replace(",", ".")) if match else 0.0
        return cls(number, match[2].lower()) if match and 0 < number < float("inf") else None


def compare_with_sidecars(
    path: Path, opened: Opened, metadata: Mapping[str, Any], channels: Path | None, stating: Stating
) -> list[str]:
    """Compare the rate, the length and the number of channels of a recording with what its sidecars say.

    Parameters
    ----------
    path : Path
        The recording.
    opened : Opened
        What its own files say, with types of channels as in channels.tsv.
    metadata : mapping
        Its JSON sidecars, merged.
    channels : Path, optional
        Its channels.tsv.
    stating : callable
        Finds the sidecar that decides about a key.

    Returns
    -------
    list of str
        Contradictions that do not make the recording unusable.

    Raises
    ------
    UnusableData
        They disagree about the sampling rate, or so about channels and length that samples are taken for those of
        other channels.
    """
    table = _table(channels) if channels else {}
    comparison = _Comparison(path, opened, metadata, stating)
    return [
        *comparison.rate_in_sidecar(),
        *comparison.rate_in_table(table, channels),
        *comparison.frame(table),
    ]


def _table(channels: Path) -> Table:
    try:
        return read_channel_table(channels)
    except UnusableData:  # told where the table is applied
        return {}


@dataclass(frozen=True)
class _Comparison:
    path: Path
    opened: Opened
    metadata: Mapping[str, Any]
    stating: Stating

    @property
    def rate_hz(self) -> float:
        return float(self.opened.raw.info["sfreq"])

    @property
    def seconds(self) -> float:
        return float(self.opened.raw.n_times / self.rate_hz)

    # -- sampling rate -------------------------------------------------------------------------------------------------

    def rate_in_sidecar(self) -> list[str]:
        value = self.metadata.get("SamplingFrequency")
        stated, taken_as = self._hz(value)
        where = f"{self.stating('SamplingFrequency')} (SamplingFrequency)" if value is not None else ""
        if stated is None:
            unclear = value is not None and str(value).strip().lower() not in ("", "n/a", "none", "nan")
            return [f"{where} is '{value}', expected a number of Hz; it is not compared."] if unclear else []
        if not self._agrees(stated):
            raise self._wrong_rate(stated, where)
        notes = [f"{where} is {value}, which agrees with the recording as {taken_as}."] if taken_as else []
        drift_s = self.seconds * min(abs(stated / own - 1) for own in self._own_rates)
        if drift_s > DRIFT_S:
            notes.append(
                f"{self.path} was sampled at {self.rate_hz:.8g} Hz by its own header, at {stated:.8g} Hz by {where}: by"
                f" its end, that makes {1000 * drift_s:.0f} ms. Its own header is believed."
            )
        return notes

    def rate_in_table(self, table: Table, channels: Path | None) -> list[str]:
        rates = table.get("sampling_frequency")
        if not rates:
            return []
        kinds = table.get("type", ["EEG"] * len(rates))
        for line, (value, kind) in enumerate(zip(rates, kinds, strict=True), 2):
            stated = self._hz(value)[0]
            if kind.upper() != "EEG" or stated is None or self._agrees(stated):
                continue
            where = f"{channels}, line {line} (sampling_frequency)"
            if self._hz(self.metadata.get("SamplingFrequency"))[0] is None:
                raise self._wrong_rate(stated, where)
            return [
                f"{where} says {stated:.8g} Hz; the recording and its JSON sidecar agree on {self.rate_hz:.8g} Hz, and"
                " are believed."
            ]
        return []

    @property
    def _own_rates(self) -> tuple[float, ...]:
        return (*self.opened.rates_hz, self.rate_hz)

    def _agrees(self, stated: float) -> bool:
        return any(abs(stated / own - 1) <= RATE_TOLERANCE for own in self._own_rates)

    def _hz(self, value: Any) -> tuple[float | None, str]:
        """Understand a sampling rate, and say as what if it is no number of Hz."""
        quantity = Quantity.of(value)
        if quantity is None or (quantity.unit and quantity.unit not in HZ):
            return None, ""
        number = quantity.number * HZ.get(quantity.unit, 1.0)
        if quantity.unit or self._agrees(number):
            return number, ""
        if self._agrees(1000 * number):
            return 1000 * number, "kHz"
        if number < 1 and self._agrees(1 / number):
            return 1 / number, "seconds between samples"
        return number, ""

    def _wrong_rate(self, stated: float, where: str) -> UnusableData:
        return UnusableData(
            f"{self.path} was sampled at {self.rate_hz:.8g} Hz by its own header, but at {stated:.8g} Hz by {where}:"
            " one of them is wrong, and events would drift away from the EEG. Correct it."
        )

    # -- length and channels -------------------------------------------------------------------------------------------

    def frame(self, table: Table) -> list[str]:
        """Compare the length and the number of channels, which decides whose samples are whose."""
        value = self.metadata.get("RecordingDuration")
        announced, taken_as = self._duration(value)
        counted = self._counted()
        if announced and self._is_long(announced) is not None:
            self._refuse_other_frame(announced, {counted, len(table.get("name", ()))} - {0})
        notes = []
        if announced and taken_as:
            notes.append(
                f"{self.stating('RecordingDuration')} (RecordingDuration) is {value}, which agrees with the recording"
                f" as {taken_as}."
            )
        if announced and (longer := self._is_long(announced)) is not None:
            guess = "one of them is wrong" if longer else "it may have been cut off"
            notes.append(f"{self.path} lasts {self.seconds:.1f} s, its sidecar says {announced:.1f} s; {guess}.")
        return notes + self._compare_counts(counted)

    def _is_long(self, announced: float) -> bool | None:
        """Tell whether the recording is longer (or shorter) than announced; None where they agree."""
        tolerance = max(DURATION_TOLERANCE_S, DURATION_TOLERANCE * announced)
        lengths = (self.seconds, self.opened.timeline.true_length(self.seconds))
        if min(abs(length - announced) for length in lengths) <= tolerance:
            return None
        return self.seconds > announced

    def _duration(self, value: Any) -> tuple[float | None, str]:
        quantity = Quantity.of(value)
        if quantity is None or (quantity.unit and quantity.unit not in SECONDS):
            return None, ""
        number = quantity.number * SECONDS.get(quantity.unit, 1.0)
        if quantity.unit or self._is_long(number) is None:
            return number, ""
        for factor, unit in ((1e-3, "milliseconds"), (60.0, "minutes"), (1 / self.rate_hz, "samples")):
            if abs(number * factor / self.seconds - 1) <= DURATION_TOLERANCE:
                return number * factor, unit
        return number, ""

    def _counted(self) -> int:
        """Return how many channels the sidecar counts; 0 if it does not."""
        counts = [Quantity.of(self.metadata.get(f"{kind}ChannelCount")) for kind in COUNTS]
        return sum(int(quantity.number) for quantity in counts if quantity)

    def _refuse_other_frame(self, announced: float, counts: set[int]) -> None:
        found = len(self.opened.raw.ch_names)
        for count in sorted(counts - {found}):
            if abs(count * announced / (found * self.seconds) - 1) <= DURATION_TOLERANCE:
                raise UnusableData(
                    f"{self.path} has {found} channels and {self.seconds:.1f} s by its own header, but {count} channels"
                    f" and {announced:.1f} s by its sidecars, which is as much data: with a wrong number of channels,"
                    " samples are taken for those of others. Correct the one that is wrong."
                )

    def _compare_counts(self, counted: int) -> list[str]:
        if not counted:
            return []
        eeg = Quantity.of(self.metadata.get("EEGChannelCount"))
        kinds = self.opened.raw.get_channel_types()
        # channels of triggers are counted, or not
        possible = {len(kinds), len(kinds) - kinds.count("stim"), kinds.count("eeg")}
        if possible & {counted, int(eeg.number) if eeg else counted}:
            return []
        of_eeg = f" ({eeg.number:g} of EEG)" if eeg else ""
        return [
            f"{self.stating('EEGChannelCount')} counts {counted} channels{of_eeg}, the recording has {len(kinds)}"
            f" ({kinds.count('eeg')} of EEG)."
        ]

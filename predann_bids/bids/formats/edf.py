"""Open EDF, EDF+, BDF and BDF+ recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predann_bids.bids.formats.contents import looks_like_text, refuse_strange
from predann_bids.bids.formats.opened import Opened, ends_early
from predann_bids.bids.formats.records import Mark, RecordTimes, read_marks, record_times
from predann_bids.bids.gaps import TimeLine
from predann_bids.errors import UnusableData, some

if TYPE_CHECKING:
    from mne.io import BaseRaw

EDF, BDF = b"0       ", b"\xffBIOSEMI"
ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
DISCONTINUOUS = (b"EDF+D", b"BDF+D")
CUT = "BAD boundary"
# offsets in the part of the header that lists, field by field, all signals; and the bytes of a number there
LABELS, PHYSICAL, DIGITAL, SAMPLES = (0, 16), (104, 8), (120, 8), (216, 8)


@dataclass(frozen=True)
class Header:
    """What the header of an EDF or BDF file says of its frame.

    Parameters
    ----------
    path : Path
        The file.
    header_bytes, records : int
        Size of the header, and number of data records; -1 if it was not known.
    record_s : float
        Duration of a record.
    labels : tuple of str
        Of all signals.
    samples : tuple of int
        Of each signal in a record.
    flat : tuple of str
        Signals whose range is empty, so that their values mean nothing.
    is_discontinuous : bool
        Whether it is marked EDF+D or BDF+D.
    """

    path: Path
    header_bytes: int
    records: int
    record_s: float
    labels: tuple[str, ...]
    samples: tuple[int, ...]
    flat: tuple[str, ...]
    is_discontinuous: bool

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample."""
        return 3 if self.path.suffix.lower() == ".bdf" else 2

    @property
    def record_bytes(self) -> int:
        """Bytes of a record."""
        return sum(self.samples) * self.sample_bytes

    @property
    def rates_hz(self) -> tuple[float, ...]:
        """All sampling rates of signals."""
        signals = zip(self.labels, self.samples, strict=True)
        return tuple(sorted({n / self.record_s for label, n in signals if label not in ANNOTATIONS}))

    def annotation_columns(self) -> list[slice]:
        """Return where annotations are in a record, in bytes."""
        starts = [sum(self.samples[:place]) for place in range(len(self.samples))]
        return [
            slice(start * self.sample_bytes, (start + n) * self.sample_bytes)
            for start, n, label in zip(starts, self.samples, self.labels, strict=True)
            if label in ANNOTATIONS
        ]


def open_edf(path: Path) -> Opened:
    """Open an EDF or BDF recording; it is loaded if its channels have different rates."""
    refuse_strange(path)
    header = _read_header(path)
    notes = _check_size(header)
    if header.flat:
        notes.append(f"{path} gives no range of values for {some(header.flat)}: their unit is unknown.")
    rates = header.rates_hz
    if len(rates) > 1:  # piece by piece, MNE would interpolate each piece for itself
        listed = ", ".join(f"{rate:g}" for rate in rates)
        notes.append(f"{path} has channels at {listed} Hz; all are brought to {rates[-1]:g} Hz.")
    raw, remarks = _read(path, loaded=len(rates) > 1)
    timeline, more = _timeline(header)
    if timeline.gaps:
        _move_annotations(raw, header, timeline)
    return Opened(raw, (*notes, *remarks, *more), rates, timeline)


def _read(path: Path, *, loaded: bool) -> tuple[BaseRaw, list[str]]:
    from mne.io import read_raw_bdf, read_raw_edf

    read: Callable[..., Any] = read_raw_bdf if path.suffix.lower() == ".bdf" else read_raw_edf
    try:
        return read(path, preload=loaded, verbose="error"), []
    except Exception as error:  # MNE has no narrower class for it
        if "latin1" not in str(error):
            raise
        note = f"The annotations in {path} are not UTF-8, as EDF+ requires; they are read as Latin-1."
        return read(path, preload=loaded, encoding="latin1", verbose="error"), [note]


# -- the header --------------------------------------------------------------------------------------------------------


def _read_header(path: Path) -> Header:
    with path.open("rb") as file:
        fixed = file.read(256)
        _check_magic(path, fixed)
        if len(fixed) < 256:
            raise ends_early(path, len(fixed), 256, "the EDF format")
        channels = int(_number(path, fixed[252:256], "number of signals"))
        table = file.read(256 * max(0, channels))
    header_bytes = int(_number(path, fixed[184:192], "size of the header"))
    record_s = _number(path, fixed[244:252], "duration of a data record")
    if channels < 1 or header_bytes != 256 * (channels + 1):
        raise UnusableData(
            f"{path} cannot be read: its header announces {channels} signals and {header_bytes} bytes for itself, which"
            f" do not fit ({256 * (channels + 1)} expected). Fetch or copy it again."
        )
    if len(table) < 256 * channels:
        raise ends_early(path, 256 + len(table), header_bytes)
    labels = tuple(text.decode("latin-1").strip() for text in _fields(table, channels, LABELS))
    if not record_s > 0 or all(label in ANNOTATIONS for label in labels):
        what = "it holds annotations only" if record_s > 0 else "its data records last 0 s, which leaves no rate"
        raise UnusableData(f"{path} cannot be read: {what}. Export the recording again.")
    samples = tuple(int(_number(path, text, "samples in a record")) for text in _fields(table, channels, SAMPLES))
    return Header(
        path,
        header_bytes,
        int(_number(path, fixed[236:244], "number of data records")),
        record_s,
        labels,
        samples,
        tuple(label for label, empty in _empty_ranges(table, labels).items() if empty and label not in ANNOTATIONS),
        fixed[192:197] in DISCONTINUOUS,
    )


def _check_magic(path: Path, fixed: bytes) -> None:
    is_bdf = path.suffix.lower() == ".bdf"
    if fixed.startswith(BDF if is_bdf else EDF) or (not is_bdf and fixed[:8].strip() == b"0"):
        return
    if fixed.startswith(EDF if is_bdf else BDF):
        theirs, ours = ("EDF", "BDF") if is_bdf else ("BDF", "EDF")
        raise UnusableData(
            f"{path} cannot be read: it is {theirs}, not {ours}, by what is in it. Rename it to"
            f" {path.with_suffix('.' + theirs.lower()).name}."
        )
    what = "text" if looks_like_text(fixed[:200]) else "of another format"
    raise UnusableData(
        f"{path} cannot be read: it is {what}, as it does not begin with the header of an {'B' if is_bdf else 'E'}DF"
        " file. Fetch or copy it again, or export it as what its name says."
    )


def _number(path: Path, text: bytes, what: str) -> float:
    try:
        return float(text.decode("latin-1").strip("\x00 ").replace(",", "."))
    except ValueError as error:
        found = text.decode("latin-1").strip()
        raise UnusableData(
            f"{path} cannot be read: in its header, the {what} is '{found}', which is no number. Fetch or copy it"
            " again."
        ) from error


def _fields(table: bytes, channels: int, field: tuple[int, int]) -> list[bytes]:
    offset, width = field
    start = offset * channels
    return [table[start + place * width : start + (place + 1) * width] for place in range(channels)]


def _empty_ranges(table: bytes, labels: tuple[str, ...]) -> Mapping[str, bool]:
    empty: dict[str, bool] = {}
    for field, width in (PHYSICAL, DIGITAL):
        low, high = (_fields(table, len(labels), (field + after, width)) for after in (0, width))
        for label, least, most in zip(labels, low, high, strict=True):
            empty[label] = empty.get(label, False) or least.strip() == most.strip()
    return empty


def _check_size(header: Header) -> list[str]:
    found, record = header.path.stat().st_size, header.record_bytes
    expected = header.header_bytes + max(header.records, 0) * record
    if found < expected:  # the number of records is -1 while a recording is being made
        raise ends_early(header.path, found, expected)
    if found - header.header_bytes < record:
        raise UnusableData(f"{header.path} is empty: there is nothing after its header. Fetch or copy it again.")
    whole = (found - header.header_bytes) // record
    if header.records > 0 and whole > header.records:
        return [f"{header.path} has {whole} data records, where its header announces {header.records}; all are read."]
    return []


# -- gaps --------------------------------------------------------------------------------------------------------------


def _timeline(header: Header) -> tuple[TimeLine, list[str]]:
    if not header.annotation_columns():
        if not header.is_discontinuous:
            return TimeLine(), []
        raise UnusableData(
            f"{header.path} is discontinuous (EDF+D), but has no annotations, which would say when each data record"
            " begins. Export it again."
        )
    times = _times(header)
    rounding_s = 2 / max(header.rates_hz) if header.is_discontinuous else header.record_s / 2
    gaps = times.gaps(rounding_s) if times else ()
    if times is None or not gaps:
        return TimeLine(), []
    seconds = sum(gap.duration for gap in gaps)
    first = f"after {gaps[0].onset:.3f} s" if len(gaps) == 1 else f"the first after {gaps[0].onset:.3f} s"
    marked = "" if header.is_discontinuous else ", although its header calls it continuous"
    return TimeLine(gaps), [
        f"{header.path} has {len(gaps)} gap{'s' * (len(gaps) > 1)} of {seconds:.3f} s in all ({first}){marked}: onsets"
        " in events.tsv are taken as true times, gaps included, and each gap is a bad span."
    ]


def _times(header: Header) -> RecordTimes | None:
    return record_times(
        header.path,
        offset=header.header_bytes,
        record_bytes=header.record_bytes,
        columns=header.annotation_columns(),
        record_s=header.record_s,
        strict=header.is_discontinuous,
    )


def _move_annotations(raw: BaseRaw, header: Header, timeline: TimeLine) -> None:
    """Put annotations, whose onsets are true times, where their samples are, and mark the cuts."""
    from mne import Annotations

    marks = read_marks(header.path, header.header_bytes, header.record_bytes, header.annotation_columns())
    placed = [Mark(cut, 0.0, CUT) for cut in timeline.cuts]
    for mark in marks:
        start, stop = timeline.in_file(mark.onset), timeline.in_file(mark.onset + mark.duration)
        if not timeline.is_in_gap(mark.onset) or stop > start:
            placed.append(Mark(start, stop - start, mark.text))
    placed.sort(key=lambda mark: mark.onset)
    raw.set_annotations(
        Annotations([m.onset for m in placed], [m.duration for m in placed], [m.text for m in placed]),
        on_missing="ignore",
        verbose="error",
    )

"""What a draft of a stimulus map goes by: the rows of events, and what can be counted in them."""

from __future__ import annotations

import math
import re
import statistics
import sys
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from predann_bids.bids.music.cues import read_events
from predann_bids.bids.music.stimulus_map import EFFECTS, ENTITIES, NOTHING
from predann_bids.bids.recordings import Recording
from predann_bids.errors import PredannError
from predann_bids.files import read_json
from predann_bids.tools.stimuli.survey import entities_of

# columns of events.tsv that measure, and name no kind of row
MEASURES = {"onset", "duration", "sample", "response_time", "HED"}
USUAL_COLUMNS = ("trial_type", "value")
ABOUT_STIMULI = re.compile(r"stim|song|music|track|clip|piece|melod|audio|sound|video|film|movie", re.IGNORECASE)
NO_MUSIC = re.compile(
    r"not used|(?<![a-z])(resp(onses?)?|buttons?|key(press)?|press(ed)?|ratings?|questions?|answer(s|ed)?|fixation"
    r"|cross|rest(ing)?|boundary|segment|artifact)(?![a-z])",
    re.IGNORECASE,
)
MANY_ROWS = 10  # so many rows at the same times in two recordings are no chance
SPACING_S = 5.0  # rows of one value that follow each other faster start no piece of music


@dataclass(frozen=True)
class Observed:
    """The events of one recording, as far as a draft goes by them.

    Parameters
    ----------
    entities : mapping
        `participant`, `session`, `task` and `run`.
    onsets, durations : sequence of float
        Seconds of each row; NaN where there is no number.
    columns : mapping
        Column of events.tsv to its cells.
    seconds : float
        Length of the recording; infinite when unknown.
    meanings : mapping
        Column to value to what events.json says that it means.
    """

    entities: Mapping[str, str]
    onsets: Sequence[float] = ()
    durations: Sequence[float] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seconds: float = math.inf
    meanings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def times(self, column: str, values: Collection[str]) -> list[float]:
        """Return the onsets of the rows that have one of the values in a column, in order."""
        cells = self.columns.get(column, ())
        found = (t for t, cell in zip(self.onsets, cells, strict=False) if cell in values)
        return sorted(t for t in found if math.isfinite(t))


def look_at(recording: Recording) -> Observed:
    """Read a recording's events; of one that cannot be read, only the name is known."""
    entities = entities_of(recording)
    try:
        events = recording.sidecar("events", ".tsv")
        table = read_events(events) if events else None
    except (PredannError, OSError):
        table = None  # what is wrong is told with the recording's problems
    if table is None:
        return Observed(entities)
    taken = {*MEASURES, *EFFECTS, *ENTITIES}  # what they mean in a map is something else
    names = [name for name in map(str, table) if name not in taken and can_be_a_condition(name)]
    return Observed(
        entities,
        [_number(cell) for cell in table["onset"].tolist()],
        [_number(cell) for cell in table["duration"].tolist()],
        # a dataset has millions of cells, but few values
        {name: [sys.intern(str(cell)) for cell in table[name].tolist()] for name in names},
        _seconds(recording),
        _meanings(recording, names),
    )


def _seconds(recording: Recording) -> float:
    try:
        raw = recording.read()
    except PredannError:
        return math.inf
    return float(raw.n_times / raw.info["sfreq"])


def _meanings(recording: Recording, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    try:
        sidecar = recording.sidecar("events", ".json")
        described = read_json(sidecar) if sidecar else {}
    except PredannError:
        return {}
    # some datasets describe values where columns belong
    loose = dict(_texts({key: value for key, value in described.items() if key not in columns}))
    return {name: loose | dict(_texts(_levels(described.get(name)))) for name in columns}


def _levels(column: Any) -> Any:
    return column.get("Levels") if isinstance(column, dict) else None


def _texts(levels: Any) -> Iterator[tuple[str, str]]:
    for value, meaning in (levels if isinstance(levels, dict) else {}).items():
        text = meaning.get("Description", "") if isinstance(meaning, dict) else meaning
        if isinstance(text, str) and text:
            for one in _one_by_one(value):
                yield one, " ".join(text.split())


def _one_by_one(value: str) -> Iterable[str]:
    codes = re.fullmatch(r"(\d{1,5})-(\d{1,5})", value)
    return map(str, range(int(codes[1]), int(codes[2]) + 1)) if codes else (value,)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


# -- what can be counted -----------------------------------------------------------------------------------------------


def columns_of(observed: Sequence[Observed]) -> list[str]:
    """Columns of events, those that speak of stimuli first."""

    def rank(name: str) -> tuple[int, str]:
        usual = USUAL_COLUMNS.index(name) + 1 if name in USUAL_COLUMNS else 3
        return (0 if ABOUT_STIMULI.search(name) else usual), name

    return sorted({name for one in observed for name in one.columns}, key=rank)


def counts(observed: Sequence[Observed], column: str) -> Counter[str]:
    """Count the values of a column."""
    found = Counter[str]()
    for one in observed:
        found.update(one.columns.get(column, ()))
    return Counter({value: count for value, count in found.items() if can_be_a_condition(value)})


def presence(observed: Sequence[Observed], column: str) -> Counter[str]:
    """Count the recordings in which each value of a column stands."""
    found = Counter[str]()
    for one in observed:
        found.update(set(one.columns.get(column, ())))
    return found


def can_be_a_condition(value: str) -> bool:
    """Tell whether a map can say a value: it has no sign for alternatives or comments, and no spaces around it."""
    plain = value.isprintable() and value == value.strip()
    return plain and value not in NOTHING and "|" not in value and not value.startswith("#")


def spacing(observed: Sequence[Observed], column: str, values: Collection[str]) -> dict[str, float]:
    """Return, for each value, the median seconds until the next row with any of the values; infinite if none comes."""
    gaps: dict[str, list[float]] = {value: [] for value in values}
    for one in observed:
        for (t, cell), (following, _) in pairwise(row for row in _rows(one, column) if row[1] in gaps):
            if following > t:  # rows that stand twice
                gaps[cell].append(following - t)
    return {value: statistics.median(gap) if gap else math.inf for value, gap in gaps.items()}


def like_stimuli(observed: Sequence[Observed], column: str) -> list[str]:
    """Values of a column that may start pieces of music: no responses, and seconds from one to the next of its kind."""
    answered, apart = _answered(observed, column), _apart(observed, column)
    found = (value for value in counts(observed, column) if apart.get(value, math.inf) >= SPACING_S)
    told = {value: meaning(observed, column, value) for value in found if value not in answered}
    told = {value: text for value, text in told.items() if not NO_MUSIC.search(f"{value} {text}")}
    said = [value for value, text in told.items() if ABOUT_STIMULI.search(text)]
    return sorted(said or told, key=in_order)


def meaning(observed: Sequence[Observed], column: str, value: str) -> str:
    """Return what events.json says that a value means; nothing if it does not say."""
    texts = (one.meanings.get(column, {}).get(value, "") for one in observed)
    return next(filter(None, texts), "")


def _apart(observed: Sequence[Observed], column: str) -> dict[str, float]:
    """Return, for each value, the median seconds between its rows."""
    gaps: dict[str, list[float]] = {}
    for one in observed:
        last: dict[str, float] = {}
        for t, cell in _rows(one, column):
            if t > last.get(cell, math.inf):
                gaps.setdefault(cell, []).append(t - last[cell])
            last[cell] = t
    return {value: statistics.median(gap) for value, gap in gaps.items()}


def _rows(one: Observed, column: str) -> list[tuple[float, str]]:
    cells = zip(one.onsets, one.columns.get(column, ()), strict=False)
    return sorted((t, cell) for t, cell in cells if math.isfinite(t))


def _answered(observed: Sequence[Observed], column: str) -> set[str]:
    found = Counter[str]()
    for one in observed:
        times = one.columns.get("response_time", ())
        cells = zip(one.columns.get(column, ()), times, strict=False)
        found.update(cell for cell, time in cells if time not in NOTHING)
    total = counts(observed, column)
    return {value for value, count in found.items() if 2 * count > total[value]}


def followers(observed: Sequence[Observed], column: str, starts: Collection[str]) -> dict[str, tuple[float, float]]:
    """Return what comes at most once between one start and the next: its share of the starts, and after how long.

    What comes again and again ends nothing and is left out.
    """
    after: dict[str, list[float]] = {}
    often = Counter[str]()
    total = 0
    for one in observed:
        start, first = math.inf, set[str]()
        for t, cell in _rows(one, column):
            if cell in starts:
                total += t != start
                start, first = t, set()
            elif t > start and can_be_a_condition(cell):
                often[cell] += 1
                if cell not in first:
                    after.setdefault(cell, []).append(t - start)
                    first.add(cell)
    return {
        value: (len(delays) / max(total, 1), statistics.median(delays))
        for value, delays in after.items()
        if often[value] <= 1.2 * len(delays)
    }


def times_mean_nothing(observed: Sequence[Observed]) -> bool:
    """Tell whether events are those of other files: most lie beyond the end, or, unknown that, they are repeated."""
    known = [one for one in observed if math.isfinite(one.seconds)]
    rows = sum(len(one.onsets) for one in known)
    beyond = sum(t >= one.seconds for one in known for t in one.onsets)
    lists = Counter(
        (one.entities["participant"], *one.onsets)
        for one in observed
        if len(one.onsets) >= MANY_ROWS and not math.isfinite(one.seconds)
    )
    repeated = sum(count for count in lists.values() if count > 1)
    return 2 * beyond > rows > 0 or 2 * repeated > len(observed)


# -- names of audio ----------------------------------------------------------------------------------------------------


def key(text: str) -> str:
    """Reduce a name to its letters and numbers: accents, case, punctuation and leading zeros do not count."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    words = re.sub(r"(?<!\d)[\W_]+|[\W_]+(?!\d)", "", plain)  # what stands between two numbers keeps them apart
    return re.sub(r"\d+", lambda number: str(int(number[0])), re.sub(r"[\W_]+", " ", words))


def match_names(values: Iterable[str], audio: Sequence[str]) -> dict[str, str]:
    """Find the audio file of each value that is named like one; numbers also find `song-01.wav` where all are so named.

    Numbers are everywhere: they count only where they find two files and half of all files there are.
    """
    files: dict[str, str] = {}
    for name in audio:
        files.setdefault(key(PurePosixPath(name).stem), name)
    endings = [re.fullmatch(r"(.*?)(\d+)", stem) for stem in files]
    prefixes = {ending[1] if ending else None for ending in endings}
    alike = len(prefixes) == 1
    numbered = {ending[2]: name for ending, name in zip(endings, files.values(), strict=True) if ending and alike}
    found = {}
    for value in values:
        matched = files.get(key(value)) or numbered.get(key(value))
        if matched and key(value):
            found[value] = matched
    in_words = any(not key(value).isdecimal() for value in found)
    several = len(set(found.values())) >= max(2, len(files) / 2)
    return found if in_words or several else {}


def in_order(value: str) -> tuple[tuple[int, float, str], ...]:
    """Sort names with the numbers in them as numbers."""
    parts = re.findall(r"\d+|\D+", value)
    return tuple((0, float(part), "") if part.isdecimal() else (1, 0.0, part) for part in parts)

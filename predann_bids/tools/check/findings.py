"""What a check finds: taken apart into what is wrong, where, how to mend it, and what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROW = re.compile(
    r"(?P<where>\S.*?, lines? \d+(?:, \d+)*)(?: \(and (?P<more>\d+) more rows\))?: (?P<rest>.*)", re.DOTALL
)
FILES = "tsv|json|vhdr|vmrk|eeg|set|fdt|edf|bdf|wav|mp3|flac|ogg|opus|aiff?"
FILE = re.compile(
    rf"(?P<where>[^'\"]*?/[^'\"]*?\.(?:{FILES}))\b(?: \(\w+\))?[:,]? (?P<rest>\S.*)", re.DOTALL | re.IGNORECASE
)
# the remedy of a message: its last sentence or clause, in the imperative
REMEDY = re.compile(
    r"^(?P<what>.*?[^.;])[.;] (?P<remedy>(?:Add|Check|Choose|Compress|Convert|Copy|Correct|Export|Fetch|Fix|Get|Give|If"
    r"|Keep|Leave|Let|Mark|Name|Put|Remove|Rename|Run|Save|Select|Separate|Set|Shorten|Unpack|Use|Write)\b.*)$",
    re.DOTALL | re.IGNORECASE,
)


class Effect(StrEnum):
    """What becomes of a finding when the participant level runs, the gravest first."""

    FAILS = "the recording fails"
    LEFT_OUT = "the presentation is left out"
    NOT_USED = "the file is not used"
    TOLD = "used, with a warning"
    LOOK = "worth a look"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, once for all places where it is.

    Parameters
    ----------
    effect : Effect
        What becomes of it.
    what, remedy : str
        What is wrong, and how to mend it; the remedy is empty where there is nothing to do.
    where : tuple of str
        Files and rows, relative to the dataset; empty if it is about the whole dataset.
    count : int
        In how many rows or files it is.
    """

    effect: Effect
    what: str
    remedy: str = ""
    where: tuple[str, ...] = ()
    count: int = 1

    def plain(self) -> dict[str, object]:
        """Return it as values that JSON holds."""
        places = list(self.where)
        return {
            "effect": self.effect.value,
            "what": self.what,
            "remedy": self.remedy,
            "where": places,
            "count": self.count,
        }


def take_apart(sentence: str, effect: Effect, root: Path, where: str = "") -> Finding:
    """Take a message apart into place, fault and remedy.

    Parameters
    ----------
    sentence : str
        As the participant level would say it.
    effect : Effect
        What becomes of it.
    root : Path
        The dataset; places are relative to it.
    where : str
        The place, if the message does not begin with one.
    """
    text = sentence.replace(f"{root}/", "").strip()
    row = ROW.match(text)
    file = None if row else FILE.match(text)
    found = row or file
    place = found["where"] if found else where
    rest = found["rest"] if found else text
    parts = REMEDY.match(rest.rstrip("."))
    what, remedy = (parts["what"], _sentence(parts["remedy"])) if parts else (rest.rstrip("."), "")
    more = int(row["more"] or 0) if row else 0
    return Finding(effect, _sentence(what), remedy, (place,) if place else (), 1 + more)


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Put findings together that differ in their places alone, the gravest and most frequent first."""
    alike: dict[tuple[Effect, str, str], list[Finding]] = {}
    for finding in findings:
        alike.setdefault((finding.effect, finding.what, finding.remedy), []).append(finding)
    merged = [_merged(same) for same in alike.values()]
    order = list(Effect)
    return sorted(merged, key=lambda finding: (order.index(finding.effect), -finding.count))


def _merged(same: Sequence[Finding]) -> Finding:
    first = same[0]
    places = dict.fromkeys(place for finding in same for place in finding.where)
    return Finding(first.effect, first.what, first.remedy, tuple(places), sum(finding.count for finding in same))

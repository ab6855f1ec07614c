"""A draft of a stimulus map: comments that say how it came about, and a table of rules."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from predann_bids.bids.music.names import names_audio
from predann_bids.tools.stimuli.wording import some

FILL_IN = "FILL-IN"
LISTED = 12
WIDTH, MEANING = 110, 60


@dataclass(frozen=True)
class Draft:
    """A stimulus map in the making.

    Parameters
    ----------
    comments : sequence of str
        Sentences about what the rules were made from.
    header : sequence of str
        Columns of the map.
    rules : sequence of sequences of str
        Its rows.
    """

    comments: Sequence[str]
    header: Sequence[str]
    rules: Sequence[Sequence[str]]

    def text(self, dataset: str, audio: Sequence[str]) -> str:
        """Write the map, which is valid as it stands, below its comments."""
        lines = [f"Draft of a stimulus map for {dataset}, made by predann-tools stimuli. Check every rule."]
        lines += [*self.comments]
        if any(FILL_IN in cell for rule in self.rules for cell in rule):
            lines += [
                f"Replace each {FILL_IN}... with the name of the audio file that was played, relative to the stimuli"
                " directory, and delete the rules for what is not music.",
            ]
            lines += [f"Audio files: {some(audio, 60)}." if audio else "There are no audio files yet."]
        table = [self.header, *self.rules]
        comments = [part for line in lines for part in _wrapped(line)]
        return "".join(f"# {part}\n" for part in comments) + "".join("\t".join(row) + "\n" for row in table)


def fill_in(value: str) -> str:
    """Return a file name that is to be replaced, and says for which value."""
    stem = re.sub(r"[/\\{}\s]+", "-", str(PurePosixPath(value).with_suffix("")) if names_audio(value) else value)
    return f"{FILL_IN}-{stem}.wav" if stem else f"{FILL_IN}.wav"


def in_brackets(meaning: str) -> str:
    """Return the meaning of a value as it follows the value in a comment; empty if there is none."""
    text = textwrap.shorten(meaning, MEANING, placeholder=" ...")
    return f" ({text})" if text else ""


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)

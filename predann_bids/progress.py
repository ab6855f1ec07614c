"""Progress for people: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

QUIET_S = 5.0


class Progress:
    """Show on standard error how far a job has come.

    Parameters
    ----------
    title : str
        What is being done.
    total : int
        Number of units of work, such as recordings.
    done : int
        How many of them an earlier run has done.
    """

    def __init__(self, title: str, total: int, done: int = 0) -> None:
        self._title, self._total, self._done, self._note = title, total, done, ""
        self._console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        self._said = self._begun = time.monotonic()
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
        )
        self._bar = RichProgress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task(title, total=total, completed=done, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        if not self._console.is_terminal:
            self._say()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if not self._console.is_terminal and kind is None:
            self._say()

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count finished units of work; `note` says what is being done."""
        self._done += units
        self._note = note or self._note
        self._bar.update(self._task, advance=units, note=self._note)
        self.beat()

    def beat(self) -> None:
        """Print a sign of life if there is no terminal and nothing was printed for some seconds."""
        if not self._console.is_terminal and time.monotonic() - self._said >= QUIET_S:
            self._say()

    def _say(self) -> None:
        self._said = time.monotonic()
        elapsed = self._said - self._begun
        self._console.print(
            f"{self._title}: {self._done}/{self._total} after {elapsed:.0f} s {self._note}".rstrip(),
            soft_wrap=True,
        )

"""What commands print: tables and lines in which names stand as they are."""

from __future__ import annotations

from rich.console import Console

WIDTH = 200  # a file or a pipe has no width of its own, and names must not be cut


def plain_console(*, stderr: bool = False) -> Console:
    """Make a console for tables that takes no word for markup, and is wide where it is not a terminal."""
    width = None if Console(stderr=stderr).is_terminal else WIDTH
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=width)


def say(text: str, *, stderr: bool = False) -> None:
    """Print a line as it is, however long."""
    plain_console(stderr=stderr).print(text, soft_wrap=True)

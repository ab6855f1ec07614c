"""What commands print: tables and lines in which names stand as they are, whatever the stream can take."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

NARROWEST = 80  # of a terminal; in less, tables would lose whole columns
WIDTH = 200  # a file or a pipe has no width of its own, and names must not be cut
PLAIN = "predann_bids.plain"  # what becomes of a character that a stream has no code for
PLAINER = {
    "\u2212": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2026": "...",
    "\u00d7": "x",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u00b5": "u",
    "\u03bc": "u",
    "\u00a0": " ",
    "\u202f": " ",
    "\u2265": ">=",
    "\u2264": "<=",
    **dict.fromkeys("━─", "-"),
    **dict.fromkeys("┃│", "|"),
    **dict.fromkeys("┏┳┓┡╇┩└┴┘├┼┤┌┬┐", "+"),
}


def plain_console(*, stderr: bool = False) -> Console:
    """Make a console for tables that takes no word for markup, and is wide where it is not a terminal."""
    from rich.console import Console

    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    console.width = max(console.width, NARROWEST if console.is_terminal else WIDTH)
    return console


def say(text: str, *, stderr: bool = False) -> None:
    """Print a line as it is, however long."""
    plain_console(stderr=stderr).print(text, soft_wrap=True)


def use_utf8() -> None:
    """Start this program again in Python's UTF-8 mode if names of files are not UTF-8 to it.

    Datasets name their files in UTF-8, whatever the language of the machine says.
    """
    if sys.getfilesystemencoding().lower() in ("utf-8", "utf8") or sys.flags.utf8_mode:
        return
    os.environ["PYTHONUTF8"] = "1"
    if sys.stdout is not None:
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)  # the terminal stays what it is
    with suppress(OSError):
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def steady_streams() -> None:
    """Let printing to the standard streams never be the reason why work stops; for the start of a program.

    A character that the terminal or the file has no code for is replaced, and what nobody reads any more, as in
    ``predann-bids ... | head``, is dropped.
    """
    codecs.register_error(PLAIN, _plainer)
    sys.stdout, sys.stderr = _steady(sys.stdout), _steady(sys.stderr)


def _steady(stream: TextIO | None) -> TextIO:
    if stream is None:  # the program was started without it
        return io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    with suppress(OSError, ValueError):
        stream.flush()
    raw: Any = getattr(stream.buffer, "raw", stream.buffer)  # Python can be asked not to buffer
    return io.TextIOWrapper(
        io.BufferedWriter(_Lasting(raw)),
        encoding=stream.encoding,
        errors=PLAIN,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Lasting(io.RawIOBase):
    """A stream that outlasts its reader."""

    def __init__(self, raw: Any) -> None:
        self._raw, self._has_failed = raw, False

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the number that the operating system knows it by."""
        return int(self._raw.fileno())

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return bool(self._raw.isatty())

    def write(self, data: Any, /) -> int | None:
        """Write, or drop what nobody reads."""
        try:
            return int(self._raw.write(data) or 0) if not self._has_failed else memoryview(data).nbytes
        except OSError as error:
            self._has_failed = True  # said once is enough: what is still to be written would fail as well
            if error.errno in (errno.EPIPE, errno.EIO):  # its reader has ended, its terminal is closed
                return memoryview(data).nbytes
            raise OSError(error.errno, error.strerror, "The standard output") from error


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = (
        PLAINER.get(character) or character.encode("ascii", "backslashreplace").decode("ascii")
        for character in error.object[error.start : error.end]
    )
    return "".join(written), error.end

"""Everything that can go wrong for a user, and the exit code that says so.

::

    PredannError                 70   unexpected: a defect
    ├── SomeParticipantsFailed    1   the rest is complete
    ├── InvalidDataset           16   the BIDS validator objects
    ├── UnknownAnalysisLevel     17
    ├── NothingSelected          18   the filters leave no recording
    ├── WrongUsage               64   the command line or the configuration
    │   └── TooLittleMemory      64   the machine or the job is too small for what is asked for
    ├── UnusableData             65   the data exist but cannot be used
    ├── MissingInput             66   no EEG, no audio, participant level not run
    ├── CannotCreateOutput       73
    ├── ReadOrWriteFailed        74
    └── TryAgain                 75   another process holds the lock, no space left

An error that the program did not expect, a defect of it, ends with 70.
The codes are those of the BIDS execution specification and of sysexits.h. A message is a plain sentence or two: what
was found and where (file and row), what was expected, and how to fix it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import ClassVar

MOST_NAMED = 5


class PredannError(Exception):
    """An error whose message is meant for the user; only the command line turns it into an exit."""

    exit_code: ClassVar[int] = 70


class SomeParticipantsFailed(PredannError):
    """Some participants failed and are named in the summary; all others are complete."""

    exit_code = 1


class InvalidDataset(PredannError):
    """The input is not a BIDS dataset, or the validator finds an error that matters for EEG."""

    exit_code = 16


class UnknownAnalysisLevel(PredannError):
    """The analysis level is neither `participant` nor `group`."""

    exit_code = 17


class NothingSelected(PredannError):
    """The filters select no recording."""

    exit_code = 18


class WrongUsage(PredannError):
    """The command line or the configuration cannot be understood, contradicts itself, or needs too much memory."""

    exit_code = 64


class TooLittleMemory(WrongUsage):
    """The machine or the job has less memory than what is asked for needs, so the same command will fail again."""


class UnusableData(PredannError):
    """The data exist but cannot be used."""

    exit_code = 65


class MissingInput(PredannError):
    """A required file does not exist."""

    exit_code = 66


class CannotCreateOutput(PredannError):
    """The output directory or a file in it cannot be created."""

    exit_code = 73


class ReadOrWriteFailed(PredannError):
    """A file could not be read or written."""

    exit_code = 74


class TryAgain(PredannError):
    """The same command may succeed later."""

    exit_code = 75


class Busy(TryAgain):
    """Another process is doing this."""


def some(names: Iterable[str], most: int = MOST_NAMED) -> str:
    """List the first few of many names, and count the others."""
    listed = list(names)
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")


def people(participants: Iterable[str], most: int = MOST_NAMED) -> str:
    """List participants, each once and in order; as `some` does, if there are many."""
    return some([f"sub-{label}" for label in sorted(set(participants))], most)


def is_no_space(error: OSError) -> bool:
    """Tell whether a file could not be written because the disk or the user's share of it is full."""
    # NumPy says only how much of an array it could write
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or (error.errno is None and "requested and" in str(error))


def in_words(error: Exception) -> PredannError:
    """Turn any error into one with an exit code and a sentence for the user."""
    if isinstance(error, PredannError):
        return error
    if isinstance(error, OSError):
        kind = TryAgain if is_no_space(error) or error.errno == errno.EAGAIN else ReadOrWriteFailed
        return kind(f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}.")
    if isinstance(error, MemoryError):
        return TooLittleMemory(
            "Not enough memory. What is finished is kept: repeat the command with fewer processes (--n-procs), or in a"
            " job or on a machine with more memory."
        )
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        around = error.object[max(0, error.start - 40) : error.end + 20].encode("ascii", "backslashreplace").decode()
        return UnusableData(f"A name is not UTF-8 text: ...{around}... Rename the file or directory in UTF-8.")
    return PredannError(f"Unexpected error ({type(error).__name__}: {' '.join(str(error).split())}).")

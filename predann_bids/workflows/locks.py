"""Keep two processes from doing the same, also where the file system has no locks, or only some machines see them.

A file that only one process can create says who is at work. Where the file system has locks, its maker holds one beside
it, so that what a process that was killed has left does not count for long.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predann_bids.errors import Busy
from predann_bids.files import refused

BEAT_S = 30.0  # between two signs of life of a process that holds a marker
STALE_S = 300.0  # without one, the process is taken to be gone; its clock is the file system's
UNLOCKED_S = 60.0  # the same, if the lock that it held is free: the lock may be one that another machine does not see
HALF_WRITTEN_S = 5.0
POLL_S = 0.1
LOCKED = "with a lock\n"  # last line of a marker whose maker holds a lock of the file system
OWN_NAMESPACE = Path("/proc/self/ns/pid")
HOSTS_NAMESPACE = 0xEFFFFFFC  # the number that Linux gives to the one outside all containers


@contextmanager
def exclusive(path: Path, wait_s: float = 0, *, what: str = "") -> Iterator[None]:
    """Hold a lock on something in the output directory, and wait for it for some seconds when another has it.

    The existence of the file stands for a lock, and its time of change is a sign of life. This is all there is where
    the file system has no locks (some network file systems, FUSE), and what machines go by that do not see each other's
    locks. Of a process whose lock is free again, the file does not count on its own machine; on others, a sign of life
    is waited for, a minute at most.

    Raises
    ------
    ReadOrWriteFailed
        The lock cannot be written.
    Busy
        Another process holds it; `what` says what it is doing, which is else the name of the lock.
    TryAgain
        No space is left.
    """
    what, until = what or path.stem, time.monotonic() + wait_s
    with ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            has_locks = _Surroundings.of(path.parent).has_locks
            if has_locks:
                held.callback(_native(path, wait_s, what).release)
            held.callback(_marker(path, until, what, has_lock=has_locks).release)
        except OSError as error:
            raise refused(path, error) from error
        yield


@dataclass(frozen=True)
class _Surroundings:
    """What a file system says of a file that is made in it for a moment: the time there, and whether it has locks.

    The lock's own file cannot be asked: an attempt to lock it would leave it there.
    """

    now: float
    has_locks: bool

    @classmethod
    def of(cls, directory: Path) -> _Surroundings:
        probe = directory / f".probe-{uuid.uuid4().hex[:8]}"
        with probe.open("xb") as file:
            try:
                return cls(probe.stat().st_mtime, _locks(file))
            finally:
                probe.unlink()


def _locks(file: Any) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has locks of its own
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # ENOLCK, ENOSYS, EOPNOTSUPP, EIO ...: if the disk is broken, writing to it will say so
        return False
    return True


def _native(path: Path, wait_s: float, what: str) -> Any:
    from filelock import FileLock, Timeout

    file = path.with_name(f"{path.name}.flock")  # not the marker itself, which a lock would empty
    lock: Any = FileLock(file, timeout=wait_s)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(
            f"Another process is working on {what}; repeat the command when it has finished. If its machine has"
            f" failed and the file server has not noticed, remove {file}."
        ) from error
    return lock


# -- a file that says who is at work, which only one process can create ------------------------------------------------


def _marker(path: Path, until: float, what: str, *, has_lock: bool) -> _Marker:
    known = max(until, time.monotonic() + UNLOCKED_S)  # by when it is known whether one whose lock is free is alive
    while True:
        with suppress(FileExistsError):
            return _Marker(path, has_lock=has_lock)
        found = _Found.read(path)
        if found and found.is_stale(has_lock=has_lock):
            found.remove()
        elif found and found.owner and time.monotonic() >= (known if found.was_freed(has_lock=has_lock) else until):
            raise Busy(found.in_words(what))
        elif found:
            time.sleep(POLL_S)


class _Marker:
    """A lock that is the existence of a file; it is held from the moment that this is made."""

    def __init__(self, path: Path, *, has_lock: bool) -> None:
        self._path, self._ended = path, threading.Event()
        self._text = f"{os.getpid()}\n{host()}\n{uuid.uuid4().int}\n{LOCKED if has_lock else ''}"
        with path.open("x", encoding="ascii") as file:
            file.write(self._text)
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            with suppress(OSError):  # a network that is away for a moment
                if self._is_own():
                    os.utime(self._path)

    def _is_own(self) -> bool:
        return self._path.read_text(encoding="ascii", errors="replace") == self._text

    def release(self) -> None:
        """Remove the file, unless another process has taken this one for gone."""
        self._ended.set()
        self._beating.join()
        with suppress(OSError):
            if self._is_own():
                self._path.unlink()


@dataclass(frozen=True)
class _Found:
    """A marker that was there already.

    Parameters
    ----------
    path : Path
        The file.
    text : str
        Its content: the process's number and its host, in a line each, and whether it holds a lock.
    changed : float
        When it was last changed, by the file system's clock.
    """

    path: Path
    text: str
    changed: float

    @classmethod
    def read(cls, path: Path) -> _Found | None:
        """Read a marker; None if it is gone by now."""
        try:
            with path.open("rb") as file:  # opening makes network file systems look again
                return cls(path, file.read(1024).decode("ascii", "replace"), os.fstat(file.fileno()).st_mtime)
        except FileNotFoundError:
            return None

    @property
    def owner(self) -> tuple[int, str] | None:
        """Number and host of the process; None where none is written, as in what a lock that worked has left."""
        pid, _, rest = self.text.partition("\n")
        name, end, _ = rest.partition("\n")
        return (int(pid), name) if end and pid.isascii() and pid.isdigit() and 0 < int(pid) < 2**31 else None

    @property
    def age_s(self) -> float:
        """Seconds since the last sign of life."""
        return max(0.0, _Surroundings.of(self.path.parent).now - self.changed)

    def was_freed(self, *, has_lock: bool) -> bool:
        """Tell whether the process that made it held a lock of the file system that this process has now."""
        return has_lock and self.text.endswith(LOCKED)

    def is_stale(self, *, has_lock: bool) -> bool:
        """Tell whether the process that made it is gone for certain, or has long given no sign of life.

        `has_lock` says that this process has got the lock of the file system.
        """
        if self.owner is None:
            return self.age_s > HALF_WRITTEN_S
        pid, name = self.owner
        freed = self.was_freed(has_lock=has_lock)
        if name == host() and (freed or not is_alive(pid)):
            return True
        return self.age_s > (UNLOCKED_S if freed else STALE_S)

    def remove(self) -> None:
        """Remove it, but not a newer one that another process has put in its place meanwhile."""
        aside = self.path.with_name(f".stale-{uuid.uuid4().hex[:8]}-{self.path.name}"[:200])
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        taken = _Found.read(aside)
        if taken and (taken.text, taken.changed) != (self.text, self.changed):
            with suppress(OSError):
                aside.rename(self.path)
        else:
            aside.unlink(missing_ok=True)

    def in_words(self, what: str) -> str:
        """Say who is at work, and what to do if that is not so."""
        who = "process {} on {}".format(*self.owner) if self.owner else "one that has just begun"
        return (
            f"Another process is working on {what} ({who}, which gave its last sign of life"
            f" {self.age_s:.0f} s ago); repeat the command when it has finished. If it was killed, remove {self.path},"
            f" or repeat the command {STALE_S / 60:.0f} minutes after its last sign of life."
        )


def host() -> str:
    """Name this machine and, inside a container, the container: there, other processes have the same numbers."""
    name = "".join(c if c.isascii() and c.isprintable() and c != " " else "?" for c in socket.gethostname()) or "?"
    with suppress(OSError):
        namespace = OWN_NAMESPACE.stat().st_ino
        return name if namespace == HOSTS_NAMESPACE else f"{name}?pidns-{namespace:x}"
    return name


def is_alive(pid: int) -> bool:
    """Tell whether a process of this machine is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

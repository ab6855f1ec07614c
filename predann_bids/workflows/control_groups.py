"""What the control groups of this process allow: those of a container, and of a job of SLURM.

A process is in a group within groups, and the strictest of them holds. `/proc/self/cgroup` says in which, in version 2
as `0::/path`, in version 1 as `5:memory:/path` for each kind of resource; what they allow stands in files of the
directories that `/proc/self/mountinfo` lists. See the manual pages cgroups(7) and proc_pid_mountinfo(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MEMBERSHIP = Path("/proc/self/cgroup")
MOUNTS = Path("/proc/self/mountinfo")
MOUNT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class ControlGroups:
    """The control groups of a process.

    Parameters
    ----------
    membership : Path
        The file that says which these are.
    mount : Path
        Where they are usually seen.
    mounts : Path
        The file that says where they are seen here.
    """

    membership: Path = MEMBERSHIP
    mount: Path = MOUNT
    mounts: Path = MOUNTS

    def memory_limit(self) -> int | None:
        """Bytes that may be used at most; None without a limit."""
        return min((limit for limit, _ in self._memory()), default=None)

    def memory_left(self) -> int | None:
        """Bytes that may be used beside those in use; what only caches files counts as free. None without a limit."""
        return min((max(0, limit - used) for limit, used in self._memory()), default=None)

    def processors(self) -> int | None:
        """How many processors may be used; None without a limit."""
        quotas = [quota for group in self._groups("cpu") if (quota := _quota(group)) is not None]
        return max(1, int(min(quotas))) if quotas else None

    def _memory(self) -> Iterator[tuple[int, int]]:
        names = (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        )
        for group in self._groups("memory"):
            for most, used, cached in names:
                limit, current = _number(group / most), _number(group / used)
                if limit is not None and current is not None:
                    yield limit, max(0, current - _statistic(group / "memory.stat", cached))

    def _groups(self, kind: str) -> Iterator[Path]:
        """List the directories of this process's groups and of all groups that these are in."""
        names = self._names(kind)
        seen = {
            directory
            for tree in (*self._trees(kind), *self._usual_trees(kind))
            # a container may see its own group at the top, whatever it is called outside
            for directory in (tree.point, *tree.above(names.get(tree.unified, "/")))
        }
        yield from (directory for directory in sorted(seen) if directory.is_dir())

    def _names(self, kind: str) -> dict[bool, str]:
        """Return the path of this process's group, of version 2 (True) and of a kind of resource in version 1."""
        rows = [line.split(":", 2) for line in _lines(self.membership) if line.count(":") >= 2]
        return {
            number == "0" and not kinds: path
            for number, kinds, path in rows
            if (number == "0" and not kinds) or kind in kinds.split(",")
        }

    def _trees(self, kind: str) -> Iterator[_Tree]:
        for line in _lines(self.mounts):
            left, _, right = line.partition(" - ")
            place, system = left.split(), right.split()
            if len(place) > 4 and len(system) > 2 and system[0] in ("cgroup", "cgroup2"):
                unified = system[0] == "cgroup2"
                if unified or kind in system[2].split(","):
                    yield _Tree(Path(_plain(place[4])), _plain(place[3]), unified)

    def _usual_trees(self, kind: str) -> Iterator[_Tree]:
        yield from (_Tree(self.mount / name, "/", unified=True) for name in ("", "unified"))
        yield from (_Tree(self.mount / name, "/", unified=False) for name in (kind, f"{kind},{kind}acct"))


@dataclass(frozen=True)
class _Tree:
    """Where groups are seen: of version 2, or of one kind of resource in version 1.

    Parameters
    ----------
    point : Path
        Its directory.
    top : str
        The group that is seen at `point`; in a container it may be the container's.
    unified : bool
        Whether it is of version 2.
    """

    point: Path
    top: str
    unified: bool

    def above(self, group: str) -> Iterator[Path]:
        """List the directories of all groups that a group is in, and its own."""
        top, parts = _parts(self.top), _parts(group)
        below = parts[len(top) :] if parts[: len(top)] == top else parts
        yield from (self.point.joinpath(*below[: length + 1]) for length in range(len(below)))


def _parts(group: str) -> list[str]:
    return [part for part in PurePosixPath(group).parts if part not in ("/", "..")]


def _plain(escaped: str) -> str:
    """Read a path of mountinfo, in which spaces and the like are written as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), escaped)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def _number(file: Path) -> int | None:
    """Read a number; None if there is none, or it says that there is no limit."""
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < 2**60 else None  # version 1 writes a huge number for no limit


def _statistic(file: Path, name: str) -> int:
    try:
        rows = dict(line.split() for line in file.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(rows.get(name, "0"))


def _quota(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        most, each = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        return most / each if most and each else None
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None

"""What the control groups of this process allow: those of a container, and of a job of SLURM.

A process is in a group within groups, and the strictest of them holds. `/proc/self/cgroup` says in which, in version 2
as `0::/path`, in version 1 as `5:memory:/path` for each kind of resource; what they allow stands in files below
`/sys/fs/cgroup`. See the manual page cgroups(7).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MEMBERSHIP = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class ControlGroups:
    """The control groups of a process.

    Parameters
    ----------
    membership : Path
        The file that says which these are.
    mount : Path
        Where they are seen.
    """

    membership: Path = MEMBERSHIP
    mount: Path = MOUNT

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
        try:
            lines = self.membership.read_text().splitlines()
        except OSError:
            lines = []
        roots = []
        for number, kinds, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
            if number == "0" and not kinds:
                roots += [(self.mount, path), (self.mount / "unified", path)]
            elif kind in kinds.split(","):
                roots += [(self.mount / kind, path), (self.mount / kinds, path)]
        # a container may see its own group at the root, whatever it is called outside
        roots += [(self.mount, "/"), (self.mount / kind, "/")]
        seen = {root.joinpath(*parts) for root, path in roots for parts in _chain(path)}
        yield from (directory for directory in sorted(seen) if directory.is_dir())


def _chain(path: str) -> Iterator[tuple[str, ...]]:
    """List a group's path and those of all groups above it, as parts."""
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
    yield from (tuple(parts[:length]) for length in range(len(parts) + 1))


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

"""What SLURM says that it has granted to this job, which counts even where no control group holds the job to it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

BYTES = {"K": 2**10, "": 2**20, "M": 2**20, "G": 2**30, "T": 2**40}  # a number alone is in megabytes


@dataclass(frozen=True)
class Granted:
    """What a job of SLURM may use on this node.

    Parameters
    ----------
    environment : mapping
        The variables that SLURM sets for jobs; see the manual page sbatch(1).
    """

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def processors(self) -> int | None:
        """How many processors a task of the job may use; None outside jobs."""
        return self._number("SLURM_CPUS_PER_TASK") or self._number("SLURM_CPUS_ON_NODE")

    def memory(self) -> int | None:
        """Bytes that the job may use; None outside jobs, and where it may use all of the node."""
        of_node, of_each = (self._bytes(f"SLURM_MEM_PER_{what}") for what in ("NODE", "CPU"))
        number = self._number("SLURM_CPUS_ON_NODE") or self.processors() or 1
        return of_node or (of_each * number if of_each else None)

    def _number(self, name: str) -> int | None:
        text = self.environment.get(name, "")
        return int(text) or None if re.fullmatch("[0-9]+", text) else None

    def _bytes(self, name: str) -> int | None:
        """Read an amount of memory; None if there is none, or 0, which stands for all of the node."""
        found = re.fullmatch("([0-9]+)([KMGT]?)B?", self.environment.get(name, "").upper())
        return int(found[1]) * BYTES[found[2]] or None if found else None

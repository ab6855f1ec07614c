"""What was done to a recording, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """One step that was done to a recording, with all of its parameters."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)

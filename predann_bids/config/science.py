"""The whole configuration: everything that changes results."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from predann_bids.config.decoding import Evaluation, Splitting, Training, Windowing
from predann_bids.config.fields import Section, is_added
from predann_bids.config.preprocessing import Preprocessing

Preset = Literal["default", "published", "plusplus"]


class Science(Section):
    """Everything that changes results."""

    preset: Preset = Field("default", description="Starting point of the configuration.")
    preprocessing: Preprocessing = Field(default_factory=Preprocessing)
    windows: Windowing = Field(default_factory=Windowing)
    splitting: Splitting = Field(default_factory=Splitting)
    training: Training = Field(default_factory=Training)
    evaluation: Evaluation = Field(default_factory=Evaluation)

    @model_validator(mode="after")
    def _lengths_are_made_of_windows(self) -> Self:
        length, stride = self.windows.length, self.windows.stride
        for wanted in self.evaluation.lengths:
            steps = (wanted - length) / stride
            if steps < 0 or abs(steps - round(steps)) > 1e-6:
                raise ValueError(
                    f"evaluation.lengths: {wanted:g} s is not a window ({length:g} s) plus whole strides ({stride:g} s)"
                )
        return self

    @model_validator(mode="after")
    def _spans_hold_segments(self) -> Self:
        longest = max(self.lengths)
        if self.windows.placing != "grid" and self.windows.span <= longest:
            raise ValueError(
                f"windows.span ({self.windows.span:g} s) must be longer than the longest evaluated segment"
                f" ({longest:g} s): see evaluation.lengths"
            )
        return self

    @model_validator(mode="after")
    def _best_weights_need_validation(self) -> Self:
        if self.training.keep == "best" and not self.splitting.validation:
            raise ValueError(
                "splitting.validation is 0, but training.keep = 'best' needs validation data: set training.keep ="
                " 'last'"
            )
        if self.training.keep == "best" and self.training.validate_every > self.training.epochs:
            raise ValueError(
                f"training.validate_every ({self.training.validate_every}) exceeds training.epochs"
                f" ({self.training.epochs}), but training.keep = 'best' needs at least one validation"
            )
        return self

    @model_validator(mode="after")
    def _pretraining_ends_with_its_last_weights(self) -> Self:
        if self.training.pretraining_epochs and self.training.keep == "best":
            raise ValueError(
                "training.pretraining_epochs needs training.keep = 'last', because losses of pretraining and of what"
                " follows cannot be compared"
            )
        return self

    @property
    def lengths(self) -> tuple[float, ...]:
        """Lengths of the evaluated segments in seconds, the window's first."""
        length, stride = self.windows.length, self.windows.stride
        lengths = self.evaluation.lengths or tuple(length + steps * stride for steps in range(5))
        if self.windows.placing != "grid" and not self.evaluation.lengths:
            lengths = tuple(seconds for seconds in lengths if seconds < self.windows.span)
        return tuple(sorted({length, *lengths}))


def keys() -> dict[str, FieldInfo]:
    """Return the fields of all sections by their dotted names, such as `windows.delay`."""
    return {
        f"{section}.{key}": field for section, kind in sections().items() for key, field in kind.model_fields.items()
    }


def sections() -> dict[str, type[Section]]:
    """Return the sections of the configuration by name."""
    kinds = {name: field.annotation for name, field in Science.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Section)}


def science_hash(*parts: Any) -> str:
    """Fingerprint of sections and plain values; equal for equal science.

    A key that was added to the configuration later (`ADDED`) counts only when it is not at its default, so that what
    was finished before is still known to be finished.
    """
    plain = [hashed(part) if isinstance(part, Section) else part for part in parts]
    return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16).hexdigest()


def hashed(section: Section) -> dict[str, Any]:
    """Return the values of a section that fingerprints are made of."""
    plain = section.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            plain[name] = hashed(value)
        elif is_added(field) and value == field.get_default(call_default_factory=True):
            del plain[name]
    return plain

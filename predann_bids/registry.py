"""Registries: look up decoders, splits and other interchangeable parts by name, built in or added by other packages.

The built-in members of a registry live in one package; a new module there is picked up without further changes. Other
packages add members with `predann_bids.register`. Modules that they declare as entry points of the group
`predann_bids.plugins` are imported when a name is first looked up.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Generic, NamedTuple, Self, TypeVar

from predann_bids.errors import WrongUsage

Member = TypeVar("Member")
PLUGINS = "predann_bids.plugins"


class Registry(Generic[Member]):
    """All members of one kind, by name, in the order in which they were added.

    Parameters
    ----------
    kind : str
        What messages call a member, such as 'split' or 'decoder'.
    package : str
        Name of the package whose modules define the built-in members.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self._package = kind, package
        self._members: dict[str, Member] = {}

    def add(self, name: str) -> Callable[[Member], Member]:
        """Return a decorator that adds a class under a name.

        Raises
        ------
        ValueError
            Another member already has this name.
        """

        def decorate(member: Member) -> Member:
            if self._members.setdefault(name, member) is not member:
                raise ValueError(f"there are two {self.kind}s named '{name}'")
            return member

        return decorate

    def __getitem__(self, name: str) -> Member:
        if name not in self._members:
            self._load()
        try:
            return self._members[name]
        except KeyError:
            raise WrongUsage(f"Unknown {self.kind} '{name}'. {nearest(name, self._members)}") from None

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(tuple(self._members))

    def remove(self, name: str) -> None:
        """Remove a member, such as one that a test added."""
        del self._members[name]

    def _load(self) -> None:
        import_modules(self._package)
        load_plugins()


@cache
def import_modules(package: str) -> None:
    """Import all modules of a package, so that they register their members."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        importlib.import_module(module.name)


@cache
def load_plugins() -> None:
    """Import the modules that other packages declare as entry points of the group `predann_bids.plugins`."""
    from importlib.metadata import entry_points  # slow to import, and rarely needed

    for point in entry_points(group=PLUGINS):
        point.load()


_registered_from: dict[str, None] = {}  # modules that called `predann_bids.register`, in order


def plugin_modules() -> tuple[str, ...]:
    """Return the modules that a worker process must import to know the same members as this process."""
    return tuple(_registered_from)


def remember_module(name: str) -> None:
    """Remember that a module has registered a member, so that worker processes import it too."""
    _registered_from[name] = None


def nearest(name: str, names: object) -> str:
    """Suggest the valid name that is closest to an unknown one, or list all valid names."""
    candidates = [str(one) for one in names] if isinstance(names, dict | list | tuple) else []
    close = difflib.get_close_matches(name, candidates, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Expected one of {', '.join(candidates)}."


class NamedPath(NamedTuple):
    """A registered name, and the path of weights or of other files that may follow it after a colon.

    Parameters
    ----------
    name : str
        Registered name.
    path : str or None
        As it was typed; None where there is no colon.
    """

    name: str
    path: str | None

    @classmethod
    def of(cls, text: str) -> Self:
        """Take apart `NAME` or `NAME:PATH`; further colons belong to the path."""
        name, colon, path = text.partition(":")
        return cls(name, path if colon else None)

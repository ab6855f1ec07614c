"""Registries: everything of one kind by its name, whether this package brings it or another one.

Built-in members lie in one package, a module each or a few together; a new module in it needs no further line. Members
from elsewhere are registered by `predann_bids.register`, or by the modules that other packages name as entry points of
the group `predann_bids.plugins`; these are imported when a name is first looked up.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from predann_bids.errors import WrongUsage

Member = TypeVar("Member")
PLUGINS = "predann_bids.plugins"


class Registry(Generic[Member]):
    """All members of one kind, by name, in the order in which they were added.

    Parameters
    ----------
    kind : str
        What a member is, in messages: 'split', 'decoder'.
    package : str
        Package whose modules hold the built-in members.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self._package = kind, package
        self._members: dict[str, Member] = {}

    def add(self, name: str) -> Callable[[Member], Member]:
        """Decorate a member to add it under a name.

        Raises
        ------
        ValueError
            Another member has this name.
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
        """Forget a member, such as one that a test has added."""
        del self._members[name]

    def _load(self) -> None:
        import_modules(self._package)
        load_plugins()


@cache
def import_modules(package: str) -> None:
    """Import all modules of a package, so that what they define is registered."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        importlib.import_module(module.name)


@cache
def load_plugins() -> None:
    """Import what other packages name as entry points of the group `predann_bids.plugins`."""
    for point in entry_points(group=PLUGINS):
        point.load()


_registered_from: dict[str, None] = {}  # modules that have registered something by `predann_bids.register`


def plugin_modules() -> tuple[str, ...]:
    """Name the modules that a new process has to import to know what this one knows."""
    return tuple(_registered_from)


def remember_module(name: str) -> None:
    """Note that a module has registered something."""
    _registered_from[name] = None


def nearest(name: str, known: object) -> str:
    """Suggest the known name that is closest to one that is not known, or list them all."""
    names = [str(one) for one in known] if isinstance(known, dict | list | tuple) else []
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Expected one of {', '.join(names)}."

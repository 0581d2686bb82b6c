"""What a task can name: scorers, kinds, generators and graders, the built-in ones and those of other packages."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, cast

from pytest_slm.errors import UsageError, did_you_mean

T = TypeVar("T")


class Catalogue(Generic[T]):
    """Things known by a name, each an object or a text ``package.module:object``, which is imported at first use."""

    def __init__(self, noun: str, built_in: Mapping[str, str]) -> None:
        self._noun = noun
        self._known: dict[str, T | str] = dict(built_in)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def register(self, name: str, target: T | str) -> None:
        """Add an object under a name that nothing has yet; the hooks for plugins call this."""
        if name in self._known:
            raise UsageError(
                f"{self._noun} {name!r} is registered already. Choose another name", slug="extension-twice"
            )
        self._known[name] = target

    def lookup(self, name: str) -> T:
        """The object of that name, imported now if need be. Raises UsageError with the nearest known name."""
        if name not in self._known:
            raise UsageError(
                f"unknown {self._noun} {name!r}. {did_you_mean(name, self._known)}", slug="extension-unknown"
            )
        found = self._known[name]
        if isinstance(found, str):
            self._known[name] = found = self._imported(name, found)
        return found

    def _imported(self, name: str, where: str) -> T:
        module, _, attribute = where.partition(":")
        try:
            return cast(T, getattr(importlib.import_module(module), attribute))
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(
                f"{self._noun} {name!r} cannot be imported from {where!r} ({error}). "
                "Register it as 'package.module:object'",
                slug="extension-import",
            ) from error

"""Records as lists of their values: what one process of a build hands to another, or keeps for the next build.

A third of the size of ``to_json``, and read without the checks of ``from_json``: only for what this version of the
package has packed itself.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pytest_slm.core.record.building import JsonForm

Unpack = Callable[[Any], Any]
Kept = Mapping[type, tuple[str, ...]]
"""The fields of a record that are packed; of a type that is not named, all. The others come back as their defaults."""


class Packer:
    """Packs records and makes them again; ``kept`` says what of them."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._names: dict[type, tuple[str, ...]] = {}
        self._unpackers: dict[type, Unpack] = {}

    def names(self, cls: Any) -> tuple[str, ...]:
        """The fields that are packed, in their order."""
        if cls not in self._names:
            self._names[cls] = self._kept.get(cls) or tuple(field.name for field in dataclasses.fields(cls))
        return self._names[cls]

    def pack(self, value: Any) -> Any:
        """The value in JSON's own types."""
        if value is None or isinstance(value, (str, int, float)):
            return value
        if isinstance(value, JsonForm):
            found = value.__dict__
            return [self.pack(found[name]) for name in self.names(type(value))]
        if isinstance(value, Mapping):
            return {key: self.pack(item) for key, item in value.items()}
        return [self.pack(item) for item in value]

    def unpacker(self, cls: Any) -> Unpack:
        """What makes a record of this class again."""
        if cls not in self._unpackers:
            self._unpackers[cls] = self._made(cls)
        return self._unpackers[cls]

    def _made(self, cls: Any) -> Unpack:
        hints = typing.get_type_hints(cls)
        fields = [(name, self._of(hints[name])) for name in self.names(cls)]
        rest = [field for field in dataclasses.fields(cls) if field.name not in self.names(cls)]
        values = {field.name: field.default for field in rest if field.default is not dataclasses.MISSING}
        makers = [
            (field.name, field.default_factory) for field in rest if field.default_factory is not dataclasses.MISSING
        ]
        if len(values) + len(makers) < len(rest):
            raise TypeError(f"{cls.__name__}: what has no default is to be packed")

        def unpack(data: Any) -> Any:
            made = object.__new__(cls)
            found = made.__dict__
            found.update(values)
            for name, make in makers:
                found[name] = make()
            for (name, inner), item in zip(fields, data, strict=True):
                found[name] = item if inner is None or item is None else inner(item)
            return made

        return unpack

    def _of(self, kind: Any) -> Unpack | None:
        """What makes a value of this type of what JSON has for it; None where that is the value."""
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if dataclasses.is_dataclass(kind):
            return self.unpacker(kind)
        if origin in (types.UnionType, typing.Union):
            needed = [inner for one in arguments if (inner := self._of(one)) is not None]
            if len(needed) > 1:
                raise TypeError(f"{kind}: nobody can see which of them a list is")
            return needed[0] if needed else None
        if origin is tuple:
            if arguments[-1] is not Ellipsis:
                return tuple if not any(map(self._of, arguments)) else self._mixed(arguments)
            each = self._of(arguments[0])
            return tuple if each is None else lambda data: tuple(map(each, data))
        if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
            inner = self._of(arguments[1])
            return None if inner is None else lambda data: {key: inner(item) for key, item in data.items()}
        return None

    def _mixed(self, kinds: tuple[Any, ...]) -> Unpack:
        each = [self._of(kind) for kind in kinds]
        return lambda data: tuple(
            item if inner is None else inner(item) for inner, item in zip(each, data, strict=True)
        )

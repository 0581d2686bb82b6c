"""Frozen dataclasses that become JSON and come back equal.

``Record`` gives a dataclass ``to_json`` and ``from_json``. The annotations are the schema: unknown keys, missing keys
and wrong types are errors that name the key, and NaN or infinity never enter a file, because JSON has no word for them.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Self

LARGEST = 2**63 - 1
LONGEST_NAME, LONGEST_PATH = 255, 1000
"""Bytes of a name and characters of a path, where the folder that it is in may take as many again."""
WORDS = {str: "a text", int: "a whole number", bool: "true or false"}


class RecordError(ValueError):
    """A JSON value does not fit the record it should become."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """Base of all types that are written to files or sent between processes."""

    def to_json(self) -> dict[str, Any]:
        """This record as plain dicts, lists, strings, finite numbers, booleans and None."""
        return {f.name: jsonable(getattr(self, f.name), f.name) for f in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The record that ``to_json`` wrote. Raises RecordError with the path of the first value that does not fit."""
        return typing.cast(Self, _build(cls, data, cls.__name__))

    @classmethod
    def check_field(cls, name: str, value: object) -> None:
        """Raise RecordError, with the field's name, if it cannot have this value by its type."""
        hints: dict[str, Any] = _hints(typing.cast(typing.Hashable, cls))
        _build(hints[name], value, name)


def jsonable(value: object, where: str = "value") -> Any:
    """``value`` in JSON's own types; refuses non-finite numbers and anything that JSON cannot say."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RecordError(f"{where}: {value} is not a finite number")
        return value
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(key): jsonable(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [jsonable(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise RecordError(f"{where}: {type(value).__name__} has no JSON form")


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _build(kind: Any, data: object, where: str) -> object:
    if kind is Any or kind is object:
        return jsonable(data, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _build_union(arguments, data, where)
    if origin is typing.Literal:
        _demand(data in arguments, where, f"one of {arguments}", data)
        return data
    if origin is tuple:
        _demand(isinstance(data, list | tuple), where, "a list", data)
        items = typing.cast(list[object], data)
        if arguments[-1] is Ellipsis:
            return tuple(_build(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(items))
        _demand(len(items) == len(arguments), where, f"{len(arguments)} values", data)
        return tuple(_build(a, i, f"{where}[{n}]") for n, (a, i) in enumerate(zip(arguments, items, strict=True)))
    if origin is not None and issubclass(origin, Mapping):
        _demand(isinstance(data, Mapping), where, "an object", data)
        mapping = typing.cast(Mapping[str, object], data)
        return {key: _build(arguments[1], item, f"{where}.{key}") for key, item in mapping.items()}
    if dataclasses.is_dataclass(kind):
        return _build_record(kind, data, where)
    if kind is float:
        _demand(isinstance(data, int | float) and not isinstance(data, bool), where, "a number", data)
        try:
            number = float(typing.cast(float, data))
        except OverflowError:  # an integer of hundreds of digits
            number = math.inf
        _demand(math.isfinite(number), where, "a finite number", data)
        return number
    if kind is type(None):
        _demand(data is None, where, "null", data)
        return None
    _demand(
        isinstance(data, kind) and not (kind is int and isinstance(data, bool)),
        where,
        WORDS.get(kind, kind.__name__),
        data,
    )
    if kind is int:  # what others read with 64 bits, and what can be divided as a float
        _demand(-LARGEST <= typing.cast(int, data) <= LARGEST, where, "an integer of 64 bits", data)
    return data


def _build_union(kinds: tuple[Any, ...], data: object, where: str) -> object:
    if data is None and type(None) in kinds:
        return None
    failures = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _build(kind, data, where)
        except RecordError as error:
            failures.append(str(error))
    raise RecordError("; ".join(failures) or f"{where}: null is not allowed")


def _build_record(cls: Any, data: object, where: str) -> object:
    _demand(isinstance(data, Mapping), where, "an object", data)
    mapping = typing.cast(Mapping[str, object], data)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(mapping) - set(fields))
    if unknown:
        raise RecordError(f"{where}: unknown key {unknown[0]!r}")
    missing = [
        name
        for name, f in fields.items()
        if name not in mapping and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RecordError(f"{where}: missing key {missing[0]!r}")
    hints = _hints(cls)
    values = {name: _build(hints[name], item, f"{where}.{name}") for name, item in mapping.items()}
    try:
        return cls(**values)
    except RecordError:
        raise
    except ValueError as error:
        raise RecordError(f"{where}: {error}") from None


def _demand(condition: bool, where: str, wanted: str, got: object) -> None:
    if not condition:
        raise RecordError(f"{where}: expected {wanted}, got {got!r:.80}")


def stays_inside(path: str) -> bool:
    """Whether a path stays below the folder that it is relative to, and has names that a file can have, on any system;
    the file system is not asked."""
    windows = PureWindowsPath(path)
    leads_out = windows.drive or windows.root or ".." in windows.parts or PurePosixPath(path).is_absolute()
    longest = max((len(part.encode("utf-8", "replace")) for part in windows.parts), default=0)
    too_long = longest > LONGEST_NAME or len(path) > LONGEST_PATH
    return bool(path) and not leads_out and not too_long and not any(ord(letter) < 32 for letter in path)

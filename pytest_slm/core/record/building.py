"""From JSON to the values of a record's fields, by their annotations, and back."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
import types
import typing
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any

LARGEST = 2**63 - 1
WORDS = {str: "a text", int: "a whole number", bool: "true or false"}


class RecordError(ValueError):
    """A JSON value does not fit the record it should become."""


class JsonForm:
    """What says itself how it stands in JSON. No ABC: whether a value is one is asked of every value of a report."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, finite numbers, booleans and None."""

    @classmethod
    @abstractmethod
    def checked(cls) -> bool:
        """Whether ``__post_init__`` has anything to do."""


Where = str | tuple[Any, str | int]
"""The place of a value: a text, or the place of what it is in and its key or index there. Most values are right, and
the place of none of them is written out."""


def _written(where: Where) -> str:
    pieces: list[str] = []
    while not isinstance(where, str):
        where, piece = where
        pieces.append(f"[{piece}]" if isinstance(piece, int) else f".{piece:.80}")
    return where + "".join(reversed(pieces))


def jsonable(value: object, where: Where = "value") -> Any:
    """``value`` in JSON's own types; refuses non-finite numbers and anything that JSON cannot say."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RecordError(f"{_written(where)}: {value} is not a finite number")
        return value
    if isinstance(value, JsonForm):
        return value.to_json()
    if isinstance(value, Mapping):
        return {(name := str(key)): jsonable(item, (where, name)) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [jsonable(item, (where, index)) for index, item in enumerate(value)]
    raise RecordError(f"{_written(where)}: {type(value).__name__} has no JSON form")


Builder = Callable[[object, Where], object]
"""Makes what a field holds of what JSON has for it. Made once for each field, since reports have thousands of lines."""


@functools.cache
def fields_of(cls: type) -> tuple[dict[str, Builder], tuple[str, ...]]:
    """What builds each field of a record, and the fields that have to be there."""
    fields, hints = dataclasses.fields(cls), typing.get_type_hints(cls)
    missing = dataclasses.MISSING
    needed = tuple(f.name for f in fields if f.default is missing and f.default_factory is missing)
    return {f.name: _builder(hints[f.name]) for f in fields}, needed


names_of: Callable[[Any], Collection[str]] = functools.cache(lambda cls: fields_of(cls)[0].keys())
"""The names of the fields of a record."""


def _builder(kind: Any) -> Builder:
    if kind is Any or kind is object:
        return jsonable
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _union(arguments)
    if origin is typing.Literal:
        return _one(lambda data: data in arguments, f"one of {arguments}")
    if origin is tuple:
        return _items(arguments)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(_builder(arguments[1]))
    if dataclasses.is_dataclass(kind):
        return functools.partial(record_of, kind)
    if kind is float:
        return _float
    if kind is int:
        return _int
    if kind is type(None):
        return _one(lambda data: data is None, "null")
    return _one(lambda data: isinstance(data, kind), WORDS.get(kind, kind.__name__))


def _one(fits: Callable[[Any], bool], wanted: str) -> Builder:
    def build(data: object, where: Where) -> object:
        if not fits(data):
            raise _misfit(where, wanted, data)
        return data

    return build


def _int(data: object, where: Where) -> object:
    if not isinstance(data, int) or isinstance(data, bool):
        raise _misfit(where, WORDS[int], data)
    if not -LARGEST <= data <= LARGEST:  # what others read with 64 bits, and what can be divided as a float
        raise _misfit(where, "an integer of 64 bits", data)
    return data


def _float(data: object, where: Where) -> object:
    if not isinstance(data, (int, float)) or isinstance(data, bool):
        raise _misfit(where, "a number", data)
    try:
        number = float(data)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise _misfit(where, "a finite number", data)
    return number


def _items(kinds: tuple[Any, ...]) -> Builder:
    each = None if kinds[-1] is not Ellipsis else _builder(kinds[0])
    builders = () if each else tuple(map(_builder, kinds))

    def build(data: object, where: Where) -> object:
        if not isinstance(data, (list, tuple)):
            raise _misfit(where, "a list", data)
        # Most long lists are rounds of a measurement: a sum is finite only where all of its parts are.
        if each is _float and set(map(type, data)) == {float} and math.isfinite(sum(data)):
            return tuple(data)
        if each:
            return tuple([each(item, (where, index)) for index, item in enumerate(data)])
        if len(data) != len(builders):
            raise _misfit(where, f"{len(builders)} values", data)
        return tuple([one(item, (where, index)) for index, (one, item) in enumerate(zip(builders, data, strict=True))])

    return build


def _mapping(value: Builder) -> Builder:
    def build(data: object, where: Where) -> object:
        if not isinstance(data, Mapping):
            raise _misfit(where, "an object", data)
        return {key: value(item, (where, key)) for key, item in data.items()}

    return build


def _union(kinds: tuple[Any, ...]) -> Builder:
    builders = [_builder(kind) for kind in kinds if kind is not type(None)]
    optional = type(None) in kinds
    if optional and len(builders) == 1:
        (only,) = builders
        return lambda data, where: None if data is None else only(data, where)

    def build(data: object, where: Where) -> object:
        if data is None and optional:
            return None
        failures = []
        for one in builders:
            try:
                return one(data, where)
            except RecordError as error:
                failures.append(str(error))
        raise RecordError("; ".join(failures))

    return build


def record_of(cls: Any, data: object, where: Where) -> object:
    """The record of this class with the values of a JSON object. Raises RecordError for the first that does not fit."""
    if type(data) is dict:
        shape = _SHAPES.get((cls, tuple(data), tuple(map(type, data.values()))))
        if shape is not None and (made := shape(data, where)) is not None:
            return made
    if not isinstance(data, Mapping):
        raise _misfit(where, "an object", data)
    builders, needed = fields_of(cls)
    if unknown := data.keys() - builders.keys():
        raise RecordError(f"{_written(where)}: unknown key {min(unknown)!r:.80}")
    for name in needed:
        if name not in data:
            raise RecordError(f"{_written(where)}: missing key {name!r}")
    values = {name: builders[name](item, (where, name)) for name, item in data.items()}
    try:
        made = _made(cls, values)
    except ValueError as error:  # what the values say of themselves, and of each other
        raise RecordError(f"{_written(where)}: {error}") from None
    if type(data) is dict and _rest(cls)[2]:
        if len(_SHAPES) >= MOST_SHAPES:
            _SHAPES.clear()
        _SHAPES[cls, tuple(data), tuple(map(type, data.values()))] = _shape(cls, data)
    return made


@functools.cache
def _rest(cls: type) -> tuple[dict[str, Any], tuple[tuple[str, Callable[[], Any]], ...], bool, bool]:
    """What fields hold that nobody has named: values, makers of values; whether ``_made`` may put them in place, and
    whether they are checked then."""
    missing, fields = dataclasses.MISSING, dataclasses.fields(cls)
    values = {f.name: f.default for f in fields if f.default is not missing}
    makers = tuple((f.name, f.default_factory) for f in fields if f.default_factory is not missing)
    plain = issubclass(cls, JsonForm) and all(f.init for f in fields)
    return values, makers, plain, issubclass(cls, JsonForm) and cls.checked()


def _made(cls: Any, values: dict[str, Any]) -> object:
    """``cls(**values)``. The ``__init__`` of a frozen dataclass sets field by field by a call each, which takes longer
    than all checks of a report."""
    defaults, makers, plain, checked = _rest(cls)
    if not plain:
        return cls(**values)
    made = object.__new__(cls)
    made.__dict__.update(defaults)
    for name, make in makers:
        if name not in values:
            made.__dict__[name] = make()
    made.__dict__.update(values)
    if checked:
        made.__post_init__()
    return made


Shape = Callable[[dict[str, Any], Where], object]
_SHAPES: dict[tuple[type, tuple[str, ...], tuple[type, ...]], Shape] = {}
"""What makes a record of an object with these keys and types of values, which was a record once: most of a report is
objects that differ in their values alone, and of those only these have to be looked at."""
MOST_SHAPES = 5_000
"""Objects of strangers can have any order of keys."""


def _shape(cls: Any, data: dict[str, Any]) -> Shape:
    defaults, makers, _, checked = _rest(cls)
    hints, builders = _hints(cls), fields_of(cls)[0]
    more = {name: value for name, value in defaults.items() if name not in data}
    calls = tuple((name, make) for name, make in makers if name not in data)
    needs = {name: _need(hints[name], type(value), builders[name]) for name, value in data.items()}
    floats = _getter([name for name, need in needs.items() if need is float])
    ints = _getter([name for name, need in needs.items() if need is int])
    inner = tuple((name, need) for name, need in needs.items() if need not in (None, float, int))

    def make(data: dict[str, Any], where: Where) -> object:
        # A sum is finite only where all of its parts are. Whatever is odd is told where each field is looked at.
        if floats is not None and not math.isfinite(sum(floats(data))):
            return None
        if ints is not None and not -LARGEST <= min(numbers := ints(data)) <= max(numbers) <= LARGEST:
            return None
        made = object.__new__(cls)
        values = made.__dict__
        values.update(data)
        for name, build in inner:
            values[name] = build(data[name], (where, name))
        if more:
            values.update(more)
        for name, call in calls:
            values[name] = call()
        if checked:
            try:
                made.__post_init__()
            except ValueError as error:
                raise RecordError(f"{_written(where)}: {error}") from None
        return made

    return make


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _getter(names: list[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]] | None:
    """The values of these fields."""
    if not names:
        return None
    return operator.itemgetter(*names) if len(names) > 1 else lambda data: (data[names[0]],)


def _need(kind: Any, found: type, builder: Builder) -> Any:
    """What a value of a type needs to become that of a field: nothing (None), a look at its size (``float``, ``int``),
    or what builds it, as a float is built of an integer."""
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        others = [one for one in arguments if one is not type(None)]
        if len(others) > 1:
            return builder
        return None if found is type(None) else _need(others[0], found, _builder(others[0]))
    if kind is Any or kind is object:
        return float if found is float else None if found in (str, int, bool, type(None)) else jsonable
    if kind in (float, int, str, bool) and kind is found:
        return kind if kind in (float, int) else None
    return builder


def _misfit(where: Where, wanted: str, got: object) -> RecordError:
    return RecordError(f"{_written(where)}: expected {wanted}, got {got!r:.80}")

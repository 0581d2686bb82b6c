"""JSON straight into records, where msgspec is installed (extra ``fast``): in a third of the time of ``from_json``.

Whatever is odd is left to ``files.parse_json`` and ``from_json``, which say what and where. So all that has to be sure
here is that nothing is accepted that those refuse, and that what is accepted is the same. msgspec checks the types and
takes no unknown key; two equal keys of one object it does not see, but what it has read has one key less then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pytest_slm import files
from pytest_slm.core.record import LARGEST, Record

Made = TypeVar("Made", bound=Record)


def decoded(cls: type[Made], content: bytes, depth: int = files.MAX_DEPTH) -> Made | None:
    """The record that stands in a document of JSON of at most ``depth`` levels; None where there is none, where it is
    odd in any way, and without msgspec: then ``parse_json`` and ``from_json`` are asked."""
    read = _reader(typing.cast(typing.Hashable, cls))
    return typing.cast(Made, read(content, depth)) if read is not None else None


@functools.cache
def _reader(cls: Any) -> Callable[[bytes, int], object] | None:
    try:
        import msgspec
    except ImportError:
        return None
    twins = _Twins(msgspec)
    try:
        strict: Any = msgspec.json.Decoder(twins.of(cls))
    except TypeError:  # a type that it does not know, or reads in another way
        return None
    again = msgspec.json.Encoder()
    odd = (msgspec.MsgspecError, OverflowError, RecursionError, TypeError, ValueError)

    def read(content: bytes, depth: int) -> object:
        outline = files.outline(content)
        if files.deep(outline, depth) or _many_digits(content):
            return None
        try:
            twin = strict.decode(content)
            if files.outline(again.encode(twin)).count(b":") != outline.count(b":"):
                return None
            twins.forget(twin)
            with contextlib.suppress(msgspec.ValidationError):
                return msgspec.convert(twin, cls, from_attributes=True)
            twins.forget_inside(twin)
            return msgspec.convert(twin, cls, from_attributes=True)
        except odd:
            return None

    return read


_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_STEP = 25


def _many_digits(content: bytes) -> bool:
    """Whether an integer may have more digits than ``parse_json`` takes. So many in a row are seen by a look at every
    twenty-fifth byte; where these look like them, at all."""
    few = b"0" * (files.MAX_DIGITS // _STEP)
    return few in content[::_STEP].translate(_DIGITS) and b"0" * (files.MAX_DIGITS + 1) in content.translate(_DIGITS)


class _Twins:
    """Of each record a class that takes no unknown key, and keeps what is said apart from what is not: msgspec's own
    way with dataclasses has neither."""

    def __init__(self, msgspec: Any) -> None:
        self._msgspec = msgspec
        self._known: dict[type, Any] = {}
        self._places: dict[Any, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        """Of each twin the fields that need not be said, and those that have others in them."""
        self._integer = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]

    def of(self, cls: Any) -> Any:
        """The twin of a record."""
        if cls not in self._known:
            hints, missing = typing.get_type_hints(cls), dataclasses.MISSING
            fields: list[Any] = []
            for field in dataclasses.fields(cls):
                kind = self._kind(hints[field.name])
                if field.default is missing and field.default_factory is missing:
                    fields.append((field.name, kind))
                elif kind is Any:  # nobody could see that it was not said
                    raise TypeError(f"{cls.__name__}.{field.name} may be anything, or left out")
                else:
                    fields.append((field.name, kind | self._msgspec.UnsetType, self._msgspec.UNSET))
            twin = self._msgspec.defstruct(cls.__name__, fields, kw_only=True, forbid_unknown_fields=True)
            unsaid = tuple(name for name, *_, default in fields if default is self._msgspec.UNSET)
            self._places[twin] = unsaid, tuple(name for name in hints if _holds_records(hints[name]))
            self._known[cls] = twin
        return self._known[cls]

    def forget(self, twin: Any) -> None:
        """Take away what was not said, so that the record has its default there."""
        for name in self._places[type(twin)][0]:
            if getattr(twin, name, None) is self._msgspec.UNSET:
                delattr(twin, name)

    def forget_inside(self, value: Any) -> None:
        """The same of all that is in it, as of a report of before a record had one field more."""
        if places := self._places.get(type(value)):
            self.forget(value)
            value = [getattr(value, name, None) for name in places[1]]
        elif isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, tuple):
            return
        for one in value:
            self.forget_inside(one)

    def _kind(self, kind: Any) -> Any:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if kind is Any or kind in (str, float, bool, types.NoneType) or origin is typing.Literal:
            return kind
        if kind is int:
            return self._integer
        if dataclasses.is_dataclass(kind):
            return self.of(kind)
        if origin in (types.UnionType, typing.Union):
            if {int, float} <= set(arguments):
                raise TypeError(f"{kind}: which of them 1 is depends on their order")
            return functools.reduce(lambda one, other: typing.Union[one, other], map(self._kind, arguments))  # noqa: UP007
        if origin is tuple:
            return tuple[tuple(one if one is Ellipsis else self._kind(one) for one in arguments)]  # type: ignore[misc]
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return dict[str, self._kind(arguments[1])]  # type: ignore[misc]
        raise TypeError(f"{kind} is not read here")


def _holds_records(kind: Any) -> bool:
    """Whether a value of the kind may be a record, or have some in it."""
    return dataclasses.is_dataclass(kind) or any(map(_holds_records, typing.get_args(kind)))

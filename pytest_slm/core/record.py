"""Frozen dataclasses that become JSON and come back equal.

``Record`` gives a dataclass ``to_json`` and ``from_json``. The annotations are the schema: unknown keys, missing keys
and wrong types are errors that name the key, and NaN or infinity never enter a file, because JSON has no word for them.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import math
import re
import types
import typing
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Self

LARGEST = 2**63 - 1
LONGEST_NAME = 200
"""Characters of a name that people read."""
LONGEST_PART = 255
"""Bytes of the name of a file or folder."""
LONGEST_INSIDE, LONGEST_PATH = 1000, 4000
"""Characters of a path inside of a folder, and of a whole path."""
JOINERS = "\u200c\u200d"
"""Invisible characters that ordinary words and emoji hold."""
WORDS = {str: "a text", int: "a whole number", bool: "true or false"}


class RecordError(ValueError):
    """A JSON value does not fit the record it should become."""


@dataclasses.dataclass(frozen=True)
class Form:
    """What a text of some kind looks like: ``wanted`` in words, and ``fits``, whether a text does."""

    wanted: str
    fits: Callable[[str], object]

    def check(self, value: object, where: str) -> None:
        """Raise RecordError if a value is no text of this form; other types are for ``from_json`` to refuse."""
        if isinstance(value, str) and not self.fits(value):
            raise RecordError(f"{where}: expected {self.wanted}, got {value!r:.80}")


def is_name(text: str) -> bool:
    """Whether a text can be a name: 1 to 200 characters of one line, none of which is invisible or steers."""
    if not 0 < len(text) <= LONGEST_NAME:
        return False
    return text.isprintable() or not any(
        unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") and letter not in JOINERS for letter in text
    )


def is_file_name(text: str) -> bool:
    """Whether a name can be that of a file or folder on any system, and is not hidden."""
    reserved = re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", text, re.IGNORECASE)
    return is_name(text) and not reserved and not re.search(r'[/\\:*?"<>|]|^[.\s]|[.\s]$', text)


def stays_inside(path: str) -> bool:
    """Whether a path stays below the folder that it is relative to, and has names that a file can have, on any system;
    the file system is not asked."""
    windows = PureWindowsPath(path)
    leads_out = windows.drive or windows.root or ".." in windows.parts or PurePosixPath(path).is_absolute()
    fits = longest_part(path) <= LONGEST_PART and len(path) <= LONGEST_INSIDE
    return bool(path) and not leads_out and fits and all(ord(letter) >= 32 and letter != "\x7f" for letter in path)


def longest_part(path: str) -> int:
    """Bytes of the longest name in a path, of whatever system."""
    return max(len(part.encode("utf-8", "replace")) for part in re.split(r"[/\\]", path))


def utc(time: str) -> datetime:
    """A time of a report. Raises ValueError if it is not ISO 8601 with an offset (a naive time is nobody's time), or no
    time of UTC's years 1 to 9999."""
    moment = datetime.fromisoformat(time)
    if moment.tzinfo is None:
        raise ValueError(f"{time!r:.80} has no UTC offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{time!r:.80} is before or after all years of UTC") from None


def _is_time(text: str) -> bool:
    try:
        return bool(utc(text))
    except ValueError:
        return False


def _matching(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern, re.ASCII).fullmatch


Name = Annotated[str, Form(f"a name of 1 to {LONGEST_NAME} visible characters", is_name)]
NameOrNone = Annotated[str, Form("a name, or an empty text", lambda text: not text or is_name(text))]
"""Of a variant, say, where a task has none."""
FileName = Annotated[str, Form("a name that a file can have", is_file_name)]
Slug = Annotated[str, Form("letters, digits, '.', '_' and '-'", _matching(r"[A-Za-z0-9_][\w.-]{0,199}"))]
Inside = Annotated[str, Form("a path inside of its folder", lambda text: not text or stays_inside(text))]
"""Relative to a folder that the field's own description names; empty where nothing was stored."""
Repo = Annotated[
    str,
    Form(
        "a Hub repo id (org/name)",
        lambda text: ".." not in text and _matching(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")(text),
    ),
]
Revision = Annotated[
    str,
    Form("a commit, tag, branch or version", lambda text: ".." not in text and _matching(r"\w[\w./+!-]{0,127}")(text)),
]
Sha256 = Annotated[str, Form("a SHA-256 in 64 small hexadecimal digits", _matching(r"([0-9a-f]{64})?"))]
"""Empty where nobody has read the bytes."""
Time = Annotated[str, Form("a time of ISO 8601 with an offset, as 2026-11-01T10:00:00Z", _is_time)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """Base of all types that are written to files or sent between processes."""

    def __post_init__(self) -> None:
        for name, check in _checks(typing.cast(typing.Hashable, type(self))):
            check(getattr(self, name), name)

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
        return {str(key): jsonable(item, f"{where}.{key!s:.80}") for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [jsonable(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise RecordError(f"{where}: {type(value).__name__} has no JSON form")


WORD = (1 << 31) - 1
"""The greatest whole number that engines take: they keep them in 32 bits."""


def check_bounds(name: str, value: int, least: int, most: int) -> None:
    """Raise RecordError for a whole number that is too small or too large."""
    if value < least:
        raise RecordError(f"{name} must be at least {least}, not {value}")
    if value > most:
        raise RecordError(f"{name} must be at most {most}, not {value}")


Check = Callable[[object, str], None]


@functools.cache
def _checks(cls: type) -> tuple[tuple[str, Check], ...]:
    """The fields of a record whose type has a form, with what checks it."""
    hints = typing.get_type_hints(cls, include_extras=True)
    found = ((field.name, _check(hints[field.name])) for field in dataclasses.fields(cls))
    return tuple((name, check) for name, check in found if check is not None)


def _check(kind: Any) -> Check | None:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return next((item.check for item in arguments[1:] if isinstance(item, Form)), None)
    inner = [_check(argument) for argument in arguments]
    if not any(inner):
        return None
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):

        def of_mapping(value: object, where: str) -> None:
            for key, item in typing.cast(Mapping[str, object], value).items():
                for check, one in zip(inner, (key, item), strict=True):
                    if check is not None:
                        check(one, where)

        return of_mapping

    def of_parts(value: object, where: str) -> None:
        for one in value if origin is tuple and isinstance(value, tuple) else (value,):
            for check in filter(None, inner):
                check(one, where)

    return of_parts


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
        return {key: _build(arguments[1], item, f"{where}.{key:.80}") for key, item in mapping.items()}
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
        raise RecordError(f"{where}: unknown key {unknown[0]!r:.80}")
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
    except ValueError as error:  # what the values say of themselves, and of each other
        raise RecordError(f"{where}: {error}") from None


def _demand(condition: bool, where: str, wanted: str, got: object) -> None:
    if not condition:
        raise RecordError(f"{where}: expected {wanted}, got {got!r:.80}")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")

"""Frozen dataclasses that become JSON and come back equal.

``Record`` gives a dataclass ``to_json`` and ``from_json``. The annotations are the schema: unknown keys, missing keys
and wrong types are errors that name the key, and NaN or infinity never enter a file, because JSON has no word for them.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import types
import typing
import unicodedata
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pytest_slm.core.record.building import LARGEST as LARGEST
from pytest_slm.core.record.building import JsonForm, fields_of, record_of
from pytest_slm.core.record.building import RecordError as RecordError
from pytest_slm.core.record.building import jsonable as jsonable
from pytest_slm.core.record.building import names_of as names_of

LONGEST_NAME = 200
"""Characters of a name that people read."""
LONGEST_PART = 255
"""Bytes of the name of a file or folder."""
LONGEST_INSIDE, LONGEST_PATH = 1000, 4000
"""Characters of a path inside of a folder, and of a whole path."""
MOST_KNOWN = 5_000
"""Texts of a form that are kept in mind."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE).fullmatch
_NO_FILE = re.compile(r'[/\\:*?"<>|]|^[.\s]|[.\s]$').search
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
JOINERS = "\u200c\u200d"
"""Invisible characters that ordinary words and emoji hold."""


@dataclasses.dataclass(frozen=True)
class Form:
    """What a text of some kind looks like: ``wanted`` in words, and ``fits``, whether a text does."""

    wanted: str
    fits: Callable[[str], object]
    known: set[str] = dataclasses.field(default_factory=set, compare=False, repr=False)
    """Texts that were looked at, and fit: reports say the same names thousands of times."""

    def check(self, value: object, where: str) -> None:
        """Raise RecordError if a value is no text of this form; other types are for ``from_json`` to refuse."""
        if not isinstance(value, str) or value in self.known:
            return
        if not self.fits(value):
            raise RecordError(f"{where}: expected {self.wanted}, got {value!r:.80}")
        if len(value) <= LONGEST_NAME:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known.add(value)


def is_name(text: str) -> bool:
    """Whether a text can be a name: 1 to 200 characters of one line, none of which is invisible or steers."""
    if not 0 < len(text) <= LONGEST_NAME:
        return False
    return text.isprintable() or not any(
        unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") and letter not in JOINERS for letter in text
    )


def is_file_name(text: str) -> bool:
    """Whether a name can be that of a file or folder on any system, and is not hidden."""
    return is_name(text) and not _RESERVED(text) and not _NO_FILE(text)


def stays_inside(path: str) -> bool:
    """Whether a path stays below the folder that it is relative to, and has names that a file can have, on any system;
    the file system is not asked."""
    parts = re.split(r"[/\\]", path)
    leads_out = not parts[0] or path[1:2] == ":" or ".." in parts  # a root, one of Windows's drives, or a way up
    fits = longest_part(path) <= LONGEST_PART and len(path) <= LONGEST_INSIDE
    return not leads_out and fits and not _CONTROL(path)


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
class Record(JsonForm):
    """Base of all types that are written to files or sent between processes."""

    def __post_init__(self) -> None:
        values = self.__dict__
        checks = _CHECKS.get(type(self))
        for name, known, check in _checks(type(self)) if checks is None else checks:
            value = values[name]
            if known is None or not (value is None or (value.__class__ is str and value in known)):
                check(value, name)

    def to_json(self) -> dict[str, Any]:
        """This record as plain dicts, lists, strings, finite numbers, booleans and None."""
        return {name: jsonable(getattr(self, name), name) for name in self.fields()}

    @classmethod
    def fields(cls) -> Collection[str]:
        """The names of its fields."""
        return names_of(cls)

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The record that ``to_json`` wrote. Raises RecordError with the path of the first value that does not fit."""
        return typing.cast(Self, record_of(cls, data, cls.__name__))

    def but(self, **changes: Any) -> Self:
        """``dataclasses.replace`` of this record, without a call for each of its fields."""
        cls = type(self)
        made = object.__new__(cls)
        found = made.__dict__
        found.update(self.__dict__)
        found.update(changes)
        names = names_of(cls)
        if len(found) != len(names):  # what was worked out once is not that of the new one
            for name in found.keys() - names:
                if name in changes:
                    raise TypeError(f"{cls.__name__} has no field {name!r}")
                del found[name]
        made.__post_init__()
        return made

    @classmethod
    def checked(cls) -> bool:
        """Whether its values have to be looked at when it is made."""
        return cls.__post_init__ is not Record.__post_init__ or bool(_checks(cls))

    @classmethod
    def check_field(cls, name: str, value: object) -> None:
        """Raise RecordError, with the field's name, if it cannot have this value by its type."""
        fields_of(typing.cast(typing.Hashable, cls))[0][name](value, name)


WORD = (1 << 31) - 1
"""The greatest whole number that engines take: they keep them in 32 bits."""


def check_bounds(name: str, value: int, least: int, most: int) -> None:
    """Raise RecordError for a whole number that is too small or too large."""
    if value < least:
        raise RecordError(f"{name} must be at least {least}, not {value}")
    if value > most:
        raise RecordError(f"{name} must be at most {most}, not {value}")


LARGEST_COUNT = 10**12
"""The greatest number of samples, answers or tokens of an item: millions of them add up to what 64 bits hold."""


def check_counts(**counts: int | None) -> None:
    """Raise RecordError for a count that is negative, or larger than any can be."""
    for name, count in counts.items():
        if count is not None:
            check_bounds(name, count, 0, LARGEST_COUNT)


Check = Callable[[object, str], None]


Checked = tuple[str, Collection[object] | None, Check]
"""A field with the texts that are known to fit (None where it holds more than one), and what checks it."""
_CHECKS: dict[type, tuple[Checked, ...]] = {}


def _checks(cls: type) -> tuple[Checked, ...]:
    """The fields of a record whose type has a form, with what checks it."""
    if cls not in _CHECKS:
        hints = typing.get_type_hints(cls, include_extras=True)
        names = [field.name for field in dataclasses.fields(typing.cast(Any, cls))]
        found = ((name, _known(hints[name]), _check(hints[name])) for name in names)
        _CHECKS[cls] = tuple((name, known, check) for name, known, check in found if check is not None)
    return _CHECKS[cls]


def _known(kind: Any) -> Collection[object] | None:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return next((item.known for item in arguments[1:] if isinstance(item, Form)), None)
    others = [one for one in arguments if one is not type(None)]
    optional = origin in (types.UnionType, typing.Union) and len(others) == 1
    return _known(others[0]) if optional else None


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


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")

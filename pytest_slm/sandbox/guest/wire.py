"""How values travel between two interpreters: as plain data, so that nothing arrives that has code of its own.

One line of JSON is a message. Scalars stand for themselves, everything else is a list whose first entry says what it
is. What is no data stays where it is and travels as a number (``["o", 7, ...]``). Read and written with the C parts
of ``json`` only: importing the package would take longer than most programs.
"""

import _json
import os

SEVERAL = {list: "l", tuple: "t", set: "s", frozenset: "z"}
MAKE = {tag: kind for kind, tag in SEVERAL.items()}
SAFE = 1 << 53


class Unfit(Exception):
    """A value that cannot travel, or a message that no honest partner sends."""


class Ended(BaseException):
    """The other side is gone; no test can take that for an answer."""


class _Settings:
    strict, memo = True, {}
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int

    @staticmethod
    def parse_constant(name):
        raise Unfit(name)


_scan = _json.make_scanner(_Settings())
_encode = _json.make_encoder(None, None, _json.encode_basestring_ascii, None, ":", ",", False, False, False)


def write(message):
    """Send one message."""
    data = ("".join(_encode(message, 0)) + "\n").encode()
    while data:
        data = data[os.write(1, data) :]


class Reader:
    """Messages from the other side."""

    def __init__(self):
        self.rest = b""

    def read(self):
        """The next message. Ended when the other side has."""
        parts = [self.rest]
        while b"\n" not in parts[-1]:
            part = os.read(0, 1 << 16)
            if not part:
                raise Ended
            parts.append(part)
        line, _, self.rest = b"".join(parts).partition(b"\n")
        try:
            return _scan(line.decode("ascii"), 0)[0]
        except (ValueError, StopIteration, RecursionError) as error:
            raise Unfit(f"no message: {error}") from None


def pack(value, opaque):
    """``value`` as a message. ``opaque(value)`` is asked for everything that is no plain data."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -SAFE < value < SAFE else ["i", hex(value)]
    if kind is float:
        return value if value - value == 0 else ["f", repr(value)]
    if kind in SEVERAL:
        return [SEVERAL[kind], *(pack(part, opaque) for part in value)]
    if kind is dict:
        return ["d", *(pack(part, opaque) for pair in value.items() for part in pair)]
    if kind is complex:
        return ["c", pack(value.real, opaque), pack(value.imag, opaque)]
    if kind is bytes or kind is bytearray:
        return ["b" if kind is bytes else "a", value.hex()]
    if kind is range:
        return ["r", *(pack(part, opaque) for part in (value.start, value.stop, value.step))]
    if value is Ellipsis:
        return ["..."]
    if kind in (type, type(Exception)) and BUILTIN.get(value.__name__) is value:
        return ["T", value.__name__]
    return _pack_known(value, kind, opaque)


def _pack_known(value, kind, opaque):
    module, name = kind.__module__, kind.__name__
    if (module, name) == ("collections", "deque"):
        return ["deque", value.maxlen, *(pack(part, opaque) for part in value)]
    if (module, name) == ("decimal", "Decimal"):
        return ["Decimal", str(value)]
    if (module, name) == ("fractions", "Fraction"):
        return ["Fraction", *(pack(part, opaque) for part in (value.numerator, value.denominator))]
    if module == "datetime" and name == "timedelta":
        return ["timedelta", value.days, value.seconds, value.microseconds]
    if module == "datetime" and name in ("date", "datetime", "time"):
        return [name, value.isoformat()]
    # A named tuple is a tuple, a Counter a dict: what a test compares is what it holds.
    for base in (*SEVERAL, dict, str, int, float, bytes):
        if isinstance(value, base):
            return pack(_BASE[base](value), opaque)
    return opaque(value)


_BASE = {
    **{kind: lambda value, kind=kind: kind(kind.__iter__(value)) for kind in SEVERAL},
    dict: lambda value: {key: dict.__getitem__(value, key) for key in dict.__iter__(value)},
    str: lambda value: "".join(str.__iter__(value)),
    int: int.__pos__,
    float: float.__pos__,
    bytes: lambda value: bytes(bytes.__iter__(value)),
}


def _exception_types(kind):
    found = {kind.__name__: kind}
    for child in kind.__subclasses__():
        if child.__module__ == "builtins":
            found.update(_exception_types(child))
    return found


EXCEPTIONS = _exception_types(Exception)
BUILTIN = {kind.__name__: kind for kind in (*SEVERAL, dict, str, int, float, bytes, bool, complex, bytearray, range)}
BUILTIN.update(EXCEPTIONS)
BUILTIN["NoneType"] = type(None)


def unpack(message, opaque):
    """The value of a message; ``opaque(rest)`` makes something of what is no plain data.

    Every container is made here, of types that this interpreter brings along: nothing in it can have methods of the
    sender's.
    """
    if type(message) is not list:
        if isinstance(message, str | int | float | None):
            return message
        raise Unfit("an unknown kind of message")
    if not message or type(message[0]) is not str:
        raise Unfit("a message without a tag")
    tag, rest = message[0], message[1:]
    try:
        if tag in MAKE:
            return MAKE[tag](unpack(part, opaque) for part in rest)
        if tag == "d":
            parts = [unpack(part, opaque) for part in rest]
            return dict(zip(parts[::2], parts[1::2], strict=True))
        return _one(tag, rest, opaque)
    except (TypeError, ValueError, KeyError, IndexError, ArithmeticError) as error:
        raise Unfit(f"a message that says nothing: {error}") from None


def _one(tag, rest, opaque):
    if tag == "i":
        return int(rest[0], 16)
    if tag == "f":
        return {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}[rest[0]]
    if tag == "c":
        return complex(*(unpack(part, opaque) for part in rest))
    if tag in ("b", "a"):
        data = bytes.fromhex(rest[0])
        return data if tag == "b" else bytearray(data)
    if tag == "r":
        return range(*(unpack(part, opaque) for part in rest))
    if tag == "...":
        return ...
    if tag == "T":
        return BUILTIN[rest[0]]
    if tag == "deque":
        from collections import deque

        return deque((unpack(part, opaque) for part in rest[1:]), rest[0])
    if tag == "Decimal":
        from decimal import Decimal

        return Decimal(rest[0])
    if tag == "Fraction":
        from fractions import Fraction

        return Fraction(*(unpack(part, opaque) for part in rest))
    if tag in ("date", "datetime", "time", "timedelta"):
        import datetime

        kind = getattr(datetime, tag)
        return kind(*rest) if tag == "timedelta" else kind.fromisoformat(rest[0])
    return opaque(tag, rest)

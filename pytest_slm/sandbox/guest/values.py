"""How values travel between two interpreters: as plain data, so that nothing arrives that has code of its own.

Scalars stand for themselves, everything else is a list whose first entry says what it is. What is no data stays where
it is and travels as a number (``["o", 7, ...]``). A list, a dict, a set, whatever can be changed, is written once in a
message and then by its place among them (``["=", 2]``): so one that holds itself travels too, and the answer to a call
can name what was handed over.
"""

import builtins
from _operator import is_

from pytest_slm.sandbox.guest.wire import Unfit

SEVERAL = {list: "l", tuple: "t", set: "s", frozenset: "z"}
CHANGING = (list, dict, set, bytearray)
SAFE = 1 << 53
VIEWS = {type({}.keys()): "keys", type({}.items()): "items"}


class Packer:
    """Makes messages of values. ``opaque(value)`` is asked for everything that is no plain data; ``kept`` are the
    values that the other side has already, and then those of the messages."""

    def __init__(self, opaque, kept=()):
        self.opaque = opaque
        self.kept = list(kept)
        self._places = {id(value): place for place, value in enumerate(self.kept)}

    def pack(self, value):
        """``value`` as a message."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -SAFE < value < SAFE else ["i", hex(value)]
        if kind is float:
            return value if value - value == 0 else ["f", repr(value)]
        if kind is tuple or kind is frozenset:
            return [SEVERAL[kind], *self.parts(value)]
        if id(value) in self._places:
            return ["=", self._places[id(value)]]
        if kind in CHANGING:
            self._keep(value)
            if kind is dict:
                return ["d", *self.parts(part for pair in value.items() for part in pair)]
            return ["a", value.hex()] if kind is bytearray else [SEVERAL[kind], *self.parts(value)]
        return self._rare(value, kind)

    def parts(self, values):
        """The messages of several values: most are numbers and words."""
        pack = self.pack
        return [
            value
            if (kind := type(value)) is str or value is None or kind is bool or (kind is int and -SAFE < value < SAFE)
            else pack(value)
            for value in values
        ]

    def contents(self, value):
        """What a changing value holds now."""
        if isinstance(value, bytearray):
            return value.hex()
        return (
            self.parts(part for pair in value.items() for part in pair)
            if isinstance(value, dict)
            else self.parts(value)
        )

    def _keep(self, value):
        self._places[id(value)] = len(self.kept)
        self.kept.append(value)

    def _rare(self, value, kind):
        if kind is complex:
            return ["c", self.pack(value.real), self.pack(value.imag)]
        if kind is bytes:
            return ["b", value.hex()]
        if kind is range:
            return ["r", *self.parts((value.start, value.stop, value.step))]
        if value is Ellipsis or value is NotImplemented:
            return [repr(value)]
        if kind in VIEWS:
            return [VIEWS[kind], *self.parts(value)]
        if kind in (type, type(Exception)) and BUILTIN.get(value.__name__) is value:
            return ["T", value.__name__]
        return self._known(value, kind)

    def _known(self, value, kind):
        module, name = kind.__module__, kind.__name__
        if module == "collections":
            if name == "deque":
                self._keep(value)
                return ["deque", value.maxlen, *self.parts(value)]
            if name in ("Counter", "OrderedDict"):
                self._keep(value)
                return [name, *self.parts(part for pair in value.items() for part in pair)]
            if name in ("UserList", "UserDict", "UserString"):
                return self.pack(value.data)
        if (module, name) == ("decimal", "Decimal"):
            return ["Decimal", str(value)]
        if (module, name) == ("fractions", "Fraction"):
            return ["Fraction", *self.parts((value.numerator, value.denominator))]
        if module == "datetime" and name == "timedelta":
            return ["timedelta", value.days, value.seconds, value.microseconds]
        if module == "datetime" and name in ("date", "datetime", "time"):
            return [name, value.isoformat()]
        return self._subclass(value, kind)

    def _subclass(self, value, kind):
        """What a test compares is what it holds: a value of a subclass travels as one of its base."""
        if isinstance(value, tuple):
            fields = getattr(kind, "_fields", None)
            named = type(fields) is tuple and all(type(field) is str for field in fields)
            return (
                ["named", kind.__name__, [*fields], *self.parts(tuple.__iter__(value))]
                if named
                else self.pack((*tuple.__iter__(value),))
            )
        for base in (list, set):
            if isinstance(value, base):
                self._keep(value)
                return [SEVERAL[base], *self.parts(base.__iter__(value))]
        if isinstance(value, dict):
            self._keep(value)
            return [
                "d",
                *self.parts(part for key in dict.__iter__(value) for part in (key, dict.__getitem__(value, key))),
            ]
        for base, make in _BASE.items():
            if isinstance(value, base):
                return self.pack(make(value))
        return self.opaque(value)


_BASE = {
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    str: lambda value: "".join(str.__iter__(value)),
    int: int.__pos__,
    float: float.__pos__,
    bytes: lambda value: bytes(bytes.__iter__(value)),
}


def snapshot(value):
    """What shows later whether a changing value was changed: the things it holds, not what they say of themselves."""
    if isinstance(value, bytearray):
        return bytes(value)
    return [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)


def changed(before, value):
    """Whether a value holds other things than it did."""
    after = snapshot(value)
    if type(after) is bytes:
        return after != before
    return len(before) != len(after) or not all(map(is_, before, after))


EXCEPTIONS = {
    kind.__name__: kind for kind in builtins.__dict__.values() if type(kind) is type and issubclass(kind, BaseException)
}
BUILTIN = {kind.__name__: kind for kind in (*SEVERAL, dict, str, int, float, bytes, bool, complex, bytearray, range)}
BUILTIN.update(EXCEPTIONS)
BUILTIN["NoneType"] = type(None)


class Named(tuple):
    """A named tuple of the program: a tuple, and the names of its places."""

    def __new__(cls, name, fields, parts):
        self = super().__new__(cls, parts)
        self.__dict__.update(_name=str(name), _fields=tuple(fields))
        return self

    def __getattr__(self, name):
        if name in self._fields:
            return self[self._fields.index(name)]
        raise AttributeError(name)

    def _asdict(self):
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self):
        return f"{self._name}({', '.join(f'{key}={value!r}' for key, value in self._asdict().items())})"


class Unpacker:
    """Makes values of messages; ``opaque(tag, rest)`` makes something of what is no plain data.

    Every container is made here, of types that this interpreter brings along: nothing in it can have methods of the
    sender's. Unfit for what is no message.
    """

    def __init__(self, opaque, made=()):
        self.opaque = opaque
        self.made = list(made)

    def unpack(self, message):
        """The value of a message."""
        if type(message) is not list:
            if isinstance(message, str | int | float | None):
                return message
            raise Unfit("an unknown kind of message")
        if not message or type(message[0]) is not str:
            raise Unfit("a message without a tag")
        try:
            return self._one(message[0], message[1:])
        except (TypeError, ValueError, KeyError, IndexError, ArithmeticError, RecursionError) as error:
            raise Unfit(f"a message that says nothing: {error}") from None

    def parts(self, messages):
        """The values of several messages."""
        if type(messages) is not list:
            raise Unfit("no list of messages")
        unpack = self.unpack
        return [part if type(part) is str or type(part) is int else unpack(part) for part in messages]

    def refill(self, value, contents):
        """Have a changing value hold what the message says."""
        if isinstance(value, bytearray):
            value[:] = bytes.fromhex(contents)
            return
        parts = self.parts(contents)
        if isinstance(value, dict):
            value.clear()
            for key, part in zip(parts[::2], parts[1::2], strict=True):
                value[key] = part
        elif isinstance(value, list):
            value[:] = parts
        else:
            value.clear()
            (value.update if isinstance(value, set) else value.extend)(parts)

    def _filled(self, value, contents):
        self.made.append(value)
        self.refill(value, contents)
        return value

    def _one(self, tag, rest):
        if tag == "l":
            return self._filled([], rest)
        if tag == "t":
            return tuple(self.parts(rest))
        if tag == "d":
            return self._filled({}, rest)
        if tag == "s":
            return self._filled(set(), rest)
        if tag == "z":
            return frozenset(self.parts(rest))
        if tag == "=":
            if type(rest[0]) is not int or rest[0] < 0:
                raise Unfit("no place")
            return self.made[rest[0]]
        if tag == "a":
            return self._filled(bytearray(), rest[0])
        return self._scalar(tag, rest)

    def _scalar(self, tag, rest):
        if tag == "i":
            return int(rest[0], 16)
        if tag == "f":
            return {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}[rest[0]]
        if tag == "c":
            return complex(*self.parts(rest))
        if tag == "b":
            return bytes.fromhex(rest[0])
        if tag == "r":
            return range(*self.parts(rest))
        if tag == "Ellipsis":
            return ...
        if tag == "NotImplemented":
            return NotImplemented
        if tag == "T":
            return BUILTIN[rest[0]]
        if tag == "named":
            return Named(rest[0], rest[1], self.parts(rest[2:]))
        return self._library(tag, rest)

    def _library(self, tag, rest):
        if tag == "keys":
            return dict.fromkeys(self.parts(rest)).keys()
        if tag == "items":
            return dict(self.parts(rest)).items()
        if tag in ("deque", "Counter", "OrderedDict"):
            import collections

            if tag == "deque":
                return self._filled(collections.deque(maxlen=rest[0]), rest[1:])
            return self._filled(getattr(collections, tag)(), rest)
        if tag == "Decimal":
            from decimal import Decimal

            return Decimal(rest[0])
        if tag == "Fraction":
            from fractions import Fraction

            return Fraction(*self.parts(rest))
        if tag in ("date", "datetime", "time", "timedelta"):
            import datetime

            kind = getattr(datetime, tag)
            return kind(*rest) if tag == "timedelta" else kind.fromisoformat(rest[0])
        return self.opaque(tag, rest)

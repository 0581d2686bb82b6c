"""Types and values of arguments: those of JSON Schema, and the names that other lists of functions have for them.

BFCL's schemas say float, dict, tuple and any, those for Java ArrayList and HashMap, others int, str and Optional[int].
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_slm.scorers.call_values import UNREADABLE, UntypedText, expression, json_value, literal

_ALSO = {
    "integer": "int long short byte bigint int8 int16 int32 int64 uint uint8 uint16 uint32 uint64",
    "number": "float double decimal bigdecimal real numeric float32 float64",
    "string": "str char character text date datetime time timestamp uuid url uri email enum",
    "boolean": "bool",
    "array": "list tuple set arraylist linkedlist queue stack vector sequence iterable",
    "object": "dict dictionary map hashmap hashtable mapping struct json",
    "null": "none nonetype void undefined",
    "any": "anything unknown mixed *",
}
_JSON_TYPES = {name: kind for kind, names in _ALSO.items() for name in (kind, *names.split())}
_INSIDE = re.compile(r"[<\[(].*")
_PARTS = re.compile(r"\s*(?:\||,| or )\s*")
_IGNORED = re.compile(r"[\s,/_*^'\"!?;:]|(?<!\d)\.|\.(?!\d)|(?!\A-\d)-")


def json_types(name: str) -> frozenset[str] | None:
    """The types of JSON Schema (or ``any``) that the name of a type stands for; None for a name that is unknown."""
    name = name.strip().removeprefix("typing.")
    wrapper = re.fullmatch(r"(optional|union|nullable)\s?\[(.*)\]", name, re.IGNORECASE | re.DOTALL)
    if wrapper:
        inner = json_types(re.sub(r"\[[^\[\]]*\]", "", wrapper[2]))
        return inner if inner is None or wrapper[1].lower() == "union" else inner | {"null"}
    parts = [part.lower() for part in _PARTS.split(_INSIDE.sub("", name)) if part.lower() != "optional"]
    found = [_JSON_TYPES.get(part) for part in parts]
    return frozenset(kind for kind in found if kind) if found and None not in found else None


def unknown_type(schema: Any) -> str | None:
    """The first type in a schema that is no known one, as a text; None if there is none."""
    if isinstance(schema, list | tuple):
        return next(filter(None, map(unknown_type, schema)), None)
    if not isinstance(schema, Mapping):
        return None
    for kind in _kinds(schema):
        if not isinstance(kind, str) or json_types(kind) is None:
            return repr(kind)
    properties = schema.get("properties")
    inner = list(properties.values()) if isinstance(properties, Mapping) else []
    return unknown_type([*inner, *(schema.get(key) for key in ("items", "anyOf", "oneOf", "allOf"))])


def fits(value: object, schema: Any) -> bool:
    """Whether ``value`` has the type that a JSON schema names, inside arrays and objects too. No type: anything."""
    if not isinstance(schema, Mapping):
        return True
    kinds = list(_kinds(schema))
    return not kinds or any(_is_a(value, name, schema) for kind in kinds for name in json_types(str(kind)) or ())


def _kinds(schema: Mapping[str, Any]) -> Iterator[Any]:
    kinds = schema.get("type")
    if kinds is not None:
        yield from kinds if isinstance(kinds, list | tuple) else [kinds]


def _is_a(value: object, kind: str, schema: Mapping[str, Any]) -> bool:
    if kind == "any":
        return True
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, float):
        return kind == "number" or (kind == "integer" and value.is_integer())
    if isinstance(value, int):
        return kind in ("integer", "number")
    if isinstance(value, str):
        return kind == "string"
    if isinstance(value, list | tuple):
        return kind == "array" and all(fits(item, schema.get("items")) for item in value)
    if isinstance(value, Mapping):
        known = schema.get("properties")
        known = known if isinstance(known, Mapping) else {}
        return (
            kind == "object"
            and set(required(schema)) <= set(value)
            and all(fits(item, known.get(key)) for key, item in value.items())
        )
    return value is None and kind == "null"


def required(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the arguments that must be there."""
    names = schema.get("required")
    return tuple(names) if isinstance(names, list | tuple) else ()


def typed(value: Any, schema: Any) -> Any:
    """The value of an argument whose notation has no types, as its schema wants it: "5" is 5 where a number is."""
    if not isinstance(value, UntypedText):
        return value
    wanted = {
        name for kind in _kinds(schema if isinstance(schema, Mapping) else {}) for name in json_types(str(kind)) or ()
    }
    if "string" in wanted:
        return str(value)
    read = json_value(value)
    if read is UNREADABLE and (node := expression(value)) is not None:
        read = literal(node)
    return read if read is not UNREADABLE and fits(read, schema) else str(value)


def composed(value: Any) -> Any:
    """A value with all of its texts in Unicode's normal form C: é is one letter, however it was typed."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        return {composed(key): composed(item) for key, item in value.items()}
    return [composed(item) for item in value] if isinstance(value, list | tuple) else value


def same(value: object, acceptable: object, *, strict: bool = False) -> bool:
    """Equality of values, where True is not 1. Texts are compared by what one hears: without case, spaces and most
    punctuation, as BFCL does; or, strictly, letter by letter."""
    if isinstance(value, bool) or isinstance(acceptable, bool):
        return value is acceptable
    if isinstance(value, str) and isinstance(acceptable, str):
        return value == acceptable if strict else _heard(value) == _heard(acceptable)
    if isinstance(value, list | tuple) and isinstance(acceptable, list | tuple):
        pairs = zip(value, acceptable, strict=False)
        return len(value) == len(acceptable) and all(same(one, other, strict=strict) for one, other in pairs)
    if isinstance(value, Mapping) and isinstance(acceptable, Mapping):
        return value.keys() == acceptable.keys() and all(
            same(value[key], acceptable[key], strict=strict) for key in value
        )
    return value == acceptable


def _heard(text: str) -> str:
    # What is nothing but punctuation ("+", "-") must not become equal to all other punctuation.
    return _IGNORED.sub("", text.strip().casefold()) or text.strip()

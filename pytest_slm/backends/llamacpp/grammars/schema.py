"""From a JSON schema to a grammar in llama.cpp's notation (GBNF), the same for every engine and version of it.

What the grammar allows is valid by the schema, if not always all of it: an object with named properties has no others,
properties come in the schema's order, and white space is short. What a grammar cannot say is refused by its name.
Source of the notation: llama.cpp, grammars/README.md; of the keywords: JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm.backends.llamacpp.grammars.integers import integers

DEEPEST = 64
"""Levels of a schema."""
LONGEST = 1000
"""Counted repetitions: an engine writes each of them out."""

_WORDS = frozenset(
    "$schema $id $comment $defs definitions title description default examples deprecated readOnly writeOnly "
    "format".split()
)
"""Keywords that allow and forbid nothing."""
_OF_TYPE: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "number": frozenset(),
    "boolean": frozenset(),
    "null": frozenset(),
}
_PYTHON: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_COMMON: Mapping[str, str] = {
    "ws": r'" "? | "\n" [ \t]{0,20}',
    "hex": "[0-9a-fA-F]",
    # Halves of a pair alone are no text, so that what follows \u is none of them.
    "char": r'[^"\\\x7F\x00-\x1F] | "\\" ["\\/bfnrt] | "\\u" ([0-9a-ce-fA-CE-F] hex | [dD] [0-7]) hex{2}',
    "string": r'"\"" char* "\""',
    "integer": integers(None, None),
    # No number that a reader takes for infinite.
    "number": f'({integers(None, None)} | "-0") ("." [0-9]{{1,16}})? ([eE] [-+]? [0-9]{{1,2}})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "value": "object | array | string | number | boolean | null",
    "object": '"{" ws (string ws ":" ws value ws ("," ws string ws ":" ws value ws)*)? "}"',
    "array": '"[" ws (value ws ("," ws value ws)*)? "]"',
}


def grammar_of(schema: object) -> str:
    """The grammar of the texts that are valid by a schema. Raises ValueError, with the place in the schema, for what is
    no schema and for what a grammar cannot say."""
    rules = _Rules(schema)
    root = rules.of(schema, "$", None, 0)
    rules.check()
    return "\n".join((f"root ::= {root}", *rules.lines()))


class _Rules:
    """The rules of one grammar; the same text is one rule."""

    def __init__(self, whole: object) -> None:
        self._whole = whole
        self._names: dict[str, str] = {}
        self._references: dict[str, str] = {}
        self._leads: dict[str, set[str]] = {}
        """From a reference to those that it leads to without a letter in between."""
        self._bodies: dict[str, str] = {}

    def lines(self) -> list[str]:
        """All rules, one a line."""
        return [f"{name} ::= {body}" for name, body in {**_COMMON, **self._bodies}.items()]

    def check(self) -> None:
        """Raise ValueError for a reference that leads to itself: no text begins there."""
        for pointer in self._leads:
            seen, ahead = set(), set(self._leads[pointer])
            while ahead:
                seen |= ahead
                ahead = set().union(*(self._leads[one] for one in ahead)) - seen
            if pointer in seen:
                raise ValueError(f"{pointer:.80}: this $ref leads to itself")

    def of(self, schema: object, place: str, led_here: str | None, depth: int) -> str:
        """The expression for a schema, which may stand in a sequence. ``led_here`` is the reference that leads to this
        place without a letter in between."""
        if depth > DEEPEST:
            raise ValueError(f"{place}: more than {DEEPEST} levels")
        if schema is True or schema == {}:
            return "value"
        if not isinstance(schema, Mapping):
            raise ValueError(f"{place}: not a schema, but {schema!s:.40}")
        said = {key for key in schema if key not in _WORDS and not (key == "uniqueItems" and schema[key] is False)}
        if "$ref" in said:
            return self._reference(schema["$ref"], place, led_here, depth, said - {"$ref"})
        for key in ("const", "enum"):
            if key in said:
                return self._one_of(schema, key, place, said - {key, "type"})
        for key in ("anyOf", "oneOf", "allOf"):
            if key in said:
                _refuse_others(place, said - {key}, f"beside {key}")
                options = _listed(schema, key, place)
                if key == "allOf" and len(options) != 1:
                    raise ValueError(f"{place}: a grammar cannot say allOf of {len(options)} schemas")
                return self._any(
                    self.of(one, f"{place}.{key}[{number}]", led_here, depth + 1) for number, one in enumerate(options)
                )
        types = schema.get("type", next((kind for kind, keys in _OF_TYPE.items() if keys & said), None))
        if types is None:
            _refuse_others(place, said, "without a type")
            return "value"
        types = types if isinstance(types, list) else [types]
        if unknown := [one for one in types if not isinstance(one, str) or one not in _OF_TYPE]:
            raise ValueError(f"{place}.type: {unknown[0]!s:.40} is none of {', '.join(_OF_TYPE)}")
        _refuse_others(place, said - {"type"}.union(*(_OF_TYPE[one] for one in types)), f"for {'/'.join(types)}")
        return self._any(getattr(self, f"_{one}")(schema, place, depth) for one in types)

    # -- one type each -----------------------------------------------------------------------------------------------

    def _object(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        named = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(named, Mapping) or not all(isinstance(name, str) for name in named):
            raise ValueError(f"{place}.properties: not schemas by name")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise ValueError(f"{place}.required: not a list of names")
        others = schema.get("additionalProperties", True)
        named = {**named, **{name: others for name in required if name not in named}}
        if not named:
            if others is False:
                return self._rule('"{" ws "}"')
            each = f'string ws ":" ws {self.of(others, f"{place}.additionalProperties", None, depth + 1)} ws'
            return self._rule(f'"{{" ws ({each} ("," ws {each})*)? "}}"')
        # From the last property to the first: what may follow where one was written already, and where none was.
        behind = first = ""
        for name, one in reversed(named.items()):
            inner = self.of(one, f"{place}.properties.{name}", None, depth + 1)
            pair = self._rule(f'{_literal(name, place)} ws ":" ws {inner} ws')
            written = f"{pair} {behind}".rstrip()
            if name in required:
                first, behind = written, self._rule(f'"," ws {written}')
            else:
                first = self._rule(f"{written} | {first}" if first else f"({written})?")
                behind = self._rule(f'("," ws {pair})? {behind}'.rstrip())
        return self._rule(f'"{{" ws {first} "}}"')

    def _array(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        least = _count(schema, "minItems", place) or 0
        most = _count(schema, "maxItems", place)
        fixed = _listed(schema, "prefixItems", place) if "prefixItems" in schema else []
        heads = [self.of(one, f"{place}.prefixItems[{n}]", None, depth + 1) for n, one in enumerate(fixed[:most])]
        others = schema.get("items", True)
        if others is False:
            most = min(len(fixed), len(fixed) if most is None else most)
        if most is not None and least > most:
            raise ValueError(f"{place}: no list has at least {least} and at most {most} items")
        tail = "" if others is False else self.of(others, f"{place}.items", None, depth + 1)
        # From the last item to the first, as properties are.
        body = ""
        if most is None or most > len(heads):
            low, high = max(0, least - len(heads)), None if most is None else most - len(heads)
            if not heads:
                more = f'{tail} ws ("," ws {tail} ws){_times(max(0, low - 1), None if high is None else high - 1)}'
                return self._rule(f'"[" ws {more} "]"' if low else f'"[" ws ({more})? "]"')
            body = f'("," ws {tail} ws){_times(low, high)}'
        for number, head in reversed(list(enumerate(heads))):
            body = f"{head} ws {body}".rstrip() if number == 0 else f'"," ws {head} ws {body}'.rstrip()
            body = body if number < least else f"({body})?"
        return self._rule(f'"[" ws {body} "]"')

    def _string(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        least, most = (_count(schema, key, place) for key in ("minLength", "maxLength"))
        if least is None and most is None:
            return "string"
        if most is not None and (least or 0) > most:
            raise ValueError(f"{place}: no text has at least {least} and at most {most} letters")
        return self._rule(rf'"\"" char{_times(least or 0, most)} "\""')

    def _integer(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        found: dict[str, int] = {}
        for key in _OF_TYPE["integer"] & schema.keys():
            if isinstance(schema[key], bool) or not isinstance(schema[key], int):
                raise ValueError(f"{place}.{key}: {schema[key]!s:.40} is no whole number")
            found[key] = schema[key] + {"exclusiveMinimum": 1, "exclusiveMaximum": -1}.get(key, 0)
        if not found:
            return "integer"
        least, most = ([value for key, value in found.items() if key.endswith(end)] for end in ("inimum", "aximum"))
        try:
            return self._rule(integers(max(least, default=None), min(most, default=None)))
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None

    def _number(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        return "number"

    def _boolean(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        return "boolean"

    def _null(self, schema: Mapping[str, Any], place: str, depth: int) -> str:
        return "null"

    # -- what has no type --------------------------------------------------------------------------------------------

    def _one_of(self, schema: Mapping[str, Any], key: str, place: str, others: set[str]) -> str:
        _refuse_others(place, others, f"beside {key}")
        values = _listed(schema, key, place) if key == "enum" else [schema[key]]
        types = schema.get("type", [])
        types = types if isinstance(types, list) else [types]
        fitting = [one for one in values if not types or any(_is(one, kind) for kind in types)]
        if not fitting:
            raise ValueError(f"{place}.{key}: none of its values is of the type {'/'.join(map(str, types))}")
        return self._any(_literal(one, f"{place}.{key}") for one in fitting)

    def _reference(self, pointer: object, place: str, led_here: str | None, depth: int, others: set[str]) -> str:
        _refuse_others(place, others, "beside $ref")
        if not isinstance(pointer, str) or not (pointer == "#" or pointer.startswith("#/")):
            raise ValueError(f"{place}.$ref: {pointer!s:.80} is no place in this schema (#/$defs/NAME)")
        if led_here is not None:
            self._leads[led_here].add(pointer)
        if pointer not in self._references:
            name = self._references[pointer] = f"ref-{len(self._references)}"
            self._leads[pointer] = set()
            self._bodies[name] = self.of(_found(self._whole, pointer, place), pointer, pointer, depth + 1)
        return self._references[pointer]

    def _any(self, options: Any) -> str:
        found = list(dict.fromkeys(options))
        return found[0] if len(found) == 1 else self._rule(" | ".join(found))

    def _rule(self, body: str) -> str:
        if body not in self._names:
            self._names[body] = f"rule-{len(self._names)}"
            self._bodies[self._names[body]] = body
        return self._names[body]


def _refuse_others(place: str, keys: set[str], where: str) -> None:
    if keys:
        raise ValueError(f"{place}: a grammar cannot say {min(keys)!r:.60} {where}; leave it out")


def _listed(schema: Mapping[str, Any], key: str, place: str) -> Sequence[Any]:
    found = schema[key]
    if not isinstance(found, list) or not found:
        raise ValueError(f"{place}.{key}: not a list with something in it")
    return found


def _count(schema: Mapping[str, Any], key: str, place: str) -> int | None:
    found = schema.get(key)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= LONGEST):
        raise ValueError(f"{place}.{key}: {found!s:.40} is no whole number from 0 to {LONGEST}")
    return found


def _times(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"


def _literal(value: object, place: str) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{place}: {error!s:.80}") from None
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is(value: object, kind: object) -> bool:
    python = _PYTHON.get(str(kind))
    return python is not None and isinstance(value, python) and (kind == "boolean" or not isinstance(value, bool))


def _found(whole: object, pointer: str, place: str) -> object:
    """What a JSON pointer (RFC 6901) points to."""
    found = whole
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and len(part) < 9 and int(part) < len(found):
            found = found[int(part)]
        else:
            raise ValueError(f"{place}.$ref: nothing is at {pointer:.80}")
    return found

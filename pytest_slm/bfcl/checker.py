"""Are these the right calls? The rules by which BFCL compares syntax trees, with their traps (docs/bfcl.md)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.bfcl.conversion import JAVA, JAVASCRIPT, java, javascript
from pytest_slm.bfcl.question import BfclQuestion
from pytest_slm.core.types import ToolCall

PYTHON: Mapping[str, type] = {
    **dict.fromkeys(("string", "any"), str),
    **dict.fromkeys(("array", "tuple"), list),
    **{"integer": int, "float": float, "boolean": bool, "dict": dict},
}
"""The types of Python's parameters, and those of their values."""
_LISTS = ("Array", "ArrayList", "array")
OMITTED = ""
_IGNORED = re.compile(r"[ ,./\-_*^]")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How values are compared.

    ``published``: exactly as BFCL's checker does, its readers of Java and JavaScript included. ``strict``: texts letter
    by letter in one normal form of Unicode, and what is inside of lists and dictionaries by its type too.
    """

    published: bool = False
    strict: bool = False

    def text(self, text: str) -> str:
        """A text as it is compared: without case, spaces and most punctuation, or as it is."""
        if self.strict:
            return unicodedata.normalize("NFC", text)
        return _IGNORED.sub("", text).lower().replace("'", '"')

    def among(self, value: Any, accepted: Sequence[Any]) -> bool:
        """Whether a value is one of those."""
        return any(typed_equal(value, one) for one in accepted) if self.strict else value in accepted

    def heard(self, value: Any) -> Any:
        """A value as it is compared: of all that is no text it stays what it is."""
        return self.text(value) if isinstance(value, str) else value


PUBLISHED, OURS, STRICT = Rules(published=True), Rules(), Rules(strict=True)


def problem(question: BfclQuestion, calls: Sequence[ToolCall], rules: Rules = PUBLISHED) -> str | None:
    """What is wrong with the calls as an answer to a question that wants certain calls; None if they are right.

    Several calls may come in any order: the right calls take, one after the other, the first call that fits and that
    none before them has taken.
    """
    expected = [(name, parameters) for answer in question.answers for name, parameters in answer.items()]
    if len(calls) != len(expected):
        return f"{len(calls)} calls, expected {len(expected)} ({', '.join(name for name, _ in expected)})"
    if not question.parallel:
        return _of_call(question, *expected[0], calls[0], rules)
    left = list(calls)
    for name, parameters in expected:
        found = [_of_call(question, name, parameters, call, rules) for call in left]
        if None not in found:
            near = [told for told, call in zip(found, left, strict=True) if call.name == name]
            return str((near or found)[0])
        del left[found.index(None)]
    return None


def _of_call(
    question: BfclQuestion, name: str, accepted: Mapping[str, list[Any]], call: ToolCall, rules: Rules
) -> str | None:
    if call.name != name:
        return f"called {call.name or 'something unreadable':.80}, expected {name}"
    if call.arguments is None:
        return f"{name}: the arguments cannot be read"
    schema = question.function(name)["parameters"]
    known = schema["properties"]
    for argument in schema.get("required", ()):
        if argument not in call.arguments:
            return f"{name}: the argument {argument!r} is missing"
    if not rules.published:
        # No value at all is acceptable for five arguments of BFCL, where an empty list was meant.
        accepted = {argument: values or [[]] for argument, values in accepted.items()}
    for argument, value in call.arguments.items():
        if argument not in known or argument not in accepted:
            return f"{name}: the argument {argument!r:.60} was not asked for"
        told = _of_value(question, value, accepted[argument], known[argument], rules)
        if told is not None:
            return f"{name}: the argument {argument!r} is {told}"
    for argument, values in accepted.items():
        if argument not in call.arguments and OMITTED not in values:
            return f"{name}: the argument {argument!r} is missing, and may not be left out"
    return None


def _of_value(
    question: BfclQuestion, value: Any, accepted: list[Any], schema: Mapping[str, Any], rules: Rules
) -> str | None:
    """What is wrong with the value of an argument, or None."""
    kind = str(schema.get("type"))
    types, read = _language(question, rules)
    wanted = types.get(kind)
    items = schema.get("items")
    nested = str(items.get("type")) if isinstance(items, Mapping) else None
    inner: type | None = None
    shown = f"{value!r:.60}"
    if read is not None:
        if not isinstance(value, str):
            return f"{shown}, and not the text of a value of {question.language}"
        inner = types.get(nested) if nested and kind in _LISTS else None
        value = read(value, kind, nested if kind in _LISTS else None)
    else:
        inner = types.get(nested) if nested and kind in ("array", "tuple") else None
        if kind == "tuple" and isinstance(value, tuple):
            value = list(value)
        if kind == "float" and type(value) is int and abs(value) < 10**300:
            value = float(value)
    if not _has_type(value, accepted, wanted, inner):
        return f"{shown}, which is not of the type {kind}"
    right = _compared(value, accepted, wanted, inner, rules)
    return None if right else f"{shown}, expected {next((one for one in accepted if one != OMITTED), OMITTED)!r:.60}"


def _language(
    question: BfclQuestion, rules: Rules
) -> tuple[Mapping[str, type], Callable[[str, str, str | None], Any] | None]:
    """The types of a question's language, and what reads its values, where they come as texts."""
    if question.language == "java":
        return JAVA, lambda text, kind, nested: java(text, kind, nested, published=rules.published)
    if question.language == "javascript":
        return JAVASCRIPT, lambda text, kind, nested: javascript(text, kind, nested, published=rules.published)
    return PYTHON, None


def _example(accepted: Sequence[Any]) -> type | None:
    """The type of the first acceptable value. Another one than the parameter's is a variable, written as a text."""
    return next((type(one) for one in accepted if one != OMITTED), None)


def _has_type(value: Any, accepted: Sequence[Any], wanted: type | None, inner: type | None) -> bool:
    if type(value) is not wanted:
        return type(value) is _example(accepted)
    if inner is None or not isinstance(value, list):
        return True
    # Where one of the acceptable values is no list, as where the argument may be left out, nobody looks inside.
    return any(
        not isinstance(one, list) or all(_has_type(item, one, inner, None) for item in value) for one in accepted
    )


def _compared(value: Any, accepted: Sequence[Any], wanted: type | None, inner: type | None, rules: Rules) -> bool:
    """Whether a value of the right type is one of the acceptable ones."""
    if _example(accepted) not in (None, wanted):
        return rules.among(value, accepted)
    if wanted is dict:
        return any(_dict_fits(value, one, rules) for one in accepted if isinstance(one, Mapping))
    if wanted is list and inner is dict:
        return any(_dicts_fit(value, one, rules) for one in accepted)
    if wanted is str:
        return rules.text(value) in [rules.text(one) for one in accepted if isinstance(one, str)]
    if wanted is list:
        # An argument that may be left out may also be an empty list.
        lists = [[rules.heard(item) for item in (one or [])] for one in accepted if isinstance(one, list) or one == ""]
        return rules.among([rules.heard(item) for item in value], lists)
    return rules.among(value, accepted)


def _dict_fits(value: Any, accepted: Mapping[str, Any], rules: Rules) -> bool:
    """Whether every entry has an acceptable value, and none is missing that may not be left out."""
    if not isinstance(value, Mapping) or not set(value) <= set(accepted):
        return False
    right = (
        rules.among(rules.heard(item), [rules.heard(one) for one in _values(accepted[key])])
        for key, item in value.items()
    )
    return all(right) and all(key in value or OMITTED in _values(values) for key, values in accepted.items())


def _dicts_fit(value: Sequence[Any], accepted: Any, rules: Rules) -> bool:
    """The same of a list of dictionaries, one by one; an argument that may be left out may also be an empty list."""
    if len(value) != len(accepted):
        return False
    pairs = zip(value, accepted, strict=True)
    return all(isinstance(right, Mapping) and _dict_fits(item, right, rules) for item, right in pairs)


def _values(accepted: Any) -> list[Any]:
    return accepted if isinstance(accepted, list) else [accepted]


def typed_equal(value: Any, other: Any) -> bool:
    """Equality in which True is not 1, inside of lists and dictionaries too. 1 is 1.0."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, list | tuple) and isinstance(other, list | tuple):
        return len(value) == len(other) and all(map(typed_equal, value, other))
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(typed_equal(value[key], other[key]) for key in value)
    return bool(value == other)

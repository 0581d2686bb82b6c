"""Values of arguments as models write them: JSON, Python's literals, or bare text. Nothing is ever evaluated.

What is nested deeper than 64 levels, hundreds of digits long or no finite number is not read: it would
break whoever copies, prints or compares it later.
"""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

DEEPEST, LONGEST_NUMBER = 64, 300
LONGEST_PROGRAM = 20_000
"""Letters of Python that are parsed: its parser takes quadratic time for some texts."""
MOST_FAILURES = 2_000
"""Brackets without JSON behind them that are tried in one text: each error counts the lines before it."""
UNREADABLE = object()
_BRACKET = re.compile(r"[{\[]")
_WORDS = {"true": True, "false": False, "null": None, "none": None}


class UntypedText(str):
    """The text of a value whose notation has no types, as in XML: whether 5 is a number, only the schema knows."""

    __slots__ = ()


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError("an integer of hundreds of digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


# Not strict: models write line ends into strings as they are.
_DECODER = json.JSONDecoder(strict=False, parse_int=_integer, parse_float=_finite, parse_constant=_finite)


def json_values(text: str) -> Iterator[Any]:
    """The outermost JSON objects and arrays in ``text``, skipping what is none."""
    position = failed = 0
    while failed < MOST_FAILURES and (found := _BRACKET.search(text, position)):
        try:
            value, position = _DECODER.raw_decode(text, found.start())
        except RecursionError:  # nested a thousand deep: no call, and every next bracket would be tried in vain
            return
        except ValueError:
            position, failed = found.end(), failed + 1
            continue
        if is_shallow(value):
            yield value


def json_at(text: str, position: int) -> tuple[Any, int]:
    """The JSON value that begins at a place of a text, or UNREADABLE, and where it ends."""
    try:
        value, end = _DECODER.raw_decode(text, position)
    except (ValueError, RecursionError):
        return UNREADABLE, position
    return (value if is_shallow(value) else UNREADABLE), end


def json_value(text: str) -> Any:
    """The JSON value that a whole text is, or UNREADABLE."""
    try:
        value, end = _DECODER.raw_decode(text := text.strip())
    except (ValueError, RecursionError):
        return UNREADABLE
    return value if end == len(text) and is_shallow(value) else UNREADABLE


def is_shallow(value: Any) -> bool:
    """Whether a value is nested no deeper than can be copied and compared without care."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return True
    return False


def expression(text: str) -> ast.expr | None:
    """Python's syntax tree of a text that is one expression."""
    body = statements(text)
    return body[0].value if body and len(body) == 1 and isinstance(body[0], ast.Expr) else None


def statements(text: str) -> list[ast.stmt] | None:
    """Python's syntax tree of a text, or None where it has none or is too long."""
    if len(text) > LONGEST_PROGRAM:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ast warns of "\d" in strings, which is the model's business
            return ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def literal(node: ast.expr, depth: int = 0) -> Any:
    """The plain value that an expression is, or UNREADABLE."""
    if depth > DEEPEST:
        return UNREADABLE
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.Name):
        return _WORDS.get(node.id.lower(), UNREADABLE)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = literal(node.operand, depth + 1)
        if isinstance(number, bool) or not isinstance(number, int | float):
            return UNREADABLE
        return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, ast.List | ast.Tuple):
        items = [literal(item, depth + 1) for item in node.elts]
        return UNREADABLE if UNREADABLE in items else items
    if isinstance(node, ast.Dict):
        keys = [UNREADABLE if key is None else literal(key, depth + 1) for key in node.keys]
        values = [literal(value, depth + 1) for value in node.values]
        whole = all(isinstance(key, str) for key in keys) and UNREADABLE not in values
        return dict(zip(keys, values, strict=True)) if whole else UNREADABLE
    return UNREADABLE


def _constant(value: object) -> object:
    if isinstance(value, int) and value.bit_length() > 1000:  # Python does not even print one of 4300 digits
        return UNREADABLE
    if isinstance(value, float) and not math.isfinite(value):
        return UNREADABLE
    return value if value is None or isinstance(value, str | int | float) else UNREADABLE


def arguments_of(value: object) -> Mapping[str, Any] | None:
    """The arguments of a call: a mapping, its text, or nothing; None for what is none of them."""
    if isinstance(value, str):
        value = json_value(value or "{}")
    if value is None:
        return {}
    return value if isinstance(value, Mapping) else None

"""Calls in a model's text as BFCL itself reads them: the one notation that was asked for, and nothing else.

Text that is not that notation from its first to its last letter holds no call. (In any notation they are read by
``pytest_slm.scorers.call_syntax``.) Syntax trees are read, and sums of numbers made; nothing is evaluated.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

from pytest_slm.bfcl.categories import Language
from pytest_slm.bfcl.formats import PromptFormat
from pytest_slm.bfcl.syntax import source_calls
from pytest_slm.core.types import ToolCall
from pytest_slm.scorers.call_values import UNREADABLE, expression, json_at, literal

DEEPEST = 64
_XML = ("<functions>", "</functions>")
_SUMS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_LARGEST = 10**300


class NotCallsError(ValueError):
    """A text that is not in the notation that was asked for."""


def decode(text: str, language: Language, form: PromptFormat, *, published: bool = True) -> list[ToolCall] | None:
    """The calls of an answer in the notation of a prompt's format, in which Java and JavaScript stand in the place of
    Python; None where it is another text."""
    text = text.strip("`\n ")
    text = text if text.startswith("[") else f"[{text}"
    text = text if text.endswith("]") else f"{text}]"
    try:
        if form.tool_call_tag:
            text = _between(text, "<TOOLCALL>", "</TOOLCALL>").strip()
        if form.ret_fmt == "python":
            return _python(text) if language == "python" else source_calls(text[1:-1], language, published=published)
        return _json(text) if form.ret_fmt == "json" else _xml(_between(text, *_XML))
    except (NotCallsError, SyntaxError, ValueError, TypeError, RecursionError, MemoryError, ArithmeticError):
        return None


def _between(text: str, begin: str, end: str) -> str:
    """What stands between the first mark and the next one that ends it."""
    _, begun, rest = text.partition(begin)
    inside, ended, _ = rest.partition(end)
    if not begun or not ended:
        raise NotCallsError
    return inside


def _python(text: str) -> list[ToolCall]:
    node = expression(text.strip().strip("'"))
    nodes = [node] if isinstance(node, ast.Call) else getattr(node, "elts", None)
    if nodes is None or not all(isinstance(one, ast.Call) for one in nodes):
        raise NotCallsError
    return [_call(one) for one in nodes]


def _call(node: ast.Call) -> ToolCall:
    """A call with its named arguments: BFCL does not see the others."""
    parts: list[str] = []
    place = node.func
    while isinstance(place, ast.Attribute):
        parts, place = [place.attr, *parts], place.value
    parts = [place.id, *parts] if isinstance(place, ast.Name) else parts
    arguments = {str(one.arg): _value(one.value) for one in node.keywords}
    return ToolCall(name=".".join(parts), arguments=arguments)


def _value(node: ast.expr, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise NotCallsError
    if isinstance(node, ast.Constant):
        return "..." if node.value is Ellipsis else _bounded(node.value)
    if isinstance(node, ast.UnaryOp):
        return _signed(node, depth)
    if isinstance(node, ast.List):
        return [_value(one, depth + 1) for one in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(one, depth + 1) for one in node.elts)
    if isinstance(node, ast.Dict):
        keys = [_value(one, depth + 1) if one is not None else None for one in node.keys]
        return dict(zip(keys, [_value(one, depth + 1) for one in node.values], strict=True))
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.BinOp):
        return _sum(node, depth)
    if isinstance(node, ast.Call) and node.keywords:
        call = _call(node)
        return {call.name: call.arguments}
    if isinstance(node, ast.Call | ast.Subscript):
        return ast.unparse(node)
    raise NotCallsError


def _signed(node: ast.UnaryOp, depth: int) -> Any:
    number = _value(node.operand, depth + 1)
    if not isinstance(number, int | float) or not isinstance(node.op, ast.USub | ast.UAdd):
        raise NotCallsError
    return -number if isinstance(node.op, ast.USub) else number


def _sum(node: ast.BinOp, depth: int) -> Any:
    """A sum of numbers, as in ``radius=2*5``."""
    left, right = (_value(side, depth + 1) for side in (node.left, node.right))
    make = _SUMS.get(type(node.op))
    if make is None or not all(isinstance(one, int | float) for one in (left, right)):
        raise NotCallsError
    if isinstance(node.op, ast.Pow) and (abs(right) > 1000 or abs(left) > 10**6):
        raise NotCallsError
    return _bounded(make(left, right))


def _bounded(value: Any) -> Any:
    """A constant that can be printed and compared without care."""
    if isinstance(value, bool | str) or value is None:
        return value
    if not isinstance(value, int | float) or not abs(value) < _LARGEST:
        raise NotCallsError
    return value


def _json(text: str) -> list[ToolCall]:
    """The calls in the first list of objects; a text without one calls nothing."""
    found = re.search(r"\[\s*\{", text)
    value = json_at(text, found.start())[0] if found else UNREADABLE
    objects = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    if not all({*one} >= _KEYS for one in objects):
        raise NotCallsError
    return [ToolCall(name=one["function"], arguments=one["parameters"]) for one in objects]


_KEYS = {"function", "parameters"}


def _xml(text: str) -> list[ToolCall]:
    try:
        root = ElementTree.fromstring(f"{_XML[0]}{text}{_XML[1]}")  # noqa: S314  its root is a plain element, so that it declares no entities
    except ElementTree.ParseError:
        raise NotCallsError from None
    return [_xml_call(function) for function in root.findall("function")]


def _xml_call(function: ElementTree.Element) -> ToolCall:
    inside = function.find("params")
    found = (function if inside is None else inside).findall("param")
    arguments = {
        str(one.attrib.get("name")): _of_type(
            (one.text or "").strip() if one.attrib.get("value") is None else one.attrib["value"],
            one.attrib.get("type", "string"),
        )
        for one in found
    }
    return ToolCall(name=function.attrib.get("name", ""), arguments=arguments)


def _of_type(text: str, kind: str) -> Any:
    """The value of a parameter of XML, by the type that the model gave it."""
    if kind == "integer":
        return int(text[:300])
    if kind == "float":
        return _bounded(float(text))
    if kind == "boolean":
        return text.lower() == "true"
    if kind == "null":
        return None
    if kind in ("array", "tuple", "object", "dict"):
        node = expression(text)
        value = UNREADABLE if node is None else literal(node)
        if value is UNREADABLE:
            raise NotCallsError
        return value
    return text

"""Finds function calls in what a model wrote, in the notations that small models use. Nothing is ever evaluated.

Read are, in this order, and only the first kind that is there: ``<tool_call>...</tool_call>``, fenced code blocks,
JSON anywhere in the text, and Python's notation: a line that is nothing but ``[name(argument=1), ...]``, or a text
that is nothing but ``name(argument=1)``. A name that merely occurs in a sentence, or in a program, is no call.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_slm.core.types import ToolCall

_TAG = re.compile(r"<tool_call>(.*?)(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_FENCE = re.compile(r"```[\w-]*\n(.*?)(?:```|\Z)", re.DOTALL)
_BEGUN = re.compile(r"\{\s*[\"']name[\"']\s*:\s*[\"'][^\"']*[\"']\s*,\s*[\"'](?:arguments|parameters)[\"']\s*:")
_LONGEST = 20_000
_CALL_KEYS = frozenset({"name", "arguments", "parameters", "id", "type"})


def parse_calls(text: str) -> list[ToolCall]:
    """All calls in ``text``, in order. A call that was begun in a clear notation but is broken counts as unreadable."""
    text = text[:_LONGEST]
    tagged = _TAG.findall(text)
    if tagged:
        return [call for content in tagged for call in _tagged_calls(content)]
    for parts in (_FENCE.findall(text), [text]):
        calls = [call for part in parts for call in _json_calls(part) or _python_calls(part)]
        if calls:
            return calls
    return [ToolCall(name="", arguments=None)] if _BEGUN.search(text) else []


def _tagged_calls(content: str) -> list[ToolCall]:
    if content.strip() in ("", "[]", "{}", "null", "None"):
        return []
    fenced = _FENCE.search(content)
    content = fenced[1] if fenced else content
    return _json_calls(content, tagged=True) or _python_calls(content) or [ToolCall(name="", arguments=None)]


def _json_calls(text: str, *, tagged: bool = False) -> list[ToolCall]:
    return [call for value in _json_values(text) for call in _calls_of(value, tagged=tagged)]


def _json_values(text: str) -> Iterator[object]:
    """The outermost JSON objects and arrays in ``text``, skipping what is none."""
    decoder, position = json.JSONDecoder(), 0
    while found := re.compile(r"[{\[]").search(text, position):
        try:
            value, position = decoder.raw_decode(text, found.start())
        except RecursionError:  # nested a thousand deep: no call, and every next bracket would be tried in vain
            return
        except ValueError:
            position = found.end()
            continue
        yield value


def _calls_of(value: object, *, tagged: bool) -> list[ToolCall]:
    if isinstance(value, list):
        return [call for item in value for call in _calls_of(item, tagged=tagged)]
    if not isinstance(value, Mapping):
        return []
    inner = value.get("function")
    if isinstance(inner, Mapping):
        value = inner
    name, has_arguments = value.get("name"), "arguments" in value or "parameters" in value
    # A copied tool definition has a description; {"name": "Ann"} in prose is data. Neither is a call.
    if not isinstance(name, str) or not set(value) <= _CALL_KEYS or not (has_arguments or tagged):
        return []
    return [ToolCall(name=name, arguments=_arguments(value.get("arguments", value.get("parameters", {}))))]


def _arguments(value: object) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except (ValueError, RecursionError):
            return None
    if value is None:
        return {}
    return value if isinstance(value, Mapping) else None


def _python_calls(text: str) -> list[ToolCall]:
    """The calls of the whole text, or of the first line that is a list of calls, in Python's notation."""
    # A line without brackets may be part of a program that the model shows: print("Hello").
    for chunk in (text, *(line for line in text.splitlines() if line.lstrip().startswith("["))):
        calls = [_python_call(node) for node in _expressions(chunk)]
        known = [call for call in calls if call is not None]
        if known and len(known) == len(calls):
            return known
    return []


def _expressions(text: str) -> list[ast.expr]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ast warns of "\d" in strings, which is the model's business
            body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return body.elts if isinstance(body, ast.List) else [body]


def _python_call(node: ast.expr) -> ToolCall | None:
    if isinstance(node, ast.Dict):  # a JSON call with single quotes
        found = _calls_of(_literal(node), tagged=False)
        return found[0] if found else None
    name = _dotted_name(node.func) if isinstance(node, ast.Call) else ""
    if not isinstance(node, ast.Call) or not name:
        return None
    values = {keyword.arg: _literal(keyword.value) for keyword in node.keywords if keyword.arg}
    whole = not node.args and len(values) == len(node.keywords) and _UNREADABLE not in values.values()
    return ToolCall(name=name, arguments=values if whole else None)


def _dotted_name(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts, node = [node.attr, *parts], node.value
    return ".".join([node.id, *parts]) if isinstance(node, ast.Name) else ""


_UNREADABLE = object()


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return _UNREADABLE

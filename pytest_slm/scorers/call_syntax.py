"""Finds function calls in what a model wrote, in the notations that small models use. Nothing is ever evaluated.

Read are, in this order, and only the first kind that is there: what stands between marks (``call_markup``), tags with
the function's name, fenced code blocks, JSON anywhere in the text, Python's notation (a text that is nothing but calls,
or a line that is nothing but ``[name(argument=1), ...]``), and a name before its JSON. A name that merely occurs in a
sentence, or in a program, is no call.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pytest_slm.core.types import ToolCall
from pytest_slm.scorers.answer import guarded
from pytest_slm.scorers.call_markup import (
    MOST,
    gemma_calls,
    marked,
    named_calls,
    paired_calls,
    spoken_calls,
    tag_calls,
    whole_named_call,
    without_ends,
)
from pytest_slm.scorers.call_python import bare_name, program_calls, python_calls
from pytest_slm.scorers.call_values import UNREADABLE, arguments_of, expression, json_at, json_values, literal

UNREADABLE_CALL = ToolCall(name="", arguments=None)
_FENCE = re.compile(r"(?:```|~~~)[^\n`]{0,99}\n(.*?)(?:```|~~~|\Z)", re.DOTALL)
_BEGUN = re.compile(
    r"\{\s{0,99}[\"'](?:name|function|tool_name)[\"']\s{0,99}:\s{0,99}[\"'][^\"'\n]{0,200}[\"']\s{0,99},"
    r"\s{0,99}[\"'](?:arguments|parameters|args)[\"']\s{0,99}:"
)
_NAME_KEYS = ("name", "function", "tool_name", "function_name", "tool", "action")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "params", "action_input", "tool_input", "input")
_OTHER_KEYS = frozenset({"id", "type", "index", "tool_call_id", "call_id"})
_LISTS = ("tool_calls", "function_calls", "tool_call", "function_call", "calls")
_CALL_KEYS = frozenset({*_NAME_KEYS, *_ARGUMENT_KEYS, *_OTHER_KEYS})
_NONE = frozenset({"", "[]", "{}", "null", "None", "none"})


def parse_calls(text: str) -> list[ToolCall]:
    """All calls in ``text``, in order. A call that was begun in a clear notation but is broken counts as unreadable,
    and so does a text that cannot be read through."""
    return guarded(text, lambda: find_calls(text), lambda _reason: [UNREADABLE_CALL])


def find_calls(text: str) -> list[ToolCall]:
    """``parse_calls`` without its boundary."""
    contents = marked(text)
    if contents is not None:
        return [call for content in contents[:MOST] for call in _marked_calls(content)]
    text = without_ends(text)
    if tagged := tag_calls(text):
        return tagged
    for parts in (_FENCE.findall(text), [text]):
        if calls := [call for part in parts for call in _json_calls(part) or _python_calls(part)]:
            return calls
    begun = any(json_at(text, found.start())[0] is UNREADABLE for found in _BEGUN.finditer(text))
    return spoken_calls(text) or whole_named_call(text) or [UNREADABLE_CALL] * begun


def attempts_call(text: str, names: Collection[str]) -> bool:
    """Whether a text in which no call can be read tries to call one of these functions all the same: its name with
    values behind it, ``f("x")``, ``f: {...}``, ``<f>...</f>``. A name in a sentence, or with empty parentheses, is no
    attempt."""
    return any(re.search(_attempt(name), text) for name in names if name and name in text)


def _attempt(name: str) -> str:
    value = r"(?:[\"'\[{]|-?\d|[^\W\d]\w{0,99}\s?[=:]\s?[\"'\[{\w-])"
    mapping = r"[\"'`*]{0,3}\s?(?::|=>?|->)?\s{0,3}\{\s?[\"']?\w{1,99}[\"']?\s?:"
    return rf"(?<![\w.]){re.escape(name)}(?:\s?\(\s?{value}|{mapping}|\s?/?>\s?[<{{\w])"


def _marked_calls(content: str) -> list[ToolCall]:
    if content.strip() in _NONE:
        return []
    return (
        tag_calls(content)
        or _json_calls(content, marked=True)
        or gemma_calls(content)
        or list(named_calls(content))
        or paired_calls(content)
        or _python_calls(_unfenced(content))
        or program_calls(_unfenced(content))
        or [call for value in json_values(content) for call in _by_key(value)]
        or [UNREADABLE_CALL]
    )


def _unfenced(content: str) -> str:
    fenced = _FENCE.search(content)
    return fenced[1] if fenced else content


def _json_calls(text: str, *, marked: bool = False) -> list[ToolCall]:
    return [call for value in json_values(text) for call in _calls_of(value, marked=marked)]


def _calls_of(value: object, *, marked: bool) -> Iterator[ToolCall]:
    if isinstance(value, list):
        for item in value:
            yield from _calls_of(item, marked=marked)
    if not isinstance(value, Mapping):
        return
    if len(value) == 1 and (inner := next((value[key] for key in _LISTS if key in value), None)):
        yield from _calls_of(inner, marked=marked)
        return
    inner = value.get("function")
    if isinstance(inner, Mapping):
        value = inner
    name = next((value[key] for key in _NAME_KEYS if isinstance(value.get(key), str)), None)
    key = next((key for key in _ARGUMENT_KEYS if key in value), None)
    # A copied tool definition has a description; {"name": "Ann"} in prose is data. Neither is a call.
    if name is None or not set(value) <= _CALL_KEYS or (key is None and not marked):
        return
    if key is not None and _is_schema(value[key]):
        return
    yield ToolCall(name=bare_name(name), arguments=arguments_of(value[key] if key else {}))


def _is_schema(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") == "object" and "properties" in value


def _by_key(value: object) -> list[ToolCall]:
    """``{"f": {"a": 1}}``: only between marks, where nothing else can be meant."""
    if isinstance(value, list):
        return [call for item in value for call in _by_key(item)]
    if (
        not isinstance(value, dict)
        or set(value) & _CALL_KEYS
        or not all(isinstance(one, dict) for one in value.values())
    ):
        return []
    return [ToolCall(name=bare_name(name), arguments=arguments) for name, arguments in value.items()]


def _python_calls(text: str) -> list[ToolCall]:
    """The calls of the whole text, or of the first line that is a list of calls, in Python's notation."""
    # A line without brackets may be part of a program that the model shows: print("Hello").
    for chunk in (text, *(line for line in text.splitlines() if line.lstrip().startswith(("[", "{")))):
        if calls := python_calls(chunk) or _dict_calls(chunk):
            return calls
    return []


def _dict_calls(text: str) -> list[ToolCall]:
    """JSON calls with single quotes, or with True and None."""
    node = expression(text) if text.lstrip().startswith(("[", "{")) else None
    value: Any = UNREADABLE if node is None else literal(node)
    return [] if value is UNREADABLE else list(_calls_of(value, marked=False))

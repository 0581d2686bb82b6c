"""Calls between marks: the special tokens and tags that models were trained to write around a call.

Marks are known by their words (tool, function, call, begin), not one by one, so that these are read alike:
``<tool_call>``, ``<|tool_call_start|>``, ``<｜tool▁calls▁begin｜>``, ``<minimax:tool_call>``, ``functools[``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from pytest_slm.core.types import ToolCall
from pytest_slm.scorers.call_python import bare_name
from pytest_slm.scorers.call_values import UntypedText, arguments_of, json_at, json_value

MOST = 100
"""Calls that are read of a model that writes nothing but the beginnings of calls; more are wanted nowhere."""
_BEGINS = r"(?:[_▁](?:section))?(?:[_▁](?:start|begin))?"
_MARK = re.compile(
    r"(?P<open><[|｜]?(?:\w{1,20}:)?(?:(?:START_ACTION|action_start|plugin|python_tag|python_start|tools_prefix)"
    rf"|(?:start_)?(?:tool|function)[_▁]?calls?{_BEGINS})[|｜]?>"
    r"|\[(?:TOOL_CALLS?|TOOL_REQUEST|FUNCTION_CALLS?)\]|\bfunctools(?=\[)|<<function>>)"
    r"|<[|｜]?/?(?:\w{1,20}:)?(?:END_ACTION|action_end|python_end|tools_suffix|eom_id|eot_id|im_end|bot_end|end|call|s"
    r"|(?:end_)?(?:tool|function)[_▁]?calls?(?:[_▁]section)?(?:[_▁]end)?)[|｜]?>"
    r"|\[/(?:TOOL_CALLS?|FUNCTION_CALLS?)\]|\[END_TOOL_REQUEST\]",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```(?:tool_calls?|tool_code|function_calls?)[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL)
_NAME = r"[^\W\d][\w.-]{0,99}"
_QUOTED_NAME = rf"(?:=|\s{{1,9}}name\s?=\s?)[\"']?(?P<name>{_NAME})[\"']?\s{{0,9}}>"
_FUNCTION = re.compile(
    rf"<(?:\w{{1,20}}:)?(?:function|invoke){_QUOTED_NAME}(?P<body>.*?)"
    r"(?:</(?:\w{1,20}:)?(?:function|invoke)>|(?=<(?:\w{1,20}:)?(?:function|invoke)[=\s])|\Z)",
    re.DOTALL,
)
_PARAMETER = re.compile(
    rf"<(?:\w{{1,20}}:)?(?:parameter|param|arg){_QUOTED_NAME}(?P<value>.*?)"
    r"(?:</(?:\w{1,20}:)?(?:parameter|param|arg)>|(?=<(?:\w{1,20}:)?(?:parameter|param|arg)[=\s])|\Z)",
    re.DOTALL,
)
_PAIRED = re.compile(rf"\s*({_NAME})\s*((?:<arg_key>.*)?)", re.DOTALL)
_PAIR = re.compile(r"<arg_key>([^<]*+)</arg_key>\s*<arg_value>(.*?)(?:</arg_value>|(?=<arg_key>)|\Z)", re.DOTALL)
_SEPARATOR = r"(?:\s|<[|｜]?tool[_▁](?:sep|call_argument_begin)[|｜]?>|\[ARGS\]|\[CALL_ID\]\w*|```(?:json)?)*+"
_NAMED = re.compile(
    rf"(?<![\w.-])(?:function\s*<[|｜]?tool[_▁]sep[|｜]?>)?(?P<name>{_NAME})(?::\d+)?"
    rf"(?:<[|｜]tool_call_argument_begin[|｜]>)?{_SEPARATOR}(?={{)"
)
_SPOKEN = re.compile(
    rf"(?:^>>>\s?|^Action\s?:\s*|✿FUNCTION✿\s?:\s*|<\|recipient\|>\s*|\bto=)(?P<name>{_NAME})"
    r"(?P<then>\s*(?:Action Input\s?:|✿ARGS✿\s?:|<\|content\|>"
    r"|(?:<\|constrain\|>\s?\w*)?\s*<\|message\|>|\n|(?={))\s*)",
    re.MULTILINE,
)
_ANNOUNCED = ("Action Input", "ARGS", "<|content|>", "<|message|>")
_GEMMA = re.compile(rf"\"call\":(?P<name>{_NAME})(?={{)")
_GEMMA_WORDS = re.compile(r"<escape>(?P<text>.*?)<escape>|(?P<key>[^\W\d]\w*)(?=\s*:)", re.DOTALL)


def marked(text: str) -> list[str] | None:
    """What stands behind each mark that begins a call, up to the next mark; None where there is no such mark. A mark
    at the very end of a text, where it was cut off, has begun something: ``"?"``."""
    found = [fence[1] for fence in _FENCE.finditer(text)]
    marks = list(_MARK.finditer(text))
    for mark, following in zip(marks, [*marks[1:], None], strict=False):
        if mark["open"] is not None:
            content = text[mark.end() : following.start() if following else len(text)]
            if following is not None and following["open"] is not None and not content.strip():
                continue  # the list of calls begins, and the first call in it
            found.append(content if following is not None or content.strip() else "?")
    return found if found or any(mark["open"] is not None for mark in marks) else None


def without_ends(text: str) -> str:
    """A text in which no mark begins a call, without the marks that end one or the turn, and the word before it."""
    return _MARK.sub("", text).removeprefix("Call:")


def tag_calls(text: str) -> list[ToolCall]:
    """Calls written as tags: ``<function=f><parameter=a>1</parameter></function>``, ``<invoke name="f">...``."""
    return [ToolCall(name=bare_name(one["name"]), arguments=_of_body(one["body"])) for one in _FUNCTION.finditer(text)]


def _of_body(body: str) -> Any:
    found = {one["name"]: _value(one["value"]) for one in _PARAMETER.finditer(body)}
    return found or arguments_of(body.strip())


def _value(text: str) -> UntypedText:
    # Qwen and others put every value on lines of its own.
    return UntypedText(text.removeprefix("\n").removesuffix("\n"))


def paired_calls(content: str) -> list[ToolCall]:
    """GLM's notation: a name, then pairs of ``<arg_key>`` and ``<arg_value>``; or a lone name."""
    found = _PAIRED.fullmatch(content)
    if found is None:
        return []
    pairs = {key.strip(): _value(value) for key, value in _PAIR.findall(found[2])}
    return [ToolCall(name=bare_name(found[1]), arguments=pairs)] if pairs or not found[2] else []


def named_calls(content: str) -> Iterator[ToolCall]:
    """A name with the JSON of its arguments behind it: ``f{"a": 1}``, ``functions.f:0 ... {"a": 1}``."""
    position = 0
    for _ in range(MOST):
        found = _NAMED.search(content, position)
        if found is None:
            return
        arguments, end = json_at(content, found.end())
        yield ToolCall(name=bare_name(found["name"]), arguments=_mapping(arguments))
        position = max(end, found.end())


def spoken_calls(text: str) -> list[ToolCall]:
    """Calls that are announced by a word: ``Action: f`` with its ``Action Input:``, ``>>>f``, ``to=functions.f``."""
    calls = []
    for found in islice(_SPOKEN.finditer(text), MOST):
        if found["name"].lower() in ("none", "null"):  # the model has chosen to take no action
            continue
        arguments = _mapping(json_at(text, found.end())[0])
        if arguments is not None or any(word in found["then"] for word in _ANNOUNCED):
            calls.append(ToolCall(name=bare_name(found["name"]), arguments=arguments))
    return calls


def gemma_calls(content: str) -> list[ToolCall]:
    """FunctionGemma's notation: ``call:f{a:<escape>x<escape>,b:1}``."""
    as_json = _GEMMA_WORDS.sub(lambda word: json.dumps(word["text"] if word["key"] is None else word["key"]), content)
    return [
        ToolCall(name=found["name"], arguments=_mapping(json_at(as_json, found.end())[0]))
        for found in _GEMMA.finditer(as_json)
    ]


def _mapping(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def whole_named_call(text: str) -> list[ToolCall]:
    """A text that is nothing but a name and the JSON of its arguments."""
    found = _NAMED.match(text := text.strip().removesuffix("```").rstrip())
    arguments = json_value(text[found.end() :]) if found else None
    return (
        [ToolCall(name=bare_name(found["name"]), arguments=arguments)] if found and isinstance(arguments, dict) else []
    )

"""Calls are found in every notation that small models use, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import ToolCall
from pytest_slm.scorers.call_syntax import parse_calls

F = ToolCall(name="f", arguments={"a": 1, "b": "x"})
UNREADABLE = ToolCall(name="", arguments=None)


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "f", "arguments": {"a": 1, "b": "x"}}</tool_call>',
        'I will do that.\n<tool_call>\n{"name": "f", "arguments": {"a": 1, "b": "x"}}\n</tool_call>',
        '<tool_call>{"name": "f", "arguments": {"a": 1, "b": "x"}}',  # the end tag was a stop string
        '<tool_call>[{"name": "f", "arguments": {"a": 1, "b": "x"}}]</tool_call>',
        "<tool_call>{'name': 'f', 'arguments': {'a': 1, 'b': 'x'}}</tool_call>",
        '<tool_call>f(a=1, b="x")</tool_call>',
        '```json\n{"name": "f", "arguments": {"a": 1, "b": "x"}}\n```',
        'Here it is:\n```\n[{"name": "f", "parameters": {"a": 1, "b": "x"}}]\n```\nDone.',
        '{"name": "f", "arguments": {"a": 1, "b": "x"}}',
        '{"name": "f", "parameters": {"a": 1, "b": "x"}}',
        '{"name": "f", "arguments": "{\\"a\\": 1, \\"b\\": \\"x\\"}"}',  # arguments as a JSON string
        'Sure! {"name": "f", "arguments": {"a": 1, "b": "x"}} Anything else?',
        '[TOOL_CALLS][{"name": "f", "arguments": {"a": 1, "b": "x"}}]',
        '{"type": "function", "function": {"name": "f", "arguments": {"a": 1, "b": "x"}}}',
        '[f(a=1, b="x")]',
        "f(a=1, b='x')",
        'I call it now:\n[f(a=1, b="x")]',
    ],
)
def test_one_call_is_read_in_many_notations(text: str) -> None:
    assert parse_calls(text) == [F]


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "f", "arguments": {"a": 1, "b": "x"}}</tool_call>\n<tool_call>{"name": "g"}</tool_call>',
        '<tool_call>{"name": "f", "arguments": {"a": 1, "b": "x"}}\n{"name": "g", "arguments": {}}</tool_call>',
        '[{"name": "f", "arguments": {"a": 1, "b": "x"}}, {"name": "g", "arguments": null}]',
        '{"name": "f", "arguments": {"a": 1, "b": "x"}}\n{"name": "g", "arguments": {}}',
        '[f(a=1, b="x"), g()]',
    ],
)
def test_several_calls_keep_their_order(text: str) -> None:
    assert parse_calls(text) == [F, ToolCall(name="g", arguments={})]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "I would use f for this.",  # a function's name in a sentence is no call
        "You could call f(a=1, b=2) yourself.",
        "f",
        'Use this:\n```python\nminutes = 12\nprint("done")\n```',  # a program is no call
        '{"name": "Ann", "age": 3}',
        '{"name": "Ann"}',
        '{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}',
        "[1, 2, 3]",
        "(1)(a=2)",
        "<tool_call>[]</tool_call>",
        "<tool_call></tool_call>",
        "no { json [ here",
    ],
)
def test_what_is_no_call_is_not_read_as_one(text: str) -> None:
    assert parse_calls(text) == []


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "f", "argum',
        "<tool_call>do it</tool_call>",
        '{"name": "f", "arguments": {"a": ',  # cut off by max_tokens: it was going to call
    ],
)
def test_a_call_that_was_begun_counts_as_an_unreadable_one(text: str) -> None:
    assert parse_calls(text) == [UNREADABLE]


@pytest.mark.parametrize(
    "text",
    ["[f(1, 2)]", "f(a=b)", "f(**{'a': 1})", "f(a=open('/etc/passwd'))", '{"name": "f", "arguments": "a=1"}'],
)
def test_arguments_that_are_not_plain_values_are_unreadable_and_never_evaluated(text: str) -> None:
    assert parse_calls(text) == [ToolCall(name="f", arguments=None)]


CALL = '{{"name": "f", "arguments": {{"{}": 1}}}}'


def test_the_calls_of_all_fences_are_read_in_order() -> None:
    text = "First:\n```json\n" + CALL.format("a") + "\n```\nthen\n```json\n" + CALL.format("b") + "\n```"
    assert [call.arguments for call in parse_calls(text)] == [{"a": 1}, {"b": 1}]


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 50_000, "{" * 50_000, '{"a":' * 9_000, "(" * 9_000, "f" + ".f" * 9_000 + "(a=1)", '{"name":' * 9_000),
        *("<tool_call>" * 5_000, "```\n" * 9_000, "f(a=" + "9" * 9_000 + ")", "-" * 9_000 + "1", "f(a='\\d')", "f(\0)"),
    ],
    ids=lambda text: text[:8].encode("unicode_escape").decode(),
)
def test_hostile_text_is_no_error(text: str) -> None:
    # A parser that tries every way to read these would not come back.
    assert all(call.arguments is None or isinstance(call.arguments, dict) for call in parse_calls(text))


PIECES = (
    *("<tool_call>", "</tool_call>", '{"name": "f", "arguments": {"a": 1}}', "f(a=1)", "f(", "a=", "'1'", "\\"),
    *("[", "]", "{", "}", '"', "```", "\n", "name", ":", ","),
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_no_text_breaks_the_parser(text: str) -> None:
    # of pieces: letters at random never are a call
    for call in parse_calls(text):
        assert call.arguments is None or isinstance(call.arguments, dict)

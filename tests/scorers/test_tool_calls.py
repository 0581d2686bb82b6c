"""A call is right by name, required arguments, types and values; several in any order; and none where none fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Verdict
from pytest_slm.errors import UsageError
from pytest_slm.scorers.argument_types import fits, same
from pytest_slm.scorers.tool_calls import tool_calls

Scoring = Callable[..., Verdict]

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "hot": {"type": "number"},
                "brief": {"type": "boolean"},
                "hours": {"type": "array", "items": {"type": "integer"}},
            },
            "required": ["city"],
        },
    },
}
PARIS = {"name": "get_weather", "arguments": {"city": ["Paris"], "days": [3, "", None]}}


def call(**arguments: Any) -> str:
    return "<tool_call>" + json.dumps({"name": "get_weather", "arguments": arguments}) + "</tool_call>"


@pytest.fixture
def judged(score: Scoring) -> Callable[[list[Any], str], Verdict]:
    return lambda target, text: score(tool_calls, target, text, tools=(WEATHER,))


@pytest.mark.parametrize(
    "text",
    [call(city="Paris"), call(city="paris", days=3), call(days=3, city=" PARIS."), call(city="Paris", days=None)],
)
def test_a_right_call_is_right(judged: Callable[..., Verdict], text: str) -> None:
    assert judged([PARIS], text).value == 1.0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (call(), "argument 'city' is missing"),
        (call(city="Rome"), "argument 'city' is 'Rome', expected 'Paris'"),
        (call(city="Paris", days=4), "argument 'days' is 4, expected 3"),
        (call(city="Paris", days="3"), "argument 'days' is '3', which is not of type integer"),
        (call(city="Paris", days=True), "argument 'days' is True, which is not of type integer"),
        (call(city="Paris", colour="red"), "argument 'colour' was not asked for"),
        (call(city="Paris", brief=True), "argument 'brief' was not asked for"),
        (call(city="Paris").replace("get_weather", "weather"), "called weather, expected get_weather"),
        (call(city="Paris") * 2, "2 calls (get_weather, get_weather), expected 1 (get_weather)"),
        ("get_weather(open('x'))", "the arguments cannot be read"),
        ("I call get_weather for Paris.", "no call, expected get_weather"),
        ("abc", "no call, expected get_weather"),
        ("", "no answer"),
    ],
)
def test_a_wrong_call_is_wrong_and_the_explanation_says_why(
    judged: Callable[..., Verdict], text: str, why: str
) -> None:
    verdict = judged([PARIS], text)
    assert verdict.value == 0.0
    assert verdict.explanation.endswith(why)


def test_an_integer_is_a_number_but_a_boolean_is_neither(judged: Callable[..., Verdict]) -> None:
    target = [{"name": "get_weather", "arguments": {"city": ["Paris"], "hot": [1, 2.5]}}]
    values = [judged(target, call(city="Paris", hot=hot)).value for hot in (1, 2.5, 1.0, True)]
    assert values == [1.0, 1.0, 1.0, 0.0]


def test_a_required_argument_may_not_be_left_out_even_if_the_target_would_allow_it(
    judged: Callable[..., Verdict],
) -> None:
    target = [{"name": "get_weather", "arguments": {"city": ["Paris", ""]}}]
    assert judged(target, call()).value == 0.0


def test_several_calls_may_come_in_any_order(judged: Callable[..., Verdict]) -> None:
    rome = {"name": "get_weather", "arguments": {"city": ["Rome"]}}
    assert judged([PARIS, rome], call(city="Rome") + call(city="Paris")).value == 1.0


def test_one_call_does_not_answer_two_questions(judged: Callable[..., Verdict]) -> None:
    rome = {"name": "get_weather", "arguments": {"city": ["Rome"]}}
    assert judged([PARIS, rome], call(city="Paris") * 2).value == 0.0


def test_an_ambiguous_call_is_given_to_the_question_that_needs_it(judged: Callable[..., Verdict]) -> None:
    # Taking the first fitting call for the first question would leave the second one without an answer.
    either = {"name": "get_weather", "arguments": {"city": ["Paris", "Rome"]}}
    paris = {"name": "get_weather", "arguments": {"city": ["Paris"]}}
    assert judged([either, paris], call(city="Paris") + call(city="Rome")).value == 1.0


def test_two_expected_calls_of_which_one_is_answered_twice_are_explained(judged: Callable[..., Verdict]) -> None:
    either = {"name": "get_weather", "arguments": {"city": ["Paris", "Rome"]}}
    paris = {"name": "get_weather", "arguments": {"city": ["Paris"]}}
    verdict = judged([paris, paris, either], call(city="Paris") + call(city="Rome") * 2)
    assert "one and the same call" in verdict.explanation


@pytest.mark.parametrize("text", ["abc", "I can't do that with get_weather.", '{"name": "Paris"}'])
def test_where_no_function_fits_words_are_right(judged: Callable[..., Verdict], text: str) -> None:
    assert judged([], text).value == 1.0


@pytest.mark.parametrize("text", [call(city="Paris"), '<tool_call>{"name": "get_', "[other(a=1)]", ""])
def test_where_no_function_fits_a_call_or_silence_is_wrong(judged: Callable[..., Verdict], text: str) -> None:
    # A call that was cut off, or that names an unknown function, is a call all the same.
    assert judged([], text).value == 0.0


@pytest.mark.parametrize(
    "target",
    [
        *(None, "get_weather", [{"name": "get_weather"}], [{"name": "x", "arguments": {}}], [["get_weather"]]),
        [{"name": "get_weather", "arguments": {"city": "Paris"}}],  # the values are no list
    ],
)
def test_a_broken_target_is_a_mistake_in_the_data(judged: Callable[..., Verdict], target: Any) -> None:
    with pytest.raises(UsageError, match="sample-unfit"):
        judged(target, call(city="Paris"))


@pytest.mark.parametrize(
    ("left", "right"),
    [("New York", "new-york"), ("12/3/2024", "12-3-2024"), ("Hi there!", "hi there"), ("St. John's", "st johns")],
)
def test_strings_are_compared_by_ear(left: str, right: str) -> None:
    assert same(left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1.5", "15"),
        ("-5", "5"),
        ("+", "-"),
        ("C#", "C"),
        ("a b", "a c"),
        (1, True),
        (0, False),
        ("1", 1),
        ([1], [1, 2]),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
    ],
)
def test_what_differs_in_meaning_stays_different(left: object, right: object) -> None:
    # Dropping all punctuation, as is often done, makes 1.5 equal to 15 and -5 equal to 5.
    assert not same(left, right)


@pytest.mark.parametrize(
    ("value", "schema", "right"),
    [
        ([1, 2], {"type": "array", "items": {"type": "integer"}}, True),
        ([1, "2"], {"type": "array", "items": {"type": "integer"}}, False),
        ({"a": 1}, {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, True),
        ({"a": "1"}, {"type": "object", "properties": {"a": {"type": "integer"}}}, False),
        ({}, {"type": "object", "required": ["a"]}, False),
        (5.0, {"type": "integer"}, True),
        (5.5, {"type": "integer"}, False),
        (None, {"type": ["string", "null"]}, True),
        (None, {"type": "string"}, False),
        ("anything", {}, True),
    ],
)
def test_types_are_those_of_json_schema(value: object, schema: dict[str, Any], right: bool) -> None:
    assert fits(value, schema) is right


FOREIGN = {  # names of types in other lists of functions: values that they take, and values that they do not
    "float": ([1.5, 2], ["1.5", True]),
    "double": ([1.5], ["x"]),
    "int": ([2, 2.0], [2.5, "2"]),
    "long": ([2], [[2]]),
    "dict": ([{"a": 1}], [[1], "a"]),
    "HashMap": ([{}], [1]),
    "tuple": ([[1, 2]], [1, {"a": 1}]),
    "ArrayList": ([[]], ["a"]),
    "List[str]": ([["a"]], ["a"]),
    "list<string>": ([["a"]], [{}]),
    "String": (["a"], [1, None]),
    "char": (["a"], [["a"]]),
    "bool": ([True], [1, "true"]),
    "any": ([1, "a", None, [1], {"a": 1}, True], []),
    "NoneType": ([None], [0]),
    "Optional[int]": ([1, None], ["a"]),
    "Union[int, str]": ([1, "a"], [None]),
    "str, optional": (["a"], [1]),
    "int or float": ([1, 1.5], ["a"]),
    "string|null": (["a", None], [1]),
    "Dict[str, Any]": ([{"a": [1]}], [[1]]),
    "typing.List[int]": ([[1]], [1]),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_types_have_many_names(name: str) -> None:
    good, bad = FOREIGN[name]
    for schema in ({"type": name}, {"type": [name]}):
        assert [value for value in good if not fits(value, schema)] == []
        assert [value for value in bad if fits(value, schema)] == []
    assert fits([good[0]], {"type": "array", "items": {"type": name}})


@pytest.mark.parametrize("kind", ["colour", "", ["string", "colour"], 7, "int or colour"])
def test_a_type_that_nobody_knows_is_a_mistake_in_the_data(score: Scoring, kind: object) -> None:
    # With it, no call at all would be right.
    for schema in ({"type": kind}, {"type": "array", "items": {"type": kind}}, {"properties": {"b": {"type": kind}}}):
        tool = {"function": {"name": "f", "parameters": {"type": "dict", "properties": {"a": schema}}}}
        with pytest.raises(UsageError, match=r"sample 's': the tool 'f' has an argument of type .*\[sample-unfit\]"):
            score(tool_calls, [], "x", tools=(tool,))


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        {},
        {"required": True},
        {"properties": []},
        {"properties": {"a": None}},
        {"properties": {"a": {"items": [{}]}}},
    ],
)
def test_a_schema_may_say_little(score: Scoring, parameters: object) -> None:
    tool = {"function": {"name": "f", "parameters": parameters}}
    target = [{"name": "f", "arguments": {"a": [[1]]}}]
    assert score(tool_calls, target, "[f(a=[1])]", tools=(tool,)).value == 1.0


def test_strictly_texts_are_the_same_letter_by_letter(judged: Callable[..., Verdict]) -> None:
    # By ear, as BFCL compares, 10:30 is 1030.
    for text, strict in ((call(city="Paris"), 1.0), (call(city="paris"), 0.0), (call(city="Pa ris"), 0.0)):
        verdict = judged([PARIS], text)
        assert (verdict.value, verdict.values) == (1.0, {"strict": strict})
    assert same("10:30", "1030")
    assert not same("10:30", "1030", strict=True)
    assert same(3, 3.0, strict=True)


def test_many_equal_calls_are_paired_off_in_no_time(judged: Callable[..., Verdict]) -> None:
    # Trying all orders of twelve calls takes half a billion steps.
    assert judged([PARIS] * 12, call(city="Paris") * 12).value == 1.0
    assert judged([PARIS] * 12, call(city="Paris") * 11 + call(city="Rome")).value == 0.0


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_every_value_is_the_same_as_its_copy(value: object) -> None:
    assert same(value, json.loads(json.dumps(value)))

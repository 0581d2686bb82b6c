"""Did the model call the right functions with the right arguments? Compared by structure, never by substring.

The target is a list of expected calls, ``{"name": ..., "arguments": {argument: [acceptable values]}}``, where ``""`` or
``null`` among the values says that the argument may be left out; ``[]`` says that no call is right. The idea of
acceptable values and of comparing strings loosely is that of the Berkeley Function Calling Leaderboard (Patil et al.
2025); unlike there, a decimal point and a leading minus count, and ``true`` is no integer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm.core.types import Generation, Sample, ToolCall, Verdict
from pytest_slm.scorers.answer import answer_of, bad_sample, no_answer
from pytest_slm.scorers.call_syntax import parse_calls

_OMITTED = ("", None)
_UNHEARD = re.compile(r"[\s,/_*^'\"!?;:]|(?<!\d)\.|\.(?!\d)|(?!\A-\d)-")


def tool_calls(sample: Sample, generation: Generation) -> Verdict:
    """Right if the calls in the answer are exactly the expected ones, in any order.

    A call fits if the function's name is the same, every required argument is there, none is unknown, each has the
    type of the tool's JSON schema (an integer is a number, a boolean is neither) and an acceptable value.
    """
    expected, tools = _expected(sample), _tools(sample)
    answer = answer_of(generation)
    calls = parse_calls(answer) if generation.tool_calls is None else list(generation.tool_calls)
    if not expected:
        # Silence is no call, but it is no answer either: an empty text must not pass for judgement.
        if not answer:
            return no_answer()
        if calls:
            return _wrong(answer, f"{_names(calls)} was called, but no function fits the request")
        return Verdict(value=1.0, answer=answer, explanation="rightly, nothing was called")
    if not calls:
        return _wrong(answer, f"no call, expected {_wanted(expected)}") if answer else no_answer()
    if len(calls) != len(expected):
        return _wrong(answer, f"{len(calls)} calls ({_names(calls)}), expected {len(expected)} ({_wanted(expected)})")
    if _pair_off(expected, calls, tools):
        return Verdict(value=1.0, answer=answer, explanation=f"{_names(calls)}: right name, arguments and values")
    return _wrong(answer, _first_problem(expected, calls, tools))


def _pair_off(expected: Sequence[Mapping[str, Any]], calls: Sequence[ToolCall], tools: Mapping[str, Any]) -> bool:
    """Whether the calls can be assigned to the expected ones; backtracks, since one call may fit two of them."""
    if not expected:
        return True
    return any(
        _problem(expected[0], call, tools) is None and _pair_off(expected[1:], [*calls[:i], *calls[i + 1 :]], tools)
        for i, call in enumerate(calls)
    )


def _first_problem(expected: Sequence[Mapping[str, Any]], calls: Sequence[ToolCall], tools: Mapping[str, Any]) -> str:
    for wanted in expected:
        problems = [_problem(wanted, call, tools) for call in calls]
        if None not in problems:
            same_name = [p for p, call in zip(problems, calls, strict=True) if call.name == wanted["name"]]
            return str((same_name or problems)[0])
    return "two expected calls are answered by one and the same call"


def _problem(wanted: Mapping[str, Any], call: ToolCall, tools: Mapping[str, Any]) -> str | None:
    """What is wrong with ``call`` as an answer to ``wanted``, or None."""
    name, accepted = wanted["name"], wanted["arguments"]
    if call.name != name:
        return f"called {call.name or 'something unreadable'}, expected {name}"
    if call.arguments is None:
        return f"{name}: the arguments cannot be read"
    schema = tools[name]
    for argument, values in accepted.items():
        if argument not in call.arguments and (argument in schema.get("required", ()) or not _may_omit(values)):
            return f"{name}: argument {argument!r} is missing"
    for argument, value in call.arguments.items():
        if argument not in accepted:
            return f"{name}: argument {argument!r} was not asked for"
        if value in _OMITTED and _may_omit(accepted[argument]):
            continue
        kind = schema.get("properties", {}).get(argument, {})
        if not fits(value, kind):
            return f"{name}: argument {argument!r} is {value!r:.60}, which is not of type {kind.get('type')}"
        if not any(same(value, acceptable) for acceptable in accepted[argument]):
            return f"{name}: argument {argument!r} is {value!r:.60}, expected {accepted[argument][0]!r:.60}"
    return None


def fits(value: object, schema: Mapping[str, Any]) -> bool:
    """Whether ``value`` has the type that a JSON schema names, inside arrays and objects too. No type: anything."""
    kinds = schema.get("type")
    if kinds is None:
        return True
    return any(_is_a(value, kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _is_a(value: object, kind: str, schema: Mapping[str, Any]) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, float):
        return kind == "number" or (kind == "integer" and value.is_integer())
    if isinstance(value, int):
        return kind in ("integer", "number")
    if isinstance(value, str):
        return kind == "string"
    if isinstance(value, list | tuple):
        return kind == "array" and all(fits(item, schema.get("items", {})) for item in value)
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        return (
            kind == "object"
            and set(schema.get("required", ())) <= set(value)
            and all(fits(item, known.get(key, {})) for key, item in value.items())
        )
    return value is None and kind == "null"


def same(value: object, acceptable: object) -> bool:
    """Equality with strings compared by what one hears: without case, spaces and most punctuation. True is not 1."""
    if isinstance(value, bool) or isinstance(acceptable, bool):
        return value is acceptable
    if isinstance(value, str) and isinstance(acceptable, str):
        return _heard(value) == _heard(acceptable)
    if isinstance(value, list | tuple) and isinstance(acceptable, list | tuple):
        return len(value) == len(acceptable) and all(same(v, a) for v, a in zip(value, acceptable, strict=True))
    if isinstance(value, Mapping) and isinstance(acceptable, Mapping):
        return value.keys() == acceptable.keys() and all(same(value[key], acceptable[key]) for key in value)
    return value == acceptable


def _heard(text: str) -> str:
    # What is nothing but punctuation ("+", "-") must not become equal to all other punctuation.
    return _UNHEARD.sub("", text.strip().casefold()) or text.strip()


def _may_omit(values: Sequence[object]) -> bool:
    return any(value in _OMITTED for value in values)


def _expected(sample: Sample) -> list[Mapping[str, Any]]:
    target, names = sample.target, set(_tools(sample))
    if not isinstance(target, list | tuple):
        raise bad_sample(sample, "the target is no list of calls. Give [] where no call is right")
    for call in target:
        whole = isinstance(call, Mapping) and isinstance(call.get("arguments"), Mapping)
        if not whole or not all(isinstance(values, list | tuple) for values in call["arguments"].values()):
            raise bad_sample(sample, 'an expected call is {"name": ..., "arguments": {argument: [values]}}')
        if call.get("name") not in names:
            raise bad_sample(sample, f"the target calls {call.get('name')!r}, which is none of its tools")
    return list(target)


def _tools(sample: Sample) -> dict[str, Mapping[str, Any]]:
    """The JSON schema of the arguments of each tool, by name."""
    functions = [tool.get("function", tool) for tool in sample.tools]
    return {str(function.get("name")): function.get("parameters", {}) for function in functions}


def _names(calls: Sequence[ToolCall]) -> str:
    return ", ".join(call.name or "something unreadable" for call in calls)


def _wanted(expected: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(str(call["name"]) for call in expected)


def _wrong(answer: str, explanation: str) -> Verdict:
    return Verdict(value=0.0, answer=answer, explanation=explanation)

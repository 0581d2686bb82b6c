"""Did the model call the right functions with the right arguments? Compared by structure, never by substring.

The target is a list of expected calls, ``{"name": ..., "arguments": {argument: [acceptable values]}}``, where ``""`` or
``null`` among the values says that the argument may be left out; ``[]`` says that no call is right. The idea of
acceptable values and of comparing strings loosely is that of the Berkeley Function Calling Leaderboard (Patil et al.
2025); unlike there, a decimal point and a leading minus count, and ``true`` is no integer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm.core.types import Generation, Sample, ToolCall, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import answer_of, bad_sample, bounded, no_answer
from pytest_slm.scorers.argument_types import composed, fits, required, same, typed, unknown_type
from pytest_slm.scorers.call_syntax import attempts_call, parse_calls

_OMITTED = ("", None)
_SHOWN = 5


@bounded
def tool_calls(sample: Sample, generation: Generation, _options: object = None) -> Verdict:
    """Right if the calls in the answer are exactly the expected ones, in any order.

    A call fits if the function's name is the same, every required argument is there, none is unknown, each has the
    type of the tool's JSON schema (an integer is a number, a boolean is neither) and an acceptable value. Texts are
    compared in one normal form of Unicode. ``values.strict`` is 1 where they are right letter by letter, too.
    """
    expected, tools = _expected(sample), _tools(sample)
    answer = answer_of(generation)
    given = parse_calls(answer) if generation.tool_calls is None else generation.tool_calls
    calls = [_composed(call, tools) for call in given]
    if not expected:
        # Silence is no call, but it is no answer either: an empty text must not pass for judgement.
        if not answer:
            return no_answer()
        if calls:
            return _wrong(answer, f"{_names(calls)} was called, but no function fits the request")
        if attempts_call(answer, tools):
            return _wrong(answer, "a call that cannot be read was made, but no function fits the request")
        return Verdict(value=1.0, answer=answer, explanation="rightly, nothing was called")
    if not calls:
        return _wrong(answer, f"no call, expected {_wanted(expected)}") if answer else no_answer()
    if len(calls) != len(expected):
        return _wrong(answer, f"{len(calls)} calls ({_names(calls)}), expected {len(expected)} ({_wanted(expected)})")
    if not _pair_off(expected, calls, tools):
        return _wrong(answer, _first_problem(expected, calls, tools))
    strict = _pair_off(expected, calls, tools, strict=True)
    explanation = f"{_names(calls)}: right name, arguments and values"
    return Verdict(value=1.0, answer=answer, explanation=explanation, values={"strict": float(strict)})


def check(sample: Sample, _options: object = None) -> None:
    """Raise UsageError for a sample whose target or tools cannot be read."""
    _expected(sample)


def _pair_off(
    expected: Sequence[Mapping[str, Any]], calls: Sequence[ToolCall], tools: Mapping[str, Any], *, strict: bool = False
) -> bool:
    """Whether the calls can be assigned to the expected ones, though one call may fit several: by augmenting paths
    (Kuhn 1955), since trying all orders of twelve equal calls would not end."""
    fit = [
        [place for place, call in enumerate(calls) if _problem(wanted, call, tools, strict) is None]
        for wanted in expected
    ]
    taken: dict[int, int] = {}

    def find(wanted: int, seen: set[int]) -> bool:
        for place in fit[wanted]:
            if place not in seen:
                seen.add(place)
                if place not in taken or find(taken[place], seen):
                    taken[place] = wanted
                    return True
        return False

    return all(find(wanted, set()) for wanted in range(len(expected)))


def _first_problem(expected: Sequence[Mapping[str, Any]], calls: Sequence[ToolCall], tools: Mapping[str, Any]) -> str:
    for wanted in expected:
        problems = [_problem(wanted, call, tools) for call in calls]
        if None not in problems:
            same_name = [p for p, call in zip(problems, calls, strict=True) if call.name == wanted["name"]]
            return str((same_name or problems)[0])
    return "two expected calls are answered by one and the same call"


def _problem(wanted: Mapping[str, Any], call: ToolCall, tools: Mapping[str, Any], strict: bool = False) -> str | None:
    """What is wrong with ``call`` as an answer to ``wanted``, or None."""
    name, accepted = wanted["name"], wanted["arguments"]
    if call.name != name:
        return f"called {_names([call])}, expected {name}"
    if call.arguments is None:
        return f"{name}: the arguments cannot be read"
    schema = tools[name]
    for argument, values in accepted.items():
        if argument not in call.arguments and (argument in required(schema) or not _may_omit(values)):
            return f"{name}: argument {argument!r} is missing"
    for argument, value in call.arguments.items():
        if argument not in accepted:
            return f"{name}: argument {argument!r:.60} was not asked for"
        if value in _OMITTED and _may_omit(accepted[argument]):
            continue
        kind = _properties(schema).get(argument)
        if not fits(value, kind):
            return f"{name}: argument {argument!r} is {value!r:.60}, which is not of type {(kind or {}).get('type')}"
        if not any(same(value, acceptable, strict=strict) for acceptable in accepted[argument]):
            return f"{name}: argument {argument!r} is {value!r:.60}, expected {accepted[argument][0]!r:.60}"
    return None


def _may_omit(values: Sequence[object]) -> bool:
    return any(value in _OMITTED for value in values)


def _expected(sample: Sample) -> list[Mapping[str, Any]]:
    target, tools = sample.target, _tools(sample)
    if not isinstance(target, list | tuple):
        raise bad_sample(sample, "the target is no list of calls. Give [] where no call is right")
    for call in target:
        whole = isinstance(call, Mapping) and isinstance(call.get("arguments"), Mapping)
        if not whole or not all(isinstance(values, list | tuple) for values in call["arguments"].values()):
            raise bad_sample(sample, 'an expected call is {"name": ..., "arguments": {argument: [values]}}')
        if composed(call.get("name")) not in tools:
            raise bad_sample(sample, f"the target calls {call.get('name')!r}, which is none of its tools")
    return [composed(call) for call in target]


def _tools(sample: Sample) -> dict[str, Mapping[str, Any]]:
    """The JSON schema of the arguments of each tool, by name."""
    schemas = {}
    for tool in sample.tools:
        function = tool.get("function", tool)
        schema = function.get("parameters") or {} if isinstance(function, Mapping) else None
        if schema is None or not isinstance(schema, Mapping):
            raise bad_sample(sample, 'a tool is {"function": {"name": ..., "parameters": {a JSON schema}}}')
        name, unknown = str(function.get("name")), unknown_type(schema)
        if unknown is not None:
            raise bad_sample(sample, f"the tool {name!r:.80} has an argument of type {unknown:.80}, which is not known")
        schemas[name] = schema
    return {composed(name): composed(schema) for name, schema in schemas.items()}


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _composed(call: ToolCall, tools: Mapping[str, Any]) -> ToolCall:
    """The call in the normal form of Unicode, with the types that its function's schema wants where it has none."""
    name = composed(call.name)
    if call.arguments is None:
        return ToolCall(name=name)
    kinds = _properties(tools.get(name, {}))
    arguments = {key: typed(value, kinds.get(composed(key))) for key, value in call.arguments.items()}
    return ToolCall(name=name, arguments=composed(arguments))


def _names(calls: Sequence[ToolCall]) -> str:
    names = [f"{call.name:.80}" or "something unreadable" for call in calls[:_SHOWN]]
    return ", ".join([*names, "..."] if len(calls) > _SHOWN else names)


def _wanted(expected: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(str(call["name"]) for call in expected)


def _wrong(answer: str, explanation: str) -> Verdict:
    return Verdict(value=0.0, answer=answer, explanation=explanation)


def right(sample: Sample, _options: object) -> tuple[str]:
    """The target's calls, each argument with its first acceptable value; a sentence where none is wanted."""
    calls = [
        {
            "name": call["name"],
            "arguments": {
                name: next(value for value in values if value not in _OMITTED)
                for name, values in call["arguments"].items()
                if any(value not in _OMITTED for value in values)
            },
        }
        for call in _expected(sample)
    ]
    return ("\n".join(f"<tool_call>{json.dumps(call)}</tool_call>" for call in calls) or "None of them can do that.",)


TOOL_CALLS = Rule(judge=tool_calls, check=check, right=right)

"""Calls one after the other, where later ones use the results of earlier ones: NESTful's metrics (Basu et al. 2025).

https://arxiv.org/abs/2409.03797. As its scorer does, values are compared as the texts that Python makes of them, so
that 5 is "5"; of a reference such as ``$var1.result$`` the function counts that has that label, and not the label.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_slm.core.types import Generation, Sample, ToolCall, Verdict
from pytest_slm.core.worlds import grounded
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import answer_of, bad_sample, guarded, too_long
from pytest_slm.scorers.call_syntax import parse_calls
from pytest_slm.scorers.call_values import json_values

MOST = 200
"""Calls of an answer that are looked at."""


def call_sequence(sample: Sample, generation: Generation, _options: object = None) -> Verdict:
    """The share of calls that are right in their place (``partial_match``), where gaps align sequences of different
    length by the functions' names; ``full_match`` is 1 where all are. ``functions`` and ``parameters`` are the labels
    that F1 is made of. An answer that cannot be read has no calls."""
    if odd := too_long(generation):
        return replace(odd, values={"partial_match": 0.0, "full_match": 0.0, **labels([])})
    answer = answer_of(generation)
    given = guarded(answer, lambda: _readable(answer), lambda _reason: [])
    wanted = _expected(sample)
    left, right = aligned(wanted, given)
    same = sum(a is not None and b is not None and told(a) == told(b) for a, b in zip(left, right, strict=True))
    share = same / len(left)
    return Verdict(
        value=share,
        answer=answer[:2000],
        explanation=f"{same} of {len(left)} places are right; {len(given)} calls, expected {len(wanted)}",
        values={"partial_match": share, "full_match": float(share == 1), **labels(given)},
    )


def _readable(answer: str) -> list[ToolCall]:
    """The calls with what they refer to, where they can be told as text."""
    return [call for call in grounded(calls_of(answer)[:MOST]) if told(call)]


def calls_of(text: str) -> list[ToolCall]:
    """The calls in JSON, with their label as ``id`` where they have one, else those of other notations."""
    found = [call for value in json_values(text) for call in _calls(value)]
    return found or [call for call in parse_calls(text) if call.name]


def _calls(value: object) -> Iterator[ToolCall]:
    if isinstance(value, list):
        for item in value:
            yield from _calls(item)
    elif isinstance(value, Mapping) and isinstance(value.get("name"), str):
        arguments, label = value.get("arguments", value.get("parameters", {})), value.get("label")
        yield ToolCall(
            name=value["name"],
            arguments=arguments if isinstance(arguments, Mapping) else None,
            id=label if isinstance(label, str) else None,
        )


def told(call: ToolCall) -> str:
    """A call as one text: its name and its sorted arguments."""
    return f"{call.name}({'?' if call.arguments is None else ', '.join(sorted(_arguments(call)))})"


def _arguments(call: ToolCall) -> list[str]:
    return [f"{name} = {value}" for name, value in (call.arguments or {}).items()]


def labels(calls: Sequence[ToolCall]) -> dict[str, dict[str, list[str]]]:
    """The labels of F1: the names of all functions in one row, and a row of arguments for each function, the last call
    of which counts."""
    return {
        "functions": {"": [call.name for call in calls]},
        "parameters": {call.name: _arguments(call) for call in calls},
    }


def aligned(
    wanted: Sequence[ToolCall], given: Sequence[ToolCall]
) -> tuple[list[ToolCall | None], list[ToolCall | None]]:
    """Both sequences with gaps, so that they are of one length: those of one length as they are; else, where the names
    differ, the expected call stands against a gap, until there is none left."""
    left: list[ToolCall | None] = list(wanted)
    right: list[ToolCall | None] = list(given)
    if len(left) == len(right):
        return left, right
    left, right, place = [], [], 0
    for call in wanted:
        if place < len(given) and given[place].name == call.name:
            right.append(given[place])
            place += 1
        else:
            right.append(None)
        left.append(call)
    rest = given[place:]
    return [*left, *[None] * len(rest)], [*right, *rest]


def _expected(sample: Sample) -> list[ToolCall]:
    target: Any = sample.target
    if not isinstance(target, list | tuple) or not target:
        raise bad_sample(sample, 'the target is no list of calls, [{"name": ..., "arguments": {...}}]')
    calls = list(_calls(list(target)))
    if len(calls) != len(target) or any(call.arguments is None for call in calls):
        raise bad_sample(sample, 'an expected call is {"name": ..., "arguments": {...}}')
    return grounded(calls)


CALL_SEQUENCE = Rule(
    judge=call_sequence,
    check=lambda sample, _options: (_expected(sample), None)[1],
    right=lambda sample, _options: (json.dumps(list(sample.target)),),
)

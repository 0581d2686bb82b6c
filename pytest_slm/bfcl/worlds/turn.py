"""One turn of a conversation over tools: the model calls and sees the results, until an answer makes no call."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_slm.bfcl.worlds.showing import ShownConversation
from pytest_slm.core.record import RecordError
from pytest_slm.core.request import Ask
from pytest_slm.core.types import Generation, Request, ToolCall
from pytest_slm.core.worlds import Execution, ExecutionResult, World, WorldCall
from pytest_slm.scorers.argument_types import typed
from pytest_slm.scorers.call_syntax import parse_calls

MOST_STEPS = 20
"""Answers with calls in one turn, as in BFCL: a model that makes one more has failed."""

UNMADE = "tools_unmade"
"""How a turn ends where the classes themselves cannot be made: no fault of the model's."""

Made = list[tuple[WorldCall, ...]]
"""The calls of each turn until now."""


@dataclass(frozen=True, kw_only=True)
class TurnEnd:
    """How a turn has ended: with ``text``, the answer that makes no call; or too early, by one word (``ending``) and in
    more (``told``). ``steps`` are the answers with calls whose results were shown."""

    text: str = ""
    ending: str = ""
    told: str = ""
    steps: int = 0


def hold_turn(
    shown: ShownConversation,
    world: World,
    made: Made,
    functions: Iterable[Mapping[str, Any]],
    terms: Mapping[str, Any],
    where: str,
) -> Generator[Ask, Any, TurnEnd]:
    """Ask until an answer makes no call. The calls are added to the last turn of ``made``, what is said to ``shown``;
    ``terms`` are fields of each request, ``where`` begins the words for what does not fit or does not end."""
    parameters = {one["name"]: one.get("parameters", {}).get("properties", {}) for one in functions}
    step = 0
    while True:
        generation: Generation = yield Request(
            messages=tuple(shown.messages), tools=shown.tools, may_not_fit=True, **terms
        )
        if generation.finish == "context" and not generation.n_output:
            told = f"{where}: {generation.n_prompt} tokens are more than the context holds"
            return TurnEnd(ending="context_exceeded", told=told, steps=step)
        calls = readable(generation, parameters)
        shown.answer(generation, [call for call, _ in calls])
        if not calls:
            return TurnEnd(text=generation.text, steps=step)
        made[-1] += tuple(call for _, call in calls)
        if step == MOST_STEPS:
            told = f"{where}: still calling after {MOST_STEPS} steps"
            return TurnEnd(ending="force_terminated", told=told, steps=step)
        executed: ExecutionResult = yield Execution(world=world, turns=tuple(made), new=len(calls))
        if executed.ending != "done":
            return broken(executed, step + 1)
        shown.results([call for call, _ in calls], executed.results)
        step += 1


def broken(executed: ExecutionResult, steps: int) -> TurnEnd:
    """What the classes could not execute."""
    told = f"the tools ended with {executed.ending}: {executed.explanation}"
    return TurnEnd(ending=f"tools_{executed.ending}", told=told, steps=steps)


def readable(generation: Generation, parameters: Mapping[str, Mapping[str, Any]]) -> list[tuple[ToolCall, WorldCall]]:
    """The calls of an answer, as they were read and as they are executed; none where one of them cannot be read, as in
    BFCL, whose turn then ends. ``parameters`` are those of each function, by their names."""
    made = generation.tool_calls
    calls = []
    for call in parse_calls(generation.text) if made is None else made:  # None in a run that is scored again
        if not call.name or call.arguments is None:
            return []
        schema = parameters.get(call.name, {})
        arguments = {name: typed(value, schema.get(name)) for name, value in call.arguments.items()}
        try:
            calls.append((call, WorldCall(name=call.name, arguments=arguments)))
        except RecordError:
            return []
    return calls

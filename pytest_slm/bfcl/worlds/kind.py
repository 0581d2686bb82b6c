"""The kind of BFCL's conversations: the model calls, the sandbox executes, and the world is compared at the end."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_slm.backends.protocol import TOOLS
from pytest_slm.bfcl.categories import DATASET
from pytest_slm.bfcl.rows import docs_of, read_rows
from pytest_slm.bfcl.worlds.checking import check, needless_turns
from pytest_slm.bfcl.worlds.library import ToolClasses
from pytest_slm.bfcl.worlds.scenario import Scenario, scenario_of
from pytest_slm.bfcl.worlds.showing import Prompts, Shown, Way, tool
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import Execution, Talk
from pytest_slm.core.types import Generation, JudgedSample, Message, Request, Sample, Task, ToolCall, Verdict
from pytest_slm.core.worlds import Executed, WorldCall
from pytest_slm.kinds.context import sha256
from pytest_slm.kinds.kind import Conclusion, Kind
from pytest_slm.kinds.questions import stratified
from pytest_slm.sandbox import available
from pytest_slm.scorers.argument_types import typed

MOST_STEPS = 20
"""Answers with calls in one turn, as in BFCL: a model that makes one more has failed."""
PREFIX = "multi_turn_"


@dataclass(frozen=True, kw_only=True)
class WorldsOptions(Record):
    """``categories`` are configurations of BFCL's data set, each a group of the task by its name behind
    ``multi_turn_``; those in ``long_context`` have more text in their results. ``prompting`` is how functions are
    shown: by the model's template where it writes them (``auto``), or always so, or as text."""

    categories: tuple[str, ...]
    long_context: tuple[str, ...] = ()
    tools: ToolClasses
    prompts: Prompts
    prompting: Literal["auto", "template", "text"] = "auto"
    max_tokens: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.categories or any(not name.startswith(PREFIX) for name in self.categories):
            raise RecordError(f"categories: expected names of configurations that begin with {PREFIX}")
        if not set(self.long_context) <= set(self.categories):
            raise RecordError("long_context: expected some of the categories")
        if self.max_tokens < 1:
            raise RecordError(f"max_tokens: expected a whole number from 1, not {self.max_tokens}")


class BfclWorlds(Kind[WorldsOptions, Scenario]):
    """Conversations in which each call changes a world of tools, judged by the state that they leave."""

    name = "bfcl_worlds"
    options_type = WorldsOptions

    def ready(self) -> None:
        """The classes, their sandbox and the rows must be there. Raises SlmError where they are not."""
        available()
        library = self.options.tools.library()
        docs = docs_of(self.options.tools.docs, self.context.config)
        self._scenarios: list[Scenario] = []
        self._data: dict[str, Any] = {}
        for category in self.options.categories:
            rows, source = read_rows(category, self.context.config)
            self._data[category] = source.get("data_sha256")
            self._source = source["data_from"]
            long_context = category in self.options.long_context
            self._scenarios += [
                scenario_of(row, category.removeprefix(PREFIX), library, docs, long_context=long_context)
                for row in rows
            ]

    def needs(self) -> frozenset[str]:
        return frozenset({TOOLS} if self.options.prompting == "template" else ())

    def total(self) -> int | None:
        return len(self._scenarios)

    def samples(self) -> Sequence[Scenario]:
        limit, seed = self.context.limit(self.task), self.context.config.seed
        # The categories are variants of the same scenarios: of each that is asked, all of them.
        return stratified(self._scenarios, limit, seed, lambda one: one.category, lambda one: one.number)

    def describe(self, sample: Scenario) -> Sample:
        first = next((turn for turn in sample.turns if turn), (Message(role="user", content=""),))
        return Sample(
            id=sample.id,
            input=first,
            target=[[call.to_json() for call in turn] for turn in sample.gold],
            tools=tuple(map(tool, sample.functions)),
            metadata={"category": sample.category, "classes": list(sample.world.classes)},
            groups=(sample.category,),
            cluster=sample.number,
        )

    @property
    def way(self) -> Way:
        """How functions are shown to this model."""
        if self.options.prompting != "auto":
            return self.options.prompting
        return "template" if TOOLS in self.backend.capabilities else "text"

    def converse(self, sample: Scenario) -> Talk:
        shown = Shown(self.way, self.options.prompts, sample.functions)
        made: list[tuple[WorldCall, ...]] = []
        steps = 0
        for number, said in enumerate(sample.turns):
            if number in sample.added:
                shown.add(sample.added[number])
            shown.say(said)
            made.append(())
            for step in itertools.count():
                generation: Generation = yield self._request(shown)
                if generation.finish == "context" and not generation.n_output:
                    told = f"turn {number + 1}: {generation.n_prompt} tokens are more than the context holds"
                    return _verdict(made, "context_exceeded", told, steps, sample)
                calls = readable(generation, sample)
                shown.answer(generation, [call for call, _ in calls])
                if not calls:
                    break
                if step == MOST_STEPS:
                    told = f"turn {number + 1}: still calling after {MOST_STEPS} steps"
                    return _verdict(made, "force_terminated", told, steps, sample)
                steps += 1
                made[-1] += tuple(call for _, call in calls)
                executed: Executed = yield Execution(world=sample.world, turns=tuple(made), new=len(calls))
                if executed.ending != "done":
                    return _broken(made, executed, steps, sample)
                shown.results([call for call, _ in calls], executed.results)
        compared: Executed = yield Execution(world=sample.world, turns=tuple(made), gold=sample.gold)
        if compared.ending != "done":
            return _broken(made, compared, steps, sample)
        found = check(made, sample.gold, compared.turns)
        return _verdict(made, found.error, found.explanation, steps, sample, valid=found.valid)

    def _request(self, shown: Shown) -> Request:
        return Request(
            messages=tuple(shown.messages),
            tools=shown.tools,
            max_tokens=self.options.max_tokens,
            seed=self.context.config.seed,
            may_not_fit=True,
        )

    def provenance(self, samples: Sequence[Scenario]) -> Mapping[str, Any]:
        return {
            "dataset": DATASET,
            "data_from": self._source,
            "data_sha256": self._data,
            "samples_sha256": sha256(*(one.id for one in samples)),
            "tool_classes": str(self.options.tools.package),
            "tool_classes_sha256": self.options.tools.package.sha256,
            "tools": "template" if self.way == "template" else "prompt",
            "chat_template_sha256": self.backend.describe().chat_template_sha256,
        }

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        """The declared metrics, and how the conversations ended, in number."""
        concluded = super().conclude(judged)
        endings = Counter(str(one.verdict.details["ending"]) for one in judged)
        long = endings["context_exceeded"]
        told = f"{long} of {len(judged)} conversations grew longer than the context, which counts as wrong"
        return Conclusion(
            metrics=concluded.metrics,
            primary=concluded.primary,
            reason=told if long else "",
            provenance={"endings": dict(sorted(endings.items()))},
        )


def readable(generation: Generation, sample: Scenario) -> list[tuple[ToolCall, WorldCall]]:
    """The calls of an answer, as they were read and as they are executed; none where one of them cannot be read, as in
    BFCL, whose turn then ends."""
    properties = {one["name"]: one.get("parameters", {}).get("properties", {}) for one in _all_functions(sample)}
    calls = []
    for call in generation.tool_calls or ():
        if not call.name or call.arguments is None:
            return []
        schema = properties.get(call.name, {})
        arguments = {name: typed(value, schema.get(name)) for name, value in call.arguments.items()}
        try:
            calls.append((call, WorldCall(name=call.name, arguments=arguments)))
        except RecordError:
            return []
    return calls


def _all_functions(sample: Scenario) -> list[Mapping[str, Any]]:
    return [*sample.functions, *(one for functions in sample.added.values() for one in functions)]


def _verdict(
    made: Sequence[Sequence[WorldCall]],
    error: str,
    told: str,
    steps: int,
    sample: Scenario,
    *,
    valid: bool = False,
    scored: bool = True,
) -> Verdict:
    return Verdict(
        value=float(valid) if scored else None,
        answer="; ".join(", ".join(call.name[:80] for call in turn) or "no call" for turn in made)[:2000],
        explanation=told,
        details={
            "ending": "valid" if valid else error,
            "turns": f"{len(made)} of {len(sample.turns)}",
            "steps": steps,
            "needless_turns": needless_turns(made, sample.gold),
        },
    )


def _broken(made: Sequence[Sequence[WorldCall]], executed: Executed, steps: int, sample: Scenario) -> Verdict:
    """What the classes could not execute: the calls are at fault, unless the world could not even be made."""
    told = f"the tools ended with {executed.ending}: {executed.explanation}"
    return _verdict(made, f"tools_{executed.ending}", told, steps, sample, scored=executed.ending != "failed")

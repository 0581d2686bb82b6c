"""The kind of BFCL's conversations: the model calls, the sandbox executes, and the world is compared at the end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.bfcl.categories import DATASET
from pytest_slm.bfcl.rows import FUNC_DOC, docs_of, read_rows
from pytest_slm.bfcl.worlds.asking import ToolKind, ToolOptions
from pytest_slm.bfcl.worlds.checking import check, needless_turns
from pytest_slm.bfcl.worlds.scenario import Scenario, scenario_of
from pytest_slm.bfcl.worlds.showing import ShownConversation, tool
from pytest_slm.bfcl.worlds.turn import UNMADE, Made, broken, hold_turn
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import Talk
from pytest_slm.core.types import Dataset, JudgedSample, Message, Sample, Task, Verdict
from pytest_slm.core.worlds import Execution, ExecutionResult, WorldCall
from pytest_slm.errors import UsageError
from pytest_slm.kinds.kind import Conclusion
from pytest_slm.sandbox import available


@dataclass(frozen=True, kw_only=True)
class Category(Record):
    """A variant of the task: a configuration of BFCL's data set; in ``long_context`` results are longer."""

    category: str
    long_context: bool = False


class BfclWorlds(ToolKind[ToolOptions, Scenario]):
    """Conversations in which each call changes a world of tools, judged by the state that they leave."""

    name = "bfcl_worlds"
    options_type = ToolOptions

    @classmethod
    def check(cls, task: Task, options: ToolOptions) -> None:
        for name, variant in (task.variants or {"": {}}).items():
            try:
                Category.from_json(variant)
            except RecordError as error:
                raise UsageError(f"{task.path}: variants.{name}: {error}", slug="task-option") from None

    @classmethod
    def datasets(cls, task: Task) -> Sequence[Dataset]:
        """What ``pytest-slm data pull`` gets for it."""
        configs = [FUNC_DOC, *(str(variant.get("category")) for variant in task.variants.values())]
        return [Dataset(path=DATASET, config=config) for config in configs]

    def ready(self) -> None:
        """The classes, their sandbox and the rows must be there. Raises SlmError where they are not."""
        available()
        self.category = Category.from_json(self.task.variants[self.variant])
        library = self.options.tools.library()
        docs = docs_of(self.options.tools.docs, self.context.config)
        rows, self._table = read_rows(self.category.category, self.context.config)
        self._scenarios = [
            scenario_of(row, self.category.category, library, docs, long_context=self.category.long_context)
            for row in rows
        ]

    def total(self) -> int | None:
        return len(self._scenarios)

    def samples(self) -> Sequence[Scenario]:
        """All scenarios; or, with a limit, those with the shortest lists of functions and the fewest turns, by the seed
        among equals: their prompts are half as long as others', and share what is longest in them."""
        limit, shuffled = self.context.limit(self.task), list(self._scenarios)
        random.Random(self.context.config.seed).shuffle(shuffled)
        taken = {one.id for one in sorted(shuffled, key=_length)[:limit]}
        return [one for one in self._scenarios if one.id in taken]

    def describe(self, sample: Scenario) -> Sample:
        first = next((turn for turn in sample.turns if turn), (Message(role="user", content=""),))
        return Sample(
            id=sample.id,
            input=first,
            target=[[call.to_json() for call in turn] for turn in sample.gold],
            tools=tuple(map(tool, sample.functions)),
            metadata={"category": sample.category, "classes": list(sample.world.classes)},
        )

    def converse(self, sample: Scenario) -> Talk:
        shown = ShownConversation(self.way, self.options.prompts, sample.functions)
        made: Made = []
        steps = 0
        for number, said in enumerate(sample.turns):
            if number in sample.added:
                shown.add(sample.added[number])
            shown.say(said)
            made.append(())
            where = f"turn {number + 1}"
            ended = yield from hold_turn(shown, sample.world, made, _all_functions(sample), self.terms, where)
            steps += ended.steps
            if ended.ending:
                return _verdict(made, ended.ending, ended.told, steps, sample)
        compared: ExecutionResult = yield Execution(world=sample.world, turns=tuple(made), gold=sample.gold)
        if compared.ending != "done":
            return _verdict(made, (ended := broken(compared, 0)).ending, ended.told, steps, sample)
        found = check(made, sample.gold, compared.turns)
        return _verdict(made, found.error, found.explanation, steps, sample, valid=found.valid)

    def provenance(self, samples: Sequence[Scenario]) -> Mapping[str, Any]:
        return self.origin([self._table], [one.id for one in samples])

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


def _length(sample: Scenario) -> tuple[int, int]:
    """How much there is to read about the functions, and how often."""
    return len(str(_all_functions(sample))), len(sample.turns)


def _all_functions(sample: Scenario) -> list[Mapping[str, Any]]:
    return [*sample.functions, *(one for functions in sample.added.values() for one in functions)]


def _verdict(
    made: Sequence[Sequence[WorldCall]], error: str, told: str, steps: int, sample: Scenario, *, valid: bool = False
) -> Verdict:
    """What tools could not execute is the fault of the calls, unless the world could not even be made."""
    return Verdict(
        value=None if error == UNMADE else float(valid),
        answer="; ".join(", ".join(call.name[:80] for call in turn) or "no call" for turn in made)[:2000],
        explanation=told,
        details={
            "ending": "valid" if valid else error,
            "turns": f"{len(made)} of {len(sample.turns)}",
            "steps": steps,
            "needless_turns": needless_turns(made, sample.gold),
        },
    )

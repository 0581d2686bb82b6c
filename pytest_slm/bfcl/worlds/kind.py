"""The kind of BFCL's conversations: the model calls, the sandbox executes, and the world is compared at the end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_slm.backends.protocol import TOOLS
from pytest_slm.bfcl.categories import DATASET
from pytest_slm.bfcl.rows import FUNC_DOC, docs_of, read_rows
from pytest_slm.bfcl.worlds.checking import check, needless_turns
from pytest_slm.bfcl.worlds.library import ToolClasses
from pytest_slm.bfcl.worlds.scenario import Scenario, scenario_of
from pytest_slm.bfcl.worlds.showing import Prompts, Shown, Way, tool
from pytest_slm.bfcl.worlds.turn import UNMADE, Made, broken, hold_turn
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import Talk
from pytest_slm.core.types import Dataset, JudgedSample, Message, Sample, Task, Verdict
from pytest_slm.core.worlds import Executed, Execution, WorldCall
from pytest_slm.data import tables
from pytest_slm.errors import UsageError
from pytest_slm.kinds.context import sha256
from pytest_slm.kinds.kind import Conclusion, Kind
from pytest_slm.sandbox import available


@dataclass(frozen=True, kw_only=True)
class Category(Record):
    """A variant of the task: a configuration of BFCL's data set; in ``long_context`` results are longer."""

    category: str
    long_context: bool = False


@dataclass(frozen=True, kw_only=True)
class WorldsOptions(Record):
    """``tools`` are the classes, ``prompts`` BFCL's texts. ``prompting`` is how functions are shown: by the model's
    template where it writes them (``auto``), or always so, or as text."""

    tools: ToolClasses
    prompts: Prompts
    prompting: Literal["auto", "template", "text"] = "auto"
    max_tokens: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_tokens < 1:
            raise RecordError(f"max_tokens: expected a whole number from 1, not {self.max_tokens}")


class BfclWorlds(Kind[WorldsOptions, Scenario]):
    """Conversations in which each call changes a world of tools, judged by the state that they leave."""

    name = "bfcl_worlds"
    options_type = WorldsOptions

    @classmethod
    def check(cls, task: Task, options: WorldsOptions) -> None:
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

    def needs(self) -> frozenset[str]:
        return frozenset({TOOLS} if self.options.prompting == "template" else ())

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

    @property
    def way(self) -> Way:
        """How functions are shown to this model."""
        if self.options.prompting != "auto":
            return self.options.prompting
        return "template" if TOOLS in self.backend.capabilities else "text"

    def converse(self, sample: Scenario) -> Talk:
        shown = Shown(self.way, self.options.prompts, sample.functions)
        terms = {"max_tokens": self.options.max_tokens, "seed": self.context.config.seed}
        made: Made = []
        steps = 0
        for number, said in enumerate(sample.turns):
            if number in sample.added:
                shown.add(sample.added[number])
            shown.say(said)
            made.append(())
            where = f"turn {number + 1}"
            ended = yield from hold_turn(shown, sample.world, made, _all_functions(sample), terms, where)
            steps += ended.steps
            if ended.ending:
                return _verdict(made, ended.ending, ended.told, steps, sample)
        compared: Executed = yield Execution(world=sample.world, turns=tuple(made), gold=sample.gold)
        if compared.ending != "done":
            return _verdict(made, (ended := broken(compared, 0)).ending, ended.told, steps, sample)
        found = check(made, sample.gold, compared.turns)
        return _verdict(made, found.error, found.explanation, steps, sample, valid=found.valid)

    def provenance(self, samples: Sequence[Scenario]) -> Mapping[str, Any]:
        return {
            **tables.provenance([self._table]),
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

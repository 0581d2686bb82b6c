"""The kind of BFCL's memory: conversations in which the model may keep what it hears, then questions about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.bfcl.categories import DATASET
from pytest_slm.bfcl.memory.checking import names_one
from pytest_slm.bfcl.memory.embedding import Embedder, embedder
from pytest_slm.bfcl.memory.scenario import MemoryQuestion, conversations_of, question_of
from pytest_slm.bfcl.rows import FUNC_DOC, docs_of, read_documents, read_rows
from pytest_slm.bfcl.worlds.asking import ToolKind, ToolOptions
from pytest_slm.bfcl.worlds.showing import ShownConversation, tool
from pytest_slm.bfcl.worlds.turn import UNMADE, Made, TurnEnd, broken, hold_turn
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import Ask, Talk
from pytest_slm.core.types import Dataset, JudgedSample, Sample, Task, Verdict
from pytest_slm.core.worlds import Execution, ExecutionResult, Handover, World
from pytest_slm.data.mirror import beside
from pytest_slm.errors import NotAvailableError, UsageError
from pytest_slm.kinds.kind import Conclusion
from pytest_slm.sandbox import available

QUESTIONS, CONVERSATIONS = "memory", "memory_prereq_conversation"
"""The configurations of the data set."""
SHOWN = "_dump_core_memory_to_context"
"""The method of BFCL's classes that says what models see of a memory from the beginning."""
FORCED = "force_terminated"


@dataclass(frozen=True, kw_only=True)
class MemoryStore(Record):
    """A variant of the task: the class that is the memory; or ``absent``, why it cannot be had. ``embedder`` is a file
    of the mirror, a GGUF with the model that makes the embeddings which that class wants."""

    tool: str = ""
    embedder: str = ""
    absent: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.tool) == bool(self.absent):
            raise RecordError("a memory has a tool, or a sentence that says why it is absent")


@dataclass(frozen=True, kw_only=True)
class MemoryPrompts(Record):
    """BFCL's texts besides those of all its conversations. ``settings``: who the assistant is, by the scenario;
    ``instructions``, by the class: what is said of the memory, with ``{scenario_setting}`` and ``{memory_content}``,
    and ``empty`` what stands there at first; ``final``: how questions are to be answered."""

    settings: Mapping[str, str]
    instructions: Mapping[str, str]
    empty: Mapping[str, str]
    final: str


@dataclass(frozen=True, kw_only=True)
class MemoryOptions(ToolOptions):
    """As of all conversations over tools, and ``memory``: BFCL's texts of a memory."""

    memory: MemoryPrompts
    max_tokens: int = 512


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the conversations of a scenario have left: the calls that make it, what models see of it (``content``), and
    by which word each conversation has ended. ``problem``: how it came that nothing can be asked."""

    made: Made
    content: str
    endings: tuple[str, ...]
    problem: TurnEnd | None = None


class BfclMemory(ToolKind[MemoryOptions, MemoryQuestion]):
    """Questions that can only be answered by what the model itself has kept of earlier conversations.

    The conversations of a scenario are held once, by the conversation about the first of its questions; the others
    wait for the memory. Scenarios go on side by side.
    """

    name = "bfcl_memory"
    options_type = MemoryOptions

    @classmethod
    def check(cls, task: Task, options: MemoryOptions) -> None:
        for name, variant in (task.variants or {"": {}}).items():
            try:
                store = MemoryStore.from_json(variant)
                for where, texts in (("instructions", options.memory.instructions), ("empty", options.memory.empty)):
                    if store.tool and (store.tool not in texts or store.tool not in options.tools.classes):
                        raise RecordError(f"tools and memory.{where} must know the class {store.tool!r:.80}")
            except RecordError as error:
                raise UsageError(f"{task.path}: variants.{name}: {error}", slug="task-option") from None

    @classmethod
    def datasets(cls, task: Task) -> Sequence[Dataset]:
        """What ``pytest-slm data pull`` gets for it."""
        return [Dataset(path=DATASET, config=config) for config in (QUESTIONS, CONVERSATIONS, FUNC_DOC)]

    def ready(self) -> None:
        """The class, its sandbox and the rows must be there. Raises SlmError where they are not."""
        store = MemoryStore.from_json(self.task.variants[self.variant])
        if store.absent:
            raise NotAvailableError(" ".join(store.absent.split()), slug="memory-absent")
        self._embedder = self._found(store.embedder) if store.embedder else None
        available()
        config, self._tool = self.context.config, store.tool
        self._world = World(library=self.options.tools.library(), classes=(store.tool,))
        self._functions = docs_of(self.options.tools.docs, config)[store.tool]
        rows, self._table = read_rows(QUESTIONS, config)
        said, self._said = read_documents(CONVERSATIONS, config)
        self._conversations = conversations_of([row for file in said.values() for row in file])
        known = {name: None for name in self._conversations if name in self.options.memory.settings}
        self._questions = [question_of(row, known) for row in rows]
        self._memories: dict[tuple[str, int], Handover] = {}
        self._begun: Counter[str] = Counter()

    def _found(self, name: str) -> Embedder:
        """The model that makes embeddings. Raises NotAvailableError where the mirror has none."""
        path = beside(self.context.config.data, name)
        if path is None:
            raise NotAvailableError(
                "BFCL's memory of vectors needs a model that makes embeddings: put a GGUF of all-MiniLM-L6-v2 as "
                f"{name} into the mirror or beside it (--slm-data=DIR); kv and rec_sum need none",
                slug="memory-absent",
            )
        return embedder(path)

    def total(self) -> int | None:
        return len(self._questions)

    def samples(self) -> Sequence[MemoryQuestion]:
        """All questions; or, with a limit, those of the scenarios in which least is said before them."""

        def heard(scenario: str) -> int:
            return sum(len(one.content) for turns in self._conversations[scenario] for turn in turns for one in turn)

        ordered = sorted(self._questions, key=lambda one: (heard(one.scenario), one.scenario))
        taken = {one.id for one in ordered[: self.context.limit(self.task)]}
        return [one for one in self._questions if one.id in taken]

    def describe(self, sample: MemoryQuestion) -> Sample:
        return Sample(
            id=sample.id,
            input=sample.said,
            target=list(sample.answers),
            tools=tuple(map(tool, self._functions)),
            metadata={"scenario": sample.scenario},
            cluster=sample.scenario,
        )

    def converse(self, sample: MemoryQuestion) -> Talk:
        talk = self._remembered(sample)
        return talk if self._embedder is None else self._embedder.handed_in(talk)

    def _remembered(self, sample: MemoryQuestion) -> Talk:
        # Where every question is asked several times, each time has a memory of its own.
        place = (sample.scenario, self._begun[sample.id])
        self._begun[sample.id] += 1
        handover = self._memories.get(place)
        if handover is None:
            handover = self._memories[place] = Handover()
            with handover.giving():
                handover.give((yield from self._listen(sample.scenario)))
            memory: Memory = handover.value
        else:
            memory = yield handover
        if memory.problem is not None:
            return _verdict(memory, memory.problem, sample)
        shown = self._shown(sample.scenario, memory.content, f"\n\n{self.options.memory.final}")
        shown.say(sample.said)
        made = [*memory.made, ()]
        ended = yield from hold_turn(shown, self._world, made, self._functions, self.terms, "the question")
        return _verdict(memory, ended, sample)

    def _listen(self, scenario: str) -> Generator[Ask, Any, Memory]:
        """Hold the conversations of a scenario, one after the other, each with what the ones before have left."""
        kept: Made = []
        content, endings = self.options.memory.empty[self._tool], list[str]()
        for number, turns in enumerate(self._conversations[scenario], 1):
            shown, made, ended = self._shown(scenario, content), [*kept], TurnEnd()
            for place, said in enumerate(turns, 1):
                shown.say(said)
                made.append(())
                where = f"turn {place} of conversation {number}"
                ended = yield from hold_turn(shown, self._world, made, self._functions, self.terms, where)
                if ended.ending:
                    break
            endings.append(ended.ending or "whole")
            if ended.ending == UNMADE:
                return Memory(made=kept, content=content, endings=tuple(endings), problem=ended)
            called = [turn for turn in made if turn]
            if ended.ending not in ("", FORCED) or len(called) == len(kept):
                continue  # BFCL saves a memory at the end of a conversation: one that could not go on leaves nothing
            kept = called
            executed: ExecutionResult = yield Execution(world=self._world, turns=tuple(kept), shown=SHOWN)
            if executed.ending != "done":
                return Memory(made=kept, content="", endings=tuple(endings), problem=broken(executed, 0))
            content = executed.shown
        return Memory(made=kept, content=content, endings=tuple(endings))

    def _shown(self, scenario: str, content: str, more: str = "") -> ShownConversation:
        texts = self.options.memory
        said = texts.instructions[self._tool].replace("{scenario_setting}", texts.settings[scenario])
        system = said.replace("{memory_content}", content) + more
        return ShownConversation(self.way, self.options.prompts, self._functions, system)

    def provenance(self, samples: Sequence[MemoryQuestion]) -> Mapping[str, Any]:
        found = self.origin([self._table, self._said], [one.id for one in samples])
        return found if self._embedder is None else {**found, "embedder_sha256": self._embedder.sha256}

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        """The declared metrics, and how the questions and the conversations before them ended, in number."""
        concluded = super().conclude(judged)
        first = {(one.sample.cluster, one.repeat): one for one in reversed(judged)}.values()
        before = Counter(word for one in first for word in one.verdict.details["conversations"])
        endings = Counter(str(one.verdict.details["ending"]) for one in judged)
        long = [
            f"{counted['context_exceeded']} of {counted.total()} {what} grew longer than the context, {so}"
            for counted, what, so in (
                (before, "conversations before them", "and nothing was kept of these"),
                (endings, "questions", "which counts as wrong"),
            )
            if counted["context_exceeded"]
        ]
        return Conclusion(
            metrics=concluded.metrics,
            primary=concluded.primary,
            reason="; ".join(long),
            provenance={
                "endings": dict(sorted(endings.items())),
                "conversations": dict(sorted(before.items())),
                "empty_memories": sum(not one.verdict.details["memory_calls"] for one in first),
            },
        )


def _verdict(memory: Memory, ended: TurnEnd, sample: MemoryQuestion) -> Verdict:
    right = not ended.ending and names_one(ended.text, sample.answers)
    if ended.ending:
        word, told = ended.ending, ended.told
    elif right:
        word, told = "valid", "one of the right answers is in the last message"
    else:
        word = "answer_not_found" if ended.text else "no_last_message"
        told = f"none of {', '.join(map(repr, sample.answers))} in the last message".replace("\n", " ")[:400]
    return Verdict(
        value=None if word == UNMADE else float(right),
        answer=ended.text[:2000],
        explanation=told,
        details={
            "ending": word,
            "steps": ended.steps,
            "memory_calls": sum(map(len, memory.made)),
            "memory_letters": len(memory.content) if memory.made else 0,
            "conversations": list(memory.endings),
        },
    )

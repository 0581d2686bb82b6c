"""Functions that a model completes, from a file of the suite: signature and docstring are shown, tests decide.

The form is HumanEval's (Chen et al. 2021, https://arxiv.org/abs/2107.03374). A problem is asked in one of two ways:

- completion: the answer is what the model writes behind the prompt, up to a line that is no part of the function;
- chat (``chat_template: true``, for models that have one): the model is asked for the whole function, and the answer is
  the last block of code that defines it. A model that was made for chats explains itself when it is only let go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.backends.protocol import CHAT, GENERATE
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import ModelAsk, Talk
from pytest_slm.core.types import JudgedSample, Message, Request, Sample, Task
from pytest_slm.errors import UsageError
from pytest_slm.kinds.context import sha256_of
from pytest_slm.kinds.kind import Conclusion, Kind
from pytest_slm.kinds.options import check_inside
from pytest_slm.kinds.programs import endings, program_of, try_program
from pytest_slm.kinds.questions import beside, count_questions, read_questions, stratified
from pytest_slm.sandbox import PASS_AT_1, available
from pytest_slm.scorers.answer import guarded

STOP = ("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint(", "\nassert ", "\n@", "\nfrom ", "\nimport ", "\n```")
"""What begins after the function is none of its lines."""
MAX_TOKENS = 384
INSTRUCTION = (
    "Complete this Python function. Answer with the whole function in one block of code.\n\n```python\n{prompt}```"
)


@dataclass(frozen=True, kw_only=True)
class Function(Record):
    """One problem: ``prompt`` is a module up to the docstring of ``entry_point``; ``test`` defines ``check``, which is
    called with the function and raises if it is wrong; ``canonical_solution`` is never shown to a model."""

    id: str
    category: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str

    def __post_init__(self) -> None:
        if f"def {self.entry_point}(" not in self.prompt:
            raise RecordError(f"the prompt defines no function {self.entry_point!r:.80}")
        if "def check(" not in self.test:
            raise RecordError("the test defines no function check")

    def request(self, max_tokens: int, seed: int, *, chat: bool) -> Request:
        """What is asked, as completion or in a chat."""
        if not chat:
            return Request(prompt=self.prompt, max_tokens=max_tokens, stop=STOP, seed=seed)
        asked = Message(role="user", content=INSTRUCTION.replace("{prompt}", self.prompt))
        return Request(messages=(asked,), max_tokens=max_tokens, seed=seed)

    @property
    def tests(self) -> str:
        """What a program must pass."""
        return f"{self.test}\ncheck({self.entry_point})\n"

    def completed(self, text: str) -> str:
        """The program that an answer to the bare prompt makes."""
        return f"{self.prompt}{text}\n"

    def answered(self, text: str) -> str:
        """The program in an answer of a chat."""
        return guarded(text, lambda: program_of(text, self.prompt, self.entry_point), lambda reason: f"# {reason!a}\n")


@dataclass(frozen=True, kw_only=True)
class FunctionsOptions(Record):
    """``samples``, a JSONL file of `Function` in the suite's folder, and its ``sha256``; how long an answer may be; and
    whether the model is asked in a chat, if it can."""

    samples: str
    sha256: str | None = None
    max_tokens: int = MAX_TOKENS
    chat_template: bool = False

    def __post_init__(self) -> None:
        check_inside("samples", self.samples)
        if self.max_tokens < 1:
            raise RecordError(f"max_tokens: expected a whole number from 1, not {self.max_tokens}")


class Functions(Kind[FunctionsOptions, Function]):
    """Functions from a file; every program meets its tests in the sandbox while the model writes the next."""

    name = "functions"
    options_type = FunctionsOptions

    @classmethod
    def check(cls, task: Task, options: FunctionsOptions) -> None:
        if task.breakdown not in (None, "category"):
            problem = f"breakdown: problems have a category, no {task.breakdown!r:.80}"
            raise UsageError(f"{task.path}: {problem}", slug="task-option")
        if [spec.source for spec in task.metrics] != [PASS_AT_1]:
            raise UsageError(f"{task.path}: functions have one metric, {PASS_AT_1}", slug="unknown-metric")
        cls.read(task, options)

    @classmethod
    def count(cls, task: Task, options: FunctionsOptions) -> int | None:
        return count_questions(beside(task, options.samples))

    @staticmethod
    def read(task: Task, options: FunctionsOptions) -> list[Function]:
        """The problems of a task's file. Raises UsageError with file and line for one that cannot be asked."""
        return read_questions(beside(task, options.samples), Function, "function", options.sha256)

    def ready(self) -> None:
        available()

    def needs(self) -> frozenset[str]:
        return frozenset({GENERATE})

    @property
    def chat(self) -> bool:
        """Whether the model is asked in a chat."""
        wanted = self.options.chat_template and not self.context.config.generation.plain
        return wanted and CHAT in self.backend.capabilities

    @property
    def plain_instead(self) -> bool:
        return self.options.chat_template and self.context.config.generation.plain

    def samples(self) -> Sequence[Function]:
        functions = self.read(self.task, self.options)
        return stratified(functions, self.context.limit(self.task), self.context.config.seed, lambda f: f.category)

    def describe(self, sample: Function) -> Sample:
        return Sample(id=sample.id, input=sample.prompt, target=sample.tests, metadata={"category": sample.category})

    def converse(self, sample: Function) -> Talk:
        chat = self.chat
        answer = yield sample.request(self.options.max_tokens, self.context.config.seed, chat=chat)
        program = sample.answered(answer.text) if chat else sample.completed(answer.text)
        return (yield from try_program(program, sample.tests, sample.prompt, sample.entry_point))

    def right(self, sample: Function, ask: ModelAsk) -> str:
        whole = f"```python\n{sample.prompt}{sample.canonical_solution}\n```"
        return whole if self.chat else sample.canonical_solution

    def provenance(self, samples: Sequence[Function]) -> Mapping[str, Any]:
        template = self.backend.describe().chat_template_sha256
        return {
            "samples_sha256": sha256_of(samples),
            "chat_template": "model" if self.chat else "none",
            "chat_template_sha256": template if self.chat else None,
            "num_fewshot": 0,
        }

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        return replace(super().conclude(judged), provenance={"endings": endings(judged)})

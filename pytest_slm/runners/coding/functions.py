"""Functions that a model completes, from a file of the suite: signature and docstring are shown, tests decide.

The form is HumanEval's (Chen et al. 2021, https://arxiv.org/abs/2107.03374). A problem is asked in one of two ways:

- completion: the answer is what the model writes behind the prompt, up to a line that is no part of the function;
- chat (``chat_template: true``, for models that have one): the model is asked for the whole function, and the answer is
  its first block of code. A model that was made for chats explains itself when it is only let go on.

Options of such a task: ``samples``, a JSONL file of `Function` in the suite's folder, with its ``sha256``;
``max_tokens``; ``chat_template``.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_slm.backends.protocol import CHAT
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Message, Metric, Request, Result, Task
from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.runners.coding.problems import PASS_AT_1, Problem, solve
from pytest_slm.runners.context import RunContext, sha256
from pytest_slm.runners.metrics import mean_metric
from pytest_slm.runners.records import read_records, stratified
from pytest_slm.sandbox import available

OPTIONS = frozenset({"samples", "sha256", "max_tokens", "chat_template"})
STOP = ("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint(", "\nassert ", "\n@", "\nfrom ", "\nimport ", "\n```")
"""What begins after the function is none of its lines."""
MAX_TOKENS = 384
INSTRUCTION = (
    "Complete this Python function. Answer with the whole function in one block of code.\n\n```python\n{prompt}```"
)
BLOCK = re.compile(r"```[a-zA-Z0-9]*\n(.*?)(?:^```|\Z)", re.DOTALL | re.MULTILINE)
"""A fenced block; one that an answer was cut off in ends with the answer."""


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

    def problem(self, max_tokens: int, seed: int, *, chat: bool) -> Problem:
        """What is asked, as completion or in a chat, and how the answer is tried."""
        asked = Message(role="user", content=INSTRUCTION.replace("{prompt}", self.prompt))
        completion = Request(prompt=self.prompt, max_tokens=max_tokens, stop=STOP, seed=seed)
        return Problem(
            id=self.id,
            request=Request(messages=(asked,), max_tokens=max_tokens, seed=seed) if chat else completion,
            tests=f"{self.test}\ncheck({self.entry_point})\n",
            program=self.answered if chat else self.completed,
            metadata={"category": self.category},
        )

    def completed(self, text: str) -> str:
        """The program that an answer to the bare prompt makes."""
        return f"{self.prompt}{text}\n"

    def answered(self, text: str) -> str:
        """The program in an answer of a chat: its first block of code, or all of it where there is none. A block that
        has no such function is what comes behind the prompt."""
        block = BLOCK.search(text)
        code = block[1] if block else text
        return code if f"def {self.entry_point}(" in code else self.completed(code)


def check(task: Task) -> None:
    """What can be said before a model is there: raises UsageError for wrong options, metrics or problems."""
    options = task.options
    foreign = sorted(set(options) - OPTIONS)
    tokens = options.get("max_tokens", MAX_TOKENS)
    problem = ""
    if foreign:
        problem = f"unknown option {foreign[0]!r}. {did_you_mean(foreign[0], OPTIONS)}"
    elif "samples" not in options:
        problem = "a task of kind functions needs `samples: data/<name>.jsonl`"
    elif not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        problem = f"max_tokens: expected a whole number from 1, not {tokens!r:.80}"
    elif not isinstance(options.get("chat_template", False), bool):
        problem = f"chat_template: expected true or false, not {options['chat_template']!r:.80}"
    elif task.breakdown not in (None, "category"):
        problem = f"breakdown: problems have a category, no {task.breakdown!r:.80}"
    if problem:
        raise UsageError(f"{task.path}: {problem}", slug="functions-option")
    if [spec.key or spec.name for spec in task.metrics] != [PASS_AT_1]:
        raise UsageError(f"{task.path}: functions have one metric, {PASS_AT_1}", slug="unknown-metric")
    read_functions(task)


def read_functions(task: Task) -> list[Function]:
    """The problems of a task's file. Raises UsageError with file and line for one that cannot be asked."""
    path = Path(task.path).parent / str(task.options["samples"])
    return read_records(path, Function, "function", task.options.get("sha256"))


def run(task: Task, variant: str, context: RunContext) -> Result:
    """Ask for a stratified sample of the functions and try every answer in the sandbox."""
    started = time.perf_counter()
    check(task)
    available()
    functions = stratified(read_functions(task), context.limit(task), context.config.seed, lambda f: f.category)
    tokens = int(task.options.get("max_tokens", MAX_TOKENS))
    backend = context.backend(task)
    chat = bool(task.options.get("chat_template")) and CHAT in backend.capabilities
    seed = context.config.seed
    found = solve(task, context, [function.problem(tokens, seed, chat=chat) for function in functions])
    return context.result(
        task,
        variant,
        started,
        n_scored=found["n_scored"],
        metrics=(*found["metrics"], *_breakdown(task, functions, found["passed"])),
        provenance={
            "source": task.source,
            "license": task.license,
            "samples_sha256": sha256(*(json.dumps(function.to_json(), sort_keys=True) for function in functions)),
            "chat_template": "model" if chat else "none",
            "chat_template_sha256": backend.describe().chat_template_sha256 if chat else None,
            "num_fewshot": 0,
            "sampling": "greedy",
            "endings": found["endings"],
        },
        answers_cut=found["answers_cut"],
    )


def _breakdown(task: Task, functions: Sequence[Function], passed: Sequence[float]) -> list[Metric]:
    if task.breakdown is None:
        return []
    parts: dict[str, list[float]] = {}
    for function, value in zip(functions, passed, strict=True):
        parts.setdefault(function.category, []).append(value)
    return [mean_metric(f"{PASS_AT_1}[category={part}]", values) for part, values in sorted(parts.items())]

"""Multiple choice from a file of the suite, answered by likelihood: the likeliest of the options is the answer.

Nothing is generated, so an answer needs no reading. Two forms are known, both without examples and without a chat
template, as lm-eval asks ARC and MMLU:

- text: after ``Question: ... Answer:`` each option is a continuation. ``acc`` takes the likeliest, ``acc_norm`` the
  one that is likeliest per character, because long options are less likely only for being long.
- letters: the options are listed as A to D, and the letters are the continuations; ``acc_letters``. It asks for more:
  small models know an answer long before they can point to it.

Options of such a task: ``samples``, a JSONL file of `Question` in the suite's folder, with its ``sha256``.
"""

from __future__ import annotations

import json
import string
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_slm.backends.protocol import Backend, LogLikelihood, silent
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Metric, MetricSpec, Result, Task
from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.runners.context import RunContext, SampleRecord, sha256
from pytest_slm.runners.metrics import mean_metric
from pytest_slm.runners.records import read_records, stratified

OPTIONS = frozenset({"samples", "sha256"})
TEXT, LETTERS = "text", "letters"
FORMS: Mapping[str, str] = {"acc": TEXT, "acc_norm": TEXT, "acc_letters": LETTERS}
"""The metrics of this kind, and what is asked for each."""


@dataclass(frozen=True, kw_only=True)
class Question(Record):
    """One question: ``answer`` is the letter of the only right option, A for the first; ``rationale`` says why.

    Questions that share a ``passage``, a text shown before them, are one cluster in all intervals.
    """

    id: str
    category: str
    question: str
    options: tuple[str, ...]
    answer: str
    rationale: str
    passage: str | None = None

    def __post_init__(self) -> None:
        letters = string.ascii_uppercase[: len(self.options)]
        seen: set[str] = set()
        for letter, option in zip(letters, self.options, strict=False):
            plain = " ".join(option.split()).casefold()
            if not plain:
                raise RecordError(f"the option {letter} is empty")
            if plain in seen:
                raise RecordError(f"the option {option!r:.80} is there twice, so that no answer is the only right one")
            seen.add(plain)
        if not 2 <= len(self.options) <= len(string.ascii_uppercase):
            raise RecordError(f"2 to 26 options are needed, not {len(self.options)}")
        if len(self.answer) != 1 or self.answer not in letters:
            raise RecordError(f"answer: expected exactly one letter from A to {letters[-1]}, not {self.answer!r:.80}")
        for name in ("id", "category", "question"):
            if not getattr(self, name).strip():
                raise RecordError(f"{name} is empty")

    @property
    def right(self) -> int:
        """The place of the right option, from 0."""
        return string.ascii_uppercase.index(self.answer)

    @property
    def cluster(self) -> str:
        """What the question shares with others: its passage, or nothing."""
        return self.id if self.passage is None else self.passage

    def pairs(self, form: str) -> list[tuple[str, str]]:
        """What is asked: (context, continuation) for every option."""
        letters = string.ascii_uppercase[: len(self.options)]
        lines = [] if self.passage is None else [self.passage, ""]
        lines.append(f"Question: {self.question}")
        if form == LETTERS:
            lines += [f"{letter}. {option}" for letter, option in zip(letters, self.options, strict=True)]
        # No space after the colon: it belongs to the continuation, as tokens have it.
        context = "\n".join([*lines, "Answer:"])
        return [(context, f" {written}") for written in (letters if form == LETTERS else self.options)]


def check(task: Task) -> None:
    """What can be said before a model is there: raises UsageError for wrong options, metrics or questions."""
    foreign = sorted(set(task.options) - OPTIONS)
    problem = ""
    if foreign:
        problem = f"unknown option {foreign[0]!r}. {did_you_mean(foreign[0], OPTIONS)}"
    elif "samples" not in task.options:
        problem = "a task of kind choices needs `samples: data/<name>.jsonl`"
    elif task.breakdown not in (None, "category"):
        problem = f"breakdown: questions have a category, no {task.breakdown!r:.80}"
    elif any(spec.group or spec.balance for spec in task.metrics):
        problem = "metrics: questions have no groups, so neither `group` nor `balance` can be used"
    if problem:
        raise UsageError(f"{task.path}: {problem}", slug="choices-option")
    for spec in task.metrics:
        if _key(spec) not in FORMS:
            raise UsageError(
                f"{task.path}: unknown metric {_key(spec)!r}. {did_you_mean(_key(spec), FORMS)}", slug="unknown-metric"
            )
    read_questions(task)


def read_questions(task: Task) -> list[Question]:
    """The questions of a task's file. Raises UsageError with file and line for one that cannot be asked."""
    path = Path(task.path).parent / str(task.options["samples"])
    return read_records(path, Question, "question", task.options.get("sha256"))


def run(task: Task, variant: str, context: RunContext) -> Result:
    """Ask a stratified sample of the questions in every form that a metric needs, and compare with the right ones."""
    started = time.perf_counter()
    check(task)
    backend = context.backend(task)
    questions = stratified(read_questions(task), context.limit(task), context.config.seed, lambda q: q.category)
    forms = tuple(dict.fromkeys(FORMS[_key(spec)] for spec in task.metrics))
    sheets = [_Sheet(question, forms) for question in questions]
    context.asks(len(sheets))
    done = 0

    def answered(sheet: _Sheet) -> None:
        nonlocal done
        done += 1
        context.record(_record(task, sheet))
        context.progress(done, len(sheets))

    _ask(backend, sheets, answered)
    return context.result(
        task,
        variant,
        started,
        n_scored=len(sheets),
        metrics=(*(_metric(spec, spec.name, sheets) for spec in task.metrics), *_breakdown(task, sheets)),
        provenance={
            "source": task.source,
            "license": task.license,
            "samples_sha256": sha256(*(json.dumps(question.to_json(), sort_keys=True) for question in questions)),
            "chat_template": "none",
            "num_fewshot": 0,
            "forms": list(forms),
        },
        clusters=len({question.cluster for question in questions}),
    )


class _Sheet:
    """One question and the answers to it that are there so far."""

    def __init__(self, question: Question, forms: Sequence[str]) -> None:
        self.question = question
        self.asked = [(form, place, pair) for form in forms for place, pair in enumerate(question.pairs(form))]
        self.answers: dict[tuple[str, int], LogLikelihood] = {}

    @property
    def complete(self) -> bool:
        return len(self.answers) == len(self.asked)

    def chosen(self, key: str) -> int:
        """The place of the option that the model takes, by the metric ``key``; the first of several equal ones."""
        options = self.question.options
        found = [self.answers[FORMS[key], place].logprob for place in range(len(options))]
        if key == "acc_norm":  # by characters, as lm-eval does
            found = [logprob / len(option) for logprob, option in zip(found, options, strict=True)]
        return found.index(max(found))

    def right(self, key: str) -> float:
        return float(self.chosen(key) == self.question.right)


def _ask(backend: Backend, sheets: Sequence[_Sheet], answered: Callable[[_Sheet], None]) -> None:
    """All options of all questions in one call, so that the engine computes once what they share; ``answered`` is
    called with each question as soon as its last answer is there."""
    asked = [(sheet, form, place, pair) for sheet in sheets for form, place, pair in sheet.asked]
    seen: set[int] = set()

    def finished(number: int, answer: LogLikelihood) -> None:
        sheet, form, place, _ = asked[number]
        seen.add(number)
        sheet.answers[form, place] = answer
        if sheet.complete:
            answered(sheet)

    answers = backend.loglikelihood([pair for *_, pair in asked], silent, finished)
    for number in set(range(len(asked))) - seen:
        finished(number, answers[number])


def _key(spec: MetricSpec) -> str:
    return spec.key or spec.name


def _metric(spec: MetricSpec, name: str, sheets: Sequence[_Sheet]) -> Metric:
    values = [sheet.right(_key(spec)) for sheet in sheets]
    clusters = [sheet.question.cluster for sheet in sheets]
    return mean_metric(name, values, complement=spec.complement, clusters=clusters)


def _breakdown(task: Task, sheets: Sequence[_Sheet]) -> list[Metric]:
    if task.breakdown is None:
        return []
    spec = task.spec(task.primary)
    parts: dict[str, list[_Sheet]] = {}
    for sheet in sheets:
        parts.setdefault(sheet.question.category, []).append(sheet)
    return [_metric(spec, f"{spec.name}[{task.breakdown}={part}]", parts[part]) for part in sorted(parts)]


def _record(task: Task, sheet: _Sheet) -> SampleRecord:
    question, primary = sheet.question, _key(task.spec(task.primary))
    chosen = sheet.chosen(primary)
    verdicts = ", ".join(f"{_key(spec)} {sheet.right(_key(spec)):g}" for spec in task.metrics)
    return SampleRecord(
        task=f"{task.suite}/{task.name}",
        doc_id=question.id,
        prompt_sha256=sha256(*(part for _, _, pair in sheet.asked for part in pair)),
        target_sha256=sha256(question.options[question.right]),
        response=[
            {"form": form, "choice": pair[1].strip(), **_likelihood(sheet.answers[form, place])}
            for form, place, pair in sheet.asked
        ],
        score=sheet.right(primary),
        answer=question.options[chosen],
        explanation=f"likeliest option {string.ascii_uppercase[chosen]}, right option {question.answer}; {verdicts}",
        metadata={"category": question.category},
    )


def _likelihood(answer: LogLikelihood) -> dict[str, object]:
    return {"logprob": answer.logprob, "is_greedy": answer.is_greedy}

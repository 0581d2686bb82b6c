"""Multiple choice from a file of the suite, answered by likelihood: the likeliest of the options is the answer.

Nothing is generated, so an answer needs no reading. Two forms are known, both without examples and without a chat
template, as lm-eval asks ARC and MMLU:

- text: after ``Question: ... Answer:`` each option is a continuation. ``acc`` takes the likeliest, ``acc_norm`` the
  one that is likeliest per character, because long options are less likely only for being long.
- letters: the options are listed as A to D, and the letters are the continuations; ``acc_letters``. It asks for more:
  small models know an answer long before they can point to it.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pytest_slm.backends.protocol import LETTERS as SINGLE
from pytest_slm.backends.protocol import LOGLIKELIHOOD
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import Likelihoods, ModelAsk, Talk
from pytest_slm.core.task import OF_CONFIDENCE
from pytest_slm.core.types import JudgedSample, MetricSpec, Sample, Task, Verdict
from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.kinds.context import sha256_of
from pytest_slm.kinds.kind import Conclusion, Kind, conclude
from pytest_slm.kinds.options import check_inside
from pytest_slm.kinds.questions import beside, count_questions, read_questions, stratified

TEXT, LETTERS = "text", "letters"
FORMS: Mapping[str, str] = {"acc": TEXT, "acc_norm": TEXT, "acc_letters": LETTERS}
"""The metrics of this kind, and what is asked for each."""


@dataclass(frozen=True, kw_only=True)
class Question(Record):
    """One question: ``answer`` is the letter of the only right option, A for the first; ``rationale`` may say why, and
    ``category`` what it is about.

    Questions that share a ``passage``, a text shown before them, are one cluster in all intervals.
    """

    id: str
    question: str
    options: tuple[str, ...]
    answer: str
    category: str | None = None
    rationale: str = ""
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
            text = getattr(self, name)
            if text is not None and not text.strip():
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


@dataclass(frozen=True, kw_only=True)
class ChoicesOptions(Record):
    """``samples``, a file of `Question` in the suite's folder, and its ``sha256``."""

    samples: str
    sha256: str | None = None

    def __post_init__(self) -> None:
        check_inside("samples", self.samples)


Options = TypeVar("Options", bound=Record)


class QuestionKind(Kind[Options, Question]):
    """Questions of multiple choice, however they are asked."""

    def drawn(self, questions: Sequence[Question]) -> Sequence[Question]:
        """As many as the limit allows, every category in proportion."""
        limit, seed = self.context.limit(self.task), self.context.config.seed
        return stratified(questions, limit, seed, lambda q: q.category or "", lambda q: q.cluster)

    def describe(self, sample: Question) -> Sample:
        return Sample(
            id=sample.id,
            input=sample.question,
            target=sample.options[sample.right],
            metadata={} if sample.category is None else {"category": sample.category},
            cluster=sample.cluster,
        )


class Choices(QuestionKind[ChoicesOptions]):
    """Questions from a file, each asked in every form that a metric needs."""

    name = "choices"
    options_type = ChoicesOptions

    @classmethod
    def check(cls, task: Task, options: ChoicesOptions) -> None:
        problem = ""
        if task.breakdown not in (None, "category"):
            problem = f"breakdown: questions have a category, no {task.breakdown!r:.80}"
        elif any(spec.group or spec.balance for spec in task.metrics):
            problem = "metrics: questions have no groups, so neither `group` nor `balance` can be used"
        elif len(sure := {spec.source for spec in task.metrics if spec.aggregate in OF_CONFIDENCE}) > 1:
            problem = f"metrics: a question has one confidence, not one by {' and one by '.join(sorted(sure))}"
        elif "acc_norm" in sure:
            problem = (
                "metrics: what is likeliest per character is no probability; take `key: acc` or `key: acc_letters`"
            )
        if problem:
            raise UsageError(f"{task.path}: {problem}", slug="task-option")
        for spec in task.metrics:
            if spec.source not in FORMS:
                raise UsageError(
                    f"{task.path}: unknown metric {spec.source!r}. {did_you_mean(spec.source, FORMS)}",
                    slug="unknown-metric",
                )
        if not any(one.category for one in cls.read(task, options)) and task.breakdown:
            problem = f"{task.path}: breakdown: no question of {options.samples} has a category"
            raise UsageError(problem, slug="task-option")

    @classmethod
    def count(cls, task: Task, options: ChoicesOptions) -> int | None:
        return count_questions(beside(task, options.samples))

    @staticmethod
    def read(task: Task, options: ChoicesOptions) -> list[Question]:
        """The questions of a task's file. Raises UsageError with file and line for one that cannot be asked."""
        return read_questions(beside(task, options.samples), Question, "question", options.sha256)

    def needs(self) -> frozenset[str]:
        return frozenset(
            {SINGLE if any(FORMS[spec.source] == LETTERS for spec in self.task.metrics) else LOGLIKELIHOOD}
        )

    @property
    def asked(self) -> tuple[MetricSpec, ...]:
        """The metrics that this backend can be asked for: all, or where only letters have a likelihood, those of the
        letters."""
        every = LOGLIKELIHOOD in self.backend.capabilities
        return tuple(spec for spec in self.task.metrics if every or FORMS[spec.source] == LETTERS)

    @property
    def forms(self) -> tuple[str, ...]:
        """What is asked of every question."""
        return tuple(dict.fromkeys(FORMS[spec.source] for spec in self.asked))

    @property
    def decisive(self) -> MetricSpec:
        """The metric that decides about a question: the primary one, where it is asked for."""
        return next((spec for spec in self.asked if spec.name == self.task.primary), self.asked[0])

    def samples(self) -> Sequence[Question]:
        questions = self.read(self.task, self.options)
        _ = self.backend  # what it cannot do is told before anything is asked
        return self.drawn(questions)

    def converse(self, sample: Question) -> Talk:
        asked = [(form, pair) for form in self.forms for pair in sample.pairs(form)]
        answers = yield Likelihoods(
            pairs=tuple(pair for _, pair in asked),
            labels=tuple({"form": form, "choice": pair[1].strip()} for form, pair in asked),
        )
        likely = {
            form: [answer.logprob for (asked_form, _), answer in zip(asked, answers, strict=True) if asked_form == form]
            for form in self.forms
        }
        found = {spec.source: likeliest(spec.source, sample, likely[FORMS[spec.source]]) for spec in self.asked}
        chosen = {key: places[0] for key, places in found.items() if places}
        # Of k equally likely options one is taken by lot: 1/k, wherever the right one stands.
        right = {key: (sample.right in places) / len(places) for key, places in found.items() if places}
        primary = self.decisive.source
        if primary not in chosen:
            told = "no letter of an option is among the likeliest tokens, and of others the server tells nothing"
            return Verdict(value=None, answer="", explanation=told, values=right)
        letter = string.ascii_uppercase[chosen[primary]]
        told = ", ".join(f"{key} {value:g}" for key, value in right.items())
        equal = len(found[primary]) - 1
        tied = f" (as likely as {equal} more)" if equal else ""
        return Verdict(
            value=right[primary],
            answer=sample.options[chosen[primary]],
            explanation=f"likeliest option{_measured_by(primary)} {letter}{tied}, right option {sample.answer}; {told}",
            values=right,
            confidence=self._confidence(likely),
            chosen=[form for form, _ in asked].index(FORMS[primary]) + chosen[primary],
        )

    def _confidence(self, likely: Mapping[str, Sequence[float | None]]) -> float | None:
        """How sure the model is of its likeliest option: that option's share of the probability of all of them, in the
        form that a metric wants to know it of. None where one of them is not told."""
        form = next((FORMS[spec.source] for spec in self.asked if spec.aggregate in OF_CONFIDENCE), None)
        known = [logprob for logprob in likely.get(form or "", ()) if logprob is not None]
        if form is None or len(known) < len(likely[form]):
            return None
        return 1 / math.fsum(math.exp(logprob - max(known)) for logprob in known)

    def right(self, sample: Question, ask: ModelAsk) -> tuple[bool, ...]:
        return tuple(place == sample.right for _ in self.forms for place in range(len(sample.options)))

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        # The questions of which a server tells every letter are no fair sample of all.
        sure = all(one.verdict.confidence is not None for one in judged if one.scored)
        made = tuple(spec for spec in self.asked if sure or spec.aggregate not in OF_CONFIDENCE)
        name, left_out = self.decisive.name, [spec.name for spec in self.task.metrics if spec not in self.asked]
        if not left_out:
            return conclude(replace(self.task, metrics=made), judged)
        return replace(
            conclude(replace(self.task, metrics=made, primary=name), judged),
            primary=name if name == self.task.primary else None,
            reason=f"partial: this server tells how likely letters are and no longer texts, so {', '.join(left_out)} "
            "could not be measured  [server-letters]",
        )

    def provenance(self, samples: Sequence[Question]) -> Mapping[str, Any]:
        return {
            "samples_sha256": sha256_of(samples),
            "chat_template": "none",
            "num_fewshot": 0,
            "forms": list(self.forms),
        }


def likeliest(key: str, question: Question, logprobs: Sequence[float | None]) -> tuple[int, ...]:
    """The places of the options that are the likeliest by the metric ``key``: one, or several equal ones. Those that
    are not told are less likely than those that are; empty where none is told."""
    known = {place: logprob for place, logprob in enumerate(logprobs) if logprob is not None}
    if key == "acc_norm":  # by characters, as lm-eval does
        known = {place: logprob / len(question.options[place]) for place, logprob in known.items()}
    return tuple(place for place, value in known.items() if value == max(known.values()))


def _measured_by(key: str) -> str:
    return " per character" if key == "acc_norm" else ""

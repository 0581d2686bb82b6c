"""Does the answer follow the option or its place? Each question is asked once for every rotation of its options.

The options are listed as A to D and the letters are the continuations, as in ``acc_letters`` of multiple choice. Over
all rotations every option stands at every place exactly once, so that a model that always takes one letter is right in
one of them, and its answer moves in every question.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.backends.protocol import LETTERS as SINGLE
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import Likelihoods, ModelAsk, Talk
from pytest_slm.core.types import JudgedSample, Sample, Task, Verdict
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.choices import LETTERS, Question, QuestionKind, likeliest
from pytest_slm.kinds.context import sha256_of
from pytest_slm.kinds.kind import Conclusion
from pytest_slm.kinds.options import check_inside
from pytest_slm.kinds.questions import beside, count_questions, read_questions
from pytest_slm.kinds.samples.generated import GeneratedSamples

ACCURACY, STAYED, BY_POSITION = "accuracy", "stayed", "by_position"


@dataclass(frozen=True, kw_only=True)
class PositionsOptions(Record):
    """Where the questions are from: ``samples``, a file of multiple-choice questions, or a ``generator`` whose samples
    have the options as ``metadata.options`` and perhaps their names as ``metadata.labels``; the target is the name of
    the right one, or its letter."""

    samples: str | None = None
    sha256: str | None = None
    generator: str | None = None

    def __post_init__(self) -> None:
        if (self.samples is None) == (self.generator is None):
            raise RecordError("a task of kind positions has either `samples` or `generator`")
        if self.samples is not None:
            check_inside("samples", self.samples)


class Positions(QuestionKind[PositionsOptions]):
    """Questions, each in all rotations of its options."""

    name = "positions"
    options_type = PositionsOptions

    @classmethod
    def check(cls, task: Task, options: PositionsOptions) -> None:
        known = (ACCURACY, STAYED, BY_POSITION)
        for spec in task.metrics:
            if spec.source not in known and spec.source not in string.ascii_uppercase:
                told = f"unknown metric {spec.source!r:.80}; known: {', '.join(known)}, and a letter"
                raise UsageError(f"{task.path or task.name}: {told}", slug="unknown-metric")
            if (spec.aggregate == "spread") != (spec.source == BY_POSITION):
                told = f"the metric {spec.name}: `key: {BY_POSITION}` and `aggregate: spread` belong together"
                raise UsageError(f"{task.path or task.name}: {told}", slug="task-option")

    @classmethod
    def check_samples(cls, task: Task, options: PositionsOptions, extensions: Extensions) -> None:
        if options.samples is not None:
            read_questions(beside(task, options.samples), Question, "question", options.sha256)

    @classmethod
    def count(cls, task: Task, options: PositionsOptions) -> int | None:
        return None if options.samples is None else count_questions(beside(task, options.samples))

    @functools.cached_property
    def generated(self) -> GeneratedSamples | None:
        """The samples of the generator; None where they are those of a file."""
        name = self.options.generator
        return None if name is None else GeneratedSamples(name, self, partial=True)

    def ready(self) -> None:
        if self.generated is not None:
            self.generated.ready()

    def total(self) -> int | None:
        return self.count(self.task, self.options) if self.generated is None else self.generated.total()

    def needs(self) -> frozenset[str]:
        return frozenset({SINGLE})

    def samples(self) -> Sequence[Question]:
        _ = self.backend  # what it cannot do is told before anything is asked
        if self.generated is not None:
            return [question_of(sample) for sample in self.generated.samples()]
        questions = read_questions(
            beside(self.task, str(self.options.samples)), Question, "question", self.options.sha256
        )
        return self.drawn(questions)

    def converse(self, sample: Question) -> Talk:
        n = len(sample.options)
        asked = [(turn, pair) for turn in range(n) for pair in rotated(sample, turn).pairs(LETTERS)]
        answers = yield Likelihoods(
            pairs=tuple(pair for _, pair in asked),
            labels=tuple({"rotation": turn, "choice": pair[1].strip()} for turn, pair in asked),
        )
        likely = [[answer.logprob for answer in answers[turn * n : (turn + 1) * n]] for turn in range(n)]
        places = [next(iter(likeliest("acc_letters", sample, of_turn)), None) for of_turn in likely]
        if None in places:
            told = "no letter of an option is among the likeliest tokens, and of others the server tells nothing"
            return Verdict(value=None, answer="", explanation=told)
        taken = [(turn + place) % n for turn, place in enumerate(places) if place is not None]
        right = [float(option == sample.right) for option in taken]
        by_position = [right[(sample.right - place) % n] for place in range(n)]
        letters = string.ascii_uppercase
        asked_for = [spec.source for spec in self.task.metrics if spec.source in letters]
        stayed = len(set(taken)) == 1
        written = ", ".join(
            f"{letters[place or 0]} {letters[option]}" for place, option in zip(places, taken, strict=True)
        )
        return Verdict(
            value=sum(right) / n,
            answer="; ".join(dict.fromkeys(sample.options[option] for option in taken)),
            explanation=f"the answer {'stays' if stayed else 'moves'}; letter taken and option behind it: {written}; "
            f"right option {sample.answer}",
            values={
                ACCURACY: sum(right) / n,
                STAYED: float(stayed),
                BY_POSITION: by_position,
                **{name: by_position[letters.index(name)] if letters.index(name) < n else None for name in asked_for},
            },
        )

    def right(self, sample: Question, ask: ModelAsk) -> tuple[bool, ...]:
        n = len(sample.options)
        return tuple((turn + place) % n == sample.right for turn in range(n) for place in range(n))

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        found = super().conclude(judged)
        return found if self.generated is None else self.generated.named_partial(found)

    def provenance(self, samples: Sequence[Question]) -> Mapping[str, Any]:
        return {
            **({} if self.generated is None else self.generated.provenance()),
            "samples_sha256": sha256_of(samples),
            "chat_template": "none",
            "num_fewshot": 0,
        }


def rotated(question: Question, turn: int) -> Question:
    """The question with its options moved up by ``turn`` places, the first ones behind the last."""
    options = question.options
    place = (question.right - turn) % len(options)
    return replace(question, options=options[turn:] + options[:turn], answer=string.ascii_uppercase[place])


def question_of(sample: Sample) -> Question:
    """A generator's sample as a question. Raises BackendError for one that is none."""
    options = sample.metadata.get("options")
    labels = sample.metadata.get("labels")
    try:
        if not isinstance(options, list | tuple) or not isinstance(sample.input, str):
            raise RecordError("its input is a text, and metadata.options the list of its options")
        names = list(string.ascii_uppercase[: len(options)]) if labels is None else [str(one) for one in labels]
        if str(sample.target) not in names or len(names) != len(options):
            raise RecordError(f"its target {sample.target!r:.80} is none of {', '.join(names):.80}")
        return Question(
            id=sample.id,
            question=sample.input,
            options=tuple(str(option) for option in options),
            answer=string.ascii_uppercase[names.index(str(sample.target))],
            category=next(iter(sample.parts), None),
        )
    except (RecordError, TypeError, IndexError) as error:
        raise BackendError(f"sample {sample.id!r:.80} is no question: {error}", slug="data-broken") from None

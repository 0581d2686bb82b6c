"""Is it one or the other? The class of a text is the likeliest of a few words behind it; nothing is generated.

There is no chat template and there are no examples, as in lm-eval's tasks of this kind. Which word is likelier at all,
whatever the text, is part of the answer: a model that says yes to everything has half of a balanced accuracy, and its
AUROC, which no such leaning changes, is beside it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.backends.protocol import LOGLIKELIHOOD
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import Likelihoods, ModelAsk, Talk
from pytest_slm.core.types import Sample, Task, Verdict
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.kinds.context import sha256_of
from pytest_slm.kinds.kind import Kind
from pytest_slm.kinds.samples.generated import GeneratedSamples


@dataclass(frozen=True, kw_only=True)
class ClassesOptions(Record):
    """The ``generator`` of the samples (its own options stand beside), the ``words`` of each class, and the class
    ``positive`` whose probability is the confidence."""

    generator: str
    words: Mapping[str, str]
    positive: str

    def __post_init__(self) -> None:
        if len(self.words) < 2 or not all(word.strip() for word in self.words.values()):
            raise RecordError("words: at least two classes are needed, each with the word that stands for it")
        if len({word.strip().casefold() for word in self.words.values()}) < len(self.words):
            raise RecordError("words: two classes have the same word")
        if self.positive not in self.words:
            raise RecordError(f"positive: {self.positive!r:.80} is none of the classes {', '.join(self.words)}")


class Classes(Kind[ClassesOptions, Sample]):
    """Samples whose target is the name of a class, and whose input ends where the word that names it would stand."""

    name = "classes"
    options_type = ClassesOptions

    @classmethod
    def check(cls, task: Task, options: ClassesOptions) -> None:
        for spec in task.metrics:
            if spec.aggregate in ("auroc", "brier", "calibration_error") and spec.key != options.positive:
                told = f"the metric {spec.name} is of the class whose probability is told: `key: {options.positive}`"
                raise UsageError(f"{task.path}: {told}", slug="task-option")
            for named in (*spec.balance, *filter(None, (spec.label, spec.group, spec.key))):
                if named not in options.words:
                    known = ", ".join(options.words)
                    told = f"{task.path}: the metric {spec.name} is of {named!r:.80}, none of the classes {known}"
                    raise UsageError(told, slug="task-option")

    @functools.cached_property
    def generated(self) -> GeneratedSamples:
        """The samples of the generator."""
        return GeneratedSamples(self.options.generator, self)

    def ready(self) -> None:
        self.generated.ready()

    def total(self) -> int | None:
        return self.generated.total()

    def needs(self) -> frozenset[str]:
        return frozenset({LOGLIKELIHOOD})

    def samples(self) -> Sequence[Sample]:
        found = self.generated.samples()
        for sample in found:
            if sample.target not in self.options.words or not isinstance(sample.input, str):
                told = f"sample {sample.id!r:.80}: {sample.target!r:.80} is none of {', '.join(self.options.words)}"
                raise BackendError(f"{told}; its input must be a text", slug="data-broken")
        return found

    def describe(self, sample: Sample) -> Sample:
        """The sample in the group of its class, for metrics that balance."""
        return Sample(
            id=sample.id,
            input=sample.input,
            target=sample.target,
            metadata=sample.metadata,
            groups=(*sample.groups, str(sample.target)),
            cluster=sample.cluster,
        )

    def converse(self, sample: Sample) -> Talk:
        names = tuple(self.options.words)
        answers = yield Likelihoods(
            pairs=tuple((str(sample.input), f" {self.options.words[name].strip()}") for name in names),
            labels=tuple({"class": name} for name in names),
        )
        likely = {name: answer.logprob for name, answer in zip(names, answers, strict=True)}
        chosen = max(names, key=lambda name: likely[name])  # of equally likely ones the first
        most = max(likely.values())
        weights = {name: math.exp(value - most) for name, value in likely.items()}
        sure = weights[self.options.positive] / sum(weights.values())
        return Verdict(
            value=float(chosen == sample.target),
            answer=self.options.words[chosen],
            explanation=f"likeliest class {chosen} ({self.options.positive}: {sure:.1%}), right class {sample.target}",
            values={name: float(name == sample.target) for name in names},
            label=chosen,
            confidence=sure,
            chosen=names.index(chosen),
        )

    def right(self, sample: Sample, ask: ModelAsk) -> tuple[bool, ...]:
        return tuple(name == sample.target for name in self.options.words)

    def provenance(self, samples: Sequence[Sample]) -> Mapping[str, Any]:
        return {
            **self.generated.provenance(),
            "samples_sha256": sha256_of(samples),
            "chat_template": "none",
            "num_fewshot": 0,
            "words": dict(self.options.words),
        }

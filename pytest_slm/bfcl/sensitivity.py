"""How much a model depends on the format of its prompt: the same questions in each of BFCL's 26 formats."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm.bfcl.formats import FORMATS, PromptFormat
from pytest_slm.bfcl.judging import BFCL
from pytest_slm.bfcl.kind import Bfcl, BfclOptions
from pytest_slm.bfcl.prompting import PromptForm
from pytest_slm.bfcl.question import BfclQuestion
from pytest_slm.core.types import JudgedSample, Metric, Sample, Task
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.kinds.kind import Conclusion
from pytest_slm.kinds.questions import stratified

DIFFERENCE, DEVIATION = "greatest_difference", "standard_deviation"


class BfclFormats(Bfcl):
    """Questions that BFCL has chosen for this, each once in every format; a limit counts answers, so that 1,300 are 50
    questions.

    Beside the metrics that the task declares there are two of the accuracies of the formats, in points and by BFCL's
    own verdict: the greatest difference between two of them, and their standard deviation. They have no interval.
    """

    name = "bfcl_formats"

    @classmethod
    def check(cls, task: Task, options: BfclOptions) -> None:
        super().check(task, options)
        if options.prompting != "text" or options.format or options.constrained:
            problem = "options: all formats are asked, so `prompting: text` and neither `format` nor `constrained`"
            raise UsageError(f"{task.path}: {problem}", slug="task-option")

    def total(self) -> int | None:
        return len(FORMATS) * len(self._chosen_by_bfcl())

    def samples(self) -> Sequence[BfclQuestion]:
        there = self._chosen_by_bfcl()
        if not there:
            raise BackendError("none of BFCL's questions for its formats is in these data", slug="data-empty")
        limit = self.context.limit(self.task)
        most = None if limit is None else max(1, limit // len(FORMATS))
        chosen = stratified(there, most, self.context.config.seed, lambda question: question.category)
        self._forms: dict[str, tuple[PromptFormat, str]] = {
            f"{question.id}:{form}": (form, question.id) for question in chosen for form in FORMATS
        }
        asked = [dataclasses.replace(question, id=f"{question.id}:{form}") for form in FORMATS for question in chosen]
        self._too_long = self._without_room(asked)
        return asked

    def asking_of(self, sample: BfclQuestion) -> PromptForm:
        return dataclasses.replace(self.asking, form=self._forms[sample.id][0])

    def describe(self, sample: BfclQuestion) -> Sample:
        form, question = self._forms[sample.id]
        made = super().describe(sample)
        return dataclasses.replace(made, cluster=question, metadata={**made.metadata, "format": str(form)})

    def provenance(self, samples: Sequence[BfclQuestion]) -> Mapping[str, Any]:
        return {**super().provenance(samples), "format": f"all {len(FORMATS)} of BFCL"}

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        concluded = super().conclude(judged)
        return dataclasses.replace(concluded, metrics=(*concluded.metrics, *spread(judged)))

    def _chosen_by_bfcl(self) -> list[BfclQuestion]:
        ids = {name for some in self.asking.texts.format_sensitivity.values() for name in some}
        return [question for question in self._questions if question.id in ids]


def spread(judged: Sequence[JudgedSample]) -> tuple[Metric, ...]:
    """How far the accuracies of the formats are apart; nothing where there are fewer than two formats.

    Only questions count that were scored in every format: others would compare different questions.
    """
    by_question: dict[str, dict[str, float]] = {}
    for one in judged:
        value = one.verdict.values.get(BFCL)
        if value is not None:
            by_question.setdefault(str(one.sample.cluster), {})[str(one.sample.metadata["format"])] = value
    formats = {form for found in by_question.values() for form in found}
    whole = [found for found in by_question.values() if set(found) == formats]
    if len(formats) < 2 or not whole:
        return ()
    accuracies = [100 * statistics.fmean(found[form] for found in whole) for form in sorted(formats)]
    values = {DIFFERENCE: max(accuracies) - min(accuracies), DEVIATION: statistics.stdev(accuracies)}
    return tuple(
        Metric(name=name, value=value, n=len(whole), unit="points", higher_is_better=False)
        for name, value in values.items()
    )

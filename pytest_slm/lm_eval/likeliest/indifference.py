"""What a model gets that finds all choices equally likely: the chance level of the questions that were asked."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from pytest_slm.core.types import JudgedSample, Metric, MetricSpec
from pytest_slm.errors import UsageError
from pytest_slm.lm_eval.building import LmEvalTasks
from pytest_slm.lm_eval.judging import judge


class AskedQuestion(Protocol):
    """A row of a task, and what lm-eval asks about it."""

    @property
    def subtask(self) -> str: ...

    @property
    def row(self) -> int: ...

    @property
    def doc(self) -> Any: ...

    @property
    def instances(self) -> Sequence[Any]: ...


def with_chance(
    metrics: Sequence[Metric],
    specs: Sequence[MetricSpec],
    built: LmEvalTasks,
    asked: Sequence[AskedQuestion],
    judged: Sequence[JudgedSample],
) -> list[Metric]:
    """The metrics, those whose chance level is that of the rows with what indifference gets in the questions that could
    be scored; each comes as often as it was asked, one time after the other."""
    of_rows = {spec.name: spec for spec in specs if spec.chance_of_rows}
    scored = [asked[number * len(asked) // len(judged)] for number, one in enumerate(judged) if one.scored]
    return [
        replace(one, chance=statistics.fmean(_indifferent(built, question, of_rows[one.name]) for question in scored))
        if one.name in of_rows
        else one
        for one in metrics
    ]


def _indifferent(built: LmEvalTasks, question: AskedQuestion, spec: MetricSpec) -> float:
    """Raises UsageError for a metric that is no share of a question."""
    equal = [copy.copy(instance) for instance in question.instances]
    for instance in equal:
        instance.resps, instance.filtered_resps = [(-1.0, False)] * len(instance.resps or (0,)), {}
    values, _ = judge(built.tasks[question.subtask], question.doc, equal, (spec,), f"row {question.row}")
    value = values[spec.name]
    if not isinstance(value, float) or not 0 <= value <= 1:
        told = f"the metric {spec.name} is no share of a question, so chance gets nothing of it; leave `chance` out"
        raise UsageError(told, slug="task-option")
    return value

"""From the scores of single samples to the metrics that a task declares, each with its interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from pytest_slm.core.statistics import (
    Interval,
    clustered_interval,
    clustered_wilson,
    combine,
    mean_interval,
    standard_error,
    wilson,
)
from pytest_slm.core.types import Judged, Metric, MetricSpec, Task
from pytest_slm.errors import BackendError

Scored = tuple[str, str | None, float]
"""(group, breakdown value, score) of one sample that could be scored."""


def mean_metric(
    name: str, values: Sequence[float], *, complement: bool = False, clusters: Sequence[object] | None = None
) -> Metric:
    """The mean of scores in [0, 1]: Wilson's interval where all are 0 or 1, else Student's t, cut to [0, 1].

    ``clusters`` names what each value belongs to, where samples are no independent ones (questions about one passage):
    then the standard error is the cluster-robust one, and the interval is made with it.
    """
    value = statistics.fmean(values)
    binary = all(score in (0, 1) for score in values)
    interval: Interval | None
    if clusters is not None and len(set(clusters)) < len(values):
        interval = clustered_wilson(values, clusters) if binary else clustered_interval(values, clusters)
    elif binary:
        interval = wilson(sum(values), len(values))
    else:
        interval = mean_interval(values)
    if complement:
        value, interval = 1 - value, None if interval is None else (1 - interval[1], 1 - interval[0])
    if interval is not None:
        interval = (max(0.0, interval[0]), min(1.0, interval[1]))
    return Metric(
        name=name,
        value=value,
        n=len(values),
        interval=interval,
        higher_is_better=not complement,
        stderr=standard_error(values, clusters),
    )


def task_metrics(task: Task, judged: Sequence[Judged]) -> tuple[Metric, ...]:
    """All declared metrics, then the breakdown of the primary one."""

    def scored(spec: MetricSpec) -> list[Scored]:
        found: list[Scored] = []
        for one in judged:
            value = one.value(spec.key or spec.name)
            part = one.sample.metadata.get(task.breakdown) if task.breakdown else None
            if value is not None:
                found += [(g, None if part is None else str(part), value) for g in (one.sample.parts or ("",))]
        return found

    metrics = [metric for spec in task.metrics if (metric := _metric(spec, scored(spec))) is not None]
    if task.primary not in {metric.name for metric in metrics}:
        raise BackendError(
            f"{task.suite}/{task.name}: no sample could be scored for {task.primary!r}{_needs(task)}; "
            "see the sample file for why",
            slug="nothing-scored",
        )
    return (*metrics, *_breakdown(task, scored(task.spec(task.primary))))


def _needs(task: Task) -> str:
    groups = task.spec(task.primary).balance
    return f", which needs samples of {' and of '.join(groups)}" if groups else ""


def _metric(spec: MetricSpec, scored: Sequence[Scored]) -> Metric | None:
    if spec.balance:
        parts = [[score for group, _, score in scored if group == wanted] for wanted in spec.balance]
        if not all(parts):
            return None
        means = [mean_metric(spec.name, part, complement=spec.complement) for part in parts]
        value, interval = combine([(1 / len(means), mean.value, mean.interval) for mean in means])
        if interval is not None:
            interval = (max(0.0, interval[0]), min(1.0, interval[1]))
        return Metric(
            name=spec.name,
            value=min(1.0, value),  # nine ninths are 1.0000000000000002
            n=sum(mean.n for mean in means),
            interval=interval,
            higher_is_better=spec.higher_is_better,
            stderr=_combined_error([(1 / len(means), mean.stderr) for mean in means]),
        )
    values = [score for group, _, score in scored if spec.group in (None, group)]
    return mean_metric(spec.name, values, complement=spec.complement) if values else None


def _combined_error(parts: Sequence[tuple[float, float | None]]) -> float | None:
    """The standard error of a weighted sum of independent estimates; None as soon as one part has none."""
    known = [weight * error for weight, error in parts if error is not None]
    return math.hypot(*known) if len(known) == len(parts) else None


def _breakdown(task: Task, scored: Sequence[Scored]) -> list[Metric]:
    if task.breakdown is None:
        return []
    spec = task.spec(task.primary)
    values: dict[str, list[float]] = {}
    for group, part, score in scored:
        if part is not None and spec.group in (None, group):
            values.setdefault(part, []).append(score)
    # A part is not balanced by anything: of a balanced metric it is the plain accuracy.
    name = "accuracy" if spec.balance else spec.name
    return [
        mean_metric(f"{name}[{task.breakdown}={part}]", values[part], complement=spec.complement)
        for part in sorted(values, key=_natural)
    ]


def _natural(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text

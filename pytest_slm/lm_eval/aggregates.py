"""Our own aggregates over lm-eval's verdicts: how well a model knows what it knows, and accuracy by classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pytest_slm.core.metrics import made
from pytest_slm.core.task import OF_CONFIDENCE
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec, Task

POSSIBLE = OF_CONFIDENCE | {"macro_recall", "twins"}
"""Those that can be made of a verdict, its target and a confidence; lm-eval knows no label that was answered."""


def theirs(task: Task) -> Task:
    """The task with the metrics that are lm-eval's: means, or whatever lm-eval makes of its verdicts."""
    means = tuple(spec for spec in task.metrics if spec.aggregate == "mean")
    primary = verdict_of(task.spec(task.primary), task.metrics)
    if len(means) == len(task.metrics) or primary is None:
        return task
    return replace(task, metrics=means, primary=primary.name, gate=None)


def verdict_of(spec: MetricSpec, specs: Sequence[MetricSpec]) -> MetricSpec | None:
    """The metric of lm-eval whose verdicts one is made of: itself, or that of its key and filter; None without one."""
    means = (one for one in specs if one.aggregate == "mean")
    same = (one for one in means if (one.source, one.filter) == (spec.source, spec.filter))
    return spec if spec.aggregate == "mean" else next(same, None)


def mistakes(specs: Sequence[MetricSpec]) -> Iterator[str]:
    """What is wrong with metrics of ours, before anything is asked."""
    for spec in specs:
        if spec.aggregate not in (*POSSIBLE, "mean"):
            yield f"the metric {spec.name}: of lm-eval's verdicts no {spec.aggregate} can be made"
        elif verdict_of(spec, specs) is None:
            yield f"the metric {spec.name} is made of {spec.source}; declare that one too, with the same filter"
        elif spec.aggregate in OF_CONFIDENCE and spec.source != "acc":
            yield f"the metric {spec.name}: a confidence is that of the choice of `acc`; write `key: acc`"


def confidence(instances: Sequence[Any]) -> float | None:
    """How sure the model is of its likeliest choice: that choice's share of the probability of all choices. None where
    the choices do not stand behind one and the same context, and where the likelihood of one is not known."""
    if not instances or any(instance.request_type != "loglikelihood" for instance in instances):
        return None
    likely = [float(instance.resps[0][0]) for instance in instances]
    if len({instance.args[0] for instance in instances}) > 1 or not all(map(math.isfinite, likely)):
        return None
    most = max(likely)
    return 1 / math.fsum(math.exp(value - most) for value in likely)


def metrics(specs: Sequence[MetricSpec], judged: Sequence[JudgedSample]) -> list[Metric]:
    """The metrics that are ours; those of which nothing could be scored are left out, and those of confidence where one
    is not known: the questions of which a server tells every letter are no fair sample of all."""
    sure = all(one.verdict.confidence is not None for one in judged if one.scored)
    found = []
    for spec in specs:
        verdict = verdict_of(spec, specs)
        if spec.aggregate in OF_CONFIDENCE and not sure:
            continue
        if verdict is not None and verdict is not spec:  # verdicts are kept by the names of our metrics
            found.append(made(replace(spec, key=verdict.name), judged))
    return [metric for metric in found if metric is not None]

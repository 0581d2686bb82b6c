"""Metrics that are a weighted mean of other metrics: totals of a benchmark over its categories or its tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from pytest_slm.core.metrics.means import within
from pytest_slm.core.statistics import combine
from pytest_slm.core.types import MEASURED, Cuts, Metric, MetricPart, Result, SuiteFacts


def composite(
    name: str, weights: Mapping[str, float], measured: Mapping[str, Metric], *, related: bool = False
) -> Metric | None:
    """The mean of the measured metrics of these names, by their weights; None where one of them was not measured.

    The parts are taken for independent of each other, as those of different samples are; where they may be of the same
    questions (``related``), their doubts add up, which is the widest that the interval can be. ``n`` is the sum of
    theirs.
    """
    if any(part not in measured for part in weights):
        return None
    total = math.fsum(weights.values())
    parts = [(weight / total, measured[part]) for part, weight in weights.items()]
    pairs = {(one, other): 1.0 for other in range(len(parts)) for one in range(other)} if related else {}
    value, interval = combine([(weight, part.value, part.interval) for weight, part in parts], pairs)
    value = min(1.0, value)  # rounding: thirds may add up to more
    errors = [weight * part.stderr for weight, part in parts if part.stderr is not None]
    return Metric(
        name=name,
        value=value,
        n=sum(part.n for _, part in parts),
        interval=within(interval),
        stderr=(math.fsum(errors) if related else math.hypot(*errors)) if len(errors) == len(parts) else None,
        cuts=_cuts(value, parts),
    )


def suite_composites(suite: str, facts: SuiteFacts, results: Iterable[Result]) -> tuple[Metric, ...]:
    """The metrics that a suite makes of those of several tasks, as far as all of their parts were measured. Of a task
    with variants a part is the mean over all that it declares, which may be the same questions asked otherwise."""
    if not facts.composites:
        return ()
    mine = [result for result in results if result.suite == suite and result.outcome in MEASURED]
    found = {
        key: metric
        for parts in facts.composites.values()
        for part in parts
        if (metric := _part(key := f"{part.task}/{part.metric}", part, mine)) is not None
    }
    made = (
        composite(name, {f"{part.task}/{part.metric}": part.weight for part in parts}, found)
        for name, parts in facts.composites.items()
    )
    return tuple(metric for metric in made if metric is not None)


def _part(name: str, part: MetricPart, results: Sequence[Result]) -> Metric | None:
    """A metric of a task, over all its variants; None where one of them was not measured."""
    of_task = [result for result in results if result.task == part.task]
    measured = {
        result.variant: metric
        for result in of_task
        if (metric := result.metric(part.metric)) is not None and metric.unit == "share"
    }
    declared = {name for result in of_task for name in result.declared.task_variants}
    if not measured or not declared <= set(measured):
        return None
    return composite(name, dict.fromkeys(measured, 1.0), measured, related=True)


def _cuts(value: float, parts: Sequence[tuple[float, Metric]]) -> Cuts | None:
    """What cut answers may have changed: the bounds of the parts together, and their share of all samples."""
    n = sum(part.n for _, part in parts)
    found = [(weight, part.n / n, part.cuts, part.cuts.bounds) for weight, part in parts if part.cuts is not None]
    if len(found) < len(parts):
        return None
    bounds = [(weight, both) for weight, _, _, both in found if both is not None]
    whole = len(bounds) == len(parts)
    return Cuts(
        cut=min(1.0, math.fsum(share * cuts.cut for _, share, cuts, _ in found)),
        censored=min(1.0, math.fsum(share * cuts.censored for _, share, cuts, _ in found)),
        lower=min(value, math.fsum(weight * low for weight, (low, _) in bounds)) if whole else None,
        upper=max(value, math.fsum(weight * high for weight, (_, high) in bounds)) if whole else None,
    )

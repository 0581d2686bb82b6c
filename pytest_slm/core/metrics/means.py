"""Means of scores: of all samples, of one group, and of several groups with equal weight."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from pytest_slm.core.metrics.scored import Cluster, values_of
from pytest_slm.core.statistics import (
    Interval,
    clustered_interval,
    clustered_wilson,
    combine,
    mean_interval,
    standard_error,
    unvaried,
    wilson,
)
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec


def mean_metric(
    name: str, values: Sequence[float], *, complement: bool = False, clusters: Sequence[object] | None = None
) -> Metric:
    """The mean of scores in [0, 1]: Wilson's interval where all are 0 or 1, or all alike, else Student's t, cut to
    [0, 1].

    ``clusters`` names what each value belongs to, where samples are no independent ones (questions about one passage):
    then the standard error is the cluster-robust one, and the interval is made with it.
    """
    value = statistics.fmean(values)
    binary = all(score in (0, 1) for score in values)
    interval: Interval | None
    if not binary and max(values) == min(values):
        interval = unvaried(value, len(values if clusters is None else set(clusters)))
    elif clusters is not None and len(set(clusters)) < len(values):
        interval = clustered_wilson(values, clusters) if binary else clustered_interval(values, clusters)
    elif binary:
        interval = wilson(sum(values), len(values))
    else:
        interval = mean_interval(values)
    if complement:
        value, interval = 1 - value, None if interval is None else (1 - interval[1], 1 - interval[0])
    return Metric(
        name=name,
        value=value,
        n=len(values),
        interval=within(interval),
        higher_is_better=not complement,
        stderr=standard_error(values, clusters),
    )


def within(interval: Interval | None) -> Interval | None:
    """The interval cut to [0, 1], where shares are."""
    return None if interval is None else (max(0.0, interval[0]), min(1.0, interval[1]))


def mean(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """The mean of all scores, or with ``balance`` of the means of several groups."""
    if spec.balance:
        return _balanced(spec, judged)
    values, clusters = values_of(spec, judged)
    return mean_metric(spec.name, values, complement=spec.complement, clusters=clusters) if values else None


def _balanced(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    parts = [values_of(replace(spec, group=group, balance=()), judged) for group in spec.balance]
    if not all(values for values, _ in parts):
        return None
    means = [mean_metric(spec.name, v, complement=spec.complement, clusters=clusters) for v, clusters in parts]
    weight = 1 / len(means)
    shared = _correlations(parts)
    value, interval = combine([(weight, mean.value, mean.interval) for mean in means], shared)
    return Metric(
        name=spec.name,
        value=min(1.0, value),  # nine ninths are 1.0000000000000002
        n=sum(mean.n for mean in means),
        interval=within(interval),
        higher_is_better=spec.higher_is_better,
        stderr=_combined_error([None if mean.stderr is None else weight * mean.stderr for mean in means], shared),
    )


def _correlations(parts: Sequence[tuple[Sequence[float], Sequence[Cluster]]]) -> dict[tuple[int, int], float]:
    """How far the means of two groups move together, for those with a cluster in common (a request and its twin).

    Groups that move against each other are taken for independent: a model that cannot tell twins apart has one of each
    pair right, always a half of them, and that is no certainty.
    """
    deviations = []
    for values, clusters in parts:
        centre = statistics.fmean(values)
        sums: dict[Cluster, float] = {}
        for value, cluster in zip(values, clusters, strict=True):
            sums[cluster] = sums.get(cluster, 0.0) + value - centre
        deviations.append(sums)
    lengths = [math.hypot(*sums.values()) for sums in deviations]
    found = {}
    for one, mine in enumerate(deviations):
        for other, its in enumerate(deviations[:one]):
            product = math.fsum(mine[cluster] * its[cluster] for cluster in mine if cluster in its)
            if product > 0:
                found[other, one] = min(1.0, product / (lengths[one] * lengths[other]))
    return found


def _combined_error(errors: Sequence[float | None], correlations: dict[tuple[int, int], float]) -> float | None:
    """The standard error of a sum of estimates; None as soon as one of them has none."""
    known = [error for error in errors if error is not None]
    if len(known) < len(errors):
        return None
    if not correlations:
        return math.hypot(*known)
    shared = math.fsum(2 * r * known[one] * known[other] for (one, other), r in correlations.items())
    return math.sqrt(math.fsum(error * error for error in known) + shared)

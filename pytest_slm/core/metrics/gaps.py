"""Metrics of what differs between groups of people: how far scores lean to one side, and how far groups are apart."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from pytest_slm.core.metrics.means import mean_metric
from pytest_slm.core.metrics.scored import Cluster, values_of
from pytest_slm.core.statistics import Interval, clustered_wilson, standard_error, t_quantile, wilson
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec


def bias(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """Twice the mean less one, of scores that are 1 where an answer is biased, 0 where it is so the other way round,
    and a half where it is neither: from -1 to 1, and 0 is no bias.

    It is BBQ's bias score (Parrish et al. 2022, https://arxiv.org/abs/2110.08193). s_DIS leaves answers that are
    neither unscored: 2 * biased / (answers that are not "unknown") - 1. s_AMB has them as a half, which is the same
    times the share of answers that are not "unknown": that of the wrong ones, where only "unknown" is right. The
    interval is that of a difference of two shares of one sample (Zou and Donner 2008), so that it has a width where all
    answers are neither.
    """
    values, clusters = values_of(spec, judged)
    if not values:
        return None
    mean = mean_metric(spec.name, values, clusters=clusters)
    interval = None if mean.interval is None else (2 * mean.interval[0] - 1, 2 * mean.interval[1] - 1)
    if set(values) <= {0, 0.5, 1} and interval is not None:
        interval = _difference(values, clusters)
    return replace(
        mean,
        value=2 * mean.value - 1,
        interval=interval,
        stderr=None if mean.stderr is None else 2 * mean.stderr,
        unit=spec.unit,
        higher_is_better=spec.higher_is_better,
    )


def _difference(values: Sequence[float], clusters: Sequence[Cluster]) -> Interval | None:
    """The interval of the share of ones less that of zeros."""
    n = len(values)
    sides = [[float(value == side) for value in values] for side in (1, 0)]
    ends = [clustered_wilson(side, clusters) for side in sides]
    p, q = (sum(side) / n for side in sides)
    if ends[0] is None or ends[1] is None:
        return None
    # One answer is not both: the shares of one sample move against each other.
    r = -math.sqrt(p * q / ((1 - p) * (1 - q))) if p < 1 and q < 1 else -1.0
    low, high = (
        math.sqrt(a * a + b * b - 2 * r * a * b)
        for a, b in ((p - ends[0][0], ends[1][1] - q), (ends[0][1] - p, q - ends[1][0]))
    )
    return max(-1.0, p - q - low), min(1.0, p - q + high)


def gap(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """How far the means of the groups of ``spec.balance`` are apart: the greatest less the least. Groups with fewer
    than two scored samples are left out; None where fewer than two are left.

    The greatest of several differences is above 0 by chance alone, and its interval says so: it goes from the greatest
    of the lower ends to the greatest of the upper ends of all pairs' intervals, each of which is wider after Bonferroni
    by the number of pairs, so that all of them hold at once.
    """
    means_of = [replace(spec, aggregate="mean", group=group, balance=()) for group in spec.balance]
    groups = [values_of(one, judged) for one in means_of]
    groups = [(values, clusters) for values, clusters in groups if len(values) > 1]
    if len(groups) < 2:
        return None
    pairs = math.comb(len(groups), 2)
    means = [statistics.fmean(values) for values, _ in groups]
    ends = [_ends(values, clusters, 1 - 0.05 / pairs) for values, clusters in groups]
    value = max(means) - min(means)
    low, high = 0.0, value
    for one, other in itertools.permutations(range(len(groups)), 2):
        mine, its = ends[one], ends[other]
        if mine is None or its is None:
            return Metric(
                name=spec.name, value=value, n=sum(len(v) for v, _ in groups), unit=spec.unit, higher_is_better=False
            )
        difference = means[one] - means[other]
        low = max(low, difference - math.hypot(means[one] - mine[0], its[1] - means[other]))
        high = max(high, difference + math.hypot(mine[1] - means[one], means[other] - its[0]))
    return Metric(
        name=spec.name,
        value=value,
        n=sum(len(values) for values, _ in groups),
        interval=(low, min(1.0, high)),
        unit=spec.unit,
        higher_is_better=False,
    )


def _ends(values: Sequence[float], clusters: Sequence[Cluster], confidence: float) -> Interval | None:
    """The interval of a group's mean: Wilson's of a share, or of values that are all alike, with the number of clusters
    as n; else Student's t."""
    mean, n = statistics.fmean(values), len(set(clusters))
    if n < 2:
        return None
    if set(values) <= {0, 1} or max(values) == min(values):
        return wilson(mean * n, n, statistics.NormalDist().inv_cdf((1 + confidence) / 2))
    half = t_quantile((1 + confidence) / 2, n - 1) * (standard_error(values, clusters) or 0.0)
    return max(0.0, mean - half), min(1.0, mean + half)

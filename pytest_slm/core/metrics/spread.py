"""How far the means of the places of a list are apart: what the place of an option does to a model."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence

from pytest_slm.core.metrics.scored import Cluster, of_group
from pytest_slm.core.statistics import standard_error, t_quantile
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec


def spread(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """The greatest mean of a place less the least, where each sample has a list of scores (None: it has no such place).

    Even without any true difference it is not 0, and for few samples much too large. Its interval knows that: with 95 %
    all differences of two places lie in their intervals (Bonferroni 1936; the errors of paired samples, or of their
    clusters), and so does the greatest of them. None with fewer than two places.
    """
    samples = [one for one in of_group(spec, judged) if one.value is not None]
    lists = [one.judged.verdict.values.get(spec.source) or () for one in samples]
    clusters = [one.cluster for one in samples]
    width = max(map(len, lists), default=0)
    columns = [[_at(scores, place) for scores in lists] for place in range(width)]
    there = [column for column in columns if any(score is not None for score in column)]
    if len(there) < 2:
        return None
    pairs = [_difference(one, other, clusters) for one, other in itertools.combinations(there, 2)]
    value = max(abs(gap) for gap, _ in pairs)
    interval = None
    errors = [error for _, error in pairs if error is not None]
    if len(errors) == len(pairs):
        times = t_quantile(1 - 0.025 / len(pairs), len(set(clusters)) - 1)
        low = max(abs(gap) - times * error for (gap, _), error in zip(pairs, errors, strict=True))
        high = max(abs(gap) + times * error for (gap, _), error in zip(pairs, errors, strict=True))
        interval = (min(value, max(0.0, low)), min(1.0, high))
    return Metric(name=spec.name, value=value, n=len(samples), interval=interval, higher_is_better=False)


def _at(scores: Sequence[float | None], place: int) -> float | None:
    return scores[place] if place < len(scores) else None


def _difference(
    one: Sequence[float | None], other: Sequence[float | None], clusters: Sequence[Cluster]
) -> tuple[float, float | None]:
    """The difference of the means of two places, and its standard error."""
    (mean, n), (other_mean, other_n) = _mean(one), _mean(other)
    total = len(one)
    pulls = [
        total * ((0 if a is None else (a - mean) / n) - (0 if b is None else (b - other_mean) / other_n))
        for a, b in zip(one, other, strict=True)
    ]
    error = standard_error(pulls, clusters)
    if error == 0:  # where nothing varies there is doubt all the same (Agresti and Caffo 2000)
        error = math.sqrt(sum(_variance(mean, n) for mean, n in ((mean, n), (other_mean, other_n))))
    return mean - other_mean, error


def _mean(column: Sequence[float | None]) -> tuple[float, int]:
    there = [score for score in column if score is not None]
    return statistics.fmean(there), len(there)


def _variance(mean: float, n: int) -> float:
    share = (mean * n + 1) / (n + 2)
    return share * (1 - share) / (n + 2)

"""Metrics of how sure a model was (``verdict.confidence``) beside whether it was right (a value of 1)."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_slm.core.metrics.means import mean_metric
from pytest_slm.core.metrics.scored import Cluster, of_group
from pytest_slm.core.statistics import Z95, Interval, standard_error
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec


def auroc(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """How often the model was surer of a right answer than of a wrong one, ties counted half: the area under the ROC
    curve. None where all answers are right or all are wrong.

    The standard error is that of DeLong et al. 1988, for clusters of Obuchowski 1997. The interval is method 5 of
    Newcombe 2006 (part 2, https://doi.org/10.1002/sim.2324): unlike DeLong's it is sound for few samples, has some
    width at an area of 1 and stays within [0, 1]. Clusters widen it by their design effect.
    """
    samples = _sure(spec, judged)
    right, wrong = [one for one in samples if one[1]], [one for one in samples if not one[1]]
    if not right or not wrong:
        return None
    places = [
        *_places([c for c, _, _ in right], sorted(c for c, _, _ in wrong)),
        *(1 - place for place in _places([c for c, _, _ in wrong], sorted(c for c, _, _ in right))),
    ]
    n_right, n_wrong = len(right), len(wrong)
    area = statistics.fmean(places[:n_right])
    pulls = [(place - area) / (n_right if i < n_right else n_wrong) for i, place in enumerate(places)]
    clusters = [cluster for _, _, cluster in (*right, *wrong)]
    error = _area_error(pulls, clusters, n_right)
    effect = 1.0
    if len(set(clusters)) < len(clusters):
        plain = _area_error(pulls, range(len(pulls)), n_right)
        if error and plain:
            effect = max(1.0, (error / plain) ** 2)
        else:  # clustering cannot be seen: clusters count instead of samples
            n_right, n_wrong = len(set(clusters[:n_right])), len(set(clusters[n_right:]))
    interval = _area_interval(area, n_right, n_wrong, effect) if len(set(clusters)) > 1 else None
    return Metric(name=spec.name, value=area, n=len(samples), interval=interval, stderr=error)


def brier(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """The mean squared distance of the confidence from what came out, 1 or 0 (Brier 1950): lower is better, and 0.25 is
    what "50 %" everywhere gets. With the interval of a mean."""
    samples = _sure(spec, judged)
    if not samples:
        return None
    squares = [(confidence - right) ** 2 for confidence, right, _ in samples]
    metric = mean_metric(spec.name, squares, clusters=[cluster for _, _, cluster in samples])
    return replace(metric, higher_is_better=spec.higher_is_better)


def calibration_error(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """The expected calibration error: how far confidence and share of right answers are apart in ``bins`` bins of equal
    width, weighted by their samples (Naeini et al. 2015; Guo et al. 2017, https://arxiv.org/abs/1706.04599).

    It is never too small and for few samples much too large: a perfectly calibrated model with 100 answers in 10 bins
    has 0.1. So the interval is no symmetric one. Let W be the noise alone, the weighted sum of what each bin's share is
    off. By the triangle inequality the truth is at least the value less W, of which the 97.5 % quantile is taken (a sum
    of half-normal variables; Cornish and Fisher 1938), and since the value is too large on average (Jensen's
    inequality), the truth is at most the value and 1.96 standard errors of a sum without signs. It covers 95 % or more.
    """
    samples = _sure(spec, judged)
    if len({cluster for _, _, cluster in samples}) < 2:
        return None
    bins: dict[int, list[tuple[float, bool]]] = {}
    number = int(spec.parameters["bins"])
    for confidence, right, _ in samples:
        bins.setdefault(bin_of(confidence, number), []).append((confidence, right))
    value = math.fsum(abs(math.fsum(right - c for c, right in inside)) for inside in bins.values()) / len(samples)
    noise = [_noise([right for _, right in inside]) / len(samples) for _, inside in sorted(bins.items())]
    gaps, clusters = [right - c for c, right, _ in samples], [cluster for _, _, cluster in samples]
    plain, robust = standard_error(gaps), standard_error(gaps, clusters)
    inflation = max(1.0, robust / plain) if plain and robust else 1.0
    low, high = value - inflation * _greatest(noise), value + inflation * Z95 * math.hypot(*noise)
    return Metric(
        name=spec.name,
        value=value,
        n=len(samples),
        interval=(max(0.0, low), min(1.0, high)),
        higher_is_better=spec.higher_is_better,
    )


def bin_of(confidence: float, number: int) -> int:
    """The bin of a confidence, of so many of equal width."""
    return min(number - 1, int(confidence * number))


def _sure(spec: MetricSpec, judged: Sequence[JudgedSample]) -> list[tuple[float, bool, Cluster]]:
    """(confidence, right, cluster) of all samples that have a score and a confidence."""
    return [
        (confidence, one.value == 1, one.cluster)
        for one in of_group(spec, judged)
        if one.value is not None and (confidence := one.judged.verdict.confidence) is not None
    ]


def _places(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """For every value, the share of the sorted ``others`` below it."""
    return [(bisect_left(others, value) + bisect_right(others, value)) / (2 * len(others)) for value in values]


def _area_error(pulls: Sequence[float], clusters: Sequence[object], n_right: int) -> float | None:
    """The standard error of the area from what every sample does to it; the first ``n_right`` are the right ones."""
    sides: tuple[dict[object, float], dict[object, float]] = {}, {}
    for place, (pull, cluster) in enumerate(zip(pulls, clusters, strict=True)):
        side = sides[place >= n_right]
        side[cluster] = side.get(cluster, 0.0) + pull
    right, wrong = sides
    if len(right) < 2 or len(wrong) < 2:
        return None
    both = [right[cluster] * wrong[cluster] for cluster in right if cluster in wrong]
    total = len(right | wrong)
    variance = math.fsum(
        (
            *(len(side) / (len(side) - 1) * part * part for side in sides for part in side.values()),
            *(2 * total / (total - 1) * part for part in both),
        )
    )
    return math.sqrt(max(0.0, variance))


def _area_interval(area: float, n_right: int, n_wrong: int, effect: float) -> Interval:
    """All areas of which the observed one is at most 1.96 standard errors away, by bisection; the error is that of
    Hanley and McNeil 1982 with the sizes of both sides averaged, times the design effect."""
    half = (n_right + n_wrong) / 2 - 1

    def away(theta: float) -> float:
        shape = 1 + half * (1 - theta) / (2 - theta) + half * theta / (1 + theta)
        return (theta - area) ** 2 - effect * Z95**2 * theta * (1 - theta) * shape / (n_right * n_wrong)

    return _root(away, 0.0, area), _root(away, 1.0, area)


def _root(away: Callable[[float], float], outside: float, inside: float) -> float:
    if away(outside) <= 0:
        return outside
    for _ in range(60):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if away(middle) > 0 else (outside, middle)
    return outside


def _noise(right: Sequence[bool]) -> float:
    """The standard deviation of a bin's number of right answers; two of each are added (Agresti and Coull 1998), or
    three right ones out of three would leave no doubt."""
    n = len(right)
    share = (sum(right) + 2) / (n + 4)
    return math.sqrt(n * share * (1 - share))


def _greatest(noise: Sequence[float]) -> float:
    """The 97.5 % quantile of a sum of half-normal variables, from their first three moments."""
    mean = math.sqrt(2 / math.pi) * math.fsum(noise)
    variance = (1 - 2 / math.pi) * math.fsum(one**2 for one in noise)
    third = math.sqrt(2 / math.pi) * (4 / math.pi - 1) * math.fsum(one**3 for one in noise)
    skewness = third / math.sqrt(variance) ** 3
    return mean + math.sqrt(variance) * (Z95 + (Z95**2 - 1) * skewness / 6)

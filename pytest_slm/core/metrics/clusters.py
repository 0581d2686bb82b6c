"""Metrics of whole clusters: all samples of one right, and the best of several draws. Clusters are what is counted, so
``n`` is their number, and they are independent of each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_slm.core.metrics.means import mean_metric
from pytest_slm.core.metrics.scored import Cluster, of_group
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec


def twins(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """The share of clusters in which every sample is right: contrast consistency (Gardner et al. 2020,
    https://arxiv.org/abs/2004.02709), with Wilson's interval.

    A sample without a twin is no cluster, and a cluster with a sample that could not be scored is left out. Twins that
    were asked several times are a set each time.
    """
    sets: dict[tuple[Cluster, int], list[float | None]] = {}
    for one in of_group(spec, judged):
        sets.setdefault((one.cluster, one.judged.repeat), []).append(one.value)
    whole = {key: values for key, values in sets.items() if len(values) > 1 and None not in values}
    right = [float(all(value == 1 for value in values)) for values in whole.values()]
    return mean_metric(spec.name, right, clusters=[cluster for cluster, _ in whole]) if whole else None


def expected_maximum(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """The best score that is to be expected of ``k`` of a cluster's samples, drawn without putting back; the mean over
    clusters, with the interval of a mean.

    It is unbiased (Tang et al. 2020, https://arxiv.org/abs/2004.13705); of scores that are 0 or 1 it is pass@k (Chen et
    al. 2021, https://arxiv.org/abs/2107.03374). A cluster with fewer than k scored samples is left out.
    """
    k = int(spec.parameters["k"])
    clusters = [[value for value in values if value is not None] for values in _by_cluster(spec, judged).values()]
    best = [_best_of(values, k) for values in clusters if len(values) >= k]
    return mean_metric(spec.name, best) if best else None


def _best_of(values: Sequence[float], k: int) -> float:
    """Of all C(n, k) draws, C(i, k - 1) have the value of rank i, counted from 0, as their greatest."""
    draws = math.comb(len(values), k)
    weights = (math.comb(rank, k - 1) / draws for rank in range(len(values)))
    return min(1.0, math.fsum(weight * value for weight, value in zip(weights, sorted(values), strict=True)))


def _by_cluster(spec: MetricSpec, judged: Sequence[JudgedSample]) -> dict[Cluster, list[float | None]]:
    clusters: dict[Cluster, list[float | None]] = {}
    for one in of_group(spec, judged):
        clusters.setdefault(one.cluster, []).append(one.value)
    return clusters

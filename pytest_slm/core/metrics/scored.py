"""Which samples a metric is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import JudgedSample, MetricSpec

Cluster = tuple[str, str | int]


@dataclass(frozen=True, kw_only=True)
class ScoredSample:
    """One sample of a metric with its ``value`` in [0, 1], or None where it could not be scored; a sample without a
    cluster is its own."""

    judged: JudgedSample
    value: float | None
    cluster: Cluster


def of_group(spec: MetricSpec, judged: Sequence[JudgedSample]) -> list[ScoredSample]:
    """The samples of the metric's group, scored or not. Raises RecordError for a value outside of [0, 1]."""
    return [
        ScoredSample(judged=one, value=_value(spec, one), cluster=_cluster(one, place))
        for place, one in enumerate(judged)
        if spec.group is None or spec.group in one.sample.parts
    ]


def values_of(spec: MetricSpec, judged: Sequence[JudgedSample]) -> tuple[list[float], list[Cluster]]:
    """The values of the metric's samples that could be scored, and the cluster of each."""
    found = [(one.value, one.cluster) for one in of_group(spec, judged) if one.value is not None]
    return [value for value, _ in found], [cluster for _, cluster in found]


def _value(spec: MetricSpec, one: JudgedSample) -> float | None:
    if spec.key is not None and one.verdict.values and spec.key not in one.verdict.values:
        known = ", ".join(one.verdict.values)
        raise RecordError(f"{spec.name}: the verdict on {one.sample.id!r:.80} has no {spec.key!r:.80}, but {known}")
    # Labels and lists are no number: what is asked of such a sample is whether there is a verdict.
    value = one.verdict.value if spec.aggregate in ("label_f1", "spread") else one.value(spec.source)
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RecordError(f"{spec.name}: sample {one.sample.id!r:.80} has {value!r:.80}, no number in [0, 1]")
    return float(value)


def _cluster(one: JudgedSample, place: int) -> Cluster:
    return ("alone", place) if one.sample.cluster is None else ("cluster", one.sample.cluster)

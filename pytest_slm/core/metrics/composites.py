"""Metrics that are a weighted mean of other metrics: totals of a benchmark over its categories or its tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pytest_slm.core.metrics.means import within
from pytest_slm.core.statistics import combine
from pytest_slm.core.types import Cuts, Metric


def composite(name: str, weights: Mapping[str, float], measured: Mapping[str, Metric]) -> Metric | None:
    """The mean of the measured metrics of these names, by their weights; None where one of them was not measured.

    The parts are taken for independent of each other, as those of different samples are. ``n`` is the sum of theirs.
    """
    if any(part not in measured for part in weights):
        return None
    total = math.fsum(weights.values())
    parts = [(weight / total, measured[part]) for part, weight in weights.items()]
    value, interval = combine([(weight, part.value, part.interval) for weight, part in parts])
    value = min(1.0, value)  # rounding: thirds may add up to more
    errors = [weight * part.stderr for weight, part in parts if part.stderr is not None]
    return Metric(
        name=name,
        value=value,
        n=sum(part.n for _, part in parts),
        interval=within(interval),
        stderr=math.hypot(*errors) if len(errors) == len(parts) else None,
        cuts=_cuts(value, parts),
    )


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

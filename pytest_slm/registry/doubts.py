"""What stands beside a rate, so that nobody takes it for more than it is: how often its scorer is wrong, and the
category in which the model is worst."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_slm.core.types import MEASURED, Metric, Result

_NUMBERS = ("wrong", "n")


def scorer_error(result: Result) -> str:
    """``refusal scorer: 2.1 % wrong, n = 470``; that nobody has measured it, where it says so; empty where its scorer
    has no version, as those that compare with a target do not read for meaning."""
    told = result.provenance
    if "scorer_version" not in told or result.outcome not in MEASURED:
        return ""
    name = f"{told.get('scorer') or 'its'} scorer"
    error: Any = told.get("scorer_error")
    if not isinstance(error, Mapping) or not all(isinstance(error.get(key), int | float) for key in _NUMBERS):
        return f"{name}: how often it is wrong was not measured"
    bounds = _bounds(error.get("interval"))
    word = "; indicative" if error.get("indicative") else ""
    return f"{name}: {100 * error['wrong']:.1f} % wrong{bounds}, n = {error['n']}{word}"


def _bounds(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(end, int | float) for end in value):
        return f" ({100 * value[0]:.1f} – {100 * value[1]:.1f} %)"
    return ""


def worst_part(result: Result) -> Metric | None:
    """The part of a breakdown with the lowest value, of those the one of most samples, for results that have a rate of
    what should not happen; None where there are fewer than two parts."""
    rates = [metric for metric in result.metrics if not metric.higher_is_better and metric.unit == "share"]
    primary = result.metric()
    if not rates or primary is None or result.outcome not in MEASURED:
        return None
    parts = [
        metric
        for metric in result.metrics
        if metric.unit == "share" and metric.name.endswith("]") and "[" in metric.name and metric.higher_is_better
    ]
    return min(parts, key=lambda metric: (metric.value, -metric.n), default=None) if len(parts) > 1 else None


def worst_told(part: Metric) -> str:
    """``worst category fraud, accuracy`` of ``accuracy[category=fraud]``."""
    name, _, of = part.name.removesuffix("]").partition("[")
    return f"worst {of.replace('=', ' ', 1)}, {name}"

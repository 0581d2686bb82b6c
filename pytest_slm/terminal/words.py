"""Items and their numbers in words, for lines and tables: the same digits as on the pages."""

from __future__ import annotations

from pytest_slm.core.statistics import Interval, figures
from pytest_slm.core.types import MEASURED, Metric, Result
from pytest_slm.site import numbers


def name_of(result: Result) -> str:
    """``performance/decode[100]``, whatever the quantization."""
    return f"{result.suite}/{short_name(result)}"


def short_name(result: Result) -> str:
    """``decode[100]``."""
    return result.task + (f"[{result.variant}]" if result.variant else "")


def points_told(score: float, interval: Interval | None) -> tuple[str, str]:
    """Points of 100 and their interval; empty where that is not known."""
    text, bounds = numbers.points(score, interval)
    return _plain(text), _plain(bounds)


def told(metric: Metric) -> tuple[str, str]:
    """A value with its unit, and its interval without one; empty where that is not known."""
    if metric.unit == "share":
        bounds = metric.interval and (100 * metric.interval[0], 100 * metric.interval[1])
        value, interval = numbers.points(100 * metric.value, bounds)
        return f"{value} %", _plain(interval)
    if metric.unit == "B":
        return readable(metric.value, "B"), ""
    value, interval = numbers.estimate(metric.value, metric.interval)
    return _plain(f"{value} {metric.unit}"), _plain(interval)


def readable(value: float, unit: str) -> str:
    """A value with its unit, for people."""
    return f"{value / 1e6:.0f} MB" if unit == "B" else f"{number(value)} {unit}"


def number(value: float) -> str:
    """Three digits, and all of those before the point."""
    return figures(value)


def state(result: Result) -> str:
    """What came of an item in words: only what has a gate passes or fails."""
    if result.outcome not in MEASURED:
        return result.outcome.replace("_", " ")
    return "measured" if result.gate is None else "gate met" if result.outcome == "passed" else "below its gate"


def duration(seconds: float) -> str:
    """``3 min``, ``12.5 s``."""
    return _plain(numbers.duration(seconds))


def _plain(text: str) -> str:
    """With the blanks of a terminal, which wraps where it likes anyway."""
    return text.replace(numbers.NBSP, " ").replace("\u202f", " ")

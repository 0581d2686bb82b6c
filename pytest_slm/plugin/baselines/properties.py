"""An item's number as flat properties, which pytest's JUnit XML has of each test."""

from __future__ import annotations

from pytest_slm.core.types import Result


def properties(result: Result) -> list[tuple[str, str]]:
    """Name and value: the primary metric with its n and its interval, and what a baseline says of it."""
    found: dict[str, object] = {"outcome": result.outcome}
    metric = result.metric()
    if metric is not None:
        found |= {"metric": metric.name, "value": metric.value, "unit": metric.unit, "n": metric.n}
        found |= _interval("interval", metric.interval)
    held = result.baseline
    if held is not None:
        found |= {
            "baseline": held.verdict,
            "baseline_run": held.run,
            "baseline_value": held.baseline,
            "baseline_change": held.change,
            "baseline_allowed": held.allowed,
            "baseline_p": held.p_corrected,
            "baseline_detectable": held.detectable,
            "baseline_reason": held.reason or None,
        }
        found |= _interval("baseline_interval", held.interval)
    return [(f"slm_{name}", str(value)) for name, value in found.items() if value is not None]


def _interval(name: str, interval: tuple[float, float] | None) -> dict[str, object]:
    return {} if interval is None else {name: f"{interval[0]} {interval[1]}"}

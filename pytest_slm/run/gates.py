"""Whether a result passes its gate."""

from __future__ import annotations

from dataclasses import replace

from pytest_slm.core.types import Gate, Metric, Result


def judge(result: Result, gate: Gate | None) -> Result:
    """The result with its gate: failed, with the reason, if the metric of the gate is worse than its limit."""
    result = replace(result, gate=gate)
    if gate is None or result.outcome != "passed":
        return result
    problem = _problem(gate, result.metric(gate.metric))
    return replace(result, outcome="failed", reason=problem) if problem else result


def _problem(gate: Gate, metric: Metric | None) -> str:
    if metric is None:
        return f"the gate is on {gate.metric}, which was not measured"
    if metric.unit != "share":
        return f"the gate {gate.limit:g} is a share, {metric.name} is in {metric.unit}: they cannot be compared"
    if metric.value >= gate.limit if metric.higher_is_better else metric.value <= gate.limit:
        return ""
    doubt = f", 95 % interval {metric.interval[0]:.3f} to {metric.interval[1]:.3f}" if metric.interval else ""
    side = "below" if metric.higher_is_better else "above"
    return f"{metric.name} {metric.value:.3f} (n={metric.n}{doubt}) is {side} its gate {gate.limit:g}"

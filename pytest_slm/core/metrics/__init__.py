"""From samples and their verdicts to the metrics that a task declares, each with its interval and its direction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pytest_slm.core.metrics.classes import f1, macro_f1, macro_recall, weighted_f1
from pytest_slm.core.metrics.clusters import expected_maximum, twins
from pytest_slm.core.metrics.composites import composite
from pytest_slm.core.metrics.confidence import auroc, brier, calibration_error
from pytest_slm.core.metrics.cuts import with_cuts
from pytest_slm.core.metrics.gaps import bias, gap
from pytest_slm.core.metrics.labels import label_f1
from pytest_slm.core.metrics.means import mean, mean_metric
from pytest_slm.core.metrics.spread import spread
from pytest_slm.core.record import is_name
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec, Task

__all__ = ["AGGREGATES", "NothingScoredError", "made", "mean_metric", "part_name", "task_metrics"]

AGGREGATES: Mapping[str, Callable[[MetricSpec, Sequence[JudgedSample]], Metric | None]] = {
    "mean": mean,
    "twins": twins,
    "expected_maximum": expected_maximum,
    "f1": f1,
    "label_f1": label_f1,
    "macro_f1": macro_f1,
    "macro_recall": macro_recall,
    "weighted_f1": weighted_f1,
    "auroc": auroc,
    "brier": brier,
    "calibration_error": calibration_error,
    "spread": spread,
    "bias": bias,
    "gap": gap,
}
"""What ``MetricSpec.aggregate`` names: a function that gives None where nothing could be scored for it."""


MOST = 80
"""Characters of a part in a metric's name."""


class NothingScoredError(ValueError):
    """No sample could be scored for the primary metric: the task was not measured."""


def task_metrics(task: Task, judged: Sequence[JudgedSample]) -> tuple[Metric, ...]:
    """All declared metrics, then the breakdown of the primary one. Groups without a scored sample give no metric.

    Raises NothingScoredError if the primary metric cannot be made.
    """
    found: dict[str, Metric] = {}
    for spec in task.metrics:
        metric = composite(spec.name, spec.parts, found) if spec.parts else made(spec, judged)
        if metric is not None:
            found[spec.name] = metric
    metrics = list(found.values())
    if task.primary not in found:
        groups = task.spec(task.primary).balance or tuple(task.spec(task.primary).parts)
        needs = f", which needs samples of {' and of '.join(groups)}" if groups else ""
        raise NothingScoredError(
            f"{task.suite}/{task.name}: no sample could be scored for {task.primary!r}{needs}; "
            "see the sample file for why"
        )
    return (*metrics, *_breakdown(task, judged))


def made(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """One metric, with the bounds that answers which were cut off leave it; None where nothing could be scored."""
    make = AGGREGATES[spec.aggregate]
    metric = make(spec, judged)
    return None if metric is None else with_cuts(metric, make, spec, judged)


def _breakdown(task: Task, judged: Sequence[JudgedSample]) -> list[Metric]:
    if task.breakdown is None:
        return []
    parts: dict[str, list[JudgedSample]] = {}
    for one in judged:
        if (part := one.sample.metadata.get(task.breakdown)) is not None:
            parts.setdefault(str(part), []).append(one)
    spec = task.spec(task.primary)
    # A part is not balanced by anything: of a balanced metric it is the plain accuracy.
    name = "accuracy" if spec.balance else spec.name
    key = spec.source if any(spec.source in one.verdict.values for one in judged) else spec.key
    found = (
        made(
            replace(spec, name=f"{name}[{task.breakdown}={part_name(part)}]", key=key, balance=(), parts={}),
            parts[part],
        )
        for part in sorted(parts, key=_natural)
    )
    return [metric for metric in found if metric is not None]


def part_name(part: str) -> str:
    """A part as it stands in a metric's name: what nobody could see is written out, and a long one is cut."""
    seen = part if is_name(part[:MOST]) else ascii(part)
    return (
        seen
        if len(seen) <= MOST
        else f"{seen[:MOST]}…{hashlib.sha256(part.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    )


def _natural(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text

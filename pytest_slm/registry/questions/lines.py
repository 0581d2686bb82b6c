"""What the line of a sample says of its question: which question it is, and what its answer was worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_slm.core.metrics.units import Unit
from pytest_slm.core.task import MetricSpec

Line = Mapping[str, Any]
Question = tuple[str, str, str, str]
"""Task, id, expected answer, and which of the times it is that it was asked. The prompt is left out: it has each
model's own template in it."""
WHOLE = ("label_f1", "spread")
"""Aggregates of values that are no numbers: of their samples is asked whether there is a verdict."""


def question_of(line: Line) -> Question:
    """Which question a line is about."""
    return str(line.get("task")), str(line.get("doc_id")), str(line.get("target_sha256")), str(line.get("repeat", 0))


def groups_of(line: Line) -> tuple[str, ...]:
    """The groups that it counts in."""
    return tuple(map(str, groups)) if isinstance(groups := line.get("groups"), list | tuple) else ()


def cluster_of(line: Line) -> object:
    """Its cluster; a question without one is its own."""
    return question_of(line) if line.get("cluster") is None else str(line["cluster"])


def values_of(line: Line) -> Mapping[str, Any]:
    """What further metrics are made of, by key: shares, lists of shares, and None where there is no score."""
    values = line.get("values")
    return {key: value for key, value in values.items() if _is_worth(value)} if isinstance(values, Mapping) else {}


def _is_worth(value: object) -> bool:
    return all(map(_is_worth, value)) if isinstance(value, list) else value is None or share(value) is not None


def worth_of(line: Line, spec: MetricSpec) -> float | None:
    """What the metric is made of: the value of its key, the score where there is none; None where it is not scored."""
    score = line.get("score")
    return share(score if spec.aggregate in WHOLE else values_of(line).get(spec.source, score))


def share(value: object) -> float | None:
    """The value, if it is a number in [0, 1]; what is none is no score."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)


def unit_of(line: Line, spec: MetricSpec) -> Unit:
    """The line as a part of a mean."""
    return Unit(
        value=worth_of(line, spec),
        groups=groups_of(line),
        cluster=cluster_of(line),
        repeat=str(line.get("repeat", 0)),
        name=str(line.get("doc_id")),
    )

"""An item's number from the lines of its samples, in parts that two models can be compared by: the same number that its
run has told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_slm.core.task import MetricSpec

MEANS = ("mean", "twins")
"""Aggregates that are means over questions, or over sets of them; others have no share for each question."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A question, or a set of twins: its score (None where it could not be scored), and how much it counts in the
    mean; the weights of all units are 1 on average."""

    value: float | None
    cluster: object
    groups: tuple[str, ...] = ()
    weight: float = 1.0
    repeat: str = "0"


def made_of(spec: MetricSpec, units: Sequence[Unit]) -> list[Unit]:
    """The scored units whose weighted mean the metric is; none where it cannot be made of these."""
    if spec.aggregate == "twins":
        return _sets(spec, units)
    scored = [unit for unit in units if unit.value is not None]
    if spec.balance:
        scored = _balanced(spec.balance, scored)
    elif spec.group is not None:
        scored = [unit for unit in scored if spec.group in unit.groups]
    return [replace(unit, value=1 - (unit.value or 0.0)) for unit in scored] if spec.complement else scored


def mean(units: Sequence[Unit]) -> float:
    """The weighted mean."""
    return sum(unit.weight * (unit.value or 0.0) for unit in units) / len(units)


def _balanced(groups: Sequence[str], scored: Sequence[Unit]) -> list[Unit]:
    sizes = {group: sum(group in unit.groups for unit in scored) for group in groups}
    if not all(sizes.values()):
        return []
    mine = [unit for unit in scored if any(group in unit.groups for group in groups)]
    scale = len(mine) / len(groups)
    return [
        replace(unit, weight=sum(scale / sizes[group] for group in groups if group in unit.groups)) for unit in mine
    ]


def _sets(spec: MetricSpec, units: Sequence[Unit]) -> list[Unit]:
    """One unit for each cluster of several questions that were all scored: whether all of them are right."""
    clusters: dict[tuple[object, str], list[float | None]] = {}
    for unit in units:
        if spec.group is None or spec.group in unit.groups:
            clusters.setdefault((unit.cluster, unit.repeat), []).append(unit.value)
    return [
        Unit(value=float(all(value == 1 for value in values)), cluster=cluster)
        for (cluster, _), values in clusters.items()
        if len(values) > 1 and None not in values
    ]

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
    name: str = ""
    """The question's id; of a set the name of its cluster."""


def made_of(spec: MetricSpec, units: Sequence[Unit]) -> list[Unit]:
    """The scored units whose weighted mean the metric is; none where it cannot be made of these."""
    return weighed(spec.balance, parts_of(spec, units))


def parts_of(spec: MetricSpec, units: Sequence[Unit]) -> list[Unit]:
    """What a metric is a mean of, those that could not be scored (value None) included, in the order of the units."""
    if spec.aggregate == "twins":
        return _sets(spec, units)
    groups = spec.balance or ((spec.group,) if spec.group is not None else ())
    mine = [unit for unit in units if not groups or any(group in unit.groups for group in groups)]
    if not spec.complement:
        return mine
    return [replace(unit, value=None if unit.value is None else 1 - unit.value) for unit in mine]


def weighed(balance: Sequence[str], parts: Sequence[Unit]) -> list[Unit]:
    """The parts that were scored, with the weights that give each group of ``balance`` as much as any other; none where
    a group has no part left."""
    scored = [unit for unit in parts if unit.value is not None]
    sizes = {group: sum(group in unit.groups for unit in scored) for group in balance}
    if not balance or not all(sizes.values()):
        return [] if balance else scored
    scale = len(scored) / len(balance)
    return [
        replace(unit, weight=sum(scale / sizes[group] for group in balance if group in unit.groups)) for unit in scored
    ]


def mean(units: Sequence[Unit]) -> float:
    """The weighted mean."""
    return sum(unit.weight * (unit.value or 0.0) for unit in units) / len(units)


def _sets(spec: MetricSpec, units: Sequence[Unit]) -> list[Unit]:
    """One unit for each cluster of several questions: whether all of them are right, None where one was not scored."""
    clusters: dict[tuple[object, str], list[float | None]] = {}
    for unit in units:
        if spec.group is None or spec.group in unit.groups:
            clusters.setdefault((unit.cluster, unit.repeat), []).append(unit.value)
    return [
        Unit(
            value=None if None in values else float(all(value == 1 for value in values)),
            cluster=cluster,
            name=str(cluster),
        )
        for (cluster, _), values in clusters.items()
        if len(values) > 1
    ]

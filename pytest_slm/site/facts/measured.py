"""What every file got in each task, added up: the dots of all of them, and the rows of the best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pytest_slm.core.metrics.units import mean, weighed
from pytest_slm.core.types import MEASURED
from pytest_slm.load.builtin import built_in_rows
from pytest_slm.registry.entry import Item, RegistryEntry
from pytest_slm.registry.questions.record import QuestionScores
from pytest_slm.site.views import sampled, split_reason, state_of

WITHOUT = ("partial", "skipped", "error")
"""States of an item that somebody tried, and that has no number."""
ENOUGH = 12
"""Letters of a hash that tell one sample of a task from others."""
MOST = 60
"""Files in the table of a task; the plot has all of them."""
Tasks = Mapping[str, Mapping[str, "TaskTable"]]
"""By suite and name."""
First = list[Any]
"""The id of a model, and what that says: asked is the first one that says anything."""


BETWEEN = "\x1f"
"""Stands in no name of a variant."""


class TaskRow(NamedTuple):
    """A row of the table of a task."""

    model: str
    name: str
    quantization: str
    variant: str
    quick: str
    value: float
    interval: Sequence[float] | None
    unit: str
    n: int
    unscored: int
    chance: float | None
    license: str
    size_bytes: int | None
    asked: str
    """The beginning of the hash of the sample that a quick run asked, or that was asked beside a full one, which asked
    more; empty where the registry does not have it."""
    beside: Sequence[float] | None
    """Of a full run that asked more value and n by the questions of that sample, as they were asked beside it."""


class Dots(NamedTuple):
    """The shares of so many files in a variant, from ``least`` to ``most`` percent: how many there are in each half of
    a percent, and what guessing gives."""

    n: int
    least: float
    most: float
    chance: First | None
    stacks: Mapping[str, int]


class TaskTable(NamedTuple):
    """What is known of a task from so many measured items: the ``metric`` of the first of them and whether more of it
    is better, all chance levels, the dots of each variant in each kind of runs (``quick``, or empty for full ones,
    behind ``BETWEEN``), and the best rows behind what they are ordered by.
    ``without`` are those that have no number, by state (partial, skipped, error): how many files, and what the first of
    them said. ``whole`` is how many questions a full run without a limit has
    asked at most."""

    n: int
    metric: First
    chances: Sequence[float]
    variants: Mapping[str, Dots]
    best: Sequence[tuple[Sequence[Any], TaskRow]]
    without: Mapping[str, tuple[int, First]]
    whole: int

    @classmethod
    def of(cls, data: Any) -> TaskTable:
        """The facts that JSON has of this."""
        n, metric, chances, variants, best, without, whole = data
        dots = {name: Dots._make(one) for name, one in variants.items()}
        return cls(n, metric, chances, dots, [(key, TaskRow._make(row)) for key, row in best], without, whole)


def task_facts(entry: RegistryEntry) -> dict[str, dict[str, TaskTable]]:
    """What one model adds to each task that it was measured on."""
    asked = {one.path: (one.limit, one.settings) for one in entry.provenance.reports}
    timing = {name for name, facts in entry.suites.items() if not facts.scored}
    found: dict[str, dict[str, list[tuple[Item, TaskRow]]]] = {}
    without: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for name, quantization in sorted(entry.quantizations.items()):
        for item in quantization.items:
            state = state_of(item.outcome, item.metric, item.reason)
            if item.suite in timing:
                continue
            if item.outcome in MEASURED and item.metric and item.value is not None:
                quick = sampled(item.mode, *asked.get(item.report, (None, "")))
                row = _row(entry, name, quantization.size_bytes, item, quick)
                found.setdefault(item.suite, {}).setdefault(item.task, []).append((item, row))
            elif state in WITHOUT:
                told = without.setdefault(item.suite, {}).setdefault(item.task, {}).setdefault(state, {})
                told.setdefault(name, split_reason(item.reason)[0])
    return {
        suite: {
            name: _of(entry.id, found.get(suite, {}).get(name, ()), without.get(suite, {}).get(name, {}))
            for name in sorted(found.get(suite, {}).keys() | without.get(suite, {}).keys())
        }
        for suite in sorted(found.keys() | without.keys())
    }


def _row(entry: RegistryEntry, name: str, size_bytes: int | None, item: Item, quick: str) -> TaskRow:
    sample, beside = item.questions, None
    if not quick and item.sampled and sample and item.sampled.questions != sample.questions:
        beside = _by(item.sampled)
        sample = item.sampled if beside else None
    return TaskRow(
        model=entry.id,
        name=entry.name,
        quantization=name,
        variant=item.variant,
        quick=quick,
        value=item.value or 0.0,
        interval=item.interval,
        unit=item.unit or "",
        n=item.n or 0,
        unscored=item.n_unscored,
        chance=item.chance,
        license=entry.license or "",
        size_bytes=size_bytes,
        asked=sample.questions[:ENOUGH] if sample else "",
        beside=beside,
    )


def _by(sample: QuestionScores) -> tuple[float, int] | None:
    """Value and n by these questions; None where they have no number."""
    units = weighed(sample.balance, sample.units)
    return (mean(units), len(units)) if units else None


def _of(model: str, some: Sequence[tuple[Item, TaskRow]], without: Mapping[str, Mapping[str, str]]) -> TaskTable:
    first = some[0][0] if some else None
    variants: dict[str, list[TaskRow]] = {}
    for _, one in some:
        if one.unit == "share":
            variants.setdefault(f"{one.variant}{BETWEEN}{one.quick}", []).append(one)
    rows = [(_order(one, higher=item.higher_is_better is not False), one) for item, one in some]
    return TaskTable(
        n=len(some),
        metric=[model, first.metric, first.higher_is_better is not False] if first else [model, None, True],
        chances=sorted({one.chance for _, one in some if one.chance is not None}),
        variants={name: _drawn(found) for name, found in variants.items()},
        best=sorted(rows, key=_key)[:MOST],
        without={state: (len(told), [model, next(iter(told.values()))]) for state, told in without.items()},
        whole=max((_questions(item) for item, one in some if not one.quick), default=0),
    )


def _questions(item: Item) -> int:
    """How many questions a full run asked; a metric may be made of some of them."""
    if item.part:
        return item.part[0]
    return built_in_rows().get(item.suite, {}).get(item.task) or (item.n or 0) + item.n_unscored


def _drawn(some: Sequence[TaskRow]) -> Dots:
    values = [one.value for one in some]
    chance = next((one.chance for one in some if one.chance is not None), None)
    return Dots(
        n=len(some),
        least=100 * min(values),
        most=100 * max(values),
        chance=None if chance is None else [some[0].model, chance],
        stacks=dict(Counter(str(round(200 * value)) for value in values)),
    )


def _order(row: TaskRow, *, higher: bool) -> list[Any]:
    """Full runs first; then the best by the end of the interval that is on the safe side; what has none is last."""
    sign = -1 if higher else 1
    bound = row.interval[0 if higher else 1] if row.interval else 0.0
    name = row.name.casefold()
    return [
        *(row.variant, bool(row.quick), row.quick, row.interval is None, sign * bound, sign * row.value),
        *(name, row.quantization, row.model),
    ]


def merged_tasks(parts: Sequence[Tasks]) -> dict[str, dict[str, TaskTable]]:
    """What all of them add."""
    found: dict[str, dict[str, list[TaskTable]]] = {}
    for part in parts:
        for suite, tasks in part.items():
            mine = found.setdefault(suite, {})
            for name, one in tasks.items():
                mine.setdefault(name, []).append(one)
    return {suite: {name: _together(some) for name, some in tasks.items()} for suite, tasks in found.items()}


def _together(some: Sequence[TaskTable]) -> TaskTable:
    if len(some) == 1:
        return some[0]
    variants: dict[str, list[Dots]] = {}
    for one in some:
        for name, dots in one.variants.items():
            variants.setdefault(name, []).append(dots)
    return TaskTable(
        n=sum(one.n for one in some),
        metric=min((one.metric for one in some), key=lambda first: (first[1] is None, first[0])),
        chances=sorted({level for one in some for level in one.chances}),
        variants={name: _dots(dots) for name, dots in variants.items()},
        best=sorted((pair for one in some for pair in one.best), key=_key)[:MOST],
        without=_without([one.without for one in some]),
        whole=max(one.whole for one in some),
    )


def _without(parts: Sequence[Mapping[str, tuple[int, First]]]) -> dict[str, tuple[int, First]]:
    found: dict[str, tuple[int, First]] = {}
    for state, (count, why) in (pair for part in parts for pair in part.items()):
        before, first = found.get(state, (0, why))
        found[state] = (before + count, min(first, why, key=_model))
    return dict(sorted(found.items()))


def _dots(some: Sequence[Dots]) -> Dots:
    stacks: dict[str, int] = {}
    for one in some:
        for place, count in one.stacks.items():
            stacks[place] = stacks.get(place, 0) + count
    return Dots(
        n=sum(one.n for one in some),
        least=min(one.least for one in some),
        most=max(one.most for one in some),
        chance=min((one.chance for one in some if one.chance is not None), key=_model, default=None),
        stacks=stacks,
    )


def _model(first: First) -> Any:
    return first[0]


def _key(pair: tuple[Sequence[Any], TaskRow]) -> Any:
    return pair[0]


def places(dots: Dots) -> Iterable[tuple[int, int]]:
    """The stacks from left to right: half percents, and how many files stand there."""
    return sorted((int(place), count) for place, count in dots.stacks.items())

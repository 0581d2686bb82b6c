"""The score of a model that can best be worked out for readers, with the numbers that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pytest_slm.registry.points import UseCase
from pytest_slm.registry.rows import Row
from pytest_slm.site import numbers
from pytest_slm.site.titles.definitions import task_title
from pytest_slm.site.titles.wording import words


class WorkedExample(NamedTuple):
    """One real score, with the numbers that it is made of."""

    file: str
    href: str
    title: str
    tasks: Sequence[Sequence[str]]
    """Task, score, interval, n."""
    score: str
    interval: str
    chance: str
    above: str
    coverage: str


def worked_of(rows: Sequence[Row]) -> tuple[list[Any], WorkedExample] | None:
    """Of the scores of which everything is known (interval, chance, and more than one task), and whose tasks all count
    the same, that with the most tasks, behind what it is chosen by."""
    found: list[tuple[list[Any], Row, str, UseCase]] = [
        ([len(case.benchmarks), case.n, row.id, name], row, name, case)
        for row in rows
        for name, case in row.scores.items()
        if case.interval and case.above_chance is not None and 1 < len(case.benchmarks) <= 6 and _plain(case)
    ]
    if not found:
        return None
    order, row, name, case = max(found, key=lambda one: one[0])
    score, interval = numbers.points(case.score, case.interval)
    return order, WorkedExample(
        file=f"{row.name} {row.quantization}",
        href=f"models/{row.model}.html",
        title=words(row.titles.get(name, name)),
        tasks=[
            (task_title(case.suite, task.task), *numbers.points(task.score, task.interval), numbers.number(task.n, 0))
            for task in case.benchmarks
        ],
        score=score,
        interval=interval,
        chance=numbers.points(case.chance or 0.0, None)[0],
        above=numbers.points(case.above_chance or 0.0, None)[0],
        coverage=numbers.percent(case.coverage),
    )


def _plain(case: UseCase) -> bool:
    """Whether the score is the plain mean of its tasks: those of a family count less."""
    return len({task.weight if task.weight is None else round(task.weight, 9) for task in case.benchmarks}) == 1

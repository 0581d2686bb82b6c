"""How long a context may be before a model loses it: the primary metric over lengths, and the effective length.

A length is mastered from the value on that a task declares as ``effective``; the effective length is the longest
measured one that is, with all that are shorter (RULER, Hsieh et al. 2024, with 85 %). Of a family of tasks the mean
over its tasks counts, at lengths at which all of them were measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_slm.core.record import LARGEST_COUNT
from pytest_slm.core.statistics import Interval, combine
from pytest_slm.core.types import MEASURED, Metric, Result


@dataclass(frozen=True, kw_only=True)
class LengthPoint:
    """A share at a length in tokens, of ``n`` samples."""

    tokens: int
    value: float
    interval: Interval | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """A task, or the mean of a family (``tasks`` of them), over lengths, in order; ``enough`` is what masters one."""

    suite: str
    name: str
    enough: float
    points: tuple[LengthPoint, ...]
    tasks: int = 1

    @property
    def effective(self) -> int | None:
        """The effective length; None where not even the shortest is mastered."""
        mastered = None
        for point in self.points:
            if point.value < self.enough:
                break
            mastered = point.tokens
        return mastered

    @property
    def open(self) -> bool:
        """Whether the longest that was measured is mastered, so that a longer one might be, too."""
        return self.effective == self.points[-1].tokens


def lengths(results: Iterable[Result]) -> tuple[Lengths, ...]:
    """All tasks that declare what masters a length, each family of several before its tasks."""
    known: dict[tuple[str, str], dict[int, Result]] = {}
    for result in results:
        found = result.outcome in MEASURED and result.metric() is not None and result.declared.effective is not None
        if found and _is_length(result):
            known.setdefault((result.suite, result.task), {})[int(result.variant)] = result
    families: dict[tuple[str, str], list[str]] = {}
    for (suite, task), variants in known.items():
        family = next(iter(variants.values())).declared.family
        families.setdefault((suite, f"family {family}" if family else f"task {task}"), []).append(task)
    told: list[Lengths] = []
    for (suite, name), tasks in families.items():
        mine = [known[suite, task] for task in tasks]
        if len(tasks) > 1 and (whole := _family(suite, name.removeprefix("family "), mine)):
            told.append(whole)
        told += [_task(suite, task, known[suite, task]) for task in tasks]
    return tuple(told)


def by_part(results: Iterable[Result], suite: str, task: str, key: str) -> dict[int, dict[str, Metric]]:
    """The primary metric of a task by length and by the values of ``key``, such as the depth of a needle."""
    found: dict[int, dict[str, Metric]] = {}
    for result in results:
        if (result.suite, result.task) == (suite, task) and result.outcome in MEASURED and _is_length(result):
            beginning = f"{result.primary}[{key}="
            parts = {
                metric.name.removeprefix(beginning).removesuffix("]"): metric
                for metric in result.metrics
                if metric.name.startswith(beginning)
            }
            if parts:
                found[int(result.variant)] = parts
    return dict(sorted(found.items()))


def _is_length(result: Result) -> bool:
    return result.variant.isdecimal() and int(result.variant) <= LARGEST_COUNT


def _task(suite: str, task: str, variants: dict[int, Result]) -> Lengths:
    points = []
    for tokens, result in sorted(variants.items()):
        metric = result.metric()
        if metric is not None:
            points.append(LengthPoint(tokens=tokens, value=metric.value, interval=metric.interval, n=metric.n))
    return Lengths(suite=suite, name=task, enough=_enough(variants), points=tuple(points))


def _family(suite: str, family: str, tasks: Sequence[dict[int, Result]]) -> Lengths | None:
    shared = sorted(set.intersection(*(set(variants) for variants in tasks)))
    points = []
    for tokens in shared:
        metrics = [metric for variants in tasks if (metric := variants[tokens].metric()) is not None]
        value, interval = combine([(1 / len(metrics), metric.value, metric.interval) for metric in metrics])
        points.append(LengthPoint(tokens=tokens, value=value, interval=interval, n=sum(metric.n for metric in metrics)))
    if not points:
        return None
    return Lengths(suite=suite, name=family, enough=_enough(tasks[0]), points=tuple(points), tasks=len(tasks))


def _enough(variants: dict[int, Result]) -> float:
    return next(result.declared.effective for result in variants.values() if result.declared.effective is not None)

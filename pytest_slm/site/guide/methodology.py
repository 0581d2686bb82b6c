"""How to read the numbers: the rules of the registry, what the suites say of themselves, and one score worked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.machine.devices import CONTEXT
from pytest_slm.registry.points import UseCase
from pytest_slm.registry.rows import Row
from pytest_slm.site import numbers
from pytest_slm.site.titles.definitions import definitions, task_title, use_case_title
from pytest_slm.site.titles.wording import profile_title, words


@dataclass(frozen=True, kw_only=True)
class SuiteLine:
    """A suite in the table of what is measured; tasks with their pages, of which some have none."""

    title: str
    description: str
    counted: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Worked:
    """One real score, with the numbers that it is made of."""

    file: str
    href: str
    title: str
    tasks: tuple[tuple[str, str, str, str], ...]
    """Task, score, interval, n."""
    score: str
    interval: str
    chance: str
    above: str
    coverage: str


@dataclass(frozen=True, kw_only=True)
class MethodologyView:
    """What the page is told."""

    profiles: tuple[tuple[str, str], ...]
    ranked: str
    recommended: str
    not_recommended: str
    context: str
    suites: tuple[SuiteLine, ...]
    worked: Worked | None


def methodology_view(rules: ScoreRules, rows: Sequence[Row], pages: Mapping[tuple[str, str], str]) -> MethodologyView:
    """The view of the rules that a registry was made by; ``pages`` are those of the tasks by suite and task."""
    return MethodologyView(
        profiles=tuple(
            (
                profile_title(profile.name),
                ", ".join(f"{use_case_title(name)} {100 * weight:g}" for name, weight in profile.weights.items()),
            )
            for profile in rules.profiles
        ),
        ranked=numbers.percent(rules.ranked_coverage),
        recommended=f"{rules.recommended:g}",
        not_recommended=f"{rules.not_recommended:g}",
        context=numbers.number(CONTEXT, 0),
        suites=tuple(_line(name, pages) for name in definitions()),
        worked=_worked(rows),
    )


def _line(name: str, pages: Mapping[tuple[str, str], str]) -> SuiteLine:
    definition = definitions()[name]
    counted = [task for task in definition.suite.tasks if task in definition.tasks]

    def told(tasks: Sequence[str]) -> tuple[tuple[str, str], ...]:
        return tuple((task_title(name, task), pages.get((name, task), "")) for task in tasks)

    return SuiteLine(
        title=words(definition.suite.facts.title),
        description=definition.suite.description,
        counted=told(counted),
        others=told([task for task in definition.tasks if task not in counted]),
    )


def _worked(rows: Sequence[Row]) -> Worked | None:
    """The score with the most tasks of which everything is known: interval, chance, and more than one task."""
    found: list[tuple[tuple[object, ...], Row, str, UseCase]] = [
        ((len(case.benchmarks), case.n, row.id, name), row, name, case)
        for row in rows
        for name, case in row.scores.items()
        if case.interval and case.above_chance is not None and 1 < len(case.benchmarks) <= 6
    ]
    if not found:
        return None
    _, row, name, case = max(found, key=lambda one: one[0])
    score, interval = numbers.points(case.score, case.interval)
    return Worked(
        file=f"{row.name} {row.quantization}",
        href=f"models/{row.model}.html",
        title=words(row.titles.get(name, name)),
        tasks=tuple(
            (task_title(case.suite, task.task), *numbers.points(task.score, task.interval), numbers.number(task.n, 0))
            for task in case.benchmarks
        ),
        score=score,
        interval=interval,
        chance=numbers.points(case.chance or 0.0, None)[0],
        above=numbers.points(case.above_chance or 0.0, None)[0],
        coverage=numbers.percent(case.coverage),
    )

"""How to read the numbers: the rules of the registry, what the suites say of themselves, and one score worked out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.machine.devices import CONTEXT
from pytest_slm.site import numbers
from pytest_slm.site.facts.worked import WorkedExample
from pytest_slm.site.titles.definitions import definitions, suite_title, task_title, use_case_title, weights
from pytest_slm.site.titles.wording import profile_title, words

FAMILIES: Mapping[str, str] = {"ruler": "RULER", "truthfulness": "TruthfulQA"}
"""What people call the families of tasks whose names are no words."""


@dataclass(frozen=True, kw_only=True)
class SuiteLine:
    """A suite in the table of what is measured; tasks with their pages, of which some have none."""

    title: str
    description: str
    counted: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class MethodologyView:
    """What the page is told."""

    profiles: tuple[tuple[str, str], ...]
    ranked: str
    recommended: str
    not_recommended: str
    context: str
    suites: tuple[SuiteLine, ...]
    families: str
    """Of which suites several tasks count as one, and how many."""
    worked: WorkedExample | None


def methodology_view(
    rules: ScoreRules, worked: WorkedExample | None, pages: Mapping[tuple[str, str], str]
) -> MethodologyView:
    """The view of the rules that a registry was made by; ``worked`` is a score to be worked out, ``pages`` are those
    of the tasks by suite and task."""
    return MethodologyView(
        profiles=tuple(
            (
                profile_title(profile.name),
                ", ".join(
                    f"{use_case_title(name)} {numbers.percent(weight / sum(profile.weights.values()))}"
                    for name, weight in profile.weights.items()
                ),
            )
            for profile in rules.profiles
        ),
        ranked=numbers.percent(rules.ranked_coverage),
        recommended=f"{rules.recommended:g}",
        not_recommended=f"{rules.not_recommended:g}",
        context=numbers.number(CONTEXT, 0),
        suites=tuple(_line(name, pages) for name in definitions()),
        families=" and ".join(_families()),
        worked=worked,
    )


def _families() -> Iterator[str]:
    for name, definition in definitions().items():
        counted = Counter(definition.tasks[task].family for task in weights(definition))
        for family, count in counted.items():
            if family and count > 1:
                yield f"{count} tasks of {suite_title(name)} ({FAMILIES.get(family, words(family))})"


def _line(name: str, pages: Mapping[tuple[str, str], str]) -> SuiteLine:
    definition = definitions()[name]
    counted = [task for task in definition.suite.tasks if task in definition.tasks]

    def told(tasks: Sequence[str]) -> tuple[tuple[str, str], ...]:
        return tuple((task_title(name, task), pages.get((name, task), "")) for task in tasks)

    return SuiteLine(
        title=suite_title(name),
        description=definition.suite.description,
        counted=told(counted),
        others=told([task for task in definition.tasks if task not in counted]),
    )

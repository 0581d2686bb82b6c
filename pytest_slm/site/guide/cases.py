"""A page for each use case: what it is made of, and the files that are best at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_slm.registry.entry import Registry
from pytest_slm.registry.rows import Row
from pytest_slm.site import numbers
from pytest_slm.site.home.scores import Mark, Scale
from pytest_slm.site.home.view import PAGE, FileTable, file_table, model_address, shown_columns
from pytest_slm.site.titles.definitions import Definition, definitions
from pytest_slm.site.titles.wording import profile_title


@dataclass(frozen=True, kw_only=True)
class TaskLine:
    """A task of a use case; ``href`` is empty where it has no page. ``counts``: whether it enters the score."""

    title: str
    description: str
    href: str
    counts: bool


@dataclass(frozen=True, kw_only=True)
class CaseView:
    """The page of a use case, and its line in the list of all."""

    name: str
    title: str
    description: str
    href: str
    files: int
    best: str
    weights: tuple[tuple[str, str], ...]
    chance: str
    tasks: tuple[TaskLine, ...]
    table: FileTable | None
    left_out: int


def definition_of(use_case: str) -> Definition | None:
    """The built-in suite that a use case is the score of."""
    return next((one for one in definitions().values() if one.suite.facts.use_case == use_case), None)


def case_view(
    registry: Registry,
    name: str,
    title: str,
    href: str,
    rows: Sequence[Row],
    scale: Scale | None,
    tasks: Sequence[TaskLine],
) -> CaseView:
    """The view of a use case; ``scale`` is None where no file has a score in it."""
    definition = definition_of(name)
    mine = [row for row in rows if scale and row.id in scale.marks]
    ordered = scale.ordered(mine) if scale else ()
    levels = {mark.chance for mark in scale.marks.values() if mark.chance is not None} if scale else set()
    first = ordered[0] if ordered else None
    mark = scale.marks[first.id] if scale and first else None
    return CaseView(
        name=name,
        title=title,
        description=definition.suite.description if definition else "",
        href=href,
        files=len({(row.model, row.quantization) for row in mine}),
        best=_best(first, mark) if first and mark else "",
        weights=tuple(
            (profile_title(profile.name), numbers.percent(profile.weights[name] / sum(profile.weights.values())))
            for profile in registry.rules.profiles
            if name in profile.weights
        ),
        chance=", ".join(numbers.points(level, None)[0] for level in sorted(levels)[:3]),
        tasks=tuple(tasks),
        table=file_table(f"Files by {title}", scale, ordered[:PAGE], model_address("../"), shown_columns(rows))
        if scale and ordered
        else None,
        left_out=max(0, len(ordered) - PAGE),
    )


def _best(row: Row, mark: Mark) -> str:
    score, interval = numbers.points(mark.score, mark.interval)
    return f"{row.name} {row.quantization}, {score}" + (f" ({interval})" if interval else "")

"""A page for each use case: what it is made of, and the files that are best at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.site import numbers
from pytest_slm.site.facts.files import FileFacts
from pytest_slm.site.home.columns import Column
from pytest_slm.site.home.scores import Scale, ScoreMark
from pytest_slm.site.home.view import PAGE, FileTable, file_table
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
    rules: ScoreRules,
    name: str,
    title: str,
    href: str,
    files: Sequence[FileFacts],
    scale: Scale | None,
    tasks: Sequence[TaskLine],
    columns: Sequence[Column],
) -> CaseView:
    """The view of a use case; ``scale`` is None where no file has a score in it."""
    definition = definition_of(name)
    mine = [file for file in files if scale and file.id in scale.marks]
    first = scale.best(mine, PAGE) if scale else ()
    levels = {mark.chance for mark in scale.marks.values() if mark.chance is not None} if scale else set()
    return CaseView(
        name=name,
        title=title,
        description=definition.suite.description if definition else "",
        href=href,
        files=len({(file.model, file.quantization) for file in mine}),
        best=_best(first[0], scale.marks[first[0].id]) if scale and first else "",
        weights=tuple(
            (profile_title(profile.name), numbers.percent(profile.weights[name] / sum(profile.weights.values())))
            for profile in rules.profiles
            if name in profile.weights
        ),
        chance=", ".join(numbers.points(level, None)[0] for level in sorted(levels)[:3]),
        tasks=tuple(tasks),
        table=file_table(f"Files by {title}", scale, first, "../", columns) if scale and first else None,
        left_out=max(0, len(mine) - PAGE),
    )


def _best(file: FileFacts, mark: ScoreMark) -> str:
    score, interval = numbers.points(mark.score, mark.interval)
    return f"{file.name} {file.quantization}, {score}" + (f" ({interval})" if interval else "")

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
    """A task of a use case; ``href`` is empty where it has no page. ``counts``: whether it enters the score, ``weight``
    with which part of it where that is known, shared by so many tasks of its ``family``; ``note`` what to know of its
    title."""

    title: str
    description: str
    href: str
    counts: bool
    weight: str = ""
    family: int = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class CaseView:
    """The page of a use case, and its line in the list of all: ``best`` has the highest score of those that can be
    compared and stand first, which ``among`` tells (empty where none is shown to be above its chance ``level``),
    ``others`` are the rest, and ``chance`` has the levels of all."""

    name: str
    title: str
    description: str
    href: str
    files: int
    best: str
    among: str
    unskilled: str
    """That no file is shown to be above chance; empty where one is."""
    others: str
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
    levels = sorted({mark.chance for mark in scale.marks.values() if mark.chance is not None}) if scale else []
    return CaseView(
        name=name,
        title=title,
        description=definition.suite.description if definition else "",
        href=href,
        files=len({(file.model, file.quantization) for file in mine}),
        best=_best(scale, mine, first[0]) if scale and first else "",
        among=_among(scale, mine, first[0]) if scale and first else "",
        others=_others(scale, mine, first[0]) if scale and first else "",
        unskilled=_unskilled(scale, mine, first[0]) if scale and first else "",
        weights=tuple(
            (profile_title(profile.name), numbers.percent(profile.weights[name] / sum(profile.weights.values())))
            for profile in rules.profiles
            if name in profile.weights
        ),
        chance=_between(list(dict.fromkeys(numbers.points(level, None)[0] for level in levels))),
        tasks=tuple(tasks),
        table=file_table(f"Files by {title}", scale, first, "../", columns) if scale and first else None,
        left_out=max(0, len(mine) - PAGE),
    )


def _best(scale: Scale, files: Sequence[FileFacts], first: FileFacts) -> str:
    """The file with the highest score of its group, with those that have the same; that there is none where none of
    them is shown to be above chance."""
    mark = scale.marks[first.id]
    group = _group(scale, files, mark)
    if _none_above_chance(scale, group):
        return ""
    score, interval = numbers.points(mark.score, mark.interval)
    names = dict.fromkeys(
        f"{file.name} {file.quantization}"
        for file in group
        if numbers.points(scale.marks[file.id].score, None) == numbers.points(mark.score, None)
    )
    named = " and ".join(names) if len(names) < 3 else f"{len(names)} files"
    return f"{named}, {score}" + (f" ({interval})" if interval else "")


def _among(scale: Scale, files: Sequence[FileFacts], first: FileFacts) -> str:
    """``2 files in full runs``."""
    mark = scale.marks[first.id]
    count = len(_pairs(_group(scale, files, mark)))
    return f"{count} file{'' if count == 1 else 's'} in {mark.quick or 'full'} runs"


def _others(scale: Scale, files: Sequence[FileFacts], first: FileFacts) -> str:
    """How many files were measured otherwise, and so are in no order with those that are best."""
    count = len(_pairs(files) - _pairs(_group(scale, files, scale.marks[first.id])))
    return "" if not count else f"{count} measured otherwise {'is' if count == 1 else 'are'} not compared with these"


def _pairs(files: Sequence[FileFacts]) -> set[tuple[str, str]]:
    return {(file.model, file.quantization) for file in files}


def _unskilled(scale: Scale, files: Sequence[FileFacts], first: FileFacts) -> str:
    mark = scale.marks[first.id]
    group = _group(scale, files, mark)
    if not _none_above_chance(scale, group):
        return ""
    count = len(_pairs(group))
    whose = "The only file" if count == 1 else f"None of the {count} files"
    level = "0" if mark.chance is None else f"chance ({numbers.points(mark.chance, None)[0]} points)"
    return f"{whose} in {mark.quick or 'full'} runs is {'not ' if count == 1 else ''}shown to be above {level}"


def _none_above_chance(scale: Scale, group: Sequence[FileFacts]) -> bool:
    return not any(_above_chance(scale.marks[file.id]) for file in group)


def _between(levels: Sequence[str]) -> str:
    """Chance levels in order; several where files were asked other questions."""
    return "".join(levels) if len(levels) < 2 else f"{levels[0]} to {levels[-1]}, by the questions asked"


def _group(scale: Scale, files: Sequence[FileFacts], mark: ScoreMark) -> list[FileFacts]:
    return [file for file in files if scale.marks[file.id].group == mark.group]


def _above_chance(mark: ScoreMark) -> bool:
    """Whether a score is shown to be more than guessing gives: by its interval, as on the model's page."""
    return (mark.interval[0] if mark.interval else mark.score) > (mark.chance or 0.0)

"""A page for each task: what is asked, what guessing gives, and what every file got."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pytest_slm.core.types import Task
from pytest_slm.load.builtin import built_in_rows
from pytest_slm.site import numbers
from pytest_slm.site.facts.measured import BETWEEN, Dots, TaskRow, TaskTable, places
from pytest_slm.site.home.columns import BY_KEY, Column, written
from pytest_slm.site.home.view import FileRow, FileTable, dotted
from pytest_slm.site.titles.chances import chance_text
from pytest_slm.site.titles.definitions import (
    OURS,
    Example,
    definitions,
    described,
    examples,
    suite_title,
    task_address,
    task_title,
    titled,
    twins,
)
from pytest_slm.site.titles.wording import metric_title, variant_title, words
from pytest_slm.site.views import PARTIAL, STATES, Fact

TOUCHING = 4.0
"""Pixels between the middles of two dots that can be told from a line."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """All files of one variant, measured in one kind of runs, as dots on a scale from 0 to 100. ``path`` has a point
    for each, in tenths of a percent of the width; equal ones stand above each other."""

    title: str
    text: str
    path: str
    height: int
    chance: float | None


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """The whole page."""

    title: str
    suite: str
    use_case: str
    """The address of its use case below ``use/``; empty where it counts in none."""
    description: str
    facts: tuple[Fact, ...]
    harmful: bool
    examples: tuple[Example, ...]
    ours: bool
    strips: tuple[Strip, ...]
    table: FileTable | None
    left_out: int
    without: tuple[tuple[str, str, str, str], ...]
    """Files that have no number: the class and the words of their state, how many they are, and why of the first."""


def task_view(suite: str, task: str, found: TaskTable | None, use_case: str) -> TaskView:
    """The page of a task: of its definition where it is a built-in one, and of what was measured."""
    definition = definitions().get(suite)
    declared = definition.tasks.get(task) if definition else None
    drawn = {tuple(key.split(BETWEEN)): dots for key, dots in found.variants.items()} if found else {}
    several = len({quick for _, quick in drawn}) > 1
    return TaskView(
        title=task_title(suite, task),
        suite=suite_title(suite),
        use_case=use_case,
        description=described(suite, task) if declared else "A task of a suite that does not come with pytest-slm.",
        facts=_facts(suite, task, declared, found),
        harmful=bool(declared and declared.harmful),
        examples=examples(suite, task),
        ours=bool(declared and declared.source.startswith("original")),
        strips=tuple(
            strip(_over(variant, quick if several else None), drawn[variant, quick])
            for variant, quick in sorted(drawn, key=lambda one: (len(one[0]), one[0], bool(one[1]), one[1]))
        ),
        table=_table([row for _, row in found.best]) if found and found.best else None,
        left_out=found.n - len(found.best) if found else 0,
        without=tuple(
            (state, STATES[state], _without(state, count), why.removeprefix(PARTIAL))
            for state, (count, [_, why]) in (found.without if found else {}).items()
        ),
    )


def _without(state: str, count: int) -> str:
    """How many files have no number, in words."""
    one = count == 1
    files = f"{count} file{'' if one else 's'}"
    if state == "partial":
        return (
            f"{files} {'was' if one else 'were'} asked only a part of it, and so {'has' if one else 'have'} no number"
        )
    return files


def _facts(suite: str, name: str, task: Task | None, found: TaskTable | None) -> tuple[Fact, ...]:
    _, metric, higher = found.metric if found else ("", None, True)
    metric = task.primary if task else metric
    chances = set(found.chances) if found else set()
    if task:
        level = task.spec(task.primary).chance
        chances |= set() if level is None else {level}
    modes = {name: plan.limit for name, plan in task.modes.items()} if task else {}
    rows = built_in_rows().get(suite, {}).get(name, 0)
    pairs = (
        ("Metric", f"{metric_title(metric or '')}{'' if higher else ', lower is better'}"),
        ("Chance", chance_text(suite, name, metric or "", chances)),
        *((f"{words(mode)} run", _asked(n, task, found, rows, full=mode == "full")) for mode, n in modes.items()),
        ("Variants", ", ".join(map(variant_title, task.variants)) if task else ""),
        ("License of the data", task.license if task else ""),
        ("Version", str(task.version) if task else ""),
        ("Source", titled(suite, task.source) if task else ""),
    )
    told = [Fact(label=label, value=value) for label, value in pairs if value]
    told += [
        Fact(
            label="Another of this title",
            value=f"{suite_title(other)}, with a sample of its own: their scores need not agree",
            href=f"../../{task_address(other, twin)}",
        )
        for other, twin in twins(suite, name)
    ]
    return tuple(told)


def _asked(limit: int | None, task: Task | None, found: TaskTable | None, rows: int, *, full: bool) -> str:
    """What a run asks: of a data set, of which ``rows`` questions are known (0: nobody knows), what the data folder
    has."""
    most = found.whole if found else 0
    many = f": {numbers.number(most, 0)} in the runs shown here" if most else ""
    if limit is not None:
        return f"at most {numbers.number(limit, 0)} questions{many if full and most < limit else ''}"
    if task and task.source.startswith(OURS):
        return "all questions"
    if most and most == rows:
        return f"all {numbers.number(rows, 0)} questions"
    told = f"all {numbers.number(rows, 0)} questions, or the part that" if rows else "all questions that"
    return f"{told} the data folder has{many}"


def _over(variant: str, quick: str | None) -> str:
    """What stands over the dots of a variant; ``quick`` is None where all are of one kind of runs."""
    kind = "" if quick is None else f"{quick} runs" if quick else "full runs"
    told = ", ".join(filter(None, (f"variant {variant_title(variant)}" if variant else "", kind)))
    return told[:1].upper() + told[1:] or "All files"


def strip(title: str, dots: Dots) -> Strip:
    """All files as dots; those within half a point of each other are stacked, and a line where they are so many that
    their dots would touch."""
    highest = max(dots.stacks.values())
    step = min(9.0, 90 / highest)
    height = math.ceil(step * highest) + 8
    least, most = (numbers.points(end, None)[0] for end in (dots.least, dots.most))
    chance = None if dots.chance is None else dots.chance[1]
    several = "" if dots.n == 1 else "s, all" if least == most else f"s, from {least} to"
    return Strip(
        title=title,
        text=f"{dots.n} file{several or ','} {most} %" + ("" if chance is None else f"; chance {100 * chance:.3g} %"),
        path="".join(_stack(5 * place, height - 4, count, step) for place, count in places(dots)),
        height=height,
        chance=None if chance is None else round(100 * chance, 2),
    )


def _stack(x: int, bottom: int, count: int, step: float) -> str:
    if step < TOUCHING and count > 1:
        return f"M{x} {bottom}V{bottom - step * (count - 1):g}"
    return "".join(f"M{x} {bottom - step * n:g}h0" for n in range(count))


def _heading(one: TaskRow, several: bool, alike: bool) -> str:
    """What stands above the first of the rows of one kind: the variant, and where there are several kinds of runs which
    one. ``alike``: all kinds asked the same questions."""
    kind = f"{one.quick or 'full'} runs".capitalize() if several else ""
    apart = ("; all were asked the same questions" if alike else "; not comparable with other groups") * several
    return ", ".join(filter(None, (variant_title(one.variant), kind))) + apart


SHARED = Column(key="shared", label="By the same questions", form="count", anchor="quick", value=lambda _: (None, ""))
"""What the own quick runs of files with a full one gave, by the sample that all quick runs of the table asked."""


def _samples(found: Sequence[TaskRow]) -> set[tuple[str, str]]:
    """Variants and samples by which a full run of the table can be compared with a quick one."""
    full, quick = (
        {(one.variant, one.asked) for one in found if _as_told(one) and bool(one.quick) is kind}
        for kind in (False, True)
    )
    return full & quick


def _as_told(one: TaskRow) -> bool:
    """Whether the registry knows what was asked, and it was asked as the task says."""
    return bool(one.asked) and one.quick in ("", "quick", "limited")


def _alike(found: Sequence[TaskRow]) -> set[str]:
    """Variants of which full and quick runs asked the same: those of small sets."""
    asked: dict[str, set[tuple[str, bool]]] = {}
    for one in found:
        asked.setdefault(one.variant, set()).add((one.asked, _as_told(one) and one.beside is None))
    return {name for name, some in asked.items() if len(some) == 1 and all(comparable for _, comparable in some)}


def _shared(one: TaskRow, samples: Collection[tuple[str, str]]) -> tuple[bool, str, str, str]:
    """The cell of a row: its score by the sample, and how many questions that has."""
    value, n = one.beside or (one.value, one.n)
    if not _as_told(one) or (one.variant, one.asked) not in samples:
        return False, SHARED.label, numbers.MISSING, ""
    text = numbers.points(100 * value, None)[0] if one.unit == "share" else numbers.estimate(value, None)[0]
    return False, SHARED.label, text, f"n{numbers.NBSP}{numbers.number(n, 0)}"


def _table(found: Sequence[TaskRow]) -> FileTable:
    size = BY_KEY["size"]
    rows: list[FileRow] = []
    last: tuple[str, str] | None = None
    several = len({one.quick for one in found}) > 1
    alike = _alike(found)
    samples = {(variant, asked) for variant, asked in _samples(found) if variant not in alike}
    for one in found:
        share = one.unit == "share"
        value = 100 * one.value if share else one.value
        low, high = one.interval or (0.0, 0.0)
        interval = ((100 * low, 100 * high) if share else (low, high)) if one.interval else None
        text, between = numbers.points(value, interval) if share else numbers.estimate(value, interval)
        chance = None if one.chance is None else 100 * one.chance
        kilobytes = None if one.size_bytes is None else -int(-one.size_bytes // 1000)
        rows.append(
            FileRow(
                name=one.name,
                quantization=one.quantization,
                href=f"../../models/{one.model}.html",
                about=one.license,
                quick=one.quick,
                score=text if share else f"{text}{numbers.NBSP}{one.unit}",
                interval=between,
                note=f"n {numbers.number(one.n, 0)}" + (f" · {one.unscored} not scored" if one.unscored else ""),
                plot=dotted(value, interval, chance, (text, between)) if share else None,
                cells=(
                    *([_shared(one, samples)] if samples else []),
                    (False, size.label, written("kB", kilobytes), ""),
                ),
                group=_heading(one, several, one.variant in alike) if (one.variant, one.quick) != last else "",
            )
        )
        last = (one.variant, one.quick)
    columns = (SHARED, size) if samples else (size,)
    return FileTable(title="Files by their score in this task", score="", columns=columns, rows=tuple(rows))

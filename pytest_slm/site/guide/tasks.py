"""A page for each task: what is asked, what guessing gives, and what every file got."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_slm.core.types import MEASURED, Task
from pytest_slm.registry.entry import Item, QuantizationEntry, Registry, RegistryEntry
from pytest_slm.site import numbers
from pytest_slm.site.home.columns import BY_KEY, Cell, written
from pytest_slm.site.home.view import FileRow, FileTable
from pytest_slm.site.titles.definitions import Example, definitions, examples, task_title
from pytest_slm.site.titles.wording import metric_title, variant_title, words
from pytest_slm.site.views import Fact, sampled, score_plot

MOST = 60
"""Files in the table of a task; the plot has all of them."""
TOUCHING = 4.0
"""Pixels between the middles of two dots that can be told from a line."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """All files of one variant as dots on a scale from 0 to 100. ``path`` has a point for each, in tenths of a percent
    of the width; equal ones stand above each other."""

    variant: str
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


@dataclass(frozen=True, kw_only=True)
class Found:
    """A measured item with its file; ``quick`` where its run was not a full one as tasks ask."""

    entry: RegistryEntry
    name: str
    quantization: QuantizationEntry
    item: Item
    quick: str


def measured_tasks(registry: Registry) -> Mapping[tuple[str, str], list[Found]]:
    """Every measured item by suite and task, in the order of models and quantizations."""
    found: dict[tuple[str, str], list[Found]] = {}
    for entry in registry.models:
        asked = {one.path: (one.limit, one.settings) for one in entry.provenance.reports}
        timing = {name for name, facts in entry.suites.items() if not facts.scored}
        for name, quantization in sorted(entry.quantizations.items()):
            for item in quantization.items:
                if item.outcome in MEASURED and item.metric and item.value is not None and item.suite not in timing:
                    limit, settings = asked.get(item.report, (None, ""))
                    one = Found(
                        entry=entry, name=name, quantization=quantization, item=item,
                        quick=sampled(item.mode, limit, settings),
                    )  # fmt: skip
                    found.setdefault((item.suite, item.task), []).append(one)
    return found


def task_view(suite: str, task: str, found: Sequence[Found], use_case: str) -> TaskView:
    """The page of a task: of its definition where it is a built-in one, and of what was measured."""
    definition = definitions().get(suite)
    declared = definition.tasks.get(task) if definition else None
    shares = [one for one in found if one.item.unit == "share"]
    variants = sorted({one.item.variant for one in shares}, key=lambda name: (len(name), name))
    ordered = sorted(found, key=_place)
    return TaskView(
        title=task_title(suite, task),
        suite=words(definition.suite.facts.title if definition else suite),
        use_case=use_case,
        description=declared.description if declared else "A task of a suite that does not come with pytest-slm.",
        facts=_facts(declared, found),
        harmful=bool(declared and declared.harmful),
        examples=examples(suite, task),
        ours=bool(declared and declared.source.startswith("original")),
        strips=tuple(strip(name, [one for one in shares if one.item.variant == name]) for name in variants),
        table=_table(ordered[:MOST]) if found else None,
        left_out=max(0, len(ordered) - MOST),
    )


def _facts(task: Task | None, found: Sequence[Found]) -> tuple[Fact, ...]:
    metric = task.primary if task else next((one.item.metric for one in found), None)
    higher = next((one.item.higher_is_better for one in found), True)
    chances = {one.item.chance for one in found if one.item.chance is not None}
    if task:
        level = task.spec(task.primary).chance
        chances |= set() if level is None else {level}
    modes = {name: plan.limit for name, plan in task.modes.items()} if task else {}
    pairs = (
        ("Metric", f"{metric_title(metric or '')}{'' if higher is not False else ', lower is better'}"),
        ("Chance", ", ".join(f"{100 * level:.3g}{numbers.NBSP}%" for level in sorted(chances)) or "not known"),
        *(
            (f"{words(name)} run", "all questions" if n is None else f"at most {n} questions")
            for name, n in modes.items()
        ),
        ("Variants", ", ".join(map(variant_title, task.variants)) if task else ""),
        ("License of the data", task.license if task else ""),
        ("Version", str(task.version) if task else ""),
        ("Source", task.source if task else ""),
    )
    return tuple(Fact(label=label, value=value) for label, value in pairs if value)


def strip(variant: str, found: Sequence[Found]) -> Strip:
    """All files as dots; those within half a point of each other are stacked, and a line where they are so many that
    their dots would touch."""
    stacks = Counter(round(200 * (one.item.value or 0.0)) for one in found)
    highest = max(stacks.values())
    step = min(9.0, 90 / highest)
    height = math.ceil(step * highest) + 8
    values = [100 * (one.item.value or 0.0) for one in found]
    least, most = (numbers.points(end, None)[0] for end in (min(values), max(values)))
    chance = next((one.item.chance for one in found if one.item.chance is not None), None)
    several = "" if len(found) == 1 else "s, all" if least == most else f"s, from {least} to"
    return Strip(
        variant=variant_title(variant),
        text=f"{len(found)} file{several or ','} {most} %"
        + ("" if chance is None else f"; chance {100 * chance:.3g} %"),
        path="".join(_stack(5 * place, height - 4, count, step) for place, count in sorted(stacks.items())),
        height=height,
        chance=None if chance is None else round(100 * chance, 2),
    )


def _stack(x: int, bottom: int, count: int, step: float) -> str:
    if step < TOUCHING and count > 1:
        return f"M{x} {bottom}V{bottom - step * (count - 1):g}"
    return "".join(f"M{x} {bottom - step * n:g}h0" for n in range(count))


def _place(one: Found) -> tuple[object, ...]:
    """Full runs first; then the best by the end of the interval that is on the safe side."""
    item, sign = one.item, -1 if one.item.higher_is_better is not False else 1
    bound = item.interval[0 if sign < 0 else 1] if item.interval else math.inf * -sign * -1
    value = item.value or 0.0
    return (
        item.variant,
        bool(one.quick),
        sign * bound,
        sign * value,
        one.entry.name.casefold(),
        one.name,
        one.entry.id,
    )


def _heading(one: Found, several: bool) -> str:
    """What stands above the first of the rows that can be compared: the variant, and where there are several kinds of
    runs which one."""
    kind = ("Quick or limited runs" if one.quick else "Full runs") if several else ""
    return ", ".join(filter(None, (variant_title(one.item.variant), kind)))


def _table(found: Sequence[Found]) -> FileTable:
    size = BY_KEY["size"]
    rows: list[FileRow] = []
    last: tuple[str, bool] | None = None
    several = len({bool(one.quick) for one in found}) > 1
    for one in found:
        item = one.item
        share = item.unit == "share"
        value = 100 * (item.value or 0.0) if share else item.value or 0.0
        interval = item.interval and ((100 * item.interval[0], 100 * item.interval[1]) if share else item.interval)
        text, between = numbers.points(value, interval) if share else numbers.estimate(value, interval)
        bytes_of = one.quantization.size_bytes
        kilobytes = None if bytes_of is None else -int(-bytes_of // 1000)
        rows.append(
            FileRow(
                name=one.entry.name,
                quantization=one.name,
                href=f"../../models/{one.entry.id}.html",
                about=one.entry.license or "",
                quick=one.quick,
                score=Cell(text=text if share else f"{text}{numbers.NBSP}{item.unit}", note=between),
                note=f"n {numbers.number(item.n or 0, 0)}"
                + (f" · {item.n_unscored} not scored" if item.n_unscored else ""),
                plot=score_plot(value, interval) if share else None,
                chance=round(100 * item.chance, 2) if share and item.chance is not None else None,
                cells=((size, Cell(text=written("kB", kilobytes))),),
                group=_heading(one, several) if (item.variant, bool(one.quick)) != last else "",
            )
        )
        last = (item.variant, bool(one.quick))
    return FileTable(title="Files by their score in this task", score="", columns=(replace(size),), rows=tuple(rows))

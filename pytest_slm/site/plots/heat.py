"""Shares over two settings, as squares: lengths by tasks, and lengths by the depth of a needle.

A square says how much by its colour, and the same number stands in it and in the table beside; what was not measured is
an empty square with a dash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.core.statistics import Interval
from pytest_slm.core.types import Metric, RunReport
from pytest_slm.registry.lengths import Lengths, by_part, lengths
from pytest_slm.site import numbers
from pytest_slm.site.titles.definitions import task_title
from pytest_slm.site.titles.wording import words

LEVELS = 10
"""Of colours: classes h0 (nothing) to h10 (everything)."""
DEPTH = "depth"


@dataclass(frozen=True, kw_only=True)
class HeatCell:
    """A square: its place in percent of the width, its level (None: not measured), and its numbers as text."""

    x: float
    level: int | None
    value: str
    spread: str
    n: str
    column: str
    text: str

    @property
    def short(self) -> str:
        """The value for a narrow square: percent, without the sign."""
        return self.value.removesuffix(f"{numbers.NBSP}%")


@dataclass(frozen=True, kw_only=True)
class HeatRow:
    """A row of squares at ``y`` pixels; ``last`` is what the row comes to, such as the effective length."""

    name: str
    y: int
    cells: tuple[HeatCell, ...]
    last: str


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Squares and the same as a table. ``width``: of a square, in percent; ``height``: of all rows, in pixels;
    ``last`` is the head of the last column of the table, empty where it has none. ``columns``: place, tokens, and these
    in few characters."""

    title: str
    hint: str
    text: str
    head: str
    columns: tuple[tuple[float, str, str], ...]
    rows: tuple[HeatRow, ...]
    width: float
    height: int
    last: str


ROW = 34
"""Pixels of a row."""

Values = Mapping[int, tuple[float, Interval | None, int]]
"""Value, interval and samples by column."""


def heat_maps(run: RunReport) -> tuple[HeatMap, ...]:
    """Of each suite with tasks over lengths: all of them by length, and single needles by length and depth."""
    found = lengths(run.results)
    maps = []
    for suite in dict.fromkeys(series.suite for series in found):
        mine = [series for series in found if series.suite == suite]
        maps.append(_tasks(words(run.facts(suite).title), mine))
        for series in mine:
            parts = by_part(run.results, suite, series.name, DEPTH)
            if parts:
                maps.append(_depths(series, parts))
    return tuple(maps)


def _name(series: Lengths) -> str:
    return task_title(series.suite, series.name)


def effective(series: Lengths) -> str:
    """``4 096``, ``8 192 or more``, ``below 1 024``."""
    if series.effective is None:
        return f"below {numbers.number(series.points[0].tokens, 0)}"
    return f"{numbers.number(series.effective, 0)}{' or more' if series.open else ''}"


def _tasks(title: str, mine: Sequence[Lengths]) -> HeatMap:
    rows = {
        f"{_name(series)}, mean of {series.tasks} tasks" if series.tasks > 1 else _name(series): (
            {point.tokens: (point.value, point.interval, point.n) for point in series.points},
            effective(series),
        )
        for series in mine
    }
    enough = sorted({series.enough for series in mine})
    return _map(
        f"{title} by length of the context",
        "Share of what was asked for that was found. The effective length is the longest measured one with at least "
        f"{' or '.join(numbers.percent(value) for value in enough)}, at which, and at all shorter ones, that is so.",
        rows,
        head="Task",
        last="Effective length",
    )


def _depths(series: Lengths, parts: Mapping[int, Mapping[str, Metric]]) -> HeatMap:
    depths = sorted({part for metrics in parts.values() for part in metrics}, key=lambda part: (len(part), part))
    rows: dict[str, tuple[Values, str]] = {}
    for depth in depths:
        values = {}
        for tokens, metrics in parts.items():
            metric = metrics.get(depth)
            if metric is not None:
                values[tokens] = (metric.value, metric.interval, metric.n)
        rows[f"{depth}{numbers.NBSP}%"] = (values, "")
    return _map(
        f"{_name(series)} by depth of the needle",
        "How much of the text stands before the needle, by length of the context.",
        rows,
        head="Depth",
    )


def _map(title: str, hint: str, rows: Mapping[str, tuple[Values, str]], *, head: str, last: str = "") -> HeatMap:
    columns = sorted({tokens for values, _ in rows.values() for tokens in values})
    width = round(100 / len(columns), 3)

    def place(number: int) -> float:
        return round(number * 100 / len(columns), 3)

    made = [
        HeatRow(
            name=name,
            y=ROW * number,
            cells=tuple(_cell(name, values, tokens, place(at)) for at, tokens in enumerate(columns)),
            last=told,
        )
        for number, (name, (values, told)) in enumerate(rows.items())
    ]
    return HeatMap(
        title=title,
        hint=hint,
        text=f"{title}: {len(made)} rows, {len(columns)} lengths from {numbers.number(columns[0], 0)} to "
        f"{numbers.number(columns[-1], 0)} tokens; the numbers are in the table",
        head=head,
        columns=tuple((place(at), numbers.number(tokens, 0), _short(tokens)) for at, tokens in enumerate(columns)),
        rows=tuple(made),
        width=width,
        height=ROW * len(made),
        last=last,
    )


def _short(tokens: int) -> str:
    return f"{tokens // 1024}k" if tokens % 1024 == 0 else str(tokens)


def _cell(name: str, values: Values, tokens: int, x: float) -> HeatCell:
    column = numbers.number(tokens, 0)
    if tokens not in values:
        text = f"{name}, {column} tokens: not measured"
        return HeatCell(x=x, level=None, value=numbers.MISSING, spread="", n="", column=column, text=text)
    share, interval, n = values[tokens]
    points = numbers.percent(share)
    return HeatCell(
        x=x,
        level=int(min(1.0, max(0.0, share)) * LEVELS),
        value=points,
        spread=numbers.span((100 * interval[0], 100 * interval[1]), 0) if interval else "",
        n=numbers.number(n, 0),
        column=column,
        text=f"{name}, {column} tokens: {points} of {n}",
    )

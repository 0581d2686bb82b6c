"""Lines over a setting, and bars made of parts: positions in percent, drawn by templates/plots.html.

Every plot is also a table: the numbers, their spread and their verdict are text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pytest_slm.registry.speeds import Point, Quantity
from pytest_slm.site import numbers

COLOURS, SHAPES = 6, 5
"""Of lines: as one number divides neither the other, thirty lines look different without their colour, too."""
NARROW = 9.0
"""Labels of the axis that are nearer to one another, in percent, would overlap on a telephone."""

Series = Mapping[str, Sequence[tuple[int, Quantity]]]
"""Name of a line: its points, as (setting, quantity)."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A label at a place of an axis, in percent of its length from left or top."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class PointMark:
    """A point with its spread, in percent of width and height from the top left."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line with its look: ``colour`` and ``shape`` are numbers of classes."""

    name: str
    colour: int
    shape: int
    marks: tuple[PointMark, ...]
    segments: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, kw_only=True)
class PlotCell:
    """A number of the table behind a plot."""

    column: str
    value: str
    spread: str
    n: str
    verdict: str


@dataclass(frozen=True, kw_only=True)
class LinePlot:
    """Lines with one unit on one machine, and the same as a table."""

    title: str
    hint: str
    axis: str
    text: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[PlotCell, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a bar: where it begins and how wide it is, in percent; ``value`` is empty where it is not known."""

    name: str
    colour: int
    x: float
    width: float
    value: str


@dataclass(frozen=True, kw_only=True)
class StackRow:
    """A bar of parts, and what they add up to."""

    name: str
    parts: tuple[Part, ...]
    total: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Stacks:
    """Bars of parts with one scale; the parts' numbers stand beside."""

    title: str
    hint: str
    unit: str
    parts: tuple[tuple[str, int], ...]
    rows: tuple[StackRow, ...]


def line_plot(title: str, hint: str, series: Series, *, of: str) -> LinePlot | None:
    """Lines over a setting, counted in ``of`` (``tokens``); None where no line has two points.

    The vertical axis begins at 0. Along the horizontal one places go with the square root, which keeps 0, 512, 2,048
    and 8,192 apart; a logarithm has no place for 0.
    """
    drawn = {name: sorted(points, key=lambda point: point[0]) for name, points in series.items() if points}
    if not any(len(points) > 1 for points in drawn.values()):
        return None
    every = [(at, quantity) for points in drawn.values() for at, quantity in points]
    settings = sorted({at for at, _ in every})
    unit = every[0][1].unit
    top = round_up(max(bound for _, q in every for bound in (q.value, *(q.spread or q.interval or ()))))

    low, high = math.sqrt(settings[0]), math.sqrt(settings[-1])
    places = {at: round(100 * (math.sqrt(at) - low) / (high - low), 2) for at in settings}
    labels = {at: numbers.number(at, 0) for at in settings}
    told = {
        name: [
            (at, quantity, *numbers.estimate(quantity.value, quantity.spread or quantity.interval))
            for at, quantity in points
        ]
        for name, points in drawn.items()
    }
    lines = tuple(
        _line(name, number, [(places[at], quantity, value) for at, quantity, value, _ in points], top)
        for number, (name, points) in enumerate(told.items())
    )
    return LinePlot(
        title=title,
        hint=hint,
        axis=f"{of}, square-root scale",
        text=f"{title}: {len(lines)} line{'' if len(lines) == 1 else 's'} in {unit} over {of}, from "
        f"{numbers.number(settings[0], 0)} to {numbers.number(settings[-1], 0)}; the numbers are in the table",
        lines=lines,
        x_ticks=_spaced([Tick(at=places[at], label=label) for at, label in labels.items()]),
        y_ticks=tuple(
            Tick(at=100 - 50 * half, label=numbers.exact(top * half / 2) + unit_at)
            for half, unit_at in ((0, ""), (1, ""), (2, f"{numbers.NBSP}{unit}"))
        ),
        columns=tuple(labels.values()),
        rows=tuple((name, tuple(_cells(points, labels))) for name, points in told.items()),
    )


def stacks(title: str, hint: str, rows: Mapping[str, Mapping[str, float]], unit: str) -> Stacks | None:
    """Bars of parts, all in one unit; None where there are no parts. A part that a row lacks is not known, not 0."""
    names = list(dict.fromkeys(name for parts in rows.values() for name in parts))
    if not names:
        return None
    colours = {name: number % COLOURS + 1 for number, name in enumerate(names)}
    top = max(sum(parts.values()) for parts in rows.values()) or 1.0
    return Stacks(
        title=title,
        hint=hint,
        unit=unit,
        parts=tuple(colours.items()),
        rows=tuple(_stack(name, parts, colours, top, unit) for name, parts in rows.items() if parts),
    )


def values_of(points: Sequence[Point], name: str) -> list[tuple[int, Quantity]]:
    """One quantity of a series, where it was measured."""
    return [(point.at, point.quantities[name]) for point in points if name in point.quantities]


def verdict_of(quantity: Quantity) -> str:
    """``noisy: the hypervisor took 7 % of the CPU``, ``stable``, or nothing where the report does not say."""
    return f"{quantity.verdict}: {quantity.reason}" if quantity.reason and quantity.verdict else quantity.verdict or ""


def noise_of(quantity: Quantity) -> str:
    """The verdict with its reason where it is not ``stable``."""
    return "" if quantity.verdict == "stable" else verdict_of(quantity)


def round_up(value: float) -> float:
    """The next 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    power = 1.0
    while value > 10 * power:
        power *= 10
    while 0 < value <= power:
        power /= 10
    return next((step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if value <= step * power), 1.0)


def _line(name: str, number: int, points: Sequence[tuple[float, Quantity, str]], top: float) -> Line:
    def y(value: float) -> float:
        return round(100 - 100 * min(1.0, max(0.0, value / top)), 2)

    marks = []
    for x, quantity, value in points:
        pair = quantity.spread or quantity.interval
        marks.append(
            PointMark(
                x=x,
                y=y(quantity.value),
                low=y(pair[0]) if pair else None,
                high=y(pair[1]) if pair else None,
                text=f"{name}, {quantity.of}: {value} {quantity.unit}",
            )
        )
    return Line(
        name=name,
        colour=number % COLOURS + 1,
        shape=number % SHAPES + 1,
        marks=tuple(marks),
        segments=tuple((one.x, one.y, other.x, other.y) for one, other in pairwise(marks)),
    )


def _cells(points: Sequence[tuple[int, Quantity, str, str]], labels: Mapping[int, str]) -> list[PlotCell]:
    known = {at: (quantity, value, spread) for at, quantity, value, spread in points}
    cells = []
    for at, column in labels.items():
        if at not in known:
            cells.append(PlotCell(column=column, value=numbers.MISSING, spread="", n="", verdict=""))
            continue
        quantity, value, spread = known[at]
        n = numbers.number(quantity.n, 0)
        cells.append(PlotCell(column=column, value=value, spread=spread, n=n, verdict=noise_of(quantity)))
    return cells


def _stack(name: str, parts: Mapping[str, float], colours: Mapping[str, int], top: float, unit: str) -> StackRow:
    total = sum(parts.values())
    places = numbers.decimals(total, None)
    made, begin = [], 0.0
    for part, colour in colours.items():
        size = parts.get(part)
        width = 100 * (size or 0.0) / top
        shown = "" if size is None else numbers.estimate(size, None)[0]
        made.append(Part(name=part, colour=colour, x=round(begin, 2), width=round(width, 2), value=shown))
        begin += width
    whole = numbers.number(total, places)
    known = ", ".join(f"{part.name} {part.value}" for part in made if part.value)
    return StackRow(name=name, parts=tuple(made), total=whole, text=f"{name}: {known}; together {whole} {unit}")


def _spaced(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    """The ticks that have room, the last one always."""
    kept: list[Tick] = []
    for tick in reversed(ticks):
        if not kept or kept[-1].at - tick.at >= NARROW:
            kept.append(tick)
    return tuple(reversed(kept))

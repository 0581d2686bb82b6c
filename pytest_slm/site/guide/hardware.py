"""A page for each machine that something was timed on, and what devices there are to choose for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from pytest_slm.machine.devices import DeviceClass, device_table
from pytest_slm.site import numbers
from pytest_slm.site.facts.files import FileFacts
from pytest_slm.site.home.columns import BY_KEY, length
from pytest_slm.site.home.scores import Scale
from pytest_slm.site.home.view import PAGE, FileRow, FileTable, file_table
from pytest_slm.site.views import Fact, machine_facts

COLUMNS = ("tps", "ttft", "pp", "tg", "energy", "peak")
DRAWN = 200
"""Files in the plot of a machine."""
APART = 18.0
"""Percent of an axis between two ticks, at least."""
EMPTY = 51.0
"""Percent of an axis without a tick, at most."""
MOST = 1e15
"""Bytes, and tokens a second, that can be drawn."""


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A file in the plot of speed and size: positions in percent, and what it is in words."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, kw_only=True)
class SizePlot:
    """Speed over size, both on axes where each step is a factor."""

    text: str
    dots: tuple[Dot, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, kw_only=True)
class MachineView:
    """A machine: its page and its line in the list. ``basis`` says what its speeds are of."""

    title: str
    fingerprint: str
    href: str
    files: int
    facts: tuple[Fact, ...]
    basis: str
    plot: SizePlot | None
    table: FileTable
    left_out: int


@dataclass(frozen=True, kw_only=True)
class HardwareView:
    """All machines and all devices."""

    machines: tuple[MachineView, ...]
    devices: tuple[DeviceClass, ...]


def hardware_view(machines: Sequence[MachineView]) -> HardwareView:
    """The list of machines, the one with the most files first."""
    return HardwareView(
        machines=tuple(sorted(machines, key=lambda one: (-one.files, one.title, one.fingerprint))),
        devices=tuple(device_table()),
    )


def machine_view(
    facts: Mapping[str, Any], fingerprint: str, href: str, files: Sequence[FileFacts], scale: Scale
) -> MachineView:
    """The page of a machine; ``files`` are those that were measured on it."""
    timed = sorted(files, key=_order(files))
    table = file_table(
        "Files by speed",
        scale,
        timed[:PAGE],
        "../",
        [
            column
            for column in map(BY_KEY.__getitem__, COLUMNS)
            if any(column.told(file)[0] is not None for file in timed)
        ],
        grouped=False,
    )
    common = next((of for file in timed for place, of in [file.at.get("tps", (1, ""))] if not place), "")
    return MachineView(
        title=files[0].machine_title or "Machine not known",
        fingerprint=fingerprint,
        href=href,
        files=len(files),
        facts=machine_facts(facts),
        basis=f"Speeds are of an answer of {length(common)}, the length that most files here, or all, were timed with."
        if common
        else "",
        plot=size_plot(timed),
        table=replace(table, rows=_grouped(table.rows, timed)),
        left_out=max(0, len(timed) - PAGE),
    )


def _order(files: Sequence[FileFacts]) -> Callable[[FileFacts], tuple[object, ...]]:
    """Speeds of one engine and one length stand together, the fastest first; what was not timed is last."""
    counted = Counter(file.place for file in files)

    def order(file: FileFacts) -> tuple[object, ...]:
        place, _ = file.at.get("tps", (math.inf, ""))
        engine = (-counted[file.place], file.place)
        return (*engine, place, -(_speed(file) or 0.0), file.name.casefold(), file.id)

    return order


def _speed(file: FileFacts) -> float | None:
    value, _ = BY_KEY["tps"].told(file)
    return None if value is None else float(value)


def _grouped(rows: Sequence[FileRow], files: Sequence[FileFacts]) -> tuple[FileRow, ...]:
    """The rows of these files, with a line above where speeds begin that are in no order with those before."""
    engines = len({file.place for file in files}) > 1
    told = [_told(file, engines) for file in files[: len(rows)]]
    if len(set(told)) < 2:
        return tuple(rows)
    return tuple(
        row._replace(group=line if line != before else "")
        for row, line, before in zip(rows, told, ["", *told], strict=False)
    )


def _told(file: FileFacts, engines: bool) -> str:
    """What the speed of a file is of, with the engine where there are several."""
    place, of = file.at.get("tps", (0, ""))
    said = f"Speed at {length(of)}" if of else "Speed not measured"
    apart = "; not comparable with other lengths" if place else ""
    return (f"{file.place}: " if engines else "") + said + apart


def size_plot(files: Sequence[FileFacts]) -> SizePlot | None:
    """The plot of files with a size and a speed at the common length; None for fewer than two."""
    timed = [
        (file, file.size_bytes, tps)
        for file in files
        if file.size_bytes and (tps := _speed(file)) is not None and not file.at.get("tps", (0, ""))[0]
    ]
    # A report may say anything; what no machine does is in the table only.
    found = [(file, size, tps) for file, size, tps in timed if 1 <= size <= MOST and 1 / MOST <= tps <= MOST][:DRAWN]
    if len(found) < 2:
        return None
    x, x_ticks = axis_of([size / 1e6 for _, size, _ in found])
    y, y_ticks = axis_of([tps for _, _, tps in found])
    _, of = found[0][0].at.get("tps", (0, ""))
    return SizePlot(
        text=f"{len(found)} files by size and speed" + (f" at {length(of)}" if of else ""),
        dots=tuple(
            Dot(
                x=x(size / 1e6),
                y=round(100 - y(tps), 2),
                text=f"{file.name} {file.quantization}: {numbers.size(size)}, {BY_KEY['tps'].cell(file).text}",
            )
            for file, size, tps in found
        ),
        x_ticks=tuple((at, numbers.size(value * 1e6)) for at, value in x_ticks),
        y_ticks=tuple((round(100 - at, 2), numbers.exact(value)) for at, value in y_ticks),
    )


def axis_of(values: Sequence[float]) -> tuple[Callable[[float], float], list[tuple[float, float]]]:
    """A function to percent of an axis on which each step is a factor, and its ticks: powers of ten or their 1, 2 and 5
    where these are enough of them, else multiples of one number; never so near that their labels meet on a
    telephone."""
    low, high = min(values) * 0.9, max(values) * 1.1

    def at(value: float) -> float:
        return round(100 * math.log(value / low) / math.log(high / low), 2)

    ticks: list[float] = []
    for candidates in _ticks(low, high):
        ticks = []
        for value in candidates:
            if low <= value <= high and (not ticks or at(value) - at(ticks[-1]) >= APART):
                ticks.append(value)
        places = [0.0, *map(at, ticks), 100.0]
        if len(ticks) >= 3 and max(b - a for a, b in pairwise(places)) <= EMPTY:
            break
    return at, [(at(value), value) for value in ticks]


def _ticks(low: float, high: float) -> Iterator[Iterable[float]]:
    """Numbers that may be ticks, fewer ones first."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for leading in ((1,), (1, 2, 5)):
        yield [digit * 10.0**power for power in powers for digit in leading]
    for power in (powers[-1] - 1, powers[-1] - 2, powers[-1] - 3):
        for digit in (5, 2, 1):
            step = digit * 10.0**power
            yield (step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1))

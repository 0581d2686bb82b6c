"""Speed, first token and memory of all quantizations on one machine: one table, with a small bar in each cell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.registry.rows import machine_name
from pytest_slm.registry.speeds import Performance, Quantity, QuantizationSpeed
from pytest_slm.site import numbers
from pytest_slm.site.plots.curves import curves, first_token_parts, memory_split
from pytest_slm.site.plots.lines import LinePlot, Stacks
from pytest_slm.site.plots.pareto import Pareto, pareto
from pytest_slm.site.speed import caution, machine_notes


@dataclass(frozen=True, kw_only=True)
class SpeedCell:
    """A number with its interval; ``share`` is the length of its bar in percent of the longest one that is of the same
    setting, None where nothing was measured."""

    column: str
    value: str
    interval: str
    note: str
    noisy: bool
    share: float | None


@dataclass(frozen=True, kw_only=True)
class SpeedRow:
    """A quantization."""

    quantization: str
    mode: str
    cells: tuple[SpeedCell, ...]


@dataclass(frozen=True, kw_only=True)
class SpeedTable:
    """The table: ``columns`` are (heading, unit and direction)."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[SpeedRow, ...]
    noise: tuple[str, ...]
    """Each reason once, with what is noisy by it."""


@dataclass(frozen=True, kw_only=True)
class MachineSection:
    """Speed and memory of all quantizations on one machine."""

    title: str
    caution: str
    table: SpeedTable
    front: Pareto | None
    plots: tuple[LinePlot, ...]
    stacks: tuple[Stacks, ...]
    notes: tuple[str, ...]


Take = Callable[[QuantizationSpeed], Quantity | None]
COLUMNS: tuple[tuple[str, str, Take], ...] = (
    ("Speed", "tok/s, more is better", lambda row: row.tps_output),
    ("Prompt processing (pp512)", "tok/s, more is better", lambda row: row.prefill_tps),
    ("Generation (tg128)", "tok/s, more is better", lambda row: row.generate_tps),
    ("Time to first token", "ms, less is better", lambda row: row.ttft_ms),
    ("Peak memory", "less is better", lambda row: row.memory.get("peak_rss_2k") or row.memory.get("peak_rss")),
    ("File size", "", lambda row: row.size_gb),
    ("Energy", "J a token, less is better", lambda row: row.energy_per_token),
)


def machine_section(
    entry: RegistryEntry,
    performance: Performance,
    order: list[str],
    equivalent: Mapping[str, Collection[frozenset[str]]] | None = None,
) -> MachineSection:
    """All that was measured on one machine, quantizations in this order; ``equivalent`` are pairs of them that are in
    a profile, by its name."""
    data = entry.provenance.machines.get(performance.machine, performance.hardware)
    rows = {name: performance.quantizations[name] for name in order if name in performance.quantizations}
    return MachineSection(
        title=machine_name(data),
        caution=caution(data),
        table=speed_table(rows),
        front=pareto(entry, performance, rows, equivalent),
        plots=curves(rows),
        stacks=tuple(filter(None, (first_token_parts(rows), memory_split(rows)))),
        notes=machine_notes(rows),
    )


def speed_table(rows: Mapping[str, QuantizationSpeed]) -> SpeedTable:
    """The table; columns of which nothing was measured are left out."""
    columns = [(name, unit, take) for name, unit, take in COLUMNS if any(take(row) for row in rows.values())]
    tops: dict[tuple[str, str], float] = {}
    for name, _, take in columns:
        for row in rows.values():
            if (quantity := take(row)) is not None:
                tops[name, quantity.of] = max(tops.get((name, quantity.of), 0.0), quantity.value)
    # What all numbers of a column are of is said once, in its heading.
    of = {name: {quantity.of for row in rows.values() if (quantity := take(row))} for name, _, take in columns}
    common = {name: next(iter(found)) if len(found) == 1 else "" for name, found in of.items()}
    noise: dict[str, list[str]] = {}
    for quantization, row in rows.items():
        for name, _, take in columns:
            quantity = take(row)
            if quantity is not None and quantity.verdict == "noisy":
                noise.setdefault(quantity.reason or "the rounds disagree", []).append(f"{quantization} {name.lower()}")
    return SpeedTable(
        columns=tuple(
            (name, ", ".join(filter(None, (common[name], unit, _ranges(map(take, rows.values()))))))
            for name, unit, take in columns
        ),
        rows=tuple(
            SpeedRow(
                quantization=quantization,
                mode="" if row.mode == "full" else row.mode,
                cells=tuple(_cell(name, take(row), tops, common[name]) for name, _, take in columns),
            )
            for quantization, row in rows.items()
        ),
        noise=tuple(f"{reason} ({', '.join(what)})" for reason, what in noise.items()),
    )


SIZES = ("bytes", "B", "byte", "GB")
"""Units of what has one value and no range."""


def _ranges(quantities: Iterable[Quantity | None]) -> str:
    """What the ranges of a column are; nothing where it has none."""
    kinds = {
        "95 % interval" if one.interval else "lowest to highest round"
        for one in quantities
        if one and one.unit not in SIZES and (one.interval or one.spread)
    }
    return f"range: {' or '.join(sorted(kinds))}" if kinds else ""


def _cell(column: str, quantity: Quantity | None, tops: Mapping[tuple[str, str], float], common: str) -> SpeedCell:
    if quantity is None:
        return SpeedCell(column=column, value=numbers.MISSING, interval="", note="", noisy=False, share=None)
    top = tops[column, quantity.of]
    if quantity.unit in SIZES:
        value, interval = numbers.size(quantity.value * (1e9 if quantity.unit == "GB" else 1)), ""
    else:
        value, interval = numbers.estimate(quantity.value, quantity.interval or quantity.spread)
    return SpeedCell(
        column=column,
        value=value,
        interval=interval,
        note="" if quantity.of == common else quantity.of,
        noisy=quantity.verdict == "noisy",
        share=round(100 * quantity.value / top, 2) if top > 0 else 0.0,
    )

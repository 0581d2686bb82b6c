"""From performance items to the speed and memory of a quantization. Numbers of two machines are never put together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pytest_slm.core.statistics import Interval, coefficient_of_variation, median, median_interval
from pytest_slm.core.types import MEASURED, Result
from pytest_slm.registry.entry import Performance, Quantity, QuantizationSpeed
from pytest_slm.registry.scores import Stratum

SUITE = "performance"
GB = 1e9
STANDARD_DECODE, STANDARD_CONTEXT = 500, 2048
"""The lengths of the two columns that models are compared by."""
HARDWARE = (
    *("cpu", "cores_physical", "cores_logical", "cores_usable", "cgroup_cpus", "ram_bytes", "cgroup_memory_bytes"),
    *("os", "virtualization"),
)


def quantities(result: Result) -> dict[str, Quantity]:
    """Every number of a measured item by name: its metrics, and the median of each raw measurement without one."""
    if result.outcome not in MEASURED:
        return {}
    raw = {measurement.name: measurement for measurement in result.measurements if measurement.values}
    found = {
        metric.name: Quantity(value=metric.value, unit=metric.unit, n=metric.n, interval=metric.interval)
        for metric in result.metrics
    }
    for name, measurement in raw.items():
        values = measurement.values
        told = found.get(name)
        if told is None:
            told = Quantity(
                value=median(values), unit=measurement.unit, n=len(values), interval=median_interval(values)
            )
        elif told.unit != measurement.unit:
            continue
        spread = (min(values), max(values)) if len(values) > 1 else None
        found[name] = replace(told, spread=spread, cv=coefficient_of_variation(values))
    return found


def speed(
    results: Iterable[Result], mode: str, engine: str | None, report: str, file_size: int | None
) -> QuantizationSpeed | None:
    """The table row of one quantization from its performance items; None if none of them was measured."""
    decode: dict[int, Quantity] = {}
    ttft: dict[int, Quantity] = {}
    memory: dict[str, Quantity] = {}
    other: dict[str, Quantity] = {}
    for result in sorted(results, key=lambda result: str(result.id)):
        if result.suite != SUITE:
            continue
        tokens = _tokens(result.variant)
        for name, quantity in quantities(result).items():
            if name == "decode_tps" and result.task == "decode" and tokens:
                decode[tokens] = replace(quantity, of=f"{tokens} tokens")
            elif name in ("ttft", "ttft_ms") and result.task == "ttft" and tokens:
                ttft[tokens] = replace(_milliseconds(quantity), of=f"{tokens} tokens")
            elif quantity.unit in ("bytes", "B", "byte"):
                memory[name] = quantity
            else:
                other[
                    "-".join(
                        part for part in (result.task, result.variant, name.removeprefix(f"{result.task}_")) if part
                    )
                ] = quantity
    if not (decode or ttft or memory or other):
        return None
    size = memory.get("file_size") or (Quantity(value=file_size, unit="bytes", n=1) if file_size else None)
    return QuantizationSpeed(
        mode=mode,
        engine=engine,
        report=report,
        size_gb=size and _gigabytes(size),
        ram_gb=_gigabytes(memory["peak_rss"]) if "peak_rss" in memory else None,
        tps_output=_nearest(decode, STANDARD_DECODE),
        ttft_ms=_nearest(ttft, STANDARD_CONTEXT),
        decode=tuple(decode[length] for length in sorted(decode)),
        ttft=tuple(ttft[length] for length in sorted(ttft)),
        memory=memory,
        other=other,
    )


def performances(strata: Iterable[Stratum], sizes: Mapping[str, int | None]) -> tuple[Performance, ...]:
    """One ``Performance`` for each machine, the newest first; of each quantization the fullest, then newest, runs."""
    machines: dict[str, dict[str, tuple[tuple[bool, int, float], QuantizationSpeed]]] = {}
    hardware: dict[str, Mapping[str, Any]] = {}
    newest: dict[str, float] = {}
    for stratum in strata:
        last = max((s.path for s, r in stratum.chosen if r.suite == SUITE and r.outcome in MEASURED), default="")
        row = speed(stratum.results, stratum.mode, stratum.engine, last, sizes.get(stratum.quantization))
        if row is None:
            continue
        machine = stratum.machine or f"unknown, {last}"
        rank = (stratum.full, len(row.decode) + len(row.ttft) + len(row.memory) + len(row.other), stratum.finished)
        rows = machines.setdefault(machine, {})
        if stratum.quantization not in rows or rows[stratum.quantization][0] < rank:
            rows[stratum.quantization] = (rank, row)
        if stratum.finished >= newest.get(machine, 0.0):
            newest[machine] = stratum.finished
            described = stratum.runs[-1].run.machine
            hardware[machine] = {key: described[key] for key in HARDWARE if described.get(key) is not None}
    return tuple(
        Performance(
            machine=machine,
            hardware=hardware[machine],
            quantizations={name: rows[1] for name, rows in sorted(machines[machine].items())},
        )
        for machine in sorted(machines, key=lambda machine: (-newest[machine], machine))
    )


def _tokens(variant: str) -> int | None:
    number = re.search(r"\d+", variant)
    return int(number.group()) if number else None


def _nearest(measured: Mapping[int, Quantity], wanted: int) -> Quantity | None:
    """The standard length where it was measured, else the nearest one; ``of`` says which."""
    return measured[min(measured, key=lambda length: (abs(length - wanted), length))] if measured else None


def _milliseconds(quantity: Quantity) -> Quantity:
    return quantity if quantity.unit == "ms" else scaled(quantity, 1000.0, "ms")


def _gigabytes(quantity: Quantity) -> Quantity:
    """A quantity of bytes in units of 10^9 bytes."""
    return scaled(quantity, 1 / GB, "GB")


def scaled(quantity: Quantity, factor: float, unit: str) -> Quantity:
    """A quantity in another unit."""

    def both(pair: Interval | None) -> Interval | None:
        return pair and (pair[0] * factor, pair[1] * factor)

    return replace(
        quantity,
        value=quantity.value * factor,
        unit=unit,
        interval=both(quantity.interval),
        spread=both(quantity.spread),
    )

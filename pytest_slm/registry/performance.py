"""From performance items to the speed and memory of a quantization. Numbers of two machines are never put together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_slm.core.backend_info import Agreement, BackendInfo
from pytest_slm.core.record import LARGEST_COUNT, utc
from pytest_slm.core.rounds import Timing
from pytest_slm.core.statistics import Interval, coefficient_of_variation, median, median_interval
from pytest_slm.core.types import MEASURED, Result
from pytest_slm.registry.scores import Stratum, machine_facts
from pytest_slm.registry.speeds import Performance, Point, Quantity, QuantizationSpeed

SUITE = "performance"
GB = 1e9
STANDARD_DECODE, STANDARD_CONTEXT = 500, 2048
"""The lengths of the two columns that models are compared by."""
STANDARD_PREFILL, STANDARD_GENERATE = 512, 128
"""llama-bench's own lengths."""
TTFT_PARTS = ("ttft_tokenize", "ttft_prefill", "ttft_sample", "ttft_detokenize")

_SERIES: Mapping[tuple[str, str], str] = {
    ("decode", "decode_tps"): "decode",
    ("ttft", "ttft"): "ttft",
    ("ttft", "ttft_ms"): "ttft",
    ("prefill", "prefill_tps"): "prefill",
    ("generate", "decode_tps"): "generate",
    ("decode", "energy_per_token"): "energy",
    **{("ttft", part): "ttft_parts" for part in TTFT_PARTS},
    **{("decode", name): "latency" for name in ("tpot", "e2e_tps", "itl_p50", "itl_p95", "itl_p99")},
    **{("depth", name): "depth" for name in ("prefill_tps", "decode_tps")},
    **{("parallel", name): "parallel" for name in ("total_tps", "per_sequence_tps")},
}
"""(task, quantity): the series that it is a point of."""
_IN_MS = frozenset({"ttft", *TTFT_PARTS, "tpot", "itl_p50", "itl_p95", "itl_p99"})
_OF: Mapping[str, str] = {"depth": "{} tokens deep", "parallel": "{} at once"}
HARDWARE = (
    *("cpu", "cores_physical", "cores_logical", "cores_usable", "cgroup_cpus", "ram_bytes", "cgroup_memory_bytes"),
    *("os", "virtualization", "device", "engine_build"),
)


Number = tuple[float, str, int, Interval | None, Sequence[float]]
"""Value, unit, n, interval, and the rounds that it is of, where these are known."""


def numbers(result: Result) -> dict[str, Number]:
    """Every number of a measured item by name: its metrics, and the median of each raw measurement without one."""
    if result.outcome not in MEASURED:
        return {}
    raw = {measurement.name: measurement for measurement in result.measurements if measurement.values}
    found: dict[str, Number] = {}
    for metric in result.metrics:
        same = measurement if (measurement := raw.get(metric.name)) and measurement.unit == metric.unit else None
        found[metric.name] = (metric.value, metric.unit, metric.n, metric.interval, same.values if same else ())
    for name, measurement in raw.items():
        if name not in found:
            values = measurement.values
            found[name] = (median(values), measurement.unit, len(values), median_interval(values), values)
    return found


def _quantity(
    number: Number, timing: Timing | None, of: str = "", unit: str | None = None, factor: float = 1.0
) -> Quantity:
    """The number with what its rounds say of it; ``unit`` is the one that it is told in, by ``factor``."""
    value, own, n, interval, values = number
    spread = (min(values), max(values)) if len(values) > 1 else None
    # One round cannot be stable, but it can have been disturbed.
    known = timing if timing and values and (timing.noise or spread) else None
    return Quantity(
        value=value if unit is None else value * factor,
        unit=unit or own,
        n=n,
        interval=interval if unit is None else _times(interval, factor),
        spread=spread if unit is None else _times(spread, factor),
        cv=coefficient_of_variation(values),
        of=of,
        verdict=known.verdict if known else None,
        reason=known.reason if known else "",
    )


def _times(pair: Interval | None, factor: float) -> Interval | None:
    return pair and (pair[0] * factor, pair[1] * factor)


def speed(
    results: Iterable[Result], mode: str, engine: str | None, report: str, file_size: int | None
) -> QuantizationSpeed | None:
    """The table row of one quantization from its performance items; None if none of them was measured."""
    sorter = _Sorter()
    for result in sorted((result for result in results if result.suite == SUITE), key=lambda result: str(result.id)):
        sorter.add(result)
    memory = sorter.memory
    if not (sorter.series or memory or sorter.load or sorter.other):
        return None
    size = memory.get("file_size") or (Quantity(value=file_size, unit="bytes", n=1) if file_size else None)
    decode, ttft = sorter.lone("decode"), sorter.lone("ttft")
    energy = sorter.lone("energy")
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
        latency=sorter.points("latency"),
        ttft_parts=sorter.points("ttft_parts"),
        prefill_tps=_nearest(sorter.lone("prefill"), STANDARD_PREFILL),
        generate_tps=_nearest(sorter.lone("generate"), STANDARD_GENERATE),
        depth=sorter.points("depth"),
        parallel=sorter.points("parallel"),
        load=sorter.load,
        energy_per_token=_nearest(energy, STANDARD_DECODE),
        energy_reason="" if energy else sorter.energy_reason,
        memory=memory,
        other=sorter.other,
    )


class _Sorter:
    """Puts every number of the performance items into its place; what has none is kept in ``other``."""

    def __init__(self) -> None:
        self.series: dict[str, dict[int, dict[str, Quantity]]] = {}
        self.memory: dict[str, Quantity] = {}
        self.load: dict[str, Quantity] = {}
        self.other: dict[str, Quantity] = {}
        self.energy_reason = ""

    def add(self, result: Result) -> None:
        """One item."""
        at, found, timing = _setting(result), numbers(result), result.timing
        for name, number in found.items():
            series, unit = _SERIES.get((result.task, name)), number[1]
            if name in TTFT_PARTS and "ttft_tokenize" not in found:  # reports from before all four were told
                series = None
            if series and at is not None:
                of = _OF.get(result.task, "{} tokens").format(at)
                kept = self.series.setdefault(series, {}).setdefault(at, {})
                in_ms = ("ms", 1000.0) if name in _IN_MS and unit != "ms" else ()
                kept[name.removeprefix("ttft_") if series == "ttft_parts" else name] = _quantity(
                    number, timing, of, *in_ms
                )
            elif result.task == "load" and name == "load_s" and result.variant:
                self.load[result.variant] = _quantity(number, timing)
            elif unit in ("bytes", "B", "byte"):
                used = _context(result, name)
                self.memory[name] = _quantity(number, timing, f"{used} tokens" if used else "")
            else:
                parts = (result.task, result.variant, name.removeprefix(f"{result.task}_"))
                self.other["-".join(part for part in parts if part)] = _quantity(number, timing)
        if found and "energy_per_token" not in found:
            self.energy_reason = self.energy_reason or (result.timing.energy if result.timing else "")

    def lone(self, series: str) -> dict[int, Quantity]:
        """A series of which every point has one number, by setting."""
        return {at: next(iter(found.values())) for at, found in self.series.get(series, {}).items()}

    def points(self, series: str) -> tuple[Point, ...]:
        """A series whose points have several numbers, in the order of its settings."""
        return tuple(Point(at=at, quantities=found) for at, found in sorted(self.series.get(series, {}).items()))


def performances(strata: Iterable[Stratum], sizes: Mapping[str, int | None]) -> tuple[Performance, ...]:
    """One ``Performance`` for each machine, the newest first; of each quantization the fullest, then newest, runs."""
    machines: dict[str, dict[str, tuple[tuple[bool, int, float], QuantizationSpeed]]] = {}
    hardware: dict[str, Mapping[str, Any]] = {}
    newest: dict[str, float] = {}
    for stratum in strata:
        timed = [s for s, r in stratum.chosen if r.suite == SUITE and r.outcome in MEASURED]
        last = max(timed, key=lambda s: (utc(s.run.finished), s.path)).path if timed else ""
        row = speed(stratum.results, stratum.mode, stratum.engine, last, sizes.get(stratum.quantization))
        if row is None:
            continue
        row = _checked(row, [stored.run.backend for stored in timed if stored.run.backend])
        machine = stratum.machine or f"unknown, {last}"
        rank = (stratum.full, _count(row), stratum.finished)
        rows = machines.setdefault(machine, {})
        if stratum.quantization not in rows or rows[stratum.quantization][0] < rank:
            rows[stratum.quantization] = (rank, row)
        if stratum.finished >= newest.get(machine, 0.0):
            newest[machine] = stratum.finished
            described = machine_facts(stratum.runs[-1].run)
            hardware[machine] = {key: described[key] for key in HARDWARE if described.get(key) is not None}
    return tuple(
        Performance(
            machine=machine,
            hardware=hardware[machine],
            quantizations={name: rows[1] for name, rows in sorted(machines[machine].items())},
        )
        for machine in sorted(machines, key=lambda machine: (-newest[machine], machine))
    )


def _checked(row: QuantizationSpeed, backends: Sequence[BackendInfo]) -> QuantizationSpeed:
    """The row with what is known of how right its engine computed: the worst that any of its reports tells."""
    worst: dict[str, Agreement] = {}
    for one in (one for backend in backends for one in backend.kernels_beside):
        if one.reference not in worst or worst[one.reference].nmse < one.nmse:
            worst[one.reference] = one
    known = [backend.kernels_nmse for backend in backends if backend.kernels_nmse is not None]
    beside = tuple(worst[name] for name in sorted(worst))
    last = backends[-1] if backends else None
    return row.but(
        kernels_nmse=max(known, default=None),
        kernels_beside=beside,
        kv_bytes_per_token=last.kv_bytes_per_token if last else None,
        kv_type=last.kv_type if last else None,
    )


def _count(row: QuantizationSpeed) -> int:
    """How much of a quantization was measured."""
    every = (row.decode, row.ttft, row.latency, row.ttft_parts, row.depth, row.parallel)
    named = (row.load, row.memory, row.other)
    lone = (row.prefill_tps, row.generate_tps, row.energy_per_token)
    return sum(map(len, every)) + sum(map(len, named)) + sum(one is not None for one in lone)


def _setting(result: Result) -> int | None:
    """The length, depth or number of sequences of an item: its variant's number, or what the report says that
    ``context`` was."""
    number = re.search(r"\d+", result.variant)
    if number is None or int(number.group()) > LARGEST_COUNT:
        return result.shape.depth if result.shape else None
    return int(number.group())


def _context(result: Result, name: str) -> int | None:
    """The tokens of context that a peak of memory was measured with; None where that is not known."""
    if name == "peak_rss_2k":
        return STANDARD_CONTEXT
    return result.shape.context if name in ("peak_rss", "peak_pss", "kv_cache") and result.shape else None


def _nearest(measured: Mapping[int, Quantity], wanted: int) -> Quantity | None:
    """The standard length where it was measured, else the nearest one; ``of`` says which."""
    return measured[min(measured, key=lambda length: (abs(length - wanted), length))] if measured else None


def _gigabytes(quantity: Quantity) -> Quantity:
    """A quantity of bytes in units of 10^9 bytes."""
    return scaled(quantity, 1 / GB, "GB")


def scaled(quantity: Quantity, factor: float, unit: str, **more: str) -> Quantity:
    """A quantity in another unit; ``more`` are other fields of it."""
    return quantity.but(
        value=quantity.value * factor,
        unit=unit,
        interval=_times(quantity.interval, factor),
        spread=_times(quantity.spread, factor),
        **more,
    )

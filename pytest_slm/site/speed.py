"""Charts of speed and memory, and the words of caution that go with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.core.backend_info import accelerator
from pytest_slm.core.statistics import NOISY
from pytest_slm.registry.performance import STANDARD_DECODE, scaled
from pytest_slm.registry.rows import cores
from pytest_slm.registry.speeds import Quantity, QuantizationSpeed
from pytest_slm.site import numbers
from pytest_slm.site.plots.lines import round_up, values_of, verdict_of
from pytest_slm.site.titles.wording import words
from pytest_slm.site.views import Plot

MEMORY: Mapping[str, str] = {
    "file_size": "File of the weights",
    "weights": "Weights in memory",
    "rss_before_load": "Resident before loading",
    "rss_after_load": "Resident after loading",
    "peak_rss": "Resident, peak (loading included)",
    "private_after_load": "Private after loading",
    "mapped_after_load": "Mapped from the file after loading",
    "private_now": "Private at the end",
    "peak_rss_2k": "Resident, peak with 2 048 tokens of context",
    "peak_pss": "Proportional, peak while running",
    "peak_rss_run": "Resident, peak of all items before",
    "kv_cache": "KV cache",
    "compute_buffers": "Compute buffers",
    "other": "All else at the peak",
}
DECODE = ("Speed", "Output tokens per second after the first one, as a user sees them. More is better.")
GIGABYTE = "1 GB is 10⁹ bytes"
ENGINE = (
    "The engine alone",
    "Tokens per second without tokenizer and sampler, as llama-bench counts them: pp reads a prompt, tg writes.",
)
LATENCY = ("Time between two tokens", "Percentiles over all tokens of all rounds. Less is better.")
LATENCIES: Mapping[str, str] = {"itl_p50": "Half are below", "itl_p95": "95 % are below", "itl_p99": "99 % are below"}
END_TO_END = (
    "Speed, end to end",
    "Output tokens per second with the wait for the first one counted. More is better.",
)
LOAD = ("Time to load", "Seconds to open the model: its file from the disk (cold), or in memory already (warm).")
UNCHECKED = "not checked whether the fast computation was also right"
TTFT = ("Time to first token", "Milliseconds from the question to the first word of the answer. Less is better.")


@dataclass(frozen=True, kw_only=True)
class BarRow:
    """A quantity as a bar, in a group of bars with one scale."""

    name: str
    of: str
    value: str
    unit: str
    interval: str
    spread: str
    verdict: str
    n: str
    plot: Plot


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Bars that may be compared with one another: one unit, one machine."""

    title: str
    hint: str
    rows: tuple[BarRow, ...]
    top: str
    rounds: bool
    """Whether any of them was measured more than once."""


def speed_charts(row: QuantizationSpeed | None) -> tuple[Bars, ...]:
    """The charts of one quantization: speed by length, time to first token by context, memory, and all else."""
    if row is None:
        return ()
    named = [*(name for name in MEMORY if name in row.memory), *sorted(set(row.memory) - set(MEMORY))]
    memory = [(MEMORY.get(name, words(name)), row.memory[name]) for name in named]
    charts = [
        bars(*DECODE, [(quantity.of, quantity) for quantity in row.decode]),
        bars(*ENGINE, _engine(row)),
        bars(*TTFT, [(quantity.of, quantity) for quantity in row.ttft]),
        bars(*LATENCY, _latency(row)),
        bars(*END_TO_END, [(quantity.of, quantity) for _, quantity in values_of(row.latency, "e2e_tps")]),
        bars(*LOAD, [(words(name), quantity) for name, quantity in sorted(row.load.items())]),
        bars("Energy", "Joules for each output token. Less is better.", _named(row.energy_per_token)),
        bars("Memory of the process that holds the model", f"{GIGABYTE}.", sized(memory)),
    ]
    for unit in sorted({quantity.unit for quantity in row.other.values()}):
        same = [(name.replace("-", " "), q) for name, q in sorted(row.other.items()) if q.unit == unit]
        charts.append(bars(f"Other quantities in {unit}", "", same))
    return tuple(chart for chart in charts if chart)


def machine_notes(rows: Mapping[str, QuantizationSpeed]) -> tuple[str, ...]:
    """What a reader has to know beside the speeds: which are from quick runs, and of each quantization whether what was
    so fast was right, or that it was not checked."""
    quick = [name for name, row in sorted(rows.items()) if row.mode != "full"]
    told: dict[str, list[str]] = {}  # each line once, with all that it is said of
    for name, row in rows.items():
        for line in row.correctness or (UNCHECKED,):
            told.setdefault(line, []).append(name)
    return (
        *([f"From quick runs: {', '.join(quick)}."] if quick else []),
        *(f"{', '.join(names)}: {line}" for line, names in told.items()),
    )


def sized(rows: list[tuple[str, Quantity]]) -> list[tuple[str, Quantity]]:
    """Sizes in bytes or GB, all in GB, or all in MB where none of them reaches a whole GB."""
    in_bytes = [(name, q if q.unit != "GB" else scaled(q, 1e9, "B")) for name, q in rows]
    small = all(quantity.value < 1e9 for _, quantity in in_bytes)
    return [(name, scaled(q, 1e-6, "MB") if small else scaled(q, 1e-9, "GB")) for name, q in in_bytes]


def caution(machine: Mapping[str, Any]) -> str:
    """What must be said beside every speed, with the platform that was really used (``machine_facts``)."""
    place = str(machine.get("cpu") or "an unknown CPU") + (f" with {cores(machine)}" if cores(machine) else "")
    device = accelerator(machine.get("device"))
    if device:
        return f"Measured with {device} on {place}. For relative comparison on this machine only."
    return f"CPU-only results on {place}; a GPU may be much faster. For relative comparison only."


def bars(title: str, hint: str, rows: list[tuple[str, Quantity]], unit: str = "") -> Bars | None:
    """Bars over quantities of one unit; None for no rows. The scale starts at 0 and ends at a round number."""
    if not rows:
        return None
    top = round_up(max(bound for _, q in rows for bound in (q.value, *(q.spread or ()), *(q.interval or ()))))
    made = []
    for name, quantity in rows:
        pair = quantity.spread or quantity.interval
        value, interval = numbers.estimate(quantity.value, quantity.interval or quantity.spread)
        places = numbers.decimals(quantity.value, pair)
        known = f", rounds {numbers.span(quantity.spread, places)}" if quantity.spread else ""
        made.append(
            BarRow(
                name=name,
                of=quantity.of,
                value=value,
                unit=unit or quantity.unit,
                interval=interval if quantity.interval else "",
                spread=numbers.span(quantity.spread, places),
                verdict=verdict(quantity),
                n=str(quantity.n),
                plot=Plot(
                    value=_place(quantity.value, top),
                    low=_place(pair[0], top) if pair else None,
                    high=_place(pair[1], top) if pair else None,
                    text=f"{value} {unit or quantity.unit}{known}",
                ),
            )
        )
    return Bars(
        title=title,
        hint=hint,
        rows=tuple(made),
        top=numbers.exact(top),
        rounds=any(quantity.spread for _, quantity in rows),
    )


def verdict(quantity: Quantity) -> str:
    """``stable`` or ``noisy`` as the run found it, or by the coefficient of variation where it gave no verdict; nothing
    for one round that the run has found nothing wrong with."""
    if quantity.cv is None:
        return verdict_of(quantity)
    word = quantity.verdict or ("stable" if quantity.cv <= NOISY else "noisy")
    reason = f": {quantity.reason}" if quantity.reason else ""
    return f"{word}, CV {100 * quantity.cv:.1f}{numbers.NBSP}%{reason}"


def _engine(row: QuantizationSpeed) -> list[tuple[str, Quantity]]:
    """pp512 and tg128, by the names that llama-bench gives them."""
    found = (("pp", row.prefill_tps), ("tg", row.generate_tps))
    return [(word + quantity.of.partition(" ")[0], replace(quantity, of="")) for word, quantity in found if quantity]


def _latency(row: QuantizationSpeed) -> list[tuple[str, Quantity]]:
    """The percentiles at the length that models are compared by, or the nearest to it."""
    nearest = min(row.latency, key=lambda point: abs(point.at - STANDARD_DECODE), default=None)
    found = nearest.quantities if nearest else {}
    return [(label, found[name]) for name, label in LATENCIES.items() if name in found]


def _named(quantity: Quantity | None) -> list[tuple[str, Quantity]]:
    return [(quantity.of, quantity)] if quantity else []


def _place(value: float, top: float) -> float:
    """Percent of the width; what is below 0 has no bar."""
    return round(min(100.0, max(0.0, 100 * value / top)), 2)

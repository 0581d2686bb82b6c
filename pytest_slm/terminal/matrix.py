"""One table of a session: what was measured from top to bottom, its quantizations from left to right, in 80 columns."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_slm.core.statistics import NOISY, coefficient_of_variation
from pytest_slm.core.types import MEASURED, Measurement, Metric, Result, RunReport
from pytest_slm.errors import shown
from pytest_slm.registry.performance import SUITE as PERFORMANCE
from pytest_slm.site import numbers
from pytest_slm.terminal.table import aligned, width
from pytest_slm.terminal.words import readable, short_name, told

WIDTH = 80
LONGEST = 34
"""Columns of an item's name; of a longer one the middle is left out."""

Key = tuple[str, str, str]
"""Suite, task and variant."""


@dataclass(frozen=True, kw_only=True)
class MatrixRow:
    """A line about one item: ``about`` is told once (number of samples, chance, metric), ``cells`` of each report."""

    suite: str
    name: str
    about: tuple[str, str, str]
    cells: tuple[str, ...]


def matrix(reports: Sequence[RunReport], columns: int = WIDTH) -> list[str]:
    """The lines of the table: scores, and below them what was measured of time and memory. Where not all quantizations
    fit beside each other, there is one block after the other."""
    rows = list(_rows(reports))
    names = [shown(report.quantization) for report in reports]
    lines: list[str] = []
    for some in ([row for row in rows if row.suite != PERFORMANCE], [row for row in rows if row.suite == PERFORMANCE]):
        lines += [*([""] if lines and some else []), *_table(some, names, columns)]
    return lines


HEAD = MatrixRow(suite="", name="item", about=("n", "chance", "metric"), cells=())


def _table(rows: Sequence[MatrixRow], names: Sequence[str], columns: int) -> Iterator[str]:
    if not rows:
        return
    wide = [2 + max(width(text) for text in (name, *(row.cells[at] for row in rows))) for at, name in enumerate(names)]
    facts = [2 + max(width(row.about[at]) for row in [HEAD, *rows]) for at in range(len(HEAD.about))]
    left = columns - 2 - max(width(row.name) for row in rows) - facts[0]
    blocks = list(_blocks(wide, left))
    left -= max(sum(wide[place] for place in block) for block in blocks)
    about = [0]  # n always; chance and metric where they have room beside all quantizations
    for place in (1, 2):
        if any(row.about[place] for row in rows) and facts[place] <= left:
            about.append(place)
            left -= facts[place]
    for number, block in enumerate(blocks):
        if number:
            yield ""
        yield from _lines(rows, [names[place] for place in block], block, about)


def _blocks(wide: Sequence[int], left: int) -> Iterator[list[int]]:
    """Places of quantizations that stand beside each other."""
    block: list[int] = []
    for place, columns in enumerate(wide):
        if block and sum(wide[one] for one in block) + columns > left:
            yield block
            block = []
        block.append(place)
    yield block


def _lines(
    rows: Sequence[MatrixRow], names: Sequence[str], block: Sequence[int], about: Sequence[int]
) -> Iterator[str]:
    told_once = sorted(about, reverse=True)  # metric, chance, n: as a sentence has them
    head = [HEAD.name, *(HEAD.about[place] for place in told_once), *names]
    cells = [
        [f"  {row.name}", *(row.about[place] for place in told_once), *(row.cells[place] for place in block)]
        for row in rows
    ]
    right = {1 + place for place, one in enumerate(told_once) if one < 2}
    first, *others = aligned([head, *cells], right)
    yield first
    suite = ""
    for row, line in zip(rows, others, strict=True):
        if row.suite != suite:
            suite = row.suite
            yield shown(suite)
        yield line


def _rows(reports: Sequence[RunReport]) -> Iterator[MatrixRow]:
    """A row for every item of any report, scores first; those that are skipped in all of them have no row: a line below
    the table says why."""
    found: dict[Key, list[Result | None]] = {}
    for place, report in enumerate(reports):
        for result in sorted(report.results, key=lambda one: (not report.facts(one.suite).scored, one.suite, one.task)):
            key = (result.suite, result.task, result.variant)
            found.setdefault(key, [None] * len(reports))[place] = result
    found = {key: results for key, results in found.items() if not all(map(_skipped, results))}
    order = {suite: place for place, suite in enumerate(dict.fromkeys(suite for suite, *_ in found))}
    for (suite, *_), results in sorted(found.items(), key=lambda one: order[one[0][0]]):
        first = next(result for result in results if result is not None)
        metrics = [shown_metric(result) for result in results if result is not None]
        known = [metric for metric in metrics if metric is not None]
        yield MatrixRow(
            suite=suite,
            name=_shortened(shown(short_name(first))),
            about=(_span([metric.n for metric in known]), _chance(known), known[0].name if known else ""),
            cells=tuple(map(cell, results)),
        )


def _skipped(result: Result | None) -> bool:
    return result is None or result.outcome == "skipped"


def shown_metric(result: Result) -> Metric | None:
    """The metric that stands for an item: the primary one; where there is none (parts of a group are missing, prompts
    were cut), the first, which has a name of its own."""
    return (result.metric() or next(iter(result.metrics), None)) if result.outcome in MEASURED else None


def memory_of(result: Result) -> Measurement | None:
    """What an item without a metric is told by: the peak of memory, or what it has measured first."""
    found = result.measurements if result.outcome in MEASURED else ()
    return next((one for one in found if one.name == "peak_rss"), found[0] if found else None)


def cell(result: Result | None) -> str:
    """``24 % (17–33)``, what is to be known of it at once, or why there is no number in one word."""
    if result is None:
        return numbers.MISSING
    if result.outcome not in MEASURED:
        return result.outcome.replace("_", " ")
    metric, memory = shown_metric(result), memory_of(result)
    value = "measured"
    if metric is not None:
        value, interval = told(metric)
        value += f" ({interval})" if interval else ""
    elif memory is not None:
        value = readable(statistics.median(memory.values), memory.unit)
    marks = [value, noise_of(result, metric), "below gate" if result.outcome == "failed" else ""]
    return " ".join(filter(None, marks))


def noise_of(result: Result, metric: Metric | None) -> str:
    """``noisy``, if the run has found so or, where it gives no verdict, if the rounds differ too much."""
    if result.timing:
        return "noisy" if result.timing.noise else ""
    rounds = next((m for m in result.measurements if metric and m.name == metric.name), None)
    variation = coefficient_of_variation(rounds.values) if rounds else None
    return "noisy" if variation is not None and variation > NOISY else ""


def _span(counts: Sequence[int]) -> str:
    low, high = (min(counts), max(counts)) if counts else (0, 0)
    return "" if not high else str(low) if low == high else f"{low}–{high}"


def _chance(metrics: Sequence[Metric]) -> str:
    levels = {metric.chance for metric in metrics if metric.chance is not None}
    return f"{numbers.points(100 * levels.pop(), None)[0]} %" if len(levels) == 1 else ""


def _shortened(name: str) -> str:
    half = LONGEST // 2
    return name if width(name) <= LONGEST else f"{name[: half - 1]}…{name[-half:]}"

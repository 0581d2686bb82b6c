"""Which engine runs a file fastest here: the rounds of several engines on the same weights, side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from pytest_slm.core.comparison import ratio_interval
from pytest_slm.core.statistics import median
from pytest_slm.core.types import MEASURED, Measurement, Result, RunReport
from pytest_slm.errors import shown
from pytest_slm.terminal.table import aligned
from pytest_slm.terminal.words import name_of, number, readable

MEMORY = "peak_rss"


def side_by_side(reports: Sequence[RunReport]) -> list[str]:
    """A table of what was timed by two engines or more on the same weights: B's rate, time or memory as so many times
    A's, with its 95 % interval. Nothing where there is no such pair; nobody is first."""
    lines: list[str] = []
    for a, b in itertools.combinations(reports, 2):
        if rows := list(_rows(a, b)):
            first, second = (run.backend.engine_and_build if run.backend else "" for run in (a, b))
            alternated = all(result.timing.interleaved for result in a.results if result.timing)
            how = "rounds in turns" if alternated else "one after the other; --slm-interleave lets the rounds alternate"
            head = ("item", "quantity", f"A: {first}", f"B: {second}", "B / A", "95 % interval")
            lines += [shown(f"engines on the same weights, {how}"), *map(shown, aligned([head, *rows]))]
    return lines


def _rows(a: RunReport, b: RunReport) -> Iterator[tuple[str, ...]]:
    one, other = a.backend, b.backend
    if one is None or other is None or one.weights_sha256 is None or one.weights_sha256 != other.weights_sha256:
        return
    if one.engine_and_build == other.engine_and_build:
        return
    theirs = {name_of(result): result for result in b.results}
    for mine in a.results:
        item = name_of(mine)
        first, second = _deciding(mine), _deciding(theirs.get(item))
        if first is None or second is None or first.name != second.name:
            continue
        above_0 = min(first.values + second.values) > 0
        ratio, interval = ratio_interval(first.values, second.values) if above_0 else (None, None)
        yield (
            item,
            first.name,
            _told(mine, first),
            _told(theirs[item], second),
            "unknown" if ratio is None else number(ratio),
            " – ".join(map(number, interval)) if interval else "unknown",
        )


def _deciding(result: Result | None) -> Measurement | None:
    """What an item of the suite performance is about, where it was measured."""
    if result is None or result.outcome not in MEASURED:
        return None
    wanted = (result.primary if result.timing else MEMORY, MEMORY)
    return next((m for name in wanted for m in result.measurements if m.name == name and m.values), None)


def _told(result: Result, measured: Measurement) -> str:
    noisy = " (noisy)" if result.timing and result.timing.noise else ""
    return readable(median(measured.values), measured.unit) + noisy

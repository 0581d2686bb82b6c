"""The end of a session: what answered, one table of all that was measured, and what it has no room for."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

import pytest

from pytest_slm.core.types import MEASURED, Result, RunReport
from pytest_slm.errors import shown
from pytest_slm.registry.scores import engine_of
from pytest_slm.terminal.matrix import matrix, memory_of, noise_of, shown_metric
from pytest_slm.terminal.notes import notes, of_samples
from pytest_slm.terminal.words import duration, name_of, readable, state, told


def summarize(terminal: pytest.TerminalReporter, reports: Sequence[RunReport]) -> None:
    """Write what was measured of all quantizations of a session, and what was not and why."""
    if not reports:
        return
    first = reports[0]
    several = len(reports) > 1
    title = (first.submission.name, "" if several else first.quantization, first.mode)
    terminal.write_sep("=", shown(" · ".join(filter(None, title))))
    for report in reports:
        terminal.write_line(shown(f"{report.quantization}: {_set_up(report)}" if several else _set_up(report)))
    for number, line in enumerate(matrix(reports)):
        terminal.write_line(line, bold=number == 0)
    terminal.write_line(shown(_counts(reports)))
    for line in notes(reports):
        terminal.write_line(line)


def _counts(reports: Sequence[RunReport]) -> str:
    """``12 measured, 1 below its gate, 2 skipped``: what pytest calls passed has no gate, mostly."""
    counted = Counter(state(result) for report in reports for result in report.results)
    return ", ".join(f"{n} {word}" for word, n in counted.most_common())


def _set_up(run: RunReport) -> str:
    """What answered: engine, threads, context, and whether the weights are somebody's or made on this machine."""
    backend = run.backend
    threads, n_ctx = (backend.threads, backend.n_ctx) if backend else (None, None)
    said = [
        engine_of(run) or "an engine that was never opened",
        f"{threads} thread{'' if threads == 1 else 's'}" if threads else "",
        f"context {n_ctx}" if n_ctx else "",
        "exact" if backend and backend.exact else "",
        f"thinking {backend.thinking}" if backend and backend.thinking not in (None, "off") else "",
        run.own_settings,
        f"unverified weights, served by {backend.server} as {backend.served_model}"
        if backend and backend.server
        else "",
        f"weights made from {run.made_from}, whose losses stay" if run.made_from else "",
        f"took {duration(took)}" if (took := run.harness.get("took_s")) else "",
    ]
    return ", ".join(filter(None, said))


def result_line(result: Result) -> str:
    """One line for the moment at which an item is done."""
    return shown(_result_line(result))


def _result_line(result: Result) -> str:
    if result.outcome not in MEASURED:
        return f"  {result.id} {state(result)}: {result.reason}"
    metric, memory = shown_metric(result), memory_of(result)
    said = [f"  {result.id} {state(result)}" if metric is None and memory is None else ""]
    if metric is not None:
        value, interval = told(metric)
        said.append(f"  {result.id} {metric.name} {value}{f' ({interval})' if interval else ''}")
        said.append(f"n={metric.n}")
    elif memory is not None:
        said.append(f"  {result.id} {memory.name} {readable(statistics.median(memory.values), memory.unit)}")
    said += [*of_samples(result, metric), noise_of(result, metric)]
    said.append(f"{result.seconds:.1f} s")
    reason = f", failed: {result.reason}" if result.outcome == "failed" else ""
    return ", ".join(filter(None, said)) + reason


def result_cells(result: Result) -> tuple[str, ...]:
    """Item, metric, value, 95 % interval and n, each by itself, for tables elsewhere."""
    metric, memory = shown_metric(result), memory_of(result)
    if metric is None:
        peak = "" if memory is None else readable(statistics.median(memory.values), memory.unit)
        return name_of(result), "" if memory is None else memory.name, peak, "", ""
    return name_of(result), metric.name, *told(metric), str(metric.n)

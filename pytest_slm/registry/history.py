"""What earlier runs of a file gave: the numbers of each of its reports by itself, where there are several."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pytest_slm.core.record import utc
from pytest_slm.core.types import MEASURED
from pytest_slm.registry.performance import SUITE, speed
from pytest_slm.registry.points import PastResult
from pytest_slm.registry.scores import engine_of, machine_of, named, suite_scores
from pytest_slm.registry.speeds import Quantity
from pytest_slm.registry.store import StoredReport


def past_results(reports: Sequence[StoredReport], used: Collection[tuple[str, str]]) -> tuple[PastResult, ...]:
    """The numbers of the reports of one quantization, of whatever several runs on one machine measured, the oldest
    first. ``used`` are the reports that its present numbers come from, each behind its suite."""
    machines: dict[str | None, list[StoredReport]] = {}
    for stored in reports:
        machines.setdefault(machine_of(stored.run), []).append(stored)
    found: dict[tuple[str, str], list[PastResult]] = {}
    for machine, mine in machines.items():
        # Nobody knows whether two reports that name no machine are of the same.
        for stored in mine if machine is not None and len(mine) > 1 else ():
            for one in _results(stored, machine, used):
                found.setdefault((str(machine), one.what), []).append(one)
    return tuple(
        one
        for _, several in sorted(found.items())
        if len({one.report for one in several}) > 1
        for one in sorted(several, key=lambda one: (utc(one.finished), one.report))
    )


def _results(stored: StoredReport, machine: str | None, used: Collection[tuple[str, str]]) -> Iterator[PastResult]:
    run = stored.run
    about: dict[str, Any] = {
        "mode": run.mode,
        "limit": run.limit,
        "settings": run.own_settings,
        "machine": machine,
        "engine": engine_of(run),
        "report": stored.path,
        "run_id": run.run_id,
        "finished": run.finished,
    }
    for name, case in named(suite_scores(run), run.suites).items():
        yield PastResult(
            **about,
            what=name,
            suite=case.suite,
            unit="points",
            value=case.score,
            interval=case.interval,
            n=case.n,
            coverage=case.coverage,
            versions={task.task: task.version for task in case.benchmarks},
            used=(case.suite, stored.path) in used,
        )
    row = speed(run.results, run.mode, None, stored.path, None)
    speeds: Mapping[str, Quantity | None] = {"tps_output": row.tps_output, "ttft_ms": row.ttft_ms} if row else {}
    tasks = {"tps_output": "decode", "ttft_ms": "ttft"}
    for name, quantity in speeds.items():
        if quantity is not None:
            timed = (one for one in run.results if (one.suite, one.task) == (SUITE, tasks[name]))
            yield PastResult(
                **about,
                what=name,
                suite=SUITE,
                unit=quantity.unit,
                value=quantity.value,
                interval=quantity.interval,
                n=quantity.n,
                of=quantity.of,
                versions={one.task: one.version for one in timed if one.outcome in MEASURED},
                used=(SUITE, stored.path) in used,
            )

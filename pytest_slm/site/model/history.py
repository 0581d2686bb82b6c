"""What did earlier runs of a file give? A plain table, the newest run first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pytest_slm.core.record import utc
from pytest_slm.registry.entry import PastResult, RegistryEntry
from pytest_slm.registry.rows import machine_name
from pytest_slm.site import numbers
from pytest_slm.site.views import sampled, title_of

SPEEDS = {"tps_output": "Speed", "ttft_ms": "Time to first token"}
MOST = 20
"""Lines of one page."""


@dataclass(frozen=True, kw_only=True)
class HistoryLine:
    """A number of one run. ``note`` says what of it is another than in the run before it."""

    what: str
    value: str
    interval: str
    n: str
    kind: str
    used: bool
    note: str


@dataclass(frozen=True, kw_only=True)
class RunLines:
    """What one run measured, when and with which engine."""

    when: str
    run_id: str
    engine: str
    lines: tuple[HistoryLine, ...]


@dataclass(frozen=True, kw_only=True)
class FileHistory:
    """The runs of one file on one machine."""

    quantization: str
    machine: str
    runs: tuple[RunLines, ...]


@dataclass(frozen=True, kw_only=True)
class History:
    """The files with several runs; ``left_out`` counts the older lines that only the registry has."""

    files: tuple[FileHistory, ...]
    left_out: int


def history(entry: RegistryEntry, shown: Collection[str]) -> History | None:
    """The history of these quantizations; None where none of them was measured twice on one machine."""
    files, count, left_out = [], 0, 0
    for name in shown:
        machines: dict[str, dict[str, list[tuple[PastResult, HistoryLine]]]] = {}
        for place, past in _newest_first(entry.quantizations[name].history):
            if count >= MOST:
                left_out += 1
                continue
            count += 1
            of = machines.setdefault(past.machine or "", {}).setdefault(past.report, [])
            of.append((past, _line(entry, past, place)))
        for machine, runs in machines.items():
            facts = entry.provenance.machines.get(machine)
            title = machine_name(facts) if facts else "Machine not known"
            files.append(FileHistory(quantization=name, machine=title, runs=tuple(map(_run, runs.values()))))
    return History(files=tuple(files), left_out=left_out) if files else None


def _newest_first(found: tuple[PastResult, ...]) -> list[tuple[PastResult | None, PastResult]]:
    """Each number with the one that an earlier run gave of the same thing."""
    last: dict[tuple[str | None, str], PastResult] = {}
    pairs = []
    for one in found:  # the oldest first
        key = (one.machine, one.what)
        pairs.append((last.get(key), one))
        last[key] = one
    return sorted(pairs, key=lambda pair: (-utc(pair[1].finished).timestamp(), pair[1].report, pair[1].what))


def _run(found: Sequence[tuple[PastResult, HistoryLine]]) -> RunLines:
    first, _ = found[0]
    return RunLines(
        when=numbers.day(first.finished),
        run_id=first.run_id,
        engine=first.engine or "not known",
        lines=tuple(line for _, line in found),
    )


def _line(entry: RegistryEntry, one: PastResult, before: PastResult | None) -> HistoryLine:
    points = one.unit == "points"
    value, interval = (numbers.points if points else numbers.estimate)(one.value, one.interval)
    return HistoryLine(
        what=title_of(entry, one.what) if points else f"{SPEEDS.get(one.what, one.what)}, {one.of}",
        value=value if points else f"{value}{numbers.NBSP}{one.unit}",
        interval=interval,
        n=numbers.number(one.n, 0),
        kind=sampled(one.mode, one.limit, one.settings) or one.mode,
        used=one.used,
        note="; ".join(_changed(one, before)) if before else "",
    )


def _changed(one: PastResult, before: PastResult) -> list[str]:
    told = []
    versions = [
        f"{task} version {before.versions[task]} to {version}"
        for task, version in sorted(one.versions.items())
        if before.versions.get(task, version) != version
    ]
    if versions:
        told.append(", ".join(versions))
    for word, tasks in (
        ("also", one.versions.keys() - before.versions.keys()),
        ("without", before.versions.keys() - one.versions.keys()),
    ):
        if tasks:
            told.append(f"{word} {', '.join(sorted(tasks)[:3])}{', …' if len(tasks) > 3 else ''}")
    if one.engine != before.engine:
        told.append(f"engine was {before.engine or 'not known'}")
    if one.of != before.of:
        told.append(f"was at {before.of}")
    return told

"""What differs between two registries, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_slm.core.record import Record
from pytest_slm.core.statistics import Interval, figures
from pytest_slm.registry.entry import Registry, TaskScore
from pytest_slm.registry.rows.making import rows
from pytest_slm.registry.rows.row import Row

Fact = float | str | None


@dataclass(frozen=True, kw_only=True)
class Change(Record):
    """One difference: a row that came or went, or a number or fact of a row that is another one now. ``what`` is its
    name: ``score of rag`` (points), ``rank in marketplace``, ``tokens a second``, ``weights``; empty for rows."""

    kind: Literal["added", "removed", "changed"]
    row: str
    """``Row.id``."""
    name: str
    what: str = ""
    before: Fact = None
    after: Fact = None
    apart: bool | None = None
    """Whether the two intervals do not touch; None where one of them is not known, or there is none."""

    def __str__(self) -> str:
        """One line."""
        if self.kind != "changed":
            return f"{self.kind}: {self.row}"
        told = {True: "", False: "  (intervals touch)", None: ""}[self.apart]
        return f"changed: {self.row}: {self.what} {_shown(self.before)} -> {_shown(self.after)}{told}"


def changes(old: Registry, new: Registry) -> tuple[Change, ...]:
    """All differences, in the order of rows."""
    before, after = ({row.id: row for row in rows(registry)} for registry in (old, new))
    return tuple(changed_rows(before, after))


def changed_rows(before: Mapping[str, Row], after: Mapping[str, Row]) -> Iterator[Change]:
    """The differences of rows by their ids."""
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield Change(kind="added", row=name, name=after[name].name)
        elif name not in after:
            yield Change(kind="removed", row=name, name=before[name].name)
        else:
            yield from _changed(before[name], after[name])


Number = tuple[float | None, Interval | None]


def _changed(before: Row, after: Row) -> Iterator[Change]:
    known, found = dict(_facts(before)), dict(_facts(after))
    for what in known:
        if what in found and known[what] != found[what]:  # of a score that came or went that is told below
            was, now = known[what], found[what]
            yield Change(kind="changed", row=after.id, name=after.name, what=what, before=was, after=now)
    ours, theirs = dict(_numbers(before)), dict(_numbers(after))
    for what in dict.fromkeys((*ours, *theirs)):
        (old, one), (new, other) = ours.get(what, (None, None)), theirs.get(what, (None, None))
        if old != new:
            apart = (one[1] < other[0] or other[1] < one[0]) if one and other else None
            yield Change(kind="changed", row=after.id, name=after.name, what=what, before=old, after=new, apart=apart)


def _facts(row: Row) -> Iterator[tuple[str, Fact]]:
    """What file it is, and what its scores are of: by that alone a row may be another one."""
    yield "name", row.name
    yield "weights (SHA-256)", row.weights_sha256
    yield "size (bytes)", row.size_bytes
    yield "bits per weight", row.bits_per_weight
    yield "format", row.format
    yield "repository", row.hf_repo
    yield "revision", row.revision
    yield "made from", row.made_from
    yield "server", row.server
    yield "parameters", row.parameters
    yield "architecture", row.architecture
    yield "context length", row.context_length
    yield "license", row.license
    for name, case in row.scores.items():
        yield f"n of {name}", case.n
        yield f"chance of {name}", case.chance
        yield f"coverage of {name}", case.coverage
        yield f"run of {name}", ", ".join(filter(None, (case.mode, _limit(case.limit), case.settings, case.engine)))
        yield f"tasks of {name}", ", ".join(sorted(map(_task, case.benchmarks)))
    for profile, total in row.aggregates.items():
        yield f"coverage in {profile}", total.coverage
        yield f"run in {profile}", ", ".join(filter(None, (total.mode, _limit(total.limit), total.settings)))


def _limit(limit: int | None) -> str:
    return "" if limit is None else f"limit {limit}"


def _task(task: TaskScore) -> str:
    """``niah 1``, with the version, and with the part of the data set that there was."""
    return f"{task.task} {task.version}" + (f" ({task.part[0]} of {task.part[1]})" if task.part else "")


def _numbers(row: Row) -> Iterator[tuple[str, Number]]:
    for name, case in row.scores.items():
        yield f"score of {name}", (case.score, case.interval)
    for profile, total in row.aggregates.items():
        yield f"aggregate {profile}", (total.score, total.interval)
        yield f"rank in {profile}", (total.rank, None)
    speeds = {
        "tokens a second": row.tps,
        "time to first token (ms)": row.ttft,
        "prompt processing (tok/s)": row.prompt_processing,
        "generation (tok/s)": row.generation,
        "peak memory (bytes)": row.peak,
    }
    for what, quantity in speeds.items():
        if quantity is not None:
            yield f"{what} at {quantity.of}" if quantity.of else what, (quantity.value, quantity.interval)


def _shown(value: Fact) -> str:
    if isinstance(value, str):
        return value or "none"
    return "none" if value is None else figures(value, 4)

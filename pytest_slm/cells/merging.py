"""Stores of several machines as one: a set union, and a name for everything that contradicts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_slm.cells.cell import Cell
from pytest_slm.cells.store import CellStore, StoredCell, read_all
from pytest_slm.core.types import Result
from pytest_slm.errors import ReportError

TOLERANCE = 1e-9
"""Two sums of the same numbers, in another order."""


@dataclass(frozen=True, kw_only=True)
class MergeResult:
    """What came of it: how many cells are in the union, how many of them are new in the target, and ``problems``:
    files that are no cells, cells with two scores, and items that were measured in two versions of their suite."""

    cells: int
    added: int
    broken: Sequence[str]
    contradictions: Sequence[str]
    versions: Sequence[str]


def merge(sources: Sequence[Path], target: Path) -> MergeResult:
    """Put the cells of all sources into the target, which keeps what it has. A cell that has two scores is left as it
    is where it was first met, and named. Raises ReportError where a source is not there, or nothing can be written."""
    known: dict[str, tuple[StoredCell, Path]] = {}
    broken: list[str] = []
    contradictions: list[str] = []
    store, added = CellStore(target), 0
    places = [*([target] if target.is_dir() else []), *(one for one in sources if one.resolve() != target.resolve())]
    for place in places:
        cells, errors = read_all(place)
        broken += [str(error) for error in errors]
        for stored in cells:
            key = stored.cell.key
            if key in known:
                contradictions += _contradiction(known[key], (stored, place))
                continue
            known[key] = stored, place
            if place != target:
                store.put(stored)
                added += 1
    return MergeResult(
        cells=len(known),
        added=added,
        broken=broken,
        contradictions=contradictions,
        versions=list(_two_versions([stored.cell for stored, _ in known.values()])),
    )


def _contradiction(one: tuple[StoredCell, Path], other: tuple[StoredCell, Path]) -> Iterator[str]:
    (mine, here), (theirs, there) = one, other
    for name, (a, b) in _scores(mine.result, theirs.result).items():
        if a is None or b is None or abs(a - b) > TOLERANCE:
            yield (
                f"{mine.cell}: {name} is {a} in {CellStore(here).path(mine.cell.key)} (machine {mine.result.machine}) "
                f"and {b} in {CellStore(there).path(mine.cell.key)} (machine {theirs.result.machine})"
            )


def _scores(a: Result, b: Result) -> dict[str, tuple[float | None, float | None]]:
    """The metrics of both that are no times: of those two measurements never are the same."""
    if a.measurements or b.measurements:
        return {}
    mine, theirs = ({metric.name: metric.value for metric in one.metrics if metric.unit == "share"} for one in (a, b))
    return {name: (mine.get(name), theirs.get(name)) for name in sorted({*mine, *theirs})}


def _two_versions(cells: Sequence[Cell]) -> Iterator[str]:
    """Items that are there twice but for what they were asked of, each with what differs: no report has both."""
    free = ("suite_files", "version", "data", "versions")
    alike: dict[str, Cell] = {}
    for cell in cells:
        same = replace(cell, suite_files="", version=1, data="", versions={}, schema=0)
        other = alike.setdefault(json.dumps(same.to_json(), sort_keys=True), cell)
        if other is not cell:
            apart = [name for name in free if getattr(cell, name) != getattr(other, name)]
            what = " and another ".join(apart)
            yield f"{cell}: measured twice, with another {what}: {other.key:.12} and {cell.key:.12}"


def problem_of(merged: MergeResult) -> ReportError | None:
    """Why a merge is not to be trusted, None if it is."""
    if not merged.contradictions:
        return None
    n = len(merged.contradictions)
    return ReportError(
        f"{n} contradictions: one cell has two scores. Measure these cells again, or leave one of the stores out",
        slug="cell-contradiction",
    )

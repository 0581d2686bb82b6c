"""Where the numbers of a model come from: its run reports."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pytest_slm.core.record import utc
from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.site import numbers

MOST_REPORTS = 100
"""Reports that are listed on a page."""


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """One run report that the model's numbers come from, or that was left aside."""

    path: str
    sha256: str
    quantization: str
    mode: str
    finished: str
    engine: str
    machine: str
    state: str


def report_rows(entry: RegistryEntry, shown: Collection[str]) -> tuple[ReportRow, ...]:
    """The reports of these quantizations, at most the newest of many."""
    mine = [one for one in entry.provenance.reports if one.quantization in shown]
    newest = sorted(mine, key=lambda one: (utc(one.finished), one.path), reverse=True)[:MOST_REPORTS]
    return tuple(
        ReportRow(
            path=reference.path,
            sha256=reference.sha256,
            quantization=reference.quantization,
            mode=reference.measured_as,
            finished=numbers.day(reference.finished),
            engine=reference.engine or "not known",
            machine=reference.machine or "not known",
            state=", ".join(
                filter(
                    None,
                    (
                        "used" if reference.used else "not used",
                        "" if reference.complete else "not complete",
                        "" if reference.revision == entry.revision else "other revision",
                    ),
                )
            ),
        )
        for reference in sorted(newest, key=lambda one: one.path)
    )

"""The runs of a model, as the list of what is new has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pytest_slm.core.record import utc
from pytest_slm.registry.entry import RegistryEntry, ReportReference
from pytest_slm.site import numbers
from pytest_slm.site.titles.definitions import suite_title

SHOWN = 100
"""Runs on the page of what is new."""
NAMED = 4
"""Suites of a run that are named; of more there is the number."""


class RunLine(NamedTuple):
    """One run. ``change`` says what it was for its file: the first one, a newer one, or one that no number is from."""

    name: str
    quantization: str
    href: str
    when: str
    stamp: str
    change: str
    details: str
    sha256: str

    def order(self) -> tuple[str, ...]:
        """What the newest one has most of."""
        return (self.stamp, self.name, self.quantization, self.sha256, self.href)


def run_lines(entry: RegistryEntry) -> tuple[RunLine, ...]:
    """Every report that is known of a model as a line, the newest first."""
    return tuple(sorted(_lines(entry), key=RunLine.order, reverse=True))


def _lines(entry: RegistryEntry) -> Iterator[RunLine]:
    seen: dict[str, int] = {}
    for report in sorted(entry.provenance.reports, key=lambda one: (utc(one.finished), one.path)):
        count = seen[report.quantization] = seen.get(report.quantization, 0) + 1
        yield RunLine(
            name=entry.name,
            quantization=report.quantization,
            href=f"models/{entry.id}.html",
            when=numbers.day(report.finished),
            stamp=utc(report.finished).strftime("%Y-%m-%dT%H:%M:%SZ"),
            change=_change(report, count),
            details=" · ".join(
                filter(
                    None,
                    (
                        _measured(report),
                        report.engine or "",
                        "" if report.complete else "not complete",
                    ),
                )
            ),
            sha256=report.sha256,
        )


def _measured(report: ReportReference) -> str:
    """``full: Reasoning``; of many suites only how many there were."""
    titles = sorted(map(suite_title, report.suites))
    told = ", ".join(titles) if len(titles) <= NAMED else f"{len(titles)} suites"
    return f"{report.measured_as}: {told}" if titles else report.measured_as


def _change(report: ReportReference, count: int) -> str:
    if not report.used:
        return "not used for any number"
    return "first run of this file" if count == 1 else f"run {count} of this file"

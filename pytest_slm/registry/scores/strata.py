"""Runs sorted into *strata*, groups that may be mixed: same quantization, mode, limit, machine, engine version,
weights, chat template and settings of the user.

A score is made inside one stratum only, and of one version of each task (docs/scores.md).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_slm.core.backend_info import device_facts, machine_id, setup_of
from pytest_slm.core.record import utc
from pytest_slm.core.types import MEASURED, ItemId, Result, RunReport, SuiteFacts
from pytest_slm.registry.store import StoredReport


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """Runs that may be put together, with the result of each item that counts and the report it came from."""

    quantization: str
    mode: str
    limit: int | None
    machine: str | None
    engine: str | None
    settings: str
    """The user's own settings of texts; empty where everything was asked as tasks say."""
    runs: tuple[StoredReport, ...]
    chosen: tuple[tuple[StoredReport, Result], ...]

    @property
    def server(self) -> str | None:
        """The address of the server that answered; None for weights that were opened where they were measured."""
        return server_of(self.runs[0].run)

    @property
    def full(self) -> bool:
        """Whether these runs were full ones: a full run with a limit on its samples, or with settings of the user's, is
        none."""
        return self.mode == "full" and self.limit is None and not self.settings

    @cached_property
    def finished(self) -> float:
        """When the newest run ended, in seconds since 1970."""
        return max(utc(stored.run.finished).timestamp() for stored in self.runs)

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """The results that count, without their reports."""
        return tuple(result for _, result in self.chosen)

    @cached_property
    def suites(self) -> dict[str, SuiteFacts]:
        """What the suites say of themselves, as the newest run has it."""
        return {name: facts for stored in self.runs for name, facts in stored.run.suites.items()}

    @cached_property
    def planned(self) -> tuple[ItemId, ...]:
        """What any of the runs planned to measure."""
        return tuple(dict.fromkeys(item for stored in self.runs for item in stored.run.planned))

    def complete(self, suites: Container[str]) -> bool:
        """Whether every run that a number of these suites was taken from ran to its end."""
        return all(
            stored.run.complete
            for stored, result in self.chosen
            if result.suite in suites and result.outcome in MEASURED
        )


def engine_of(run: RunReport) -> str | None:
    """Name and version of the engine, ``llama-cpp-python 0.3.36``; None if the report does not say."""
    return run.backend.engine_and_build or None if run.backend else None


def server_of(run: RunReport) -> str | None:
    """The address of the server that answered; None for weights that were opened where they were measured."""
    return run.backend.server if run.backend else None


def machine_of(run: RunReport) -> str | None:
    """The machine that the results of a run name, or else the one in its head; None if it says none, or several."""
    named = {result.machine for result in run.results if result.machine}
    return named.pop() if len(named) == 1 else None if named else machine_id(run.machine, run.backend)


def machine_facts(run: RunReport) -> dict[str, Any]:
    """What a report says of the machine that ``machine_of`` names."""
    return {**run.machine, **device_facts(run.backend)}


def strata(reports: Iterable[StoredReport]) -> tuple[Stratum, ...]:
    """The reports sorted into groups that may be mixed, in a fixed order."""
    groups: dict[tuple[str, ...], list[StoredReport]] = {}
    for stored in reports:
        run = stored.run
        machine = machine_of(run)
        key = (
            run.quantization,
            run.mode,
            str(run.limit),
            f"unknown in {stored.path}" if machine is None else f"machine {machine}",
            str(engine_of(run)),
            *setup_of(run.backend, run.generation),
            run.own_settings,
        )
        groups.setdefault(key, []).append(stored)
    return tuple(_stratum(groups[key]) for key in sorted(groups))


def _stratum(group: Sequence[StoredReport]) -> Stratum:
    runs = tuple(sorted(group, key=lambda stored: (utc(stored.run.finished), stored.path)))
    results = [(stored, result) for stored in runs for result in stored.run.results]
    versions = {(result.suite, result.task): result.version for _, result in results if _knows_version(result)}
    chosen: dict[ItemId, tuple[StoredReport, Result]] = {}
    for stored, result in results:
        if _knows_version(result) and result.version != versions[result.suite, result.task]:
            continue  # the task has changed since
        before = chosen.get(result.id)
        # A later run that could not measure an item says nothing against the number an earlier one has.
        if before is None or before[1].outcome not in MEASURED or result.outcome in MEASURED:
            chosen[result.id] = (stored, result)
    first = runs[0].run
    return Stratum(
        quantization=first.quantization,
        mode=first.mode,
        limit=first.limit,
        machine=machine_of(first),
        engine=engine_of(first),
        settings=first.own_settings,
        runs=runs,
        chosen=tuple(chosen[item] for item in sorted(chosen, key=str)),
    )


def _knows_version(result: Result) -> bool:
    """Whether the version of a result is that of its task. Of an item that nobody began, or whose task was not at hand
    when it ended (such results have no ``kind``), there is a 1 whatever the task's version is."""
    return result.outcome in MEASURED or (result.outcome != "not_run" and bool(result.kind))

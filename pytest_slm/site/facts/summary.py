"""What models add to the pages about many of them: the same of one model, of some, and of all, so that of a thousand
only those that changed are looked at again. In JSON's own types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.registry.rows import Row
from pytest_slm.site.facts.measured import TaskTable, merged_tasks, task_facts
from pytest_slm.site.facts.runs import SHOWN, RunLine, run_lines
from pytest_slm.site.facts.worked import WorkedExample, worked_of
from pytest_slm.site.titles.definitions import definitions

Told = list[Any]
"""The id of a model and what it says of something of which one model is asked only."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """``tasks`` by suite and name; the newest ``runs`` of so many in ``total``; the score that is best ``worked`` out,
    behind what it is chosen by; ``machines`` by fingerprint, as the first model has them; ``suites`` with their use
    case and ``titles`` of use cases, as the last one has them; and what is ``declared`` of use cases that no built-in
    suite is the score of."""

    tasks: Mapping[str, Mapping[str, TaskTable]] = field(default_factory=dict)
    runs: tuple[RunLine, ...] = ()
    total: int = 0
    worked: tuple[list[Any], WorkedExample] | None = None
    machines: Mapping[str, Told] = field(default_factory=dict)
    suites: Mapping[str, Told] = field(default_factory=dict)
    titles: Mapping[str, Told] = field(default_factory=dict)
    declared: Mapping[str, list[str]] = field(default_factory=dict)

    def to_json(self) -> list[Any]:
        """For ``summary_of``."""
        return [getattr(self, name) for name in self.__dataclass_fields__]


def summary_of(data: Any) -> Summary:
    """The summary of what ``to_json`` gave. Raises ValueError or TypeError for anything else."""
    tasks, runs, total, worked, machines, suites, titles, declared = data
    return Summary(
        tasks={suite: {name: TaskTable.of(one) for name, one in found.items()} for suite, found in tasks.items()},
        runs=tuple(map(RunLine._make, runs)),
        total=total,
        worked=worked and (worked[0], WorkedExample._make(worked[1])),
        machines=machines,
        suites=suites,
        titles=titles,
        declared=declared,
    )


def summarized(entry: RegistryEntry, rows: Sequence[Row]) -> Summary:
    """What one model and its rows add."""
    runs = run_lines(entry)
    built_in = {one.suite.facts.use_case for one in definitions().values()}
    declared: dict[str, set[str]] = {}
    for row in rows:
        for name, case in row.scores.items():
            if name not in built_in:
                declared.setdefault(name, set()).update(case.declared)
    return Summary(
        tasks=task_facts(entry),
        runs=runs[:SHOWN],
        total=len(runs),
        worked=worked_of(rows),
        machines={key: [entry.id, facts] for key, facts in entry.provenance.machines.items() if facts},
        suites={name: [entry.id, facts.use_case] for name, facts in entry.suites.items() if facts.scored},
        titles={name: [entry.id, title] for row in rows for name, title in row.titles.items()},
        declared={name: sorted(tasks) for name, tasks in declared.items()},
    )


def merged(parts: Iterable[Summary]) -> Summary:
    """What all of them add: the same in whatever order and groups they are put together."""
    found = list(parts)
    declared: dict[str, set[str]] = {}
    for one in found:
        for name, tasks in one.declared.items():
            declared.setdefault(name, set()).update(tasks)
    return Summary(
        tasks=merged_tasks([one.tasks for one in found]),
        runs=tuple(sorted((line for one in found for line in one.runs), key=RunLine.order, reverse=True)[:SHOWN]),
        total=sum(one.total for one in found),
        worked=max((one.worked for one in found if one.worked is not None), key=lambda one: one[0], default=None),
        machines=_of_one(min, [one.machines for one in found]),
        suites=_of_one(max, [one.suites for one in found]),
        titles=_of_one(max, [one.titles for one in found]),
        declared={name: sorted(tasks) for name, tasks in declared.items()},
    )


def _of_one(which: Callable[..., Told], parts: Iterable[Mapping[str, Told]]) -> dict[str, Told]:
    """By key what the first model says of it, or the last one, by their ids."""
    found: dict[str, Told] = {}
    for part in parts:
        for key, told in part.items():
            known = found.get(key)
            found[key] = told if known is None else which(known, told, key=lambda one: one[0])
    return found

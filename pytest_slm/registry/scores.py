"""From the results of runs that may be mixed to the scores of their suites.

Runs are sorted into *strata*: same quantization, mode, limit, machine, engine version, weights, chat template and
settings of the user.
A score is made inside one stratum only, and of one version of each task (docs/scores.md).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_slm.core.aggregation import aggregate, clamp, goodness, mean_bounds, suite_score, task_weights
from pytest_slm.core.backend_info import device_facts, machine_id, setup_of
from pytest_slm.core.metrics.composites import suite_composites
from pytest_slm.core.record import utc
from pytest_slm.core.statistics import Interval
from pytest_slm.core.types import MEASURED, ItemId, Metric, Result, RunReport, SuiteFacts
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry.entry import AggregateScore, Composite, TaskScore, UseCase
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


def use_cases(stratum: Stratum) -> dict[str, UseCase]:
    """The scores of one stratum by suite, each with the reports it was made from."""
    # The newest report knows best of which tasks a suite is made; to all reports together it would never lose one.
    newest = {
        result.suite: tasks
        for stored in stratum.runs
        for result in stored.run.results
        if (tasks := result.declared.suite_tasks)
    }
    about = (stratum.quantization, stratum.mode, stratum.limit)
    scores = run_scores(stratum.results, stratum.planned, *about, stratum.suites, newest, stratum.settings)
    reports: dict[str, set[str]] = {}
    for stored, result in stratum.chosen:
        if result.outcome in MEASURED:
            reports.setdefault(result.suite, set()).add(stored.path)
    known = {"engine": stratum.engine, "machine": stratum.machine}
    return {
        name: case.but(**known, reports=tuple(sorted(reports.get(case.suite, ())))) for name, case in scores.items()
    }


def run_scores(
    results: Sequence[Result],
    planned: Sequence[ItemId],
    quantization: str,
    mode: str,
    limit: int | None,
    suites: Mapping[str, SuiteFacts],
    suite_tasks: Mapping[str, Sequence[str]] | None = None,
    settings: str = "",
) -> dict[str, UseCase]:
    """The score of each suite in results that belong together, where anything of it was measured and it is scored.

    ``suite_tasks`` are the tasks of suites whose results do not all say the same of them."""
    cases: dict[str, UseCase] = {}
    for suite in sorted({result.suite for result in results}):
        if suite in suites and not suites[suite].scored:
            continue
        mine = [result for result in results if result.suite == suite]
        # A perplexity or a duration cannot be averaged with shares: such a task is shown, but not part of the score.
        foreign = {result.task for result in mine if (metric := result.metric()) and metric.unit != "share"}
        mine = [result for result in mine if result.task not in foreign]
        tasks_of = (suite_tasks or {}).get(suite) or _declared(suite, mine, planned)
        declared = tuple(task for task in sorted(set(tasks_of)) if task not in foreign)
        score = suite_score(suite, declared, mine)
        if score is None:
            continue
        tasks = [_task_score(task, mine, planned, *score.tasks[task]) for task in score.measured]
        covered = {task.task: min(1.0, task.measured_variants / task.planned_variants) for task in tasks}
        full = mode == "full" and limit is None and not settings
        unbounded = tuple(task.task for task in tasks if task.unbounded)
        weights = task_weights([task.task for task in tasks], mine)
        whole = task_weights(declared, mine)
        cases[suite] = UseCase(
            suite=suite,
            score=score.score,
            interval=score.interval,
            n=score.n,
            coverage=sum(whole[task] * share for task, share in covered.items()),
            mode=mode,
            limit=limit,
            settings=settings,
            quantization=quantization,
            declared=declared,
            benchmarks=tuple([task.but(weight=weights[task.task]) for task in tasks]),
            chance=_mean_chance([(weights[task.task], task.chance) for task in tasks]),
            bounds=None if unbounded else mean_bounds((weights[task.task], task.score, task.bounds) for task in tasks),
            unbounded=unbounded,
            composites={
                total.name: Composite(value=total.value, interval=total.interval, n=total.n, cuts=total.cuts)
                for total in (suite_composites(suite, suites[suite], results) if suite in suites else ())
            },
            recommended=score.score >= score_rules().recommended if full else None,
        )
    return cases


def named(cases: Mapping[str, UseCase], suites: Mapping[str, SuiteFacts]) -> dict[str, UseCase]:
    """The scores of ``cases`` (by suite) by the names of their use cases; suites that have none are left out. Where two
    suites claim one name, the second keeps its own."""
    found: dict[str, UseCase] = {}
    for suite, case in sorted(cases.items()):
        name = suites[suite].use_case if suite in suites else suite
        if name:
            found[suite if name in found else name] = case
    return dict(sorted(found.items()))


def aggregates(stratum: Stratum, by_suite: Mapping[str, UseCase]) -> dict[str, AggregateScore]:
    """The aggregate of each profile over scores of one stratum; profiles of which nothing was measured are left out.

    ``coverage`` is the weight that was measured: a suite with half of its tasks brings half of its weight.
    """
    cases = named(by_suite, stratum.suites)
    found: dict[str, AggregateScore] = {}
    for profile in score_rules().profiles:
        total = aggregate(profile, {name: (case.score, case.interval) for name, case in cases.items()})
        if total is None:
            continue
        parts = {name: cases[name] for name in profile.weights if name in cases}
        weight = sum(profile.weights[name] * case.coverage for name, case in parts.items())
        covered = weight / sum(profile.weights.values())
        complete = stratum.complete({case.suite for case in parts.values()})
        unbounded = tuple(name for name, case in parts.items() if case.unbounded)
        ends = ((profile.weights[name], case.score, case.bounds) for name, case in parts.items())
        found[profile.name] = AggregateScore(
            profile=profile.name,
            score=total.score,
            interval=total.interval,
            coverage=covered,
            quantization=stratum.quantization,
            mode=stratum.mode,
            limit=stratum.limit,
            settings=stratum.settings,
            machine=stratum.machine,
            server=stratum.server,
            complete=complete,
            chance=_mean_chance([(profile.weights[name], case.chance) for name, case in parts.items()]),
            bounds=None if unbounded else mean_bounds(ends),
            unbounded=unbounded,
        )
    return found


def run_aggregates(run: RunReport) -> dict[str, AggregateScore]:
    """The aggregates of one run by itself."""
    (stratum,) = strata([StoredReport(path="", sha256="", run=run)])
    return aggregates(stratum, suite_scores(run))


def suite_scores(run: RunReport) -> dict[str, UseCase]:
    """The scores of one run by itself, by suite."""
    about = (run.quantization, run.mode, run.limit, run.suites)
    return run_scores(run.results, run.planned, *about, settings=run.own_settings)


def _declared(suite: str, results: Sequence[Result], planned: Iterable[ItemId]) -> list[str]:
    recorded = [task for result in results for task in result.declared.suite_tasks]
    return recorded or [item.task for item in planned if item.suite == suite] or [result.task for result in results]


def _task_score(
    task: str, results: Sequence[Result], planned: Iterable[ItemId], score: float, interval: Interval | None
) -> TaskScore:
    mine = [result for result in results if result.task == task]
    measured = [(r, metric) for r in mine if r.outcome in MEASURED and (metric := r.metric())]
    variants = {name for result in mine for name in result.declared.task_variants}
    variants |= {item.variant for item in planned if (item.suite, item.task) == (mine[0].suite, task)}
    variants |= {result.variant for result in mine}
    unbounded = any(result.unbounded(metric) for result, metric in measured)
    return TaskScore(
        task=task,
        version=measured[0][0].version,
        metric=measured[0][1].name,
        score=clamp(score),
        interval=interval and (clamp(interval[0]), clamp(interval[1])),
        n=sum(metric.n for _, metric in measured),
        chance=_mean_chance([(1, _chance(metric)) for _, metric in measured]),
        bounds=None if unbounded else mean_bounds((1, goodness(m)[0], _bounds(m)) for _, m in measured),
        unbounded=unbounded,
        measured_variants=len(measured),
        planned_variants=len(variants),
    )


def _bounds(metric: Metric) -> Interval | None:
    """What cut answers leave open, in points where more is better."""
    return goodness(metric.but(interval=metric.cuts.bounds))[1] if metric.cuts else None


def _chance(metric: Metric) -> float | None:
    """The chance level of a metric in points where more is better."""
    return None if metric.chance is None else goodness(metric.but(value=metric.chance, cuts=None))[0]


def _mean_chance(levels: Sequence[tuple[float, float | None]]) -> float | None:
    """The mean of (weight, chance level); None if one level is not known."""
    known = [(weight, level) for weight, level in levels if level is not None]
    total = sum(weight for weight, _ in known)
    return sum(weight * level for weight, level in known) / total if total and len(known) == len(levels) else None

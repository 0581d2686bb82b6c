"""From the results of one stratum to the scores of its suites, and from these to the aggregates of profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_slm.core.aggregation import (
    aggregate,
    clamp,
    families_of,
    goodness,
    mean_bounds,
    suite_score,
    task_weights,
)
from pytest_slm.core.metrics.composites import suite_composites
from pytest_slm.core.statistics import Interval
from pytest_slm.core.types import MEASURED, ItemId, Metric, Result, RunReport, SuiteFacts
from pytest_slm.load.builtin import built_in_families, score_rules
from pytest_slm.registry.entry import AggregateScore, Composite, TaskScore, UseCase
from pytest_slm.registry.scores.parts import part_of, rows_of
from pytest_slm.registry.scores.strata import Stratum, strata
from pytest_slm.registry.store import StoredReport


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
        families = _families(suite, suites, mine)
        score = suite_score(suite, declared, mine, families)
        if score is None:
            continue
        full = mode == "full" and limit is None and not settings
        rows = rows_of(suite, suites) if full else {}
        tasks = [_task_score(task, mine, planned, rows.get(task), *score.tasks[task]) for task in score.measured]
        covered = {task.task: min(1.0, task.measured_variants / task.planned_variants) for task in tasks}
        unbounded = tuple(task.task for task in tasks if task.unbounded)
        weights = task_weights([task.task for task in tasks], families)
        whole = task_weights(declared, families)
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
            use_cases={name: case.score for name, case in parts.items()},
            tasks={
                f"{case.suite}/{task.task}": (task.version, task.measured_variants)
                for case in parts.values()
                for task in case.benchmarks
            },
            parts={
                f"{case.suite}/{task.task}": task.part[0]
                for case in parts.values()
                for task in case.benchmarks
                if task.part
            },
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


def _families(suite: str, suites: Mapping[str, SuiteFacts], results: Iterable[Result]) -> dict[str, str]:
    """The family of each task of a suite, also of those that were not measured: as the suite says, or the built-in one
    of its name where the reports are older than that."""
    said = suites[suite].family_of_tasks if suite in suites else {}
    return {**built_in_families().get(suite, {}), **said, **families_of(results)}


def _task_score(
    task: str,
    results: Sequence[Result],
    planned: Iterable[ItemId],
    rows: int | None,
    score: float,
    interval: Interval | None,
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
        part=part_of((result for result, _ in measured), rows),
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

"""From results to the score of a suite, and from suites to the aggregates of the profiles.

Rules (docs/scores.md): a suite's score is the mean of the primary metrics of exactly the tasks it declares; variants
of one task are averaged first, so that a task counts once, and tasks of one family count once together; what was not
measured is left out and shows as coverage, it is never 0. Everything is on a scale of 0 to 100.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.core.record import Name, Record
from pytest_slm.core.statistics import Interval, combine
from pytest_slm.core.types import MEASURED, Metric, Result


@dataclass(frozen=True, kw_only=True)
class Profile(Record):
    """Weights of use cases, by name; an aggregate divides by their sum."""

    name: Name
    weights: Mapping[Name, float]


@dataclass(frozen=True, kw_only=True)
class ScoreRules(Record):
    """What is made of the scores of use cases: ``recommended`` and ``not_recommended`` are points, ``ranked_coverage``
    is the share of a profile's weight that a rank needs. The first profile is the one by which models are ordered."""

    profiles: tuple[Profile, ...]
    ranked_coverage: float
    recommended: float
    not_recommended: float


@dataclass(frozen=True, kw_only=True)
class SuiteScore(Record):
    """The score of one suite, 0 to 100; ``measured`` of ``declared`` tasks went into it, ``n`` samples in all, and the
    mean of each over its variants is in ``tasks``."""

    suite: str
    score: float
    interval: Interval | None
    n: int
    measured: tuple[str, ...]
    declared: tuple[str, ...]
    tasks: Mapping[str, tuple[float, Interval | None]]


@dataclass(frozen=True, kw_only=True)
class Aggregate(Record):
    """The weighted mean over the measured suites of a profile; ``coverage`` is the share of weight they carry."""

    profile: str
    score: float
    interval: Interval | None
    coverage: float
    rank: int | None = None


def goodness(metric: Metric) -> tuple[float, Interval | None]:
    """A share as points out of 100 where more is always better."""
    value, interval = 100 * metric.value, metric.interval
    bounds = None if interval is None else (100 * interval[0], 100 * interval[1])
    if metric.higher_is_better:
        return value, bounds
    return 100 - value, None if bounds is None else (100 - bounds[1], 100 - bounds[0])


def suite_score(
    suite: str, declared: Sequence[str], results: Iterable[Result], families: Mapping[str, str] | None = None
) -> SuiteScore | None:
    """The mean over the measured tasks of a suite, or None if none of the declared tasks was measured. ``families`` are
    those of its tasks, where more is known of them than what the results say."""
    results = list(results)
    by_task: dict[str, list[Metric]] = {}
    for result in results:
        metric = result.metric()
        if result.suite == suite and result.task in declared and result.outcome in MEASURED and metric:
            if metric.unit != "share":
                raise ValueError(f"{result.id}: a primary metric in {metric.unit!r} cannot be averaged")
            by_task.setdefault(result.task, []).append(metric)
    if not by_task:
        return None
    weights = task_weights(list(by_task), families if families is not None else families_of(results))
    tasks = {
        task: combine([(1 / len(metrics), *goodness(metric)) for metric in metrics])
        for task, metrics in by_task.items()
    }
    score, interval = combine([(weights[task], value, bounds) for task, (value, bounds) in tasks.items()])
    return SuiteScore(
        suite=suite,
        score=clamp(score),
        interval=_clamped(interval),
        n=sum(metric.n for metrics in by_task.values() for metric in metrics),
        measured=tuple(sorted(by_task)),
        declared=tuple(declared),
        tasks=tasks,
    )


def families_of(results: Iterable[Result]) -> dict[str, str]:
    """The family of each task that says so."""
    return {result.task: result.declared.family for result in results if result.declared.family}


def task_weights(tasks: Sequence[str], families: Mapping[str, str]) -> dict[str, float]:
    """What part of the score of a suite each of these tasks has: all the same, those of one family together as much as
    any other. They add up to 1."""
    shared: dict[str, list[str]] = {}
    for task in tasks:
        shared.setdefault(f"family {families[task]}" if task in families else f"task {task}", []).append(task)
    return {task: 1 / len(shared) / len(members) for members in shared.values() for task in members}


def aggregate(profile: Profile, scores: Mapping[str, tuple[float, Interval | None]]) -> Aggregate | None:
    """The profile's aggregate of ``scores`` (use case to score and interval), or None if nothing was measured."""
    weights = {name: weight for name, weight in profile.weights.items() if name in scores}
    weight = sum(weights.values())
    if not weight:
        return None
    score, interval = combine([(weights[name] / weight, *scores[name]) for name in weights])
    coverage = weight / sum(profile.weights.values())
    return Aggregate(profile=profile.name, score=clamp(score), interval=_clamped(interval), coverage=coverage)


def mean_bounds(parts: Iterable[tuple[float, float, Interval | None]]) -> Interval | None:
    """The bounds of the mean of (weight, value, bounds); what has none stays at its value. None where none has any."""
    parts = [part for part in parts if part[0] > 0]
    if not any(bounds for *_, bounds in parts):
        return None
    total = sum(weight for weight, *_ in parts)
    lows, highs = zip(*(bounds or (value, value) for _, value, bounds in parts), strict=True)
    low, high = (sum(w * end for (w, *_), end in zip(parts, ends, strict=True)) / total for ends in (lows, highs))
    return clamp(low), clamp(high)


def ranks(scores: Mapping[str, float]) -> dict[str, int]:
    """Competition ranks, best first: equal scores share a rank (1, 2, 2, 4); the order of equals is by id."""
    ordered = sorted(scores, key=lambda key: (-scores[key], key))
    places: dict[str, int] = {}
    for place, key in enumerate(ordered, start=1):
        before = ordered[place - 2] if place > 1 else None
        places[key] = places[before] if before is not None and scores[before] == scores[key] else place
    return places


def clamp(score: float) -> float:
    """Rounding may leave a mean of hundreds at 100.00000000000001."""
    return min(100.0, max(0.0, score))


def _clamped(interval: Interval | None) -> Interval | None:
    return None if interval is None else (clamp(interval[0]), clamp(interval[1]))

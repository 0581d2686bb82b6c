"""Two quantizations of a model, use case by use case: from the scores of questions that stand in the registry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_slm.comparing.pairs import Pairs
from pytest_slm.comparing.timings import ALPHA
from pytest_slm.core.comparison import holm
from pytest_slm.core.metrics.units import weighed
from pytest_slm.core.record import Record
from pytest_slm.core.statistics import Interval
from pytest_slm.registry.entry import Item, QuantizationEntry
from pytest_slm.registry.questions import QuestionScores

MARGIN = 0.03
"""Scores that differ by less than 3 points are as good as equal on pages; a page of comparisons lets the reader choose
another margin."""

Verdict = Literal["better", "worse", "equivalent", "not told apart", "too few"]


@dataclass(frozen=True, kw_only=True)
class UseCaseDifference(Record):
    """The score of a use case of one quantization less that of another, as a share, from ``n`` questions that both were
    asked, of ``tasks`` of the ``of`` tasks that the score is the mean of."""

    use_case: str
    n: int
    tasks: int
    of: int
    only_a: int
    only_b: int
    difference: float
    interval: Interval
    p: float
    p_corrected: float = 1.0
    p_equivalent: float | None = None
    detectable: float | None = None
    verdict: Verdict = "too few"


@dataclass(frozen=True, kw_only=True)
class Comparisons(Record):
    """A quantization compared with another: in all use cases together (None where it cannot be in any), and by use
    case."""

    overall: UseCaseDifference | None
    use_cases: Mapping[str, UseCaseDifference]


ALL = "all"
_Found = tuple[UseCaseDifference, Pairs]


def paired(a: QuestionScores, b: QuestionScores, *, higher_is_better: bool = True) -> Pairs | None:
    """The pairs of an item that two models were asked; None if they were asked other questions, or none was scored in
    both."""
    if a.questions != b.questions or a.n != b.n or a.balance != b.balance:
        return None
    both = [
        (replace(one, cluster=named), replace(other, cluster=named))
        for one, other in zip(a.units, b.units, strict=True)
        if one.value is not None and other.value is not None
        # Older runs name no clusters: that either names it is enough.
        for named in [one.cluster if a.n_clusters else other.cluster]
    ]
    if not both:
        return None
    mine, its = (weighed(a.balance, side) for side in zip(*both, strict=True))
    return Pairs.of(mine, its, 1 if higher_is_better else -1) if mine and its else None


def compare_use_cases(
    a: QuantizationEntry,
    others: Mapping[str, QuantizationEntry],
    weights: Mapping[str, float],
    margin: float = MARGIN,
) -> dict[str, Comparisons]:
    """Each of ``others`` compared with ``a``, the side that is subtracted: in every use case in which that can be done,
    and in all of these together by their ``weights`` (all the same where they have none).

    Verdicts are corrected after Holm: those of single use cases for how many they are, those of all together, too.
    """
    cases: dict[tuple[str, str], _Found] = {}
    totals: dict[tuple[str, str], _Found] = {}
    for name, other in others.items():
        mine = {case: found for case in a.use_cases if (found := _difference(a, other, case)) is not None}
        cases |= {(name, case): found for case, found in mine.items()}
        known = [(weights.get(case, 0.0), found) for case, found in mine.items()]
        if mine:
            same = not sum(weight for weight, _ in known)
            whole = together([(1.0 if same else weight, pairs) for weight, (_, pairs) in known if same or weight])
            tasks, of = (
                sum(one.tasks for _, (one, _) in known),
                sum(len(case.benchmarks) for case in a.use_cases.values()),
            )
            totals[name, ALL] = _told(ALL, whole, tasks, of), whole
    judged = {**_judged(cases, margin), **_judged(totals, margin)}
    return {
        name: Comparisons(
            overall=judged.get((name, ALL)),
            use_cases={case: one for (of, case), one in judged.items() if of == name and case != ALL},
        )
        for name in others
    }


def _judged(found: Mapping[tuple[str, str], _Found], margin: float) -> dict[tuple[str, str], UseCaseDifference]:
    corrected = holm([pairs.p for _, pairs in found.values()])
    alike = holm([pairs.equivalent(margin) for _, pairs in found.values()])
    judged = {}
    for (key, (one, pairs)), p, same in zip(found.items(), corrected, alike, strict=True):
        detectable = pairs.detectable(ALPHA / len(found))
        known = replace(one, p_corrected=p, p_equivalent=same, detectable=detectable)
        judged[key] = replace(known, verdict=judge(pairs.mean, p, same, detectable))
    return judged


def judge(mean: float, p: float, same: float | None, detectable: float | None) -> Verdict:
    """What p values that are corrected say of B (decision 25). Inside of the margin it does not matter, by the word of
    whoever has stated it, whether there is a difference."""
    if same is not None and same <= ALPHA:
        return "equivalent"
    if p <= ALPHA:
        return "better" if mean > 0 else "worse"
    return "too few" if detectable is None else "not told apart"


def _difference(a: QuantizationEntry, b: QuantizationEntry, name: str) -> _Found | None:
    case, theirs = a.use_cases[name], b.use_cases.get(name)
    if theirs is None:
        return None
    tasks: dict[str, list[Pairs]] = {}
    others = {(item.suite, item.task, item.variant): item for item in b.items if item.suite == theirs.suite}
    for item in a.items:
        other = others.get((item.suite, item.task, item.variant))
        pairs = _pairs(item, other) if other is not None and item.suite == case.suite else None
        if pairs is not None:
            tasks.setdefault(item.task, []).append(pairs)
    weights = {task.task: task.weight or 0.0 for task in case.benchmarks if task.task in tasks}
    if not sum(weights.values()):
        return None
    parts = [
        (weights[task] / sum(weights.values()) / len(mine), pairs)
        for task, mine in tasks.items()
        if task in weights
        for pairs in mine
    ]
    whole = together(parts)
    return _told(name, whole, len(weights), len(case.benchmarks)), whole


def _told(name: str, pairs: Pairs, tasks: int, of: int) -> UseCaseDifference:
    low, high = pairs.interval
    return UseCaseDifference(
        use_case=name,
        n=pairs.n,
        tasks=tasks,
        of=of,
        only_a=sum(one < 0 for one in pairs.differences),
        only_b=sum(one > 0 for one in pairs.differences),
        difference=pairs.mean,
        interval=(low, high),
        p=pairs.p,
    )


def together(parts: Sequence[tuple[float, Pairs]]) -> Pairs:
    """The pairs of several items as one whose mean is the mean of theirs by these weights."""
    n = sum(pairs.n for _, pairs in parts)
    total = math.fsum(weight for weight, _ in parts)
    scales = [weight / total * n / pairs.n for weight, pairs in parts]
    return Pairs(
        differences=tuple(
            scale * one for scale, (_, pairs) in zip(scales, parts, strict=True) for one in pairs.differences
        ),
        clusters=tuple(
            (place, cluster) if len(parts) > 1 else cluster
            for place, (_, pairs) in enumerate(parts)
            for cluster in pairs.clusters
        ),
        most=max(scale * pairs.most for scale, (_, pairs) in zip(scales, parts, strict=True)),
    )


def _pairs(a: Item, b: Item) -> Pairs | None:
    """The pairs of an item in two files: of all questions of both, or of the sample that both were asked."""
    if (a.version, a.metric) != (b.version, b.metric):
        return None
    for mine in filter(None, (a.questions, a.sampled)):
        for its in filter(None, (b.questions, b.sampled)):
            if (pairs := paired(mine, its, higher_is_better=a.higher_is_better is not False)) is not None:
                return pairs
    return None

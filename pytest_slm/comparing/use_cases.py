"""Two quantizations of a model, use case by use case: from the scores of questions that stand in the registry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pytest_slm.comparing.pairs import Pairs
from pytest_slm.comparing.timings import ALPHA
from pytest_slm.core.comparison import holm
from pytest_slm.core.metrics.units import weighed
from pytest_slm.core.record import Record
from pytest_slm.core.statistics import Interval
from pytest_slm.core.types import MEASURED
from pytest_slm.registry.entry import Item, QuantizationEntry
from pytest_slm.registry.questions import QuestionScores

MARGIN = 0.03
"""Scores that differ by less than 3 points are as good as equal on pages; a page of comparisons lets the reader choose
another margin."""

Verdict = Literal["better", "worse", "equivalent", "not told apart", "too few"]


@dataclass(frozen=True, kw_only=True)
class UseCaseDifference(Record):
    """The score of a use case of one quantization less that of another, as a share, from ``n`` questions that both were
    asked, of ``tasks`` of the ``of`` tasks that the score is the mean of. Of questions that are right or wrong
    ``only_a`` and ``only_b`` count those that one file alone got right; where an answer may be partly right, ``lower``
    and ``higher`` count those in which B has less and more of it than A."""

    use_case: str
    n: int
    tasks: int
    of: int
    only_a: int
    only_b: int
    lower: int = 0
    higher: int = 0
    difference: float
    interval: Interval
    p: float
    p_corrected: float = 1.0
    p_equivalent: float | None = None
    detectable: float | None = None
    verdict: Verdict = "too few"


Why = Literal[
    "not measured in both",
    "two versions of it",
    "its metric is no mean over questions, or their scores are not in the registry",
    "its questions or their expected answers are not the same",
    "no question was scored in both",
]


@dataclass(frozen=True, kw_only=True)
class Refusal(Record):
    """An item of a use case that cannot be compared, and why."""

    suite: str
    task: str
    variant: str
    why: Why


@dataclass(frozen=True, kw_only=True)
class Comparisons(Record):
    """A quantization compared with another: by use case, and in all of them together that the weights count (None where
    it cannot be in any). ``counted`` are the use cases of that total, of the ``of`` that have a weight in it;
    ``weighed`` is False where none of them has one and all count the same. ``absent`` says of each use case what of it
    was not compared."""

    overall: UseCaseDifference | None
    use_cases: Mapping[str, UseCaseDifference]
    counted: tuple[str, ...] = ()
    of: int = 0
    weighed: bool = False
    absent: Mapping[str, tuple[Refusal, ...]] = field(default_factory=dict)


ALL = "all"
_Found = tuple[UseCaseDifference, Pairs]


def paired(a: QuestionScores, b: QuestionScores, *, higher_is_better: bool = True) -> Pairs | None:
    """The pairs of an item that two models were asked; None if its questions or their expected answers are not the
    same, or none was scored in both."""
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
    if not mine or not its:
        return None
    levels = {*a.levels, *b.levels} - {None, 0.0, 1.0}
    return replace(Pairs.of(mine, its, 1 if higher_is_better else -1), graded=bool(levels))


def compare_use_cases(
    a: QuantizationEntry,
    others: Mapping[str, QuantizationEntry],
    weights: Mapping[str, float],
    margin: float = MARGIN,
) -> dict[str, Comparisons]:
    """Each of ``others`` compared with ``a``, the side that is subtracted: in every use case in which that can be done,
    and in those together that have a weight in ``weights`` (in all, each the same, where none has).

    Verdicts of a pair are corrected after Holm for how many use cases the two can be compared in, and by nothing else:
    which other files there are says nothing about these two. The total is one test of its own (decision 93).
    """
    return {name: _compared(a, other, weights, margin) for name, other in others.items()}


def _compared(a: QuantizationEntry, b: QuantizationEntry, weights: Mapping[str, float], margin: float) -> Comparisons:
    found: dict[str, _Found] = {}
    absent: dict[str, tuple[Refusal, ...]] = {}
    for case in a.use_cases:
        difference, left_out = _difference(a, b, case)
        if difference is not None:
            found[case] = difference
        if left_out:
            absent[case] = left_out
    if not found:
        return Comparisons(overall=None, use_cases={}, absent=absent)
    weighed = any(weights.get(case, 0.0) for case in found)
    weight = {case: weights.get(case, 0.0) if weighed else 1.0 for case in a.use_cases}
    counted = tuple(case for case in found if weight[case])
    inside = [case for case in a.use_cases if weight[case]]
    whole = together([(weight[case], found[case][1]) for case in counted])
    of = sum(len(a.use_cases[case].benchmarks) for case in inside)
    (total,) = _judged([(_told(ALL, whole, [found[case][0] for case in counted], of), whole)], margin)
    return Comparisons(
        overall=total,
        use_cases=dict(zip(found, _judged(list(found.values()), margin), strict=True)),
        counted=counted,
        of=len(inside),
        weighed=weighed,
        absent=absent,
    )


def _judged(found: Sequence[_Found], margin: float) -> list[UseCaseDifference]:
    corrected = holm([pairs.p for _, pairs in found])
    alike = holm([pairs.equivalent(margin) for _, pairs in found])
    judged = []
    for (one, pairs), p, same in zip(found, corrected, alike, strict=True):
        detectable = pairs.detectable(ALPHA / len(found))
        known = replace(one, p_corrected=p, p_equivalent=same, detectable=detectable)
        judged.append(replace(known, verdict=judge(pairs.mean, p, same, detectable)))
    return judged


def judge(mean: float, p: float, same: float | None, detectable: float | None) -> Verdict:
    """What p values that are corrected say of B (decision 25). Inside of the margin it does not matter, by the word of
    whoever has stated it, whether there is a difference."""
    if same is not None and same <= ALPHA:
        return "equivalent"
    if p <= ALPHA:
        return "better" if mean > 0 else "worse"
    return "too few" if detectable is None else "not told apart"


def _difference(a: QuantizationEntry, b: QuantizationEntry, name: str) -> tuple[_Found | None, tuple[Refusal, ...]]:
    """The difference of a use case, None where nothing of it can be compared; and what of it cannot be, and why."""
    case = a.use_cases[name]
    weights = {task.task: task.weight or 0.0 for task in case.benchmarks}
    others = {(item.suite, item.task, item.variant): item for item in b.items}
    tasks: dict[str, list[tuple[UseCaseDifference, Pairs]]] = {}
    absent = []
    for item in a.items:
        if item.suite != case.suite or item.task not in weights or item.outcome not in MEASURED:
            continue
        found = _pairs(item, others.get((item.suite, item.task, item.variant)))
        if isinstance(found, str):
            absent.append(Refusal(suite=item.suite, task=item.task, variant=item.variant, why=found))
        else:
            tasks.setdefault(item.task, []).append((_counted(name, found), found))
    total = math.fsum(weights[task] for task in tasks)
    theirs = b.use_cases.get(name)
    if theirs is None or theirs.suite != case.suite or not total:
        return None, tuple(absent)
    parts = [(weights[task] / total / len(mine), pairs) for task, mine in tasks.items() for _, pairs in mine]
    whole = together(parts)
    counts = [replace(one, tasks=int(not place)) for mine in tasks.values() for place, (one, _) in enumerate(mine)]
    return (_told(name, whole, counts, len(weights)), whole), tuple(absent)


def _told(name: str, pairs: Pairs, parts: Sequence[UseCaseDifference], of: int) -> UseCaseDifference:
    """A difference that is made of those of parts; questions are counted in these, where they have no weight."""
    return replace(
        _counted(name, pairs),
        tasks=sum(one.tasks for one in parts),
        of=of,
        only_a=sum(one.only_a for one in parts),
        only_b=sum(one.only_b for one in parts),
        lower=sum(one.lower for one in parts),
        higher=sum(one.higher for one in parts),
    )


def _counted(name: str, pairs: Pairs) -> UseCaseDifference:
    low, high = pairs.interval
    less, more = (sum(sign * one > 0 for one in pairs.differences) for sign in (-1, 1))
    return UseCaseDifference(
        use_case=name,
        n=pairs.n,
        tasks=1,
        of=1,
        only_a=0 if pairs.graded else less,
        only_b=0 if pairs.graded else more,
        lower=less if pairs.graded else 0,
        higher=more if pairs.graded else 0,
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
        graded=any(pairs.graded for _, pairs in parts),
    )


def _pairs(a: Item, b: Item | None) -> Pairs | Why:
    """The pairs of an item in two files, of all questions of both, or of the sample that both were asked; or why there
    are none. The browser says the same (``whyNot`` in compare.js)."""
    if b is None or b.outcome not in MEASURED:
        return "not measured in both"
    if (a.version, a.metric) != (b.version, b.metric):
        return "two versions of it"
    if a.questions is None or b.questions is None:
        return "its metric is no mean over questions, or their scores are not in the registry"
    asked = [
        (mine, its)
        for mine in filter(None, (a.questions, a.sampled))
        for its in filter(None, (b.questions, b.sampled))
        if mine.questions == its.questions
    ]
    for mine, its in asked:
        if (pairs := paired(mine, its, higher_is_better=a.higher_is_better is not False)) is not None:
            return pairs
    return "no question was scored in both" if asked else "its questions or their expected answers are not the same"

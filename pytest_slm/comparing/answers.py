"""Answers in pairs: two models that were asked the same questions are compared question by question.

The same questions are right or wrong for both, so most of the doubt about either score is common to them. An unpaired
test throws that away: with it p = .08 where the paired one finds .008.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_slm.comparing.estimates import differences, value_of
from pytest_slm.comparing.pairs import Pairs
from pytest_slm.comparing.timings import ALPHA, name_of
from pytest_slm.comparing.use_cases import Verdict, judge
from pytest_slm.core.comparison import holm
from pytest_slm.core.metrics.units import MEANS, made_of, mean
from pytest_slm.core.record import Record
from pytest_slm.core.statistics import Interval
from pytest_slm.core.task import MetricSpec
from pytest_slm.core.types import Result
from pytest_slm.registry.questions.lines import Line, unit_of, worth_of
from pytest_slm.registry.questions.scores import canonical

Samples = Mapping[str, Sequence[Line]]

LONGEST = 400
"""Characters of an answer that are kept of a question that flipped."""


@dataclass(frozen=True, kw_only=True)
class Flip(Record):
    """A question that both models answered, and one of them better than the other."""

    question: str
    a: float
    b: float
    answer_a: str
    answer_b: str


@dataclass(frozen=True, kw_only=True)
class ScoreDifference(Record):
    """One item that both were asked: its primary ``metric`` of either in ``n`` common questions, and in how many only
    one of them was right, or more of it (None where the metric is no mean over questions). ``difference`` is B less A,
    with its 95 % interval.

    ``detectable`` is the smallest difference that so many questions find in four of five cases, None where there is
    none. With a margin, ``p_equivalent`` is that of two models that are as far apart, and ``p_no_worse`` that B is as
    much worse; all three p values beside ``p`` are told for B, ``p_corrected`` and ``p_equivalent`` after Holm.
    """

    item: str
    metric: str
    n: int
    a: float
    b: float
    only_a: int | None
    only_b: int | None
    difference: float
    interval: Interval
    p: float
    p_corrected: float
    detectable: float | None
    p_equivalent: float | None = None
    p_no_worse: float | None = None
    verdict: Verdict
    flips: tuple[Flip, ...] = ()
    notes: tuple[str, ...] = ()


def compare_answers(
    pairs: Sequence[tuple[Result, Result]],
    samples_a: Samples,
    samples_b: Samples,
    refused: list[str],
    *,
    margin: float | None = None,
    flips: bool = False,
    show_harmful: tuple[bool, bool] = (False, False),
) -> tuple[ScoreDifference, ...]:
    """Every item that has lines of both runs for the same questions; why others have none is put into ``refused``.
    ``show_harmful``: whether each run shows answers that may hurt."""
    found: list[tuple[ScoreDifference, Pairs]] = []
    for a, b in pairs:
        if not a.samples and not b.samples:
            continue
        try:
            lines = samples_a.get(a.samples or "", ()), samples_b.get(b.samples or "", ())
            found.append(paired(a, b, *lines, show_harmful))
        except CannotCompareError as why:
            refused.append(f"{name_of(a)}: {why}")
    corrected = holm([one.p for one, _ in found])
    alike: Sequence[float | None] = [None] * len(found)
    if margin is not None:
        alike = holm([its.equivalent(margin) for _, its in found])
    return tuple(
        replace(
            _judged(one, its, p, same, its.detectable(ALPHA / len(found))),
            p_no_worse=None if margin is None else its.no_worse(margin),
            flips=one.flips if flips else (),
        )
        for (one, its), p, same in zip(found, corrected, alike, strict=True)
    )


class CannotCompareError(Exception):
    """Why an item's answers are not compared."""


def paired(
    a: Result,
    b: Result,
    lines_a: Sequence[Line],
    lines_b: Sequence[Line],
    show_harmful: tuple[bool, bool] = (False, False),
) -> tuple[ScoreDifference, Pairs]:
    """One item in both runs, question by question, and the pairs to test; nothing is corrected yet. Raises
    CannotCompareError."""
    if not lines_a or not lines_b:
        raise CannotCompareError("its samples are not beside both reports")
    if a.seed != b.seed and a.seeded:  # ids and small answers are alike, the questions are not
        raise CannotCompareError(f"its questions are made from the seed, {a.seed} in one run and {b.seed} in the other")
    spec = a.declared.primary or MetricSpec(name=a.primary or "score")
    for result, lines in ((a, lines_a), (b, lines_b)):
        _check_number(result, _number(spec, lines))
    theirs = canonical(lines_b)
    both = [(line, theirs[question]) for question, line in canonical(lines_a).items() if question in theirs]
    if not both:
        raise CannotCompareError("both runs have no question in common")
    known = [_with_both_names(spec, mine, its) for mine, its in both]
    one, other = ([pair[side] for pair in known] for side in (0, 1))
    values = _number(spec, one), _number(spec, other)
    if values[0] is None or values[1] is None:
        raise CannotCompareError("no question was scored in both runs")
    metric = a.metric()
    sign = -1 if metric is not None and not metric.higher_is_better else 1
    pairs = _pairs(spec, one, other, sign)
    if pairs is None:
        raise CannotCompareError(f"too few questions for the error of its {spec.name}: it cannot be made without some")
    low, high = pairs.interval
    scored = [pair for pair in known if worth_of(pair[0], spec) is not None]
    mean_like = spec.aggregate in MEANS
    made = ScoreDifference(
        item=name_of(a),
        metric=spec.name,
        n=pairs.n if mean_like else len(scored),
        a=values[0],
        b=values[1],
        only_a=sum(value < 0 for value in pairs.differences) if mean_like else None,
        only_b=sum(value > 0 for value in pairs.differences) if mean_like else None,
        difference=values[1] - values[0],
        interval=(low, high) if sign > 0 else (-high, -low),
        p=pairs.p,
        p_corrected=1.0,
        detectable=None,
        verdict="too few",
        flips=tuple(_flips(spec, scored, *((a.harmful or b.harmful) and not shown for shown in show_harmful))),
        notes=tuple(_notes(a, b, max(len(lines_a), len(lines_b)), scored)),
    )
    return made, pairs


def _pairs(spec: MetricSpec, one: Sequence[Line], other: Sequence[Line], sign: int) -> Pairs | None:
    """The differences, B less A, that a test is made of: those of questions, or what a block of them does to a metric
    that is no mean."""
    if spec.aggregate in MEANS:
        units = zip(*(made_of(spec, [unit_of(line, spec) for line in side]) for side in (one, other)), strict=True)
        parts = [(sign * mine.weight * ((its.value or 0.0) - (mine.value or 0.0)), mine) for mine, its in units]
        return Pairs(
            differences=tuple(part for part, _ in parts),
            clusters=tuple(unit.cluster for _, unit in parts),
            most=max(1.0, *(unit.weight for _, unit in parts)),
        )
    found = differences(spec, one, other)
    if found is None:
        return None
    return Pairs(
        differences=tuple(sign * part for part in found),
        clusters=tuple(range(len(found))),
        most=max(1.0, *map(abs, found)),
    )


def _number(spec: MetricSpec, lines: Sequence[Line]) -> float | None:
    """The metric of these lines; None where it cannot be made of them."""
    if spec.aggregate not in MEANS:
        return value_of(spec, lines)
    units = made_of(spec, [unit_of(line, spec) for line in lines])
    return mean(units) if units else None


def _check_number(result: Result, made: float | None) -> None:
    """What is compared has to be the number that the report tells: a metric may be made otherwise than of the lines."""
    metric = result.metric()
    if metric is not None and (made is None or abs(made - metric.value) > 1e-6):
        by_samples = "nothing" if made is None else f"{made:.4f}"
        raise CannotCompareError(
            f"its {metric.name} is {metric.value:.4f} in the report and {by_samples} by its samples: it is made "
            "otherwise than of the scores of questions"
        )


def _with_both_names(spec: MetricSpec, mine: Line, its: Line) -> tuple[Line, Line]:
    """Both lines of a question with the cluster and the groups that either of them names, and no score where one has
    none."""
    known = {key: mine.get(key) or its.get(key) for key in ("cluster", "groups")}
    if worth_of(mine, spec) is None or worth_of(its, spec) is None:
        known |= {"score": None, "values": {}}
    return {**mine, **known}, {**its, **known}


def _flips(spec: MetricSpec, pairs: Sequence[tuple[Line, Line]], hide_a: bool, hide_b: bool) -> list[Flip]:
    return [
        Flip(
            question=str(mine.get("doc_id")),
            a=a,
            b=b,
            answer_a=_answer(mine, hide=hide_a),
            answer_b=_answer(its, hide=hide_b),
        )
        for mine, its in pairs
        if (a := worth_of(mine, spec) or 0.0) != (b := worth_of(its, spec) or 0.0)
    ]


def _answer(line: Line, *, hide: bool) -> str:
    """What was taken for the answer; where nothing was, what the model wrote. To ``hide`` it is to tell its hash."""
    response = line.get("response")
    answer = str(line.get("answer") or (response if isinstance(response, str) else ""))
    if hide:
        return f"sha256:{hashlib.sha256(answer.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return answer if len(answer) <= LONGEST else answer[: LONGEST - 1] + "…"


def _notes(a: Result, b: Result, asked: int, scored: Sequence[tuple[Line, Line]]) -> list[str]:
    notes = [] if len(scored) == asked else [f"{len(scored)} of {asked} questions are scored in both"]
    known = any(line.get("cluster") is not None for pair in scored for line in pair)
    if not known and any(result.clusters is not None and result.clusters < result.n_scored for result in (a, b)):
        notes.append("questions share passages, so the test is surer than it should be")
    return notes


def _judged(
    one: ScoreDifference, pairs: Pairs, p: float, same: float | None, detectable: float | None
) -> ScoreDifference:
    known = replace(one, p_corrected=p, p_equivalent=same, detectable=detectable)
    return replace(known, verdict=judge(pairs.mean, p, same, detectable))

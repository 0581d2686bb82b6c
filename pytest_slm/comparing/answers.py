"""Answers in pairs: two models that were asked the same questions are compared question by question.

The same questions are right or wrong for both, so most of the doubt about either score is common to them. An unpaired
test throws that away: with it p = .08 where the paired one finds .008.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.comparing.pairs import Pairs
from pytest_slm.comparing.timings import ALPHA, name_of
from pytest_slm.comparing.use_cases import Verdict, judge
from pytest_slm.core.comparison import holm
from pytest_slm.core.metrics.units import MEANS, Unit, made_of, mean
from pytest_slm.core.record import Record
from pytest_slm.core.statistics import Interval
from pytest_slm.core.task import MetricSpec
from pytest_slm.core.types import Result
from pytest_slm.registry.questions.lines import canonical, score_of, unit_of

Line = Mapping[str, Any]
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
    one of them was right, or more of it. ``difference`` is B less A, with its 95 % interval.

    ``detectable`` is the smallest difference that so many questions find in four of five cases, None where there is
    none. With a margin, ``p_equivalent`` is that of two models that are as far apart, and ``p_no_worse`` that B is as
    much worse; all three p values beside ``p`` are told for B, ``p_corrected`` and ``p_equivalent`` after Holm.
    """

    item: str
    metric: str
    n: int
    a: float
    b: float
    only_a: int
    only_b: int
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
) -> tuple[ScoreDifference, ...]:
    """Every item that has lines of both runs for the same questions; why others have none is put into ``refused``."""
    found: list[tuple[ScoreDifference, Pairs]] = []
    for a, b in pairs:
        if not a.samples and not b.samples:
            continue
        try:
            found.append(_difference(a, b, samples_a.get(a.samples or "", ()), samples_b.get(b.samples or "", ())))
        except _CannotCompareError as why:
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


class _CannotCompareError(Exception):
    """Why an item's answers are not compared."""


def _difference(
    a: Result, b: Result, lines_a: Sequence[Line], lines_b: Sequence[Line]
) -> tuple[ScoreDifference, Pairs]:
    if not lines_a or not lines_b:
        raise _CannotCompareError("its samples are not beside both reports")
    if a.seed != b.seed and a.seeded:  # ids and small answers are alike, the questions are not
        raise _CannotCompareError(
            f"its questions are made from the seed, {a.seed} in one run and {b.seed} in the other"
        )
    spec = a.declared.primary or MetricSpec(name=a.primary or "score")
    if spec.aggregate not in MEANS:
        raise _CannotCompareError(f"its {spec.name} is no mean over questions: compare the intervals in both reports")
    for result, lines in ((a, lines_a), (b, lines_b)):
        _check_number(result, made_of(spec, [unit_of(line) for line in lines]))
    theirs = canonical(lines_b)
    both = [(line, theirs[question]) for question, line in canonical(lines_a).items() if question in theirs]
    if not both:
        raise _CannotCompareError("both runs have no question in common")
    known = [_with_both_names(mine, its) for mine, its in both]
    one, other = (made_of(spec, [unit_of(line) for line in side]) for side in zip(*known, strict=True))
    if not one:
        raise _CannotCompareError("no question was scored in both runs")
    metric = a.metric()
    sign = -1 if metric is not None and not metric.higher_is_better else 1
    pairs = Pairs.of(one, other, sign)
    low, high = pairs.interval
    scored = [(mine, its) for mine, its in known if mine["score"] is not None]
    made = ScoreDifference(
        item=name_of(a),
        metric=spec.name,
        n=pairs.n,
        a=mean(one),
        b=mean(other),
        only_a=sum(value < 0 for value in pairs.differences),
        only_b=sum(value > 0 for value in pairs.differences),
        difference=mean(other) - mean(one),
        interval=(low, high) if sign > 0 else (-high, -low),
        p=pairs.p,
        p_corrected=1.0,
        detectable=None,
        verdict="too few",
        flips=tuple(_flips(scored, harmful=a.harmful or b.harmful)),
        notes=tuple(_notes(a, b, max(len(lines_a), len(lines_b)), scored)),
    )
    return made, pairs


def _check_number(result: Result, made: Sequence[Unit]) -> None:
    """What is compared has to be the number that the report tells: a metric may be made otherwise than of scores."""
    metric = result.metric()
    if metric is not None and (not made or abs(mean(made) - metric.value) > 1e-6):
        by_samples = f"{mean(made):.4f}" if made else "nothing"
        raise _CannotCompareError(
            f"its {metric.name} is {metric.value:.4f} in the report and {by_samples} by its samples: it is made "
            "otherwise than of the scores of questions"
        )


def _with_both_names(mine: Line, its: Line) -> tuple[Line, Line]:
    """Both lines of a question with the cluster and the groups that either of them names, and no score where one has
    none."""
    known = {key: mine.get(key) or its.get(key) for key in ("cluster", "groups")}
    if score_of(mine) is None or score_of(its) is None:
        known["score"] = None
    return {**mine, **known}, {**its, **known}


def _flips(pairs: Sequence[tuple[Line, Line]], *, harmful: bool) -> list[Flip]:
    return [
        Flip(
            question=str(mine.get("doc_id")),
            a=a,
            b=b,
            answer_a=_answer(mine, harmful=harmful),
            answer_b=_answer(its, harmful=harmful),
        )
        for mine, its in pairs
        if (a := score_of(mine) or 0.0) != (b := score_of(its) or 0.0)
    ]


def _answer(line: Line, *, harmful: bool) -> str:
    """What was taken for the answer; where nothing was, what the model wrote. Of a ``harmful`` one its hash, unless the
    run shows its prompts."""
    response = line.get("response")
    answer = str(line.get("answer") or (response if isinstance(response, str) else ""))
    if harmful and not line.get("prompt"):
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

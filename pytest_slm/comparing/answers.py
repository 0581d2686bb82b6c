"""Answers in pairs: two models that were asked the same questions are compared question by question.

The same questions are right or wrong for both, so most of the doubt about either score is common to them. An unpaired
test throws that away: with it p = .08 where the paired one finds .008.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pytest_slm.comparing.timings import ALPHA, name_of
from pytest_slm.core.comparison import holm, mcnemar, paired_difference, score_difference, sign_flips
from pytest_slm.core.record import Record
from pytest_slm.core.statistics import Interval
from pytest_slm.core.types import Result

Samples = Mapping[str, Sequence[Mapping[str, Any]]]
Question = tuple[str, str, str]
"""Task, id and expected answer. The prompt is left out: it has each model's own template in it."""


@dataclass(frozen=True, kw_only=True)
class ScoreDifference(Record):
    """One item that both were asked: the mean score of each in ``n`` common questions, the share that is right, and in
    how many only one of them was right, or more of it. ``difference`` is B less A, with its 95 % interval."""

    item: str
    n: int
    a: float
    b: float
    only_a: int
    only_b: int
    difference: float
    interval: Interval
    p: float
    p_corrected: float
    verdict: Literal["better", "worse", "no difference"]
    notes: tuple[str, ...] = ()


def compare_answers(
    pairs: Sequence[tuple[Result, Result]], samples_a: Samples, samples_b: Samples, refused: list[str]
) -> tuple[ScoreDifference, ...]:
    """Every item that has lines of both runs for the same questions; why others have none is put into ``refused``."""
    found = []
    for a, b in pairs:
        if not a.samples and not b.samples:
            continue
        one = _difference(a, b, samples_a.get(a.samples or "", ()), samples_b.get(b.samples or "", ()))
        if isinstance(one, str):
            refused.append(f"{name_of(a)}: {one}")
        else:
            found.append(one)
    corrected = holm([one.p for one in found])
    return tuple(_judged(one, p) for one, p in zip(found, corrected, strict=True))


def _difference(
    a: Result, b: Result, lines_a: Sequence[Mapping[str, Any]], lines_b: Sequence[Mapping[str, Any]]
) -> ScoreDifference | str:
    if not lines_a or not lines_b:
        return "its samples are not beside both reports"
    if a.seed != b.seed and a.seeded:  # ids and small answers are alike, the questions are not
        return f"its questions are made from the seed, {a.seed} in one run and {b.seed} in the other"
    scores_a, scores_b = _scores(lines_a), _scores(lines_b)
    common = [question for question in scores_a if question in scores_b]
    if not common:
        return "both runs have no question in common"
    named = {_question(line): cluster for line in (*lines_b, *lines_a) if (cluster := line.get("cluster")) is not None}
    pairs = [
        (one, other, str(named.get(q, q)))
        for q in common
        if (one := scores_a[q]) is not None and (other := scores_b[q]) is not None
    ]
    if not pairs:
        return "no question was scored in both runs"
    both, clusters = [pair[:2] for pair in pairs], [pair[2] for pair in pairs]
    only_a = sum(one > other for one, other in both)
    only_b = sum(one < other for one, other in both)
    n = len(both)
    differences = [other - one for one, other in both]
    if len(set(clusters)) == n and all(score in (0, 1) for pair in both for score in pair):
        interval, p = paired_difference(only_a, only_b, n), mcnemar(only_a, only_b)
    else:
        interval, p = score_difference(differences, clusters), sign_flips(differences, clusters)
    return ScoreDifference(
        item=name_of(a),
        n=n,
        a=sum(one for one, _ in both) / n,
        b=sum(other for _, other in both) / n,
        only_a=only_a,
        only_b=only_b,
        difference=math.fsum(differences) / n,
        interval=interval,
        p=p,
        p_corrected=1.0,
        verdict="no difference",
        notes=tuple(_notes(a, b, max(len(lines_a), len(lines_b)), n, bool(named))),
    )


def _question(line: Mapping[str, Any]) -> Question:
    return str(line.get("task")), str(line.get("doc_id")), str(line.get("target_sha256"))


def _scores(lines: Sequence[Mapping[str, Any]]) -> dict[Question, float | None]:
    """The score of each question; one that stands there twice is asked twice, and then no pair."""
    scores: dict[Question, float | None] = {}
    for line in lines:
        question, score = _question(line), line.get("score")
        if question in scores or isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            scores[question] = None
        else:
            scores[question] = float(score)
    return scores


def _notes(a: Result, b: Result, asked: int, n: int, known: bool) -> list[str]:
    notes = [] if n == asked else [f"{n} of {asked} questions are scored in both"]
    if not known and any(result.clusters is not None and result.clusters < result.n_scored for result in (a, b)):
        notes.append("questions share passages, so the test is surer than it should be")
    return notes


def _judged(one: ScoreDifference, corrected: float) -> ScoreDifference:
    if corrected > ALPHA:
        return replace(one, p_corrected=corrected)
    return replace(one, p_corrected=corrected, verdict="better" if one.difference > 0 else "worse")

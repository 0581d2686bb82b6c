"""From lines of samples to ``QuestionScores``."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from pytest_slm.core.metrics.units import MEANS, mean, parts_of, weighed
from pytest_slm.core.record import RecordError
from pytest_slm.core.task import MetricSpec
from pytest_slm.core.types import MEASURED, Result
from pytest_slm.registry.questions.lines import Line, Question, question_of, unit_of
from pytest_slm.registry.questions.record import QuestionScores, pack, runs_of

LONGEST = 80
"""Characters of an id that are kept."""


def question_scores(result: Result, lines: Sequence[Line]) -> QuestionScores | None:
    """The scores of an item's questions; None where its primary metric is no mean over them, or not that of these
    lines."""
    metric = result.metric()
    spec = result.declared.primary or MetricSpec(name=result.primary or "score")
    if result.outcome not in MEASURED or metric is None or spec.aggregate not in MEANS or not lines:
        return None
    asked = canonical(lines)
    parts = parts_of(spec, [unit_of(line, spec) for line in asked.values()])
    counted = weighed(spec.balance, parts)
    if not counted or abs(mean(counted) - metric.value) > 1e-6:
        return None
    groups = [[place for place, group in enumerate(spec.balance) if group in part.groups] for part in parts]
    if spec.balance and any(len(mine) != 1 for mine in groups):
        return None
    levels: list[float | None] = [*sorted({part.value for part in parts if part.value is not None})]
    if len(counted) < len(parts):
        levels.append(None)
    places = {level: place for place, level in enumerate(levels)}
    clusters = {cluster: place for place, cluster in enumerate(dict.fromkeys(part.cluster for part in parts))}
    alone = len(clusters) == len(parts)
    about = [result.version, spec.aggregate, spec.group, result.seed if result.seeded else None, *asked]
    try:
        return QuestionScores(
            questions=hashlib.sha256(json.dumps(about).encode()).hexdigest()[:24],
            n=len(parts),
            levels=tuple(levels),
            scores=pack([places[part.value] for part in parts], len(levels)),
            ids=runs_of(_name(part.name)[:LONGEST] for part in parts),
            n_clusters=0 if alone else len(clusters),
            clusters="" if alone else pack([clusters[part.cluster] for part in parts], len(clusters)),
            balance=spec.balance,
            groups=pack([mine[0] for mine in groups], len(spec.balance)) if spec.balance else "",
        )
    except RecordError:  # more levels, clusters or questions than are packed
        return None


def canonical(lines: Sequence[Line]) -> dict[Question, Line]:
    """The line of each question in an order that does not depend on that of the lines: ids with numbers by number. One
    that stands there twice was asked twice, and then has no score."""
    found: dict[Question, Line] = {}
    for line in lines:
        question = question_of(line)
        found[question] = {**line, "score": None, "values": {}} if question in found else line
    return dict(sorted(found.items(), key=lambda entry: _order(entry[0])))


def _order(question: Question) -> tuple[object, ...]:
    task, one, target, repeat = question
    parts = re.split(r"(\d{1,18})", one[:1000], flags=re.ASCII)
    return task, [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], one, target, repeat


def _name(name: str) -> str:
    # An id may hold what no JSON file of ours does, as half a surrogate pair.
    return name.encode("utf-8", "backslashreplace").decode()

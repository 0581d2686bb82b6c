"""Metrics that are no means over questions (a gap between groups, a spread of places, an F1): what each block of
questions does to their difference in two runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from pytest_slm.core.metrics import AGGREGATES
from pytest_slm.core.record import RecordError
from pytest_slm.core.task import MetricSpec
from pytest_slm.core.types import JudgedSample, Sample, Verdict
from pytest_slm.registry.questions.lines import Line, cluster_of, groups_of, question_of, share, values_of

BLOCKS = 200
"""Blocks at most that are left out in turn; more clusters share them."""


def value_of(spec: MetricSpec, lines: Sequence[Line]) -> float | None:
    """The metric of these lines; None where it cannot be made of them."""
    return _made(spec, [_judged(line) for line in lines])


def differences(spec: MetricSpec, one: Sequence[Line], other: Sequence[Line]) -> list[float] | None:
    """The difference of the metric in the second run's lines and in the first one's, once for each block of clusters,
    moved by what the block does to it: pseudo-values (Tukey 1958), whose mean is the difference and whose spread is its
    jackknife error. Both runs' lines are of the same questions, in one order, so what moves both alike moves nothing.
    None where it cannot be made of all, or without one of the blocks.
    """
    blocks: dict[object, int] = {}
    for line in one:
        blocks.setdefault(cluster_of(line), len(blocks) % BLOCKS)
    places = [blocks[cluster_of(line)] for line in one]
    sides = [[_judged(line) for line in side] for side in (one, other)]

    def difference(left_out: int | None) -> float | None:
        mine, its = (
            _made(spec, [judged for judged, block in zip(side, places, strict=True) if block != left_out])
            for side in sides
        )
        return None if mine is None or its is None else its - mine

    whole, number = difference(None), len(set(places))
    without = [difference(block) for block in range(number)]
    known = [one for one in without if one is not None]
    if whole is None or number < 2 or len(known) < number:
        return None
    return [whole + (number - 1) * (fmean(known) - left) for left in known]


def _made(spec: MetricSpec, judged: Sequence[JudgedSample]) -> float | None:
    # Lines tell which class was expected by its hash, so that a class which is named has to be told by it too.
    named = spec if spec.label is None else replace(spec, label=_hash(spec.label))
    try:
        metric = AGGREGATES[spec.aggregate](named, judged)
    except (RecordError, TypeError):  # lines of another making, say a number where the metric is made of a list
        return None
    return None if metric is None else metric.value


def _judged(line: Line) -> JudgedSample:
    label = line.get("label")
    return JudgedSample(
        sample=Sample(
            id="/".join(question_of(line)),
            input="",
            target=str(line.get("target_sha256")),
            groups=groups_of(line),
            cluster=str(cluster_of(line)),
        ),
        verdict=Verdict(
            value=share(line.get("score")),
            answer="",
            explanation="",
            values=values_of(line),
            label=None if label is None else _hash(str(label)),
            confidence=share(line.get("confidence")),
        ),
    )


def _hash(label: str) -> str:
    """The hash by which a line tells that this class was expected (``target_sha256``)."""
    return hashlib.sha256(json.dumps(label, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\0").hexdigest()

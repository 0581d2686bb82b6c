"""Places among scores that are not exactly known: ranks with their intervals, tiers, and what luck adds to the best."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.core.aggregation import ranks
from pytest_slm.core.statistics import Z95, Interval

Score = tuple[float, Interval | None]
ANYTHING: Interval = (0.0, 100.0)
"""What a score may be of which nobody knows how sure it is."""
EXACT = 1e-3
"""The least standard error of a score, in points: no score is better known than it is shown."""


@dataclass(frozen=True)
class Place:
    """Where a score stands: see the fields of the same names of ``AggregateScore``."""

    rank: int
    rank_interval: tuple[int, int]
    tier: int
    corrected: float | None


def places(scores: Mapping[str, Score]) -> dict[str, Place]:
    """The place of each score among all, by name.

    The best rank that a score may have counts the scores whose whole interval lies above its own, the worst one those
    whose whole interval lies below it: ranks as leaderboards with intervals give them (Chiang et al. 2024,
    https://arxiv.org/abs/2403.04132), from both sides.
    """
    order = ranks({name: score for name, (score, _) in scores.items()})
    intervals = {name: interval or ANYTHING for name, (_, interval) in scores.items()}
    lows, highs = (sorted(interval[end] for interval in intervals.values()) for end in (0, 1))
    corrected = dict(zip(scores, shrunk(list(scores.values())), strict=True))
    tier, floor = 0, math.inf
    found = {}
    for name in sorted(scores, key=lambda name: (order[name], name)):
        low, high = intervals[name]
        if high < floor:  # the best of what is left starts the next tier
            tier, floor = tier + 1, low
        found[name] = Place(
            rank=order[name],
            rank_interval=(1 + len(lows) - bisect_right(lows, high), len(highs) - bisect_left(highs, low)),
            tier=tier,
            corrected=corrected[name],
        )
    return found


def shrunk(scores: Sequence[Score]) -> list[float | None]:
    """Each score drawn to their mean by how much of the spread of all is noise (empirical Bayes, Efron and Morris
    1975): whatever is chosen because it is the best is not overrated on average.

    The spread of true scores is that of DerSimonian and Laird (1986); where nothing is left of it, all are the mean.
    None for a score without an interval, and for all where fewer than three have one: of two nobody knows the spread.
    """
    known = [
        (score, max(EXACT, (interval[1] - interval[0]) / (2 * Z95)) ** 2) for score, interval in scores if interval
    ]
    if len(known) < 3:
        return [None for _ in scores]
    weights = [1 / variance for _, variance in known]
    mean = _mean(known, weights)
    excess = sum(w * (score - mean) ** 2 for w, (score, _) in zip(weights, known, strict=True)) - (len(known) - 1)
    spread = max(0.0, excess / (sum(weights) - sum(w * w for w in weights) / sum(weights)))
    centre = _mean(known, [1 / (variance + spread) for _, variance in known])
    left = iter([centre + spread / (spread + variance) * (score - centre) for score, variance in known])
    return [next(left) if interval else None for _, interval in scores]


def _mean(scores: Sequence[tuple[float, float]], weights: Sequence[float]) -> float:
    return sum(w * score for w, (score, _) in zip(weights, scores, strict=True)) / sum(weights)

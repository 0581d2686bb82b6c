"""Is it a difference? Tests and intervals for two sets of rounds, and for two models that answered the same questions.

Two sets of rounds are compared by ranks: one slow round, of which every machine has some, moves a rank test little and
a t test much. That is what Go's benchstat does; pyperf has the t test.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pytest_slm.core.record import Record
from pytest_slm.core.statistics import Z95, Interval, standard_error

EXACT = 60
"""Up to so many values in both samples together the rank tests are exact."""
FLIPS = 12
"""Up to so many pairs that differ the test of their signs is exact: 4,096 ways."""
Passing = Literal["pass", "fail", "inconclusive"]
_BITS = 64  # of one count; the greatest is C(60, 30) = 1.2e17


@dataclass(frozen=True, kw_only=True)
class BaselineVerdict(Record):
    """An item beside the same item of a baseline run. fail: beyond doubt worse by more than ``allowed``; pass: beyond
    doubt by less; inconclusive: neither, or not compared, with the reason.

    Of a score ``change`` is this run's less the baseline's, as a share, in ``n`` questions that both answered; of a
    timing (``unit`` is ratio) it is how many times as fast this run is. ``p``: that it is worse by ``allowed`` at most;
    ``p_corrected``: the same after Holm among ``tests`` items; ``p_within``: that it is worse by ``allowed`` or more.
    ``detectable`` is the smallest drop that is found in four of five cases, None where there is none or nobody knows.
    """

    run: str
    """The run id of the baseline."""
    quantity: str = ""
    unit: Literal["share", "ratio"] = "share"
    verdict: Passing
    n: int | None = None
    baseline: float | None = None
    value: float | None = None
    change: float | None = None
    interval: Interval | None = None
    allowed: float
    p: float | None = None
    p_corrected: float | None = None
    p_within: float | None = None
    detectable: float | None = None
    tests: int
    reason: str = ""


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided p value that both samples are from one distribution (Mann and Whitney 1947), 1 for an empty sample.

    Exact up to ``EXACT`` values: the distribution of the rank sum over all ways to deal out the ranks that are there,
    so ties are no approximation (Lehmann 1975, 1.4). Beyond, normal with corrections for ties and continuity.
    """
    n, m = len(a), len(b)
    if not n or not m:
        return 1.0
    ranks = _doubled_ranks((*a, *b))
    mine = sum(ranks[:n])
    if n + m <= EXACT:
        counts = _rank_sums(ranks, n)
        total = math.comb(n + m, n)
        below = sum(count for rank_sum, count in enumerate(counts) if rank_sum <= mine)
        above = sum(count for rank_sum, count in enumerate(counts) if rank_sum >= mine)
        return min(1.0, 2 * min(below, above) / total)
    spread = math.sqrt(n * m * statistics.pvariance(ranks) / (n + m - 1))
    distance = abs(mine - n * (n + m + 1))
    if not spread:
        return 1.0
    # The ranks are doubled, so the half step of the continuity correction is 1.
    return min(1.0, 2 * statistics.NormalDist().cdf(-max(0.0, distance - 1) / spread))


def smallest_p(n: int, m: int) -> float:
    """The least p value of ``mann_whitney`` for samples of these sizes: all of one below all of the other."""
    return min(1.0, 2 / math.comb(n + m, n)) if n and m else 1.0


def p_equivalent(a: Sequence[float], b: Sequence[float], margin: float) -> float:
    """p value that ``b`` is ``1 + margin`` times as large as ``a`` or more, or ``a`` than ``b``: small where neither is
    (two one-sided tests; Schuirmann 1987). All values must be above 0."""
    scaled = ([value * (1 + margin) for value in a], [value * (1 + margin) for value in b])
    return max(p_less(b, scaled[0]), p_less(a, scaled[1]))


def p_less(a: Sequence[float], b: Sequence[float]) -> float:
    """One-sided p value of ``mann_whitney``, small where ``a`` is below ``b``."""
    above = sum((x > y) - (x < y) for x in a for y in b)
    return mann_whitney(a, b) / 2 if above < 0 else 1.0


def ratio_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, Interval | None]:
    """How many times as large ``b`` is as ``a``: Hodges and Lehmann's estimate, and its 95 % interval.

    The estimate is the median of all ratios of a value of ``b`` to one of ``a`` (their paper of 1963, on logarithms);
    the interval is made of two of these ratios and inverts ``mann_whitney``, so that both agree (Lehmann 1975, 2.6).
    It is None where the samples are too small for 95 %: four of each are needed. All values must be above 0.
    """
    n, m = len(a), len(b)
    logs = sorted(math.log(y / x) for x in a for y in b)
    if n + m <= EXACT:
        counts = _rank_sums(range(2, 2 * (n + m) + 1, 2), n)
        tail, least = 0, n * (n + 1)
        k = 0  # the greatest k with P(U < k) <= 2.5 %
        for u in range(n * m):
            tail += counts[least + 2 * u]
            if tail / math.comb(n + m, n) > 0.025:
                break
            k = u + 1
    else:
        k = math.floor(n * m / 2 - Z95 * math.sqrt(n * m * (n + m + 1) / 12))
    interval = (math.exp(logs[k - 1]), math.exp(logs[n * m - k])) if k > 0 else None
    return math.exp(statistics.median(logs)), interval


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p value that two models are right equally often, from the questions that only one of them got
    right (McNemar 1947; the binomial distribution instead of chi square)."""
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail: float = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
    return min(1.0, 2 * tail)


def sign_flips(differences: Sequence[float], clusters: Sequence[object]) -> float:
    """Two-sided p value that two models score equally, from the differences of their scores in the same questions.

    If they do, each difference might as well have the other sign, and those of a cluster all together (Fisher 1935,
    21): p is the share of all ways to set the signs whose sum is at least as far from 0. It is exact for up to
    ``FLIPS`` clusters that differ, where it is McNemar's test if all differences are 1; beyond it is the saddlepoint
    approximation of that share (Robinson 1982; Lugannani and Rice 1980), which needs no seed and is good for small p
    too, where a normal distribution is not; of sums exactly as far from 0 it counts half (the mid-p value).
    """
    sums: dict[object, float] = {}
    for difference, cluster in zip(differences, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + difference
    sizes = [abs(part) for part in sums.values() if abs(part) > 1e-12]
    distance, most = abs(math.fsum(differences)), math.fsum(sizes)
    if distance <= 1e-12 * (1 + most):
        return 1.0
    if len(sizes) <= FLIPS:
        ways = [0.0]
        for size in sizes:
            ways = [way + signed for way in ways for signed in (size, -size)]
        return sum(abs(way) >= distance - 1e-9 * most for way in ways) / len(ways)
    least = 2.0 ** (1 - len(sizes))
    return max(least, min(1.0, 2 * _flips_beyond(distance, sizes))) if distance < most * (1 - 1e-9) else least


def _flips_beyond(distance: float, sizes: Sequence[float]) -> float:
    """The chance that a sum with random signs is ``distance`` or more, by Lugannani and Rice's formula."""

    def slope(t: float) -> float:
        return math.fsum(size * math.tanh(t * size) for size in sizes)

    low, high = 0.0, 1 / max(sizes)
    while slope(high) < distance:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < distance else (low, middle)
    # log cosh, written so that nothing overflows
    cumulant = math.fsum(high * s + math.log1p(math.exp(-2 * high * s)) - math.log(2) for s in sizes)
    curvature = math.fsum((size * (1 - math.tanh(high * size))) * size * (1 + math.tanh(high * size)) for size in sizes)
    w, u = math.sqrt(max(0.0, 2 * (high * distance - cumulant))), high * math.sqrt(curvature)
    normal = statistics.NormalDist()
    # Near the middle both terms of the correction grow beyond what a float can subtract; it is nothing there.
    correction = normal.pdf(w) * (1 / u - 1 / w) if w > 1e-3 and u > 0 else 0.0
    return normal.cdf(-w) + correction


def score_difference(
    differences: Sequence[float], clusters: Sequence[object], most: float = 1.0
) -> tuple[float, float, int | None]:
    """The mean difference of two models' scores in the same questions, drawn towards 0 by what was not seen; its
    standard error; and its degrees of freedom, which are None (a normal distribution) without clusters.

    It is Bonett and Price's (2012): one question that only A has right and one that only B has right are added, so that
    it is sound for few questions, and not sure where both agree in all of them. They differ by ``most``, the greatest
    difference that there may be: a rare and large one may not have been met yet. Clusters widen the error by their
    design effect.
    """
    n = len(differences)
    centre = math.fsum(differences) / (n + 2)
    squares = math.fsum(difference**2 for difference in differences) + 2 * most**2
    error = math.sqrt((squares / (n + 2) - centre**2) / (n + 2))
    n_clusters = len(set(clusters))
    return centre, error * inflation(differences, clusters), None if n_clusters == n else n_clusters - 1


def inflation(differences: Sequence[float], clusters: Sequence[object]) -> float:
    """By how much clusters widen the standard error of a mean: the root of their design effect, at least 1."""
    n, n_clusters = len(differences), len(set(clusters))
    if n_clusters == n:
        return 1.0
    plain, robust = standard_error(differences), standard_error(differences, clusters)
    # Where nothing varies, what clusters do cannot be seen, and they count instead of questions.
    return max(1.0, robust / plain) if plain and robust else math.sqrt(n / n_clusters)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for how many there are, in their order (Holm 1979): at 5 % the chance of any false alarm among
    all of them is at most 5 %."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [1.0] * len(p_values)
    least = 0.0
    for step, place in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - step) * p_values[place]))
        corrected[place] = least
    return corrected


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of every value, so that the mean rank of ties is a whole number."""
    ordered = sorted(values)
    starts = [0, *(place for place, (x, y) in enumerate(pairwise(ordered), start=1) if x != y), len(ordered)]
    doubled = {ordered[start]: start + 1 + end for start, end in pairwise(starts)}
    return [doubled[value] for value in values]


def _rank_sums(ranks: Sequence[int], n: int) -> list[int]:
    """For every sum, in how many ways ``n`` of these ranks add up to it.

    It is the coefficient of y^n in the product of (1 + y x^rank). A polynomial in x is one large integer, ``_BITS`` for
    each coefficient, so that multiplying by x^rank is a shift.
    """
    of_size = [1] + [0] * n
    for rank in ranks:
        for size in range(n, 0, -1):
            of_size[size] += of_size[size - 1] << (_BITS * rank)
    width = _BITS // 8
    packed = of_size[n].to_bytes((sum(ranks) + 1) * width, "little")
    return [int.from_bytes(packed[place : place + width], "little") for place in range(0, len(packed), width)]

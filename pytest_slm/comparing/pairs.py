"""What the answers of two models to the same questions can show: a difference, none beyond a margin, or neither; and
the smallest difference that so many questions would have shown (decision 25)."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Self

from pytest_slm.comparing.timings import POWER
from pytest_slm.core.comparison import inflation, mcnemar, score_difference, sign_flips
from pytest_slm.core.metrics.units import Unit
from pytest_slm.core.statistics import Z95, Interval, t_cdf, t_quantile

EXACT = 25
"""Up to so many questions that the models answer differently the power of McNemar's test is exact."""
_NORMAL = statistics.NormalDist()


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The differences of two models' scores in the same questions, B less A, with the cluster of each. ``most`` is the
    greatest difference that there may be (more than 1 where questions weigh more than others); ``graded`` says that
    answers may be partly right."""

    differences: tuple[float, ...]
    clusters: tuple[object, ...]
    most: float = 1.0
    graded: bool = False

    @classmethod
    def of(cls, a: Sequence[Unit], b: Sequence[Unit], sign: int = 1) -> Self:
        """The pairs of the parts of two models' metrics, in one order; ``sign`` is -1 where less is better."""
        return cls(
            differences=tuple(
                sign * one.weight * ((other.value or 0.0) - (one.value or 0.0)) for one, other in zip(a, b, strict=True)
            ),
            clusters=tuple(one.cluster for one in a),
            most=max(1.0, *(one.weight for one in a)),
        )

    @property
    def n(self) -> int:
        """How many questions there are."""
        return len(self.differences)

    @property
    def mean(self) -> float:
        """The mean difference."""
        return math.fsum(self.differences) / self.n

    @cached_property
    def plain(self) -> bool:
        """Whether every answer is right or wrong, and stands for itself: then the exact test is McNemar's."""
        whole = self.most == 1 and set(self.differences) <= {-1.0, 0.0, 1.0}
        return whole and len(set(self.clusters)) == self.n

    @cached_property
    def p(self) -> float:
        """Two-sided p value that both models are equally good: McNemar's exact test, and where answers are partly right
        or in clusters the larger of two: that of sign flips, which is sharp but takes differences to be as often large
        in one direction as in the other, and that of ``beyond``, which does not."""
        if self.plain:
            return mcnemar(self.differences.count(-1.0), self.differences.count(1.0))
        one_sided = min(self.beyond(0.0), _turned(self).beyond(0.0))
        return max(sign_flips(self.differences, self.clusters), min(1.0, 2 * one_sided))

    @cached_property
    def interval(self) -> Interval:
        """95 % interval of the mean difference (Bonett and Price 2012), with Student's t where there are clusters."""
        centre, error, df = score_difference(self.differences, self.clusters, self.most)
        if df == 0:
            return -1.0, 1.0
        half = error * (Z95 if df is None else t_quantile(0.975, df))
        return max(-1.0, centre - half), min(1.0, centre + half)

    def beyond(self, limit: float) -> float:
        """One-sided p value that B's mean is no more than ``limit`` above A's: small where it is more beyond doubt.

        A score test: the standard error is what it would be if the mean were ``limit``. To find that, the differences
        that were met, with one of ``most`` in each direction, are weighed by exp(t x) so that their mean is ``limit``
        (exponential tilting; Efron 1981). For answers that are right or wrong it is near to Tango's test (1998).
        """
        df = len(set(self.clusters)) - 1
        if not -self.most < limit < self.most or not df:
            return 1.0
        spread = _spread(Counter((*self.differences, self.most, -self.most)), limit) * self._inflation
        z = (self.mean - limit) / (spread / math.sqrt(self.n))
        return 1 - t_cdf(z, df) if len(set(self.clusters)) < self.n else _NORMAL.cdf(-z)

    def no_worse(self, margin: float) -> float:
        """One-sided p value that B is worse than A by ``margin`` or more: small where it is not."""
        return self.beyond(-margin)

    def dropped(self, allowed: float) -> float:
        """One-sided p value that B is worse than A by ``allowed`` at most: small where it is by more, beyond doubt. It
        is never smaller than that of being worse at all, which is exact where answers are right or wrong."""
        worse = self.p / 2 if self.mean < 0 else 1.0
        return max(worse, _turned(self).beyond(allowed)) if allowed else worse

    def detectable_drop(self, level: float, allowed: float) -> float | None:
        """The smallest drop of B's mean that ``dropped`` finds at this level in four of five cases; None if there is
        none that so few questions would show."""
        found = self.detectable(2 * level)  # that of a test with two sides
        if not allowed or found is None:
            return found
        if not self.plain:
            return found + allowed if found + allowed < self.most else None
        apart = 1 - self.differences.count(0.0) / self.n
        sure, often = _NORMAL.inv_cdf(1 - level), _NORMAL.inv_cdf(POWER)
        low, high = max(found, allowed), 1.0
        for _ in range(12):
            drop = (low + high) / 2
            unlike = max(apart, drop)
            errors = sure * math.sqrt(max(0.0, unlike - allowed**2)) + often * math.sqrt(unlike - drop**2)
            low, high = (low, drop) if (drop - allowed) * math.sqrt(self.n) >= errors else (drop, high)
        return high if high < 1 else None

    def equivalent(self, margin: float) -> float:
        """p value that they are ``margin`` or more apart: small where they are not (two one-sided tests, Schuirmann
        1987)."""
        return max(self.beyond(-margin), _turned(self).beyond(-margin))

    def detectable(self, level: float) -> float | None:
        """The smallest difference of the means that a test at this level finds in four of five cases, with as many
        questions that the models answer differently as there were, or as the difference needs; None if there is none
        that so few questions would show."""
        if self.plain:
            return _least(self.n, 1 - self.differences.count(0.0) / self.n, level)
        n_clusters = len(set(self.clusters))
        if 2.0 ** (1 - n_clusters) > level:  # the least p of sign flips
            return None
        _, error, df = score_difference(self.differences, self.clusters, self.most)
        quantiles = [_NORMAL.inv_cdf(q) if df is None else t_quantile(q, df) for q in (1 - level / 2, POWER)]
        found = sum(quantiles) * error
        return found if found < 1 else None

    @cached_property
    def _inflation(self) -> float:
        return inflation(self.differences, self.clusters)


def _turned(pairs: Pairs) -> Pairs:
    return Pairs(differences=tuple(-one for one in pairs.differences), clusters=pairs.clusters, most=pairs.most)


def _spread(counts: Mapping[float, int], mean: float) -> float:
    """The standard deviation of these values when they are weighed by exp(t x) so that their mean is ``mean``."""
    largest = max(map(abs, counts))

    def weighed(t: float) -> tuple[float, float]:
        weights = {x: count * math.exp(t * x - abs(t) * largest) for x, count in counts.items()}
        total = math.fsum(weights.values())
        centre = math.fsum(x * weight for x, weight in weights.items()) / total
        return centre, math.fsum(x * x * weight for x, weight in weights.items()) / total

    low, high, t = -math.inf, math.inf, 0.0
    for _ in range(100):  # Newton's steps, and a half or a double where one leaves what is known
        centre, squares = weighed(t)
        if abs(centre - mean) < 1e-9:
            break
        low, high = (t, high) if centre < mean else (low, t)
        t += (mean - centre) / (squares - centre**2 or 1.0)
        if not low < t < high:
            ends = (low + high) / 2, 2 * max(1.0, low), 2 * min(-1.0, high)
            t = ends[0] if math.isfinite(ends[0]) else ends[1] if high == math.inf else ends[2]
    return math.sqrt(squares - mean**2)


def _least(n: int, apart: float, level: float) -> float | None:
    """The smallest difference that McNemar's test finds in four of five cases, where a share ``apart`` of the questions
    is answered differently, or as much of it as the difference takes."""
    if 2.0 ** (1 - n) > level:  # the p value of all questions answered differently, and better by one model
        return None
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if _power(n, max(apart, middle), middle, level) >= POWER else (middle, high)
    return high


def _power(n: int, apart: float, difference: float, level: float) -> float:
    """How often McNemar's test finds this difference: exact for few questions, else Connor's formula (1987), with a
    correction for continuity."""
    if n * apart > EXACT:
        if difference == 1:
            return 1.0
        distance = math.sqrt(n) * max(0.0, difference - 1 / n) + math.sqrt(apart) * _NORMAL.inv_cdf(level / 2)
        return _NORMAL.cdf(distance / math.sqrt(apart - difference**2))
    share = (apart + difference) / (2 * apart)
    likely = range(1, min(n, 2 * EXACT) + 1)
    return math.fsum(_binomial(n, discordant, apart) * _finds(discordant, share, level) for discordant in likely)


def _finds(discordant: int, share: float, level: float) -> float:
    """How often McNemar's test finds that B is better, if so many answers differ and B has this share of them right."""
    critical = _critical(discordant, level)
    return math.fsum(_binomial(discordant, fewer, 1 - share) for fewer in range(critical + 1))


@cache
def _critical(discordant: int, level: float) -> int:
    """The most of the discordant questions that the other model may have right; -1 if not even none is enough."""
    tail, critical = 0.0, -1
    for fewer in range(discordant // 2 + 1):
        tail += math.comb(discordant, fewer) / 2**discordant
        if 2 * tail > level:
            break
        critical = fewer
    return critical


def _binomial(n: int, k: int, share: float) -> float:
    if share in (0.0, 1.0):
        return float(k == n * share)
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log + k * math.log(share) + (n - k) * math.log1p(-share))

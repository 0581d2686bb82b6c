"""How sure a number is: intervals for shares, means and medians, each with the paper it is from.

All functions are pure and take plain sequences of floats. An interval that cannot be known (one sample, no samples)
is ``None``, never ``(x, x)``: one measurement says nothing about its own spread.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

Interval = tuple[float, float]

NOISY = 0.05
"""Coefficient of variation above which the rounds of a timing disagree too much to be trusted."""

Z95 = statistics.NormalDist().inv_cdf(0.975)


def figures(value: float, digits: int = 3) -> str:
    """A number for people: with so many digits that count, all of those before the point, and not as 1.02e+03, which is
    hard to compare with 998; beyond all that is measured it stays short."""
    text = f"{value:.{digits}g}"
    if "e" not in text or not 1e-9 <= abs(value) < 1e15:
        return text
    return f"{value:.0f}" if abs(value) >= 1 else f"{Decimal(text):f}"


def wilson(successes: float, n: float, z: float = Z95) -> Interval | None:
    """Score interval of a share, ``successes`` out of ``n`` (Wilson 1927): sound at 0 %, at 100 % and for small n."""
    if n <= 0:
        return None
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes out of {n}")
    share = successes / n
    centre, half = _wilson(share, n, z)
    # The bounds at 0 and 1 are exact; rounding must not push them past the observed share.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    return centre, z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))


def unvaried(share: float, n: float, z: float = Z95) -> Interval | None:
    """Interval of the mean of n scores in [0, 1] that are all alike, so that nothing shows how they vary: Wilson's, for
    the 0s and 1s of that mean vary the most that such scores can. ``None`` for fewer than two."""
    return wilson(share * n, n, z) if n >= 2 else None


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Student's t interval of the mean; ``None`` for fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    centre = statistics.fmean(values)
    half = t_quantile((1 + confidence) / 2, n - 1) * statistics.stdev(values, centre) / math.sqrt(n)
    return centre - half, centre + half


def standard_error(values: Sequence[float], clusters: Sequence[object] | None = None) -> float | None:
    """Standard error of the mean; ``None`` for fewer than two values (or clusters).

    ``clusters`` names the cluster of each value: questions about one passage are right or wrong together, so that many
    of them say less than as many independent ones. Then it is the cluster-robust error with the correction G/(G - 1)
    for G clusters (Liang and Zeger 1986; for evaluations Miller 2024, https://arxiv.org/abs/2411.00640). Clusters of
    one value each give the plain error.
    """
    n = len(values)
    if clusters is not None and len(clusters) != n:
        raise ValueError(f"{n} values, but {len(clusters)} clusters")
    centre = statistics.fmean(values) if values else 0.0
    sums: dict[object, float] = {}
    for place, value in enumerate(values):
        name = place if clusters is None else clusters[place]
        sums[name] = sums.get(name, 0.0) + value - centre
    g = len(sums)
    if g < 2:
        return None
    return math.sqrt(math.fsum(part * part for part in sums.values()) * g / (g - 1)) / n


def clustered_interval(
    values: Sequence[float], clusters: Sequence[object], confidence: float = 0.95
) -> Interval | None:
    """Student's t interval of the mean with the cluster-robust error; degrees of freedom are the clusters less one."""
    error = standard_error(values, clusters)
    if error is None:
        return None
    centre = statistics.fmean(values)
    half = t_quantile((1 + confidence) / 2, len(set(clusters)) - 1) * error
    return centre - half, centre + half


def clustered_wilson(values: Sequence[float], clusters: Sequence[object]) -> Interval | None:
    """Wilson's interval of a share with the effective number of samples (Franco et al. 2019), for values 0 and 1.

    n is divided by the design effect, that is by what clustering does to the variance; it is never more than n. Where
    all values agree, the effect cannot be seen, and n is the number of clusters. ``None`` for one cluster of several.
    """
    if not set(values) <= {0, 1}:
        raise ValueError("an interval of a share needs values that are 0 or 1")
    n, n_clusters = len(values), len(set(clusters))
    if n_clusters == n:
        return wilson(sum(values), n)
    stderr = standard_error(values, clusters)
    if stderr is None:
        return None
    share = statistics.fmean(values)
    independent = math.sqrt(share * (1 - share) / (n - 1))  # the standard error if there were no clusters
    effective = n / max(1.0, (stderr / independent) ** 2) if independent else float(n_clusters)
    centre, half = _wilson(share, effective, t_quantile(0.975, n_clusters - 1))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def jackknife(
    statistic: Callable[[Sequence[int]], float], clusters: Sequence[object], *, groups: int = 40, seed: int = 0
) -> float | None:
    """Standard error of any smooth statistic of n samples by leaving out one of ``groups`` groups at a time
    (Shao and Tu 1995, 2.3); ``None`` for fewer than two clusters.

    ``statistic`` maps the places of the samples that stay (0 to n - 1) to its value; a cluster stays together.
    """
    names = sorted(set(clusters), key=str)
    if len(names) < 2:
        return None
    random.Random(seed).shuffle(names)
    group_of = {name: place % min(groups, len(names)) for place, name in enumerate(names)}
    g = min(groups, len(names))
    values = [
        statistic([place for place, cluster in enumerate(clusters) if group_of[cluster] != left_out])
        for left_out in range(g)
    ]
    centre = statistics.fmean(values)
    return math.sqrt((g - 1) / g * math.fsum((value - centre) ** 2 for value in values))


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Distribution-free interval of the median from order statistics (Conover 1999, 3.2); ``None`` if n is too small.

    With n values the widest such interval, (min, max), covers ``1 - 2 ** (1 - n)``: 5 rounds give 93.75 %, so 95 %
    needs at least 6. The narrowest symmetric pair that still covers ``confidence`` is returned.
    """
    n, ordered = len(values), sorted(values)
    tail = 0.0
    rank = 0
    for k in range(n // 2):
        tail += math.comb(n, k) / 2**n
        if 1 - 2 * tail < confidence:
            break
        rank = k + 1
    return (ordered[rank - 1], ordered[n - rank]) if rank else None


def median(values: Sequence[float]) -> float:
    """The middle value; the mean of the two middle ones if their number is even."""
    return statistics.median(values)


def coefficient_of_variation(values: Sequence[float]) -> float | None:
    """Standard deviation over mean; ``None`` for fewer than two values or a mean of 0."""
    if len(values) < 2:
        return None
    # By a power of 2, which changes no digit: the square of 1e300 is no number.
    power = math.frexp(max(max(values), -min(values)))[1]
    scaled = [math.ldexp(value, -power) for value in values]
    centre = math.fsum(scaled) / len(scaled)
    # Not by statistics.stdev, whose fractions take as long as all else that is made of a report.
    deviation = math.sqrt(math.fsum([(value - centre) ** 2 for value in scaled]) / (len(scaled) - 1))
    return deviation / abs(centre) if centre else None


def percentile(values: Sequence[float], q: float) -> float:
    """The q-quantile (0..1) with linear interpolation between neighbours, as numpy's default has it."""
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def combine(
    parts: Sequence[tuple[float, float, Interval | None]], correlations: Mapping[tuple[int, int], float] | None = None
) -> tuple[float, Interval | None]:
    """A weighted sum of estimates and its interval: MOVER (Zou and Donner 2008).

    ``parts`` holds (weight, estimate, interval); weights may be any non-negative numbers and are used as they are.
    ``correlations`` are those of two estimates, by their places; what is not in it is independent (Zou 2007).
    The interval is ``None`` as soon as one part with weight has none: doubt does not vanish by averaging.
    """
    value = sum([weight * estimate for weight, estimate, _ in parts])
    below, above = [], []
    for weight, estimate, interval in parts:
        if weight and interval is None:
            return value, None
        ends = interval or (estimate, estimate)
        below.append(weight * (estimate - ends[0]))
        above.append(weight * (ends[1] - estimate))

    def length(sides: Sequence[float]) -> float:
        # By a power of 2, as above.
        power = math.frexp(max(map(abs, sides), default=0.0))[1]
        scaled = [math.ldexp(side, -power) for side in sides]
        together = sum([side**2 for side in scaled])
        if correlations:
            together += sum(2 * r * scaled[one] * scaled[other] for (one, other), r in correlations.items())
        return math.sqrt(max(0.0, together)) * 2.0 ** min(power, 1023)

    return value, (value - length(below), value + length(above))


def t_quantile(p: float, df: int) -> float:
    """Quantile of Student's t for ``df`` degrees of freedom, by bisection of its exact distribution function."""
    if not 0 < p < 1 or df < 1:
        raise ValueError(f"no t quantile for p={p}, df={df}")
    if p == 0.5:
        return 0.0
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return (low + high) / 2


def t_cdf(t: float, df: int) -> float:
    """P(T <= t) for Student's t, in closed form for whole degrees of freedom (Abramowitz and Stegun 26.7.3 and 4)."""
    theta = math.atan(t / math.sqrt(df))
    cosine2 = math.cos(theta) ** 2
    term, total = 1.0, 0.0
    if df % 2:  # odd
        term = math.cos(theta)
        for k in range(1, (df - 1) // 2 + 1):
            total += term
            term *= cosine2 * 2 * k / (2 * k + 1)
        inside = 2 / math.pi * (theta + (math.sin(theta) * total if df > 1 else 0.0))
    else:
        for k in range(1, df // 2 + 1):
            total += term
            term *= cosine2 * (2 * k - 1) / (2 * k)
        inside = math.sin(theta) * total
    return 0.5 + inside / 2

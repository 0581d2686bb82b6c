"""Rounds against rounds: how many times as fast, how sure, and whether that is a difference at all (decision 15)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_slm.core.comparison import holm, mann_whitney, p_equivalent, ratio_interval, smallest_p
from pytest_slm.core.record import Record
from pytest_slm.core.statistics import NOISY, Z95, Interval, coefficient_of_variation, median
from pytest_slm.core.types import Measurement, Result

ALPHA = 0.05
POWER = 0.8
"""A difference would be seen if it is found in so many of all cases."""
OVERLAP = "the rounds of both overlap too much"
SMALLEST = 0.03
"""Two runs of one thing, both stable, may differ by as much: their rounds share a process, its memory and its minutes,
so that a rank test finds differences between runs that are none between models."""
LEAST, GREATEST = 1e-150, 1e150
"""Between them quotients and squares of two values are numbers. What a machine measures is."""
TOLD = frozenset(
    {"decode_tps", "prefill_tps", "total_tps", "ttft", "load_s", "energy_per_token", "peak_rss", "file_size"}
)
"""What a task is about. The rest is made of the same times (``tpot`` is 1 / ``decode_tps``), and every test that is
added makes all others weaker."""

Verdict = Literal["faster", "slower", "less", "more", "equivalent", "not told apart", "too few", "one value"]
_LARGER: dict[str, tuple[Verdict, Verdict]] = {"tok/s": ("faster", "slower"), "s": ("slower", "faster")}
"""Unit: what is said of B where its number is larger, and where it is smaller; of bytes and joules more and less."""


@dataclass(frozen=True, kw_only=True)
class Side(Record):
    """The rounds of one run: ``noise`` says why they are not to be trusted, and is empty where they are."""

    median: float
    n: int
    noise: str = ""


@dataclass(frozen=True, kw_only=True)
class TimingDifference(Record):
    """One quantity in both runs. ``ratio`` is B to A with its 95 % interval; ``p_corrected`` is Holm's. ``detectable``
    is the smallest ratio above 1 that such rounds find in four of five cases; None where it is not known."""

    item: str
    quantity: str
    unit: str
    a: Side
    b: Side
    ratio: float
    interval: Interval | None
    p: float | None
    p_corrected: float | None
    p_equivalent: float | None = None
    detectable: float | None = None
    verdict: Verdict
    reason: str = ""


def compare_timings(
    pairs: Sequence[tuple[Result, Result]], *, smallest: float = SMALLEST, every: bool = False
) -> tuple[TimingDifference, ...]:
    """Every quantity that both results of a pair have in the same unit, in their order."""
    found = [
        _measured(name_of(mine), one, other, _noise(mine, one), _noise(theirs, other), smallest)
        for mine, theirs in pairs
        for one, other in _both(mine, theirs, every)
    ]
    different = iter(holm([one.p for one in found if one.p is not None]))
    alike = iter(holm([one.p_equivalent for one in found if one.p_equivalent is not None]))
    tests = sum(one.p is not None for one in found)
    return tuple(one if one.p is None else _judged(one, next(different), next(alike), tests, smallest) for one in found)


def name_of(result: Result) -> str:
    """``performance/decode[500]``, whatever the quantization."""
    return f"{result.suite}/{result.task}" + (f"[{result.variant}]" if result.variant else "")


def _both(a: Result, b: Result, every: bool) -> Iterator[tuple[Measurement, Measurement]]:
    others = {measurement.name: measurement for measurement in b.measurements}
    for mine in a.measurements:
        other = others.get(mine.name)
        if other is None or mine.unit != other.unit or not (every or mine.name in TOLD):
            continue
        # Of 0 there is no ratio; a part of a time may be too short for its clock. Of what is no time there is none.
        if mine.values and other.values and all(LEAST < value < GREATEST for value in mine.values + other.values):
            yield mine, other


def _noise(result: Result, measurement: Measurement) -> str:
    """Why these rounds are called noisy, or nothing; those without a verdict are judged by their variation."""
    if result.timing is not None:
        return result.timing.noise
    variation = coefficient_of_variation(measurement.values)
    if variation is not None and variation > NOISY:
        return f"coefficient of variation {variation:.0%}"
    return ""


def _measured(
    item: str, a: Measurement, b: Measurement, noise_a: str, noise_b: str, smallest: float
) -> TimingDifference:
    several = len(a.values) > 1 and len(b.values) > 1
    ratio, interval = ratio_interval(a.values, b.values)
    return TimingDifference(
        item=item,
        quantity=a.name,
        unit=a.unit,
        a=Side(median=median(a.values), n=len(a.values), noise=noise_a),
        b=Side(median=median(b.values), n=len(b.values), noise=noise_b),
        ratio=ratio,
        interval=interval,
        p=mann_whitney(a.values, b.values) if several else None,
        p_corrected=None,
        p_equivalent=p_equivalent(a.values, b.values, smallest) if several else None,
        verdict="one value",
    )


def _judged(one: TimingDifference, different: float, alike: float, tests: int, smallest: float) -> TimingDifference:
    detectable = detectable_ratio(one.interval, tests)
    known = replace(one, p_corrected=different, p_equivalent=alike, detectable=detectable)
    verdict: Verdict
    reason = ""
    least = smallest_p(one.a.n, one.b.n)
    if alike <= ALPHA:
        verdict, reason = "equivalent", f"they differ by less than {smallest:.0%}"
    elif different <= ALPHA and abs(one.ratio - 1) >= smallest:
        larger, smaller = _LARGER.get(one.unit, ("more", "less"))
        verdict = larger if one.ratio > 1 else smaller
    elif different <= ALPHA:
        verdict, reason = "not told apart", f"less than {smallest:.0%}, by which two runs of one thing may differ"
    elif least * tests > ALPHA:
        # As far apart as so many values can be, and still not enough.
        verdict, reason = "too few", f"{one.a.n} and {one.b.n} rounds cannot show a difference among {tests} tests"
    else:
        seen = "" if detectable is None else f"; a ratio of {detectable:.2f} would be seen"
        why = f"what is seen may be luck among {tests} tests" if one.p is not None and one.p <= ALPHA else OVERLAP
        verdict, reason = "not told apart", why + seen
    return replace(known, verdict=verdict, reason=reason)


def detectable_ratio(interval: Interval | None, tests: int) -> float | None:
    """The ratio that the first of so many tests finds in four of five cases, from the width of the 95 % interval."""
    if interval is None:
        return None
    error = math.log(interval[1] / interval[0]) / (2 * Z95)
    normal = statistics.NormalDist()
    return math.exp(error * (normal.inv_cdf(1 - ALPHA / 2 / tests) + normal.inv_cdf(POWER)))

"""Rounds against rounds: how many times as fast, how sure, and whether that is a difference at all (decision 15)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_slm.core.comparison import holm, mann_whitney, ratio_interval, smallest_p
from pytest_slm.core.record import Record
from pytest_slm.core.statistics import NOISY, Interval, coefficient_of_variation, median
from pytest_slm.core.types import Measurement, Result

ALPHA = 0.05
SMALLEST = 0.03
"""Two runs of one thing, both stable, may differ by as much: their rounds share a process, its memory and its minutes,
so that a rank test finds differences between runs that are none between models."""
TOLD = frozenset(
    {"decode_tps", "prefill_tps", "total_tps", "ttft", "load_s", "energy_per_token", "peak_rss", "file_size"}
)
"""What a task is about. The rest is made of the same times (``tpot`` is 1 / ``decode_tps``), and every test that is
added makes all others weaker."""

Verdict = Literal["faster", "slower", "less", "more", "no difference", "too few rounds", "one value"]
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
    """One quantity in both runs. ``ratio`` is B to A with its 95 % interval; ``p_corrected`` is Holm's."""

    item: str
    quantity: str
    unit: str
    a: Side
    b: Side
    ratio: float
    interval: Interval | None
    p: float | None
    p_corrected: float | None
    verdict: Verdict
    reason: str = ""


def compare_timings(
    pairs: Sequence[tuple[Result, Result]], *, smallest: float = SMALLEST, every: bool = False
) -> tuple[TimingDifference, ...]:
    """Every quantity that both results of a pair have in the same unit, in their order."""
    found = [
        _measured(name_of(mine), one, other, _noise(mine, one), _noise(theirs, other))
        for mine, theirs in pairs
        for one, other in _both(mine, theirs, every)
    ]
    tested = [one for one in found if one.p is not None]
    corrected = dict(zip(map(id, tested), holm([one.p for one in tested if one.p is not None]), strict=True))
    return tuple(_judged(one, corrected.get(id(one)), len(tested), smallest) for one in found)


def name_of(result: Result) -> str:
    """``performance/decode[500]``, whatever the quantization."""
    return f"{result.suite}/{result.task}" + (f"[{result.variant}]" if result.variant else "")


def _both(a: Result, b: Result, every: bool) -> Iterator[tuple[Measurement, Measurement]]:
    others = {measurement.name: measurement for measurement in b.measurements}
    for mine in a.measurements:
        other = others.get(mine.name)
        if other is None or mine.unit != other.unit or not (every or mine.name in TOLD):
            continue
        # Of 0 there is no ratio; a part of a time may be too short for its clock.
        if mine.values and other.values and min(*mine.values, *other.values) > 0:
            yield mine, other


def _noise(result: Result, measurement: Measurement) -> str:
    """Why these rounds are called noisy, or nothing; those without a verdict are judged by their variation."""
    if result.timing is not None:
        return result.timing.noise
    variation = coefficient_of_variation(measurement.values)
    if variation is not None and variation > NOISY:
        return f"coefficient of variation {variation:.0%}"
    return ""


def _measured(item: str, a: Measurement, b: Measurement, noise_a: str, noise_b: str) -> TimingDifference:
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
        verdict="one value",
    )


def _judged(one: TimingDifference, corrected: float | None, tests: int, smallest: float) -> TimingDifference:
    if one.p is None or corrected is None:
        return one
    verdict: Verdict
    reason = ""
    least = smallest_p(one.a.n, one.b.n)
    if corrected <= ALPHA and abs(one.ratio - 1) >= smallest:
        larger, smaller = _LARGER.get(one.unit, ("more", "less"))
        verdict = larger if one.ratio > 1 else smaller
    elif corrected <= ALPHA:
        verdict, reason = "no difference", f"less than {smallest:.0%}, by which two runs of one thing may differ"
    elif least > ALPHA or one.p <= least:
        # As far apart as so many values can be, and still not enough.
        verdict, reason = "too few rounds", f"{one.a.n} and {one.b.n} cannot show one among {tests} tests"
    elif one.p <= ALPHA:
        verdict, reason = "no difference", f"what is seen may be luck among {tests} tests"
    else:
        verdict, reason = "no difference", "the rounds of both overlap too much"
    return replace(one, p_corrected=corrected, verdict=verdict, reason=reason)

"""Size, speed and accuracy of a model's quantizations in one plot: which of them nothing beats in all three."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.core.statistics import Interval
from pytest_slm.registry.entry import AggregateScore, RegistryEntry
from pytest_slm.registry.speeds import Performance, Quantity
from pytest_slm.site import numbers
from pytest_slm.site.plots.lines import Tick, noise_of, round_up
from pytest_slm.site.titles.wording import profile_order, profile_title
from pytest_slm.site.views import sampled

LETTER = 1.2
"""Percent of the plot's width that a letter of a name takes, about."""
SMALL, LARGE = 5.0, 15.0
"""Radius in pixels of the smallest and the largest file."""


@dataclass(frozen=True, kw_only=True)
class ParetoPoint:
    """A quantization with the three numbers that it is chosen by: less, more, and more is better; ``speed`` is what
    ``tps`` is the value of."""

    name: str
    size: float
    tps: float
    score: float
    interval: Interval | None
    speed: Quantity | None = None

    def beats(self, other: ParetoPoint, *, equivalent: bool = False) -> bool:
        """Whether it is at least as good in all three, and better in one. ``equivalent``: their scores were shown to
        be, question by question, so that what is between them decides nothing."""
        score = 0.0 if equivalent else self.score - other.score
        mine, theirs = (-self.size, self.tps, score), (-other.size, other.tps, 0.0)
        return mine != theirs and all(one >= two for one, two in zip(mine, theirs, strict=True))


@dataclass(frozen=True, kw_only=True)
class ParetoRow:
    """A quantization as a circle, and in words."""

    name: str
    x: float
    y: float
    low: float | None
    high: float | None
    radius: float
    label_y: float
    left: bool
    front: bool
    size: str
    tps: str
    tps_interval: str
    n: str
    noise: str
    score: str
    interval: str
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Pareto:
    """The plot: speed to the right, the score upwards, the file's size as the circle."""

    title: str
    hint: str
    profile: str
    of: str
    text: str
    rows: tuple[ParetoRow, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    left_out: str


def front(candidates: Sequence[ParetoPoint], equivalent: Collection[frozenset[str]] = ()) -> dict[str, str]:
    """For each candidate the name of one that beats it (the best score, then the highest speed), or nothing: then it is
    a best trade-off. ``equivalent`` are pairs whose scores are."""
    ordered = sorted(candidates, key=lambda one: (-one.score, -one.tps, one.size, one.name))

    def beaten(one: ParetoPoint) -> str:
        found = (two for two in ordered if two.beats(one, equivalent=frozenset((one.name, two.name)) in equivalent))
        return next((two.name for two in found), "")

    return {one.name: beaten(one) for one in candidates}


def pareto(
    entry: RegistryEntry,
    performance: Performance,
    shown: Collection[str] | None = None,
    equivalent: Mapping[str, Collection[frozenset[str]]] | None = None,
) -> Pareto | None:
    """The plot of one machine's quantizations; None for fewer than two that can be compared. Of many, only those that
    are ``shown`` and the best trade-offs are drawn; they are still compared with all. ``equivalent`` are, by profile,
    pairs that were shown to be equivalent in it.

    They can if their scores are of the same profile, mode, limit and coverage, and their speeds of the same length and
    engine: a sample of 100 questions and all of them are two different measures. The length is the one at which most of
    them were timed, and of such the usual one.
    """
    groups: dict[tuple[str, str, int | None, float, str, str, str], list[ParetoPoint]] = {}
    usual: Counter[tuple[object, ...]] = Counter()
    for name, row in performance.quantizations.items():
        one = entry.quantizations.get(name)
        for total in one.aggregates.values() if one else ():
            if row.size_gb is None or row.tps_output is None:
                continue
            coverage = round(total.coverage, 3)
            timed = {quantity.of: quantity for quantity in (*row.decode, row.tps_output)}
            for of, speed in timed.items():
                key = (total.profile, total.mode, total.limit, coverage, of, total.settings, row.engine_name)
                groups.setdefault(key, []).append(_candidate(name, row.size_gb.value, speed, total))
                usual[key] += speed is row.tps_output
    if not groups:
        return None
    # By the score that files are chosen by elsewhere, too, where as many have it.
    most = max(map(len, groups.values()))
    key = min(
        (key for key in groups if len(groups[key]) == most),
        key=lambda key: (profile_order(key[0]), -key[3], -usual[key], str(key)),
    )
    candidates = groups[key]
    if len(candidates) < 2:
        return None
    profile, mode, limit, coverage, of, settings, _ = key
    word = sampled(mode, limit, settings)
    missing = sorted(set(entry.quantizations) - {one.name for one in candidates})
    beaten = front(candidates, (equivalent or {}).get(profile, ()))
    best = [name for name, better in beaten.items() if not better]
    drawn = [one for one in candidates if shown is None or one.name in shown or not beaten[one.name]]
    others = len(candidates) - len(drawn)
    absent = [
        f"Without comparable numbers: {', '.join(missing)}." if missing else "",
        f"Not drawn: {others} more, none of them a best trade-off." if others else "",
    ]
    return Pareto(
        title="Size, speed and score",
        hint="Further right is faster, higher is better, a smaller circle is a smaller file. A filled circle is a best "
        "trade-off: no other quantization is at least as good in all three; a score that was shown to be equivalent is "
        "as good. Where intervals overlap, it is uncertain.",
        profile=f"{profile_title(profile)}, {numbers.percent(coverage)} of it measured{word and f', {word}'}",
        of=of,
        text=f"{len(candidates)} quantizations by speed, score and size. Best trade-offs: {', '.join(best)}",
        rows=_rows(drawn, beaten),
        x_ticks=tuple(Tick(at=50.0 * half, label=numbers.exact(_top(drawn) * half / 2)) for half in (0, 1, 2)),
        y_ticks=tuple(
            Tick(at=100 - 50.0 * half, label=numbers.exact(low + (high - low) * half / 2))
            for half in (0, 1, 2)
            for low, high in [_range(drawn)]
        ),
        left_out=" ".join(filter(None, absent)),
    )


def _candidate(name: str, size: float, speed: Quantity, total: AggregateScore) -> ParetoPoint:
    return ParetoPoint(name=name, size=size, tps=speed.value, score=total.score, interval=total.interval, speed=speed)


def _top(candidates: Sequence[ParetoPoint]) -> float:
    return round_up(max(one.tps for one in candidates))


def _range(candidates: Sequence[ParetoPoint]) -> tuple[float, float]:
    """The part of the scale from 0 to 100 that holds all scores and intervals, in whole tens."""
    bounds = [bound for one in candidates for bound in (one.score, *(one.interval or ()))]
    low = 10.0 * math.floor(min(bounds) / 10)
    return low, max(low + 10, min(100.0, 10.0 * math.ceil(max(bounds) / 10)))


def _span(name: str, x: float, *, left: bool) -> tuple[float, float]:
    """From where to where a name stands beside its circle."""
    wide = LETTER * (len(name) + 2)
    return (x - wide, x) if left else (x, x + wide)


def _free(wanted: float, taken: Sequence[float]) -> float:
    """The height nearest to the one that is wanted where nothing else stands."""
    steps = [wanted + 8 * step * side for step in range(len(taken) + 2) for side in (1, -1)]
    inside = [round(at, 2) for at in steps if 0 <= at <= 100]
    return next((at for at in inside if all(abs(at - other) >= 8 for other in taken)), round(wanted, 2))


def _rows(candidates: Sequence[ParetoPoint], beaten: Mapping[str, str]) -> tuple[ParetoRow, ...]:
    top, (low, high) = _top(candidates), _range(candidates)
    largest = max(one.size for one in candidates)

    def y(score: float) -> float:
        return round(100 - 100 * (score - low) / (high - low), 2)

    dots = {one.name: (round(100 * one.tps / top, 2), y(one.score)) for one in candidates}
    rows: list[ParetoRow] = []
    for one in sorted(candidates, key=lambda one: (-one.score, one.name)):
        score, interval = numbers.points(one.score, one.interval)
        tps, tps_interval = numbers.estimate(one.tps, (one.speed.interval or one.speed.spread) if one.speed else None)
        x, _ = dots[one.name]
        left = x > 75
        # The names of others, and the circles that stand where the name would.
        begin, end = _span(one.name, x, left=left)
        spans = [(row.label_y, _span(row.name, row.x, left=row.left)) for row in rows]
        near = [at for at, (first, last) in spans if first < end and begin < last]
        near += [at for name, (other, at) in dots.items() if name != one.name and begin < other < end]
        label = _free(y(one.score), near)
        rows.append(
            ParetoRow(
                name=one.name,
                x=x,
                y=y(one.score),
                low=y(one.interval[0]) if one.interval else None,
                high=y(one.interval[1]) if one.interval else None,
                # The area goes with the size, as the eye compares areas.
                radius=round(max(SMALL, LARGE * math.sqrt(one.size / largest)), 1),
                label_y=label,
                left=left,
                front=not beaten[one.name],
                size=numbers.size(one.size * 1e9),
                tps=tps,
                tps_interval=tps_interval,
                n=numbers.number(one.speed.n, 0) if one.speed else "",
                noise=noise_of(one.speed) if one.speed else "",
                score=score,
                interval=interval,
                verdict=f"dominated by {beaten[one.name]}" if beaten[one.name] else "best trade-off",
            )
        )
    return tuple(rows)

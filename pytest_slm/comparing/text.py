"""A comparison for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_slm.comparing.answers import ScoreDifference
from pytest_slm.comparing.comparison import Comparison, RunName
from pytest_slm.comparing.drops import probability
from pytest_slm.comparing.timings import ALPHA, TimingDifference
from pytest_slm.core.statistics import Interval, figures
from pytest_slm.errors import shown
from pytest_slm.terminal.table import aligned

TIMINGS = ("item", "quantity", "A", "B", "B / A", "95 % interval", "p", "B is")
SCORES = ("item", "n", "A", "B", "B - A", "95 % interval", "A only", "B only", "p", "detectable", "B is")
LONGEST = 70
"""Characters of an answer in a line about a question that flipped."""

SAME = "the same weights, engine and settings as far as the reports say: what differs is the machine's doing, or chance"


def told(comparison: Comparison) -> str:
    """Tables of all differences, what else differs, and what was not compared."""
    return "\n".join(map(shown, _lines(comparison)))


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"A: {_run(comparison.a)}"
    yield f"B: {_run(comparison.b)}"
    for key, (mine, its) in comparison.differs.items():
        yield f"   {key}: {mine} | {its}"
    if not comparison.differs:
        yield "   " + SAME
    if comparison.timings:
        yield ""
        yield from aligned([TIMINGS, *map(_timing, comparison.timings)])
        yield from _remarks(comparison.timings)
    if comparison.scores:
        yield ""
        yield from aligned([SCORES, *map(_score, comparison.scores)])
        for one in comparison.scores:
            yield from (f"{one.item}: {remark}" for remark in _score_remarks(one, comparison.margin))
        for one in comparison.scores:
            yield from _flips(one)
    if comparison.timings or comparison.scores:
        yield ""
        if comparison.scores:
            yield "A, B: each item's metric in the questions that both answered; detectable: the smallest difference,"
            yield "   in points, that so many questions would have shown in 4 of 5 cases"
        yield "p: Mann-Whitney for timings, McNemar for answers, each corrected after Holm for how many there are;"
        yield "   sign flips and a score test for answers that are partly right or in clusters, and for what is no mean"
    for line in comparison.refused:
        yield f"not compared: {line}"


def _score_remarks(one: ScoreDifference, margin: float | None) -> Iterator[str]:
    if one.verdict == "equivalent" and margin is not None:
        sure = ", though there is a difference" if one.p_corrected <= ALPHA else ""
        yield f"equivalent: they differ by less than {_points(margin)}{sure}"
    elif one.verdict == "not told apart" and one.detectable is not None:
        seen = f"differences from {_points(one.detectable)} on"
        yield f"not told apart; n = {one.n} can see {seen}, and may hide smaller ones"
    elif one.verdict == "too few":
        yield f"too few: n = {one.n} cannot show a difference, however large"
    yield from one.notes


def _flips(one: ScoreDifference) -> Iterator[str]:
    for flip in one.flips:
        mine, its = (repr(_short(answer)) for answer in (flip.answer_a, flip.answer_b))
        yield f"{one.item} {flip.question}: {flip.a:g} -> {flip.b:g}: {mine} -> {its}"


def _short(answer: str) -> str:
    return answer if len(answer) <= LONGEST else answer[: LONGEST - 1] + "…"


def _points(share: float) -> str:
    return f"{figures(100 * share, 2)} points"


def _run(name: RunName) -> str:
    return f"{name.model} {name.quantization}, {name.path}"


def _timing(one: TimingDifference) -> tuple[str, ...]:
    return (
        one.item,
        one.quantity,
        _with_unit(one.a.median, one.unit) + _mark(one.a.noise),
        _with_unit(one.b.median, one.unit) + _mark(one.b.noise),
        f"{one.ratio:.3f}",
        _span(one.interval, "{:.3f}"),
        probability(one.p_corrected),
        one.verdict,
    )


def _score(one: ScoreDifference) -> tuple[str, ...]:
    return (
        one.item,
        str(one.n),
        f"{100 * one.a:.1f} %",
        f"{100 * one.b:.1f} %",
        f"{100 * one.difference:+.1f}",
        _span((100 * one.interval[0], 100 * one.interval[1]), "{:+.1f}"),
        "" if one.only_a is None else str(one.only_a),
        "" if one.only_b is None else str(one.only_b),
        probability(one.p_corrected),
        "" if one.detectable is None else f"{100 * one.detectable:.1f}",
        one.verdict,
    )


def _remarks(timings: Sequence[TimingDifference]) -> Iterator[str]:
    yield from (f"{one.item} {one.quantity}: {one.verdict}: {one.reason}" for one in timings if one.reason)
    noise: dict[tuple[str, str], dict[str, None]] = {}
    for one in timings:
        for side, why in (("A", one.a.noise), ("B", one.b.noise)):
            if why:  # an item's quantities share its rounds
                noise.setdefault((side, why), {})[one.item] = None
    yield from (f"{side} is noisy, {why}: {', '.join(items)}" for (side, why), items in noise.items())


def _with_unit(value: float, unit: str) -> str:
    if unit == "B":
        return f"{figures(value / 1e6, 4)} MB"
    return f"{figures(value * 1000, 4)} ms" if unit == "s" and value < 1 else f"{figures(value, 4)} {unit}"


def _mark(noise: str) -> str:
    return " (noisy)" if noise else ""


def _span(interval: Interval | None, form: str) -> str:
    return f"{form.format(interval[0])} – {form.format(interval[1])}" if interval else "unknown"

"""Has an item dropped by more than is allowed? Three answers, each with an error rate that is known (decision 58)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from pytest_slm.comparing.answers import CannotCompareError, paired
from pytest_slm.comparing.baseline import Baseline
from pytest_slm.comparing.timings import ALPHA, TOLD, detectable_ratio
from pytest_slm.core.comparison import BaselineVerdict, Passing, holm, p_less, ratio_interval, smallest_p
from pytest_slm.core.statistics import figures
from pytest_slm.core.types import Measurement, Result
from pytest_slm.registry.questions.lines import Line

K = TypeVar("K")


def score_verdict(
    baseline: Baseline, result: Result, lines: Sequence[Line], *, allowed: float, tests: int
) -> BaselineVerdict:
    """A score and the answers that it is made of (``lines``), against the same item of the baseline. ``allowed`` is a
    share; ``tests`` is how many items are compared, for Holm's first step."""
    run = baseline.runs[0]
    try:
        run, theirs = baseline.find(result)
        one, pairs = paired(theirs, result, run.samples.get(theirs.samples or "", ()), lines)
    except CannotCompareError as why:
        return BaselineVerdict(
            run=run.run.run_id, verdict="inconclusive", allowed=allowed, tests=tests, reason=str(why)
        )
    known = BaselineVerdict(
        run=run.run.run_id,
        quantity=one.metric,
        verdict="inconclusive",
        n=one.n,
        baseline=one.a,
        value=one.b,
        change=one.difference,
        interval=one.interval,
        allowed=allowed,
        p=pairs.dropped(allowed),
        p_within=pairs.no_worse(allowed),
        detectable=pairs.detectable_drop(ALPHA / tests, allowed),
        tests=tests,
        reason="; ".join(one.notes),
    )
    return judged(known, min(1.0, tests * (known.p or 0.0)))


def speed_verdict(run_id: str, base: Measurement, head: Measurement, *, allowed: float, tests: int) -> BaselineVerdict:
    """Rounds of both, played in turn: how many times as fast ``head`` is as ``base``, and whether it is slower by more
    than the share ``allowed``."""
    # As rates, so that less is worse whatever is measured.
    one, other = (tuple(1 / x for x in m.values) if m.unit == "s" else m.values for m in (base, head))
    ratio, interval = ratio_interval(one, other)
    floor = [value * (1 - allowed) for value in one]
    least = smallest_p(len(one), len(other)) / 2
    known = BaselineVerdict(
        run=run_id,
        quantity=base.name,
        unit="ratio",
        verdict="inconclusive",
        n=min(len(one), len(other)),
        change=ratio,
        interval=interval,
        allowed=allowed,
        p=p_less(other, floor),
        p_within=p_less(floor, other),
        detectable=None if least * tests > ALPHA else _slowest(interval, allowed, tests),
        tests=tests,
    )
    return judged(known, min(1.0, tests * (known.p or 0.0)))


def _slowest(interval: tuple[float, float] | None, allowed: float, tests: int) -> float | None:
    """The smallest slowdown, as a share, that rounds of this spread show."""
    seen = detectable_ratio(interval, tests)
    return None if seen is None else 1 - (1 - allowed) / seen


def timed_quantity(result: Result) -> Measurement | None:
    """What a timing is about: its primary metric's rounds, else the first of those that are told."""
    told = [one for one in result.measurements if one.name in TOLD and one.unit in ("tok/s", "s")]
    return next((one for one in told if one.name == result.primary), told[0] if told else None)


def judged(known: BaselineVerdict, corrected: float) -> BaselineVerdict:
    """The verdict by the p value that is left after Holm's correction."""
    verdict: Passing = "inconclusive"
    if corrected <= ALPHA:
        verdict = "fail"
    elif known.p_within is not None and known.p_within <= ALPHA:
        # All items have to pass, each at 5 %, so that nothing is corrected (an intersection-union test, Berger 1982).
        verdict = "pass"
    return replace(known, verdict=verdict, p_corrected=corrected)


def concluded(verdicts: Mapping[K, BaselineVerdict]) -> dict[K, BaselineVerdict]:
    """The verdicts of a whole session: where one item has failed, Holm's later steps ask less of the others."""
    tested = {key: one for key, one in verdicts.items() if one.p is not None}
    most = max((one.tests for one in tested.values()), default=0)
    rest = [1.0] * (most - len(tested))  # those that were to be compared, and were not
    corrected = holm([*(one.p or 0.0 for one in tested.values()), *rest])
    return {**verdicts, **{key: judged(one, p) for (key, one), p in zip(tested.items(), corrected, strict=False)}}


def said(verdict: BaselineVerdict) -> str:
    """The verdict in a sentence, for an item that fails by it."""
    if verdict.p is None:
        return f"not compared with the baseline {verdict.run}: {verdict.reason}"
    seen = f"; {sight(verdict)}" if verdict.verdict == "inconclusive" else ""
    end = {
        "fail": f"worse than the baseline {verdict.run} by more than {_allowed(verdict)}",
        "pass": f"not worse than the baseline {verdict.run} by {_allowed(verdict)}",
        "inconclusive": f"not known whether it is worse than the baseline {verdict.run} by {_allowed(verdict)}",
    }[verdict.verdict]
    return f"{verdict.quantity} {numbers(verdict)}: {end} (p {probability(verdict.p_corrected)}){seen}"


def numbers(verdict: BaselineVerdict) -> str:
    """``41.0 % after 47.2 %, -6.2 points (95 % interval -10.1 to -2.3, n=200)``."""
    if verdict.change is None:
        return ""
    low, high = verdict.interval or (None, None)
    if verdict.unit == "ratio":
        between = f"95 % interval {low:.3f} to {high:.3f}, " if low is not None else ""
        return f"{verdict.change:.3f} times as fast ({between}{verdict.n} rounds each)"
    between = f"95 % interval {100 * (low or 0):+.1f} to {100 * (high or 0):+.1f}, "
    values = f"{100 * (verdict.value or 0):.1f} % after {100 * (verdict.baseline or 0):.1f} %"
    return f"{values}, {100 * verdict.change:+.1f} points ({between}n={verdict.n})"


def sight(verdict: BaselineVerdict) -> str:
    """The smallest drop that so many questions or rounds show."""
    unit = "rounds" if verdict.unit == "ratio" else "questions"
    if verdict.detectable is None:
        return f"{verdict.n} {unit} show no drop, however large" if verdict.n else verdict.reason
    size = f"{figures(100 * verdict.detectable, 2)} {'%' if verdict.unit == 'ratio' else 'points'}"
    return f"{verdict.n} {unit} show a drop of {size}, and may hide a smaller one"


def _allowed(verdict: BaselineVerdict) -> str:
    return f"{100 * verdict.allowed:g} {'%' if verdict.unit == 'ratio' else 'points'}"


def probability(p: float | None) -> str:
    """A p value with four digits."""
    return "" if p is None else "<.0001" if p < 0.0001 else f"{p:.4f}".removeprefix("0")


def counted(verdicts: Iterable[BaselineVerdict]) -> str:
    """``2 fail, 5 pass, 3 inconclusive``."""
    kinds = [one.verdict for one in verdicts]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("fail", "pass", "inconclusive") if kind in kinds)

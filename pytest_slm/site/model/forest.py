"""How much worse is this file? Differences of each quantization to the most precise one, question by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.comparing.use_cases import ALL, MARGIN, Comparisons, UseCaseDifference, compare_use_cases
from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.site import numbers
from pytest_slm.site.views import Plot, title_of

SCALES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Half the width of the plot may stand for so much; the least that holds most of what is drawn."""
CLASSES: Mapping[str, str] = {"better": "good", "equivalent": "good", "worse": "bad"}


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """A difference: as text, and as a dot with its interval in percent of the plot's width (no difference is 50)."""

    name: str
    difference: str
    interval: str
    plot: Plot
    verdict: str
    kind: str
    """A class of chips, empty for what is neither good nor bad."""
    note: str
    n: str
    changed: str


@dataclass(frozen=True, kw_only=True)
class ForestGroup:
    """A quantization: all use cases together, then each; and what could not be compared."""

    quantization: str
    rows: tuple[ForestRow, ...]
    absent: str


@dataclass(frozen=True, kw_only=True)
class Forest:
    """The plot. ``ticks`` are labels from left to right, ``scale`` the points of half its width: a class of tables."""

    reference: str
    margin: str
    ticks: tuple[str, ...]
    scale: str
    groups: tuple[ForestGroup, ...]


def most_precise(entry: RegistryEntry) -> str:
    """The quantization that others are compared with: of those with scores that has most bits per weight."""
    scored = {name: one for name, one in entry.quantizations.items() if one.use_cases} or entry.quantizations
    return max(scored, key=lambda name: (scored[name].bits_per_weight or 0.0, scored[name].size_bytes or 0, name))


def comparisons(entry: RegistryEntry, rules: ScoreRules) -> dict[str, Comparisons]:
    """Every other quantization that has scores, compared with the most precise one."""
    reference = most_precise(entry)
    others = {name: one for name, one in entry.quantizations.items() if name != reference and one.use_cases}
    profile = next((profile for profile in rules.profiles if profile.name in entry.aggregates), None)
    return compare_use_cases(entry.quantizations[reference], others, profile.weights if profile else {})


def forest(entry: RegistryEntry, found: Mapping[str, Comparisons], order: Sequence[str]) -> Forest | None:
    """The plot of what ``comparisons`` found; None where there is nothing to compare."""
    if not found:
        return None
    reference = entry.quantizations[most_precise(entry)]
    told = {name: found[name] for name in order if name in found}
    bounds = [
        bound
        for one in told.values()
        for part in (one.overall, *one.use_cases.values())
        if part is not None
        for bound in part.interval
    ]
    reach = sorted(map(abs, bounds))
    most = reach[int(0.9 * (len(reach) - 1))] if reach else 0.0  # one use case of ten questions shall not hide the rest
    scale = next((scale for scale in SCALES if most <= scale), 1.0)
    return Forest(
        reference=most_precise(entry),
        margin=f"{100 * MARGIN:g}",
        ticks=tuple(signed(100 * scale * place / 2, 1).replace(".0", "") for place in (-2, -1, 0, 1, 2)),
        scale=f"{100 * scale:g}",
        groups=tuple(
            ForestGroup(
                quantization=name,
                rows=tuple(
                    _row("All of these" if part.use_case == ALL else title_of(entry, part.use_case), part, scale)
                    for part in (one.overall, *one.use_cases.values())
                    if part is not None and (part.use_case != ALL or len(one.use_cases) > 1)
                ),
                absent=", ".join(
                    title_of(entry, case) + ("" if case in entry.quantizations[name].use_cases else " (not run)")
                    for case in reference.use_cases
                    if case not in one.use_cases
                ),
            )
            for name, one in told.items()
        ),
    )


def signed(points: float, places: int = 1) -> str:
    """``+2.1``, ``−2.1`` with a real minus sign, ``0.0``."""
    text = numbers.number(abs(points), places)
    sign = "" if float(text.replace("\u202f", "")) == 0 else "−" if points < 0 else "+"
    return sign + text


def verdict_of(one: UseCaseDifference) -> tuple[str, str]:
    """The verdict in words, and what such a test could have seen."""
    if one.verdict == "equivalent":
        return f"equivalent within {100 * MARGIN:g} points", ""
    if one.verdict == "not told apart" and one.detectable is not None:
        return "not told apart", f"{numbers.number(100 * one.detectable, 0)} points or more would have shown"
    return one.verdict, "no difference would have shown" if one.verdict == "too few" else ""


def span_of(one: UseCaseDifference) -> str:
    """``−6.0 to +2.0``."""
    return " to ".join(signed(100 * bound) for bound in one.interval)


def _row(name: str, one: UseCaseDifference, scale: float) -> ForestRow:
    verdict, note = verdict_of(one)
    partly = f"{one.tasks} of {one.of} tasks" if one.tasks < one.of else ""
    difference, interval = signed(100 * one.difference), span_of(one)
    return ForestRow(
        name=name,
        difference=difference,
        interval=interval,
        plot=Plot(
            value=_place(one.difference, scale),
            low=_place(one.interval[0], scale),
            high=_place(one.interval[1], scale),
            text=f"{name}: {difference} points, 95 % interval {interval}, {verdict}",
        ),
        verdict=verdict,
        kind=CLASSES.get(one.verdict, ""),
        note="; ".join(filter(None, (note, partly))),
        n=numbers.number(one.n, 0),
        changed=f"{numbers.number(one.only_a, 0)} lost, {numbers.number(one.only_b, 0)} gained",
    )


def _place(difference: float, scale: float) -> float:
    return round(min(100.0, max(0.0, 50 + 50 * difference / scale)), 2)

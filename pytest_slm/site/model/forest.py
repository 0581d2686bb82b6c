"""How much worse is this file? Differences of each quantization to the reference, question by question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.comparing.use_cases import MARGIN, Comparisons, UseCaseDifference, compare_use_cases
from pytest_slm.core.aggregation import Profile, ScoreRules
from pytest_slm.registry.entry import RegistryEntry
from pytest_slm.site import numbers
from pytest_slm.site.model.cuts import cut_more
from pytest_slm.site.model.reference import lost_before, reference_of, what_it_is
from pytest_slm.site.titles.definitions import task_title
from pytest_slm.site.titles.wording import profile_title, variant_title
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
    """A quantization: the total of all that have a weight in it, then each use case; what could not be compared and
    why, and where its answers were cut off far more often."""

    quantization: str
    whole: ForestRow | None
    rows: tuple[ForestRow, ...]
    absent: tuple[str, ...]
    cut: str


@dataclass(frozen=True, kw_only=True)
class Forest:
    """The plot. ``ticks`` are labels from left to right, ``scale`` the points of half its width: a class of tables.
    ``why`` says what the reference is, ``before`` what comparisons with it cannot see, ``total`` what the totals are
    made of, where that is the same for all files (else each says it)."""

    reference: str
    why: str
    before: str
    total: str
    margin: str
    ticks: tuple[str, ...]
    scale: str
    groups: tuple[ForestGroup, ...]


def profile_of(entry: RegistryEntry, rules: ScoreRules) -> Profile | None:
    """The profile by whose weights use cases are put together: the first one that anything was measured of."""
    return next((profile for profile in rules.profiles if profile.name in entry.aggregates), None)


def comparisons(entry: RegistryEntry, rules: ScoreRules) -> dict[str, Comparisons]:
    """Every other quantization that has scores, compared with the reference."""
    reference, profile = reference_of(entry), profile_of(entry, rules)
    others = {name: one for name, one in entry.quantizations.items() if name != reference and one.use_cases}
    return compare_use_cases(entry.quantizations[reference], others, profile.weights if profile else {})


def total_of(one: Comparisons, profile: str) -> tuple[str, str]:
    """What the total of a pair is called, and what it is made of: ``Overall``, ``5 use cases, weighted as in the
    overall score``."""
    count = len(one.counted)
    cases = f"{count} use case{'' if count == 1 else 's'}" if count == one.of else f"{count} of {one.of} use cases"
    if not one.weighed:
        return "All of these", f"{cases}, each weighted the same"
    return profile, f"{cases}, weighted as in the {profile.lower()} score"


def forest(
    entry: RegistryEntry, found: Mapping[str, Comparisons], order: Sequence[str], profile: Profile | None
) -> Forest | None:
    """The plot of what ``comparisons`` found with this ``profile``; None where there is nothing to compare."""
    if not found:
        return None
    name = reference_of(entry)
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
    title = profile_title(profile.name) if profile else ""
    totals = {": ".join(total_of(one, title)) for one in told.values() if len(one.use_cases) > 1}
    total = totals.pop() if len(totals) == 1 else ""
    return Forest(
        reference=name,
        why=what_it_is(entry),
        before=lost_before(entry),
        total=total,
        margin=f"{100 * MARGIN:g}",
        ticks=tuple(signed(100 * scale * place / 2, 1).replace(".0", "") for place in (-2, -1, 0, 1, 2)),
        scale=f"{100 * scale:g}",
        groups=tuple(_group(entry, other, one, title, scale, said=bool(total)) for other, one in told.items()),
    )


def _group(entry: RegistryEntry, name: str, one: Comparisons, profile: str, scale: float, *, said: bool) -> ForestGroup:
    reference = reference_of(entry)
    cases = tuple(_row(title_of(entry, part.use_case), part, scale) for part in one.use_cases.values())
    whole = None
    if one.overall is not None:
        title, of = total_of(one, profile)
        # A total of one use case is that use case.
        whole = _row(title, one.overall, scale, "" if said else of) if len(cases) > 1 else cases[0]
    return ForestGroup(
        quantization=name,
        whole=whole,
        rows=cases if len(cases) > 1 else (),
        absent=tuple(_absent(entry, one, name)),
        cut=cut_more(entry.quantizations[name], entry.quantizations[reference], reference),
    )


def _absent(entry: RegistryEntry, one: Comparisons, name: str) -> Iterator[str]:
    """What was not compared, by the reason."""
    cases = entry.quantizations[name].use_cases
    missing = [case for case in entry.quantizations[reference_of(entry)].use_cases if case not in cases]
    if missing:
        yield f"not run with {name}: {', '.join(title_of(entry, case) for case in missing)}"
    reasons: dict[str, dict[str, list[str]]] = {}
    for case, items in one.absent.items():
        for item in items if case not in missing else ():
            title = ", ".join(filter(None, (task_title(item.suite, item.task), variant_title(item.variant))))
            reasons.setdefault(item.why, {}).setdefault(case, []).append(title)
    for why, found in reasons.items():
        told = "; ".join(f"{title_of(entry, case)} ({', '.join(titles)})" for case, titles in found.items())
        yield f"{why}: {told}"


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
        return "not told apart", f"detects {numbers.number(100 * one.detectable, 0)} points or more (80\xa0% power)"
    return one.verdict, "no difference would have shown" if one.verdict == "too few" else ""


def span_of(one: UseCaseDifference) -> str:
    """``−6.0 to +2.0``."""
    return " to ".join(signed(100 * bound) for bound in one.interval)


def counted(one: UseCaseDifference, less: str = "lost", more: str = "gained") -> str:
    """The questions in which two files differ: those that one alone got right and, where an answer may be partly
    right, those with a lower and a higher score."""
    plain = f"{numbers.number(one.only_a, 0)} {less}, {numbers.number(one.only_b, 0)} {more}"
    if not one.lower + one.higher:
        return plain
    graded = f"{numbers.number(one.lower, 0)} scored lower, {numbers.number(one.higher, 0)} higher"
    return f"{plain}; {graded}" if one.only_a + one.only_b else graded


def _row(name: str, one: UseCaseDifference, scale: float, of: str = "") -> ForestRow:
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
        note="; ".join(filter(None, (note, of, partly))),
        n=numbers.number(one.n, 0),
        changed=counted(one),
    )


def _place(difference: float, scale: float) -> float:
    return round(min(100.0, max(0.0, 50 + 50 * difference / scale)), 2)

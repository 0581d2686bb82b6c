"""What was measured here of a model, and what its author reports, side by side and never mixed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.handbook.facts import HubModel, ReportedScore
from pytest_slm.handbook.pages.markdown import Md, code, counted, md, say
from pytest_slm.handbook.pages.memory import tokens_a_second
from pytest_slm.registry.entry import Registry
from pytest_slm.registry.points import TaskScore, UseCase
from pytest_slm.registry.rows import Row, entry_rows
from pytest_slm.site import numbers

MOST_ROWS, MOST_CLAIMS = 40, 40
TIMED = ("ttft", "peak")


@dataclass(frozen=True, kw_only=True)
class MeasuredTables:
    """The tables of a model: ``scores`` by file and machine, ``speeds`` of the same files, ``beside`` has a line for
    each task or benchmark with what was measured and what is reported."""

    columns: tuple[str, ...]
    scores: tuple[tuple[Md, ...], ...]
    speeds: tuple[tuple[Md, ...], ...]
    beside: tuple[tuple[Md, Md, Md], ...]
    headline: Md
    """Which file the measured numbers of ``beside`` are of."""
    notes: tuple[Md, ...]


def rows_by_repo(registry: Registry | None) -> dict[str, tuple[Row, ...]]:
    """What was measured, by the model's repository in small letters; without numbers that nobody here has measured."""
    found: dict[str, tuple[Row, ...]] = {}
    for entry in registry.models if registry else ():
        if entry.hf_repo:
            rows = (row for row in entry_rows(entry) if row.scores or row.speed)
            found[entry.hf_repo.lower()] = tuple(row for row in rows if not row.server)
    return found


def measured(model: HubModel, rows: Sequence[Row]) -> MeasuredTables:
    """The tables of a model, empty where nothing was measured and nothing is reported."""
    cases = sorted({name for row in rows for name in row.scores})
    titles = {name: title for row in rows for name, title in row.titles.items()}
    shown = [row for row in rows if row.scores][:MOST_ROWS]
    best = next((row for row in shown if row.headline), shown[0] if shown else None)
    return MeasuredTables(
        columns=("file", *(titles.get(name, name) for name in cases), "machine"),
        scores=tuple(
            (code(row.quantization), *(_score(row.scores.get(name)) for name in cases), _machine(row)) for row in shown
        ),
        speeds=tuple(
            (code(one.quantization), tokens_a_second(one), *(_quantity(one, of) for of in TIMED), _machine(one))
            for one in [row for row in rows if row.speed][:MOST_ROWS]
        ),
        beside=tuple(_beside(model.reported, best)),
        headline=say("{file} on {machine}", file=code(best.quantization), machine=_machine(best)) if best else Md(""),
        notes=tuple(_notes(model, rows)),
    )


def _machine(row: Row) -> Md:
    return md(row.machine_title or "not known")


def _score(case: UseCase | None) -> Md:
    if case is None:
        return Md("–")
    value, span = numbers.points(case.score, case.interval)
    quick = "" if case.mode == "full" and case.limit is None else ", sample"
    return say(
        "{value} ({span}n = {n}{quick})", value=value, span=f"{span}, " if span else "", n=Md(case.n), quick=quick
    )


def _quantity(row: Row, name: str) -> Md:
    found = getattr(row, name)
    if found is None:
        return Md("–")
    if found.unit in ("bytes", "B"):
        return say("{size} with {of}", size=numbers.size(found.value), of=found.of or "a context that is not known")
    value, _ = numbers.estimate(found.value, found.interval)
    return say("{value} {unit} ({of})", value=value, unit=found.unit, of=found.of)


def _beside(reported: Sequence[ReportedScore], best: Row | None) -> Iterable[tuple[Md, Md, Md]]:
    claims: dict[str, list[ReportedScore]] = {}
    for claim in reported[:MOST_CLAIMS]:
        claims.setdefault(_plain(claim.benchmark), []).append(claim)
    tasks: Mapping[str, TaskScore] = {
        score.task: score for case in (best.scores.values() if best else ()) for score in case.benchmarks
    }
    for name, score in sorted(tasks.items()):
        value, span = numbers.points(score.score, score.interval)
        told = say("{value} ({span}n = {n})", value=value, span=f"{span}, " if span else "", n=Md(score.n))
        yield code(name), told, _claims(claims.pop(_plain(name), ()))
    for rest in claims.values():
        yield md(rest[0].benchmark), Md("not measured"), _claims(rest)


def _claims(claims: Iterable[ReportedScore]) -> Md:
    told = [f"{_number(one.value)} ({one.metric})" for one in claims]
    return md("; ".join(told)) if told else Md("–")


def _number(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 9_999.5 else f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.3g}"


def _plain(name: str) -> str:
    """A name for comparison: ARC-Challenge and arc_challenge are one."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def _notes(model: HubModel, rows: Sequence[Row]) -> Iterable[Md]:
    if model.reported:
        yield Md(
            "**Reported by its author** means: it stands in the model's card, nobody here has measured it, and how it "
            "was measured is not known. Settings may differ even where the names are the same."
        )
    odd = [claim for claim in model.reported if not 0 <= claim.value <= 100]
    if odd:
        yield say("Outside of 0 to 100, and so no percentages: {n} of the reported.", n=counted(len(odd), "number"))
    if any(0 < abs(claim.value) <= 1 for claim in model.reported):
        yield Md("Some authors write shares (0.45), others percentages (45); the numbers are as they wrote them.")
    if model.reported_odd:
        yield say("Left out, because they are no numbers: {n}.", n=counted(model.reported_odd, "reported value"))
    if len(model.reported) > MOST_CLAIMS:
        yield say("{n} further reported numbers stand in the card.", n=len(model.reported) - MOST_CLAIMS)
    if any(case.mode != "full" or case.limit is not None for row in rows for case in row.scores.values()):
        yield Md("*Sample*: not all questions were asked; the interval says how far that reaches.")

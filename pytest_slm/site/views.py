"""The parts that pages are made of: finished text, and positions in percent of a plot's width."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.statistics import Interval
from pytest_slm.core.types import MEASURED, Metric
from pytest_slm.registry.entry import AggregateScore, Rate, RegistryEntry, UseCase
from pytest_slm.site import numbers
from pytest_slm.site.titles.definitions import task_title, use_case_title
from pytest_slm.site.titles.parts import parts_note
from pytest_slm.site.titles.places import place_text
from pytest_slm.site.titles.wording import metric_title, profile_title, variant_title, words

STATES: Mapping[str, str] = {
    "passed": "measured",
    "partial": "partial",
    "failed": "below gate",
    "skipped": "skipped",
    "error": "error",
    "not_run": "not run",
}


PARTIAL = "partial: "
"""How the reason begins of an item that was answered in part, and so gave no number of its own."""


def state_of(outcome: str, metric: object, reason: str) -> str:
    """The outcome of an item as pages say it: ``partial`` for one that was answered, but gave no number of its own."""
    return "partial" if outcome in MEASURED and metric is None and reason.startswith(PARTIAL) else outcome


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A label and a value; ``code`` for hashes and paths; ``href`` is only ever an address that we made."""

    label: str
    value: str
    code: bool = False
    href: str = ""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A dot with its interval, or a bar with its spread, in percent of the width; ``text`` says it in words."""

    value: float
    low: float | None
    high: float | None
    text: str
    chance: float | None = None
    """Where a model without any skill would be."""


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """A score from 0 to 100 with what belongs to it."""

    name: str
    score: str
    interval: str
    n: str
    coverage: str
    note: str
    plot: Plot
    quick: str
    """``quick`` or ``limited``, see :func:`sampled`; empty for a full run."""
    recommended: bool = False


@dataclass(frozen=True, kw_only=True)
class ItemRow:
    """One item: its number, or why there is none."""

    task: str
    variant: str
    state: str
    state_class: str
    metric: str
    value: str
    interval: str
    n: str
    note: str
    slug: str
    plot: Plot | None
    quick: str
    href: str = ""
    """The page of its task, from the site's top; empty where there is none."""


def sampled(mode: str, limit: int | None, settings: str = "") -> str:
    """The words for a number that cannot be ranked: its mode, ``limited`` for a full run of some samples, and ``own
    settings`` where the user wanted texts otherwise than the tasks."""
    word = mode if mode != "full" else "" if limit is None else "limited"
    return ", ".join(filter(None, (word, "own settings" if settings else "")))


def score_plot(
    score: float, interval: Interval | None, chance: float | None = None, told: tuple[str, str] | None = None
) -> Plot:
    """A dot on the scale of 0 to 100, with the score of a model without any skill where that is known; ``told`` are
    score and interval as they are written."""
    text, bounds = told or numbers.points(score, interval)
    known = f"95 % interval {bounds.replace('–', ' to ')}" if bounds else "interval not known"
    guessed = "" if chance is None else f", chance {numbers.points(chance, None)[0]}"
    return Plot(
        value=round(score, 2),
        low=round(interval[0], 2) if interval else None,
        high=round(interval[1], 2) if interval else None,
        text=f"{text} of 100, {known}{guessed}",
        chance=None if chance is None else round(chance, 2),
    )


def score_row(title: str, case: UseCase) -> ScoreRow:
    """The row of a use case."""
    score, interval = numbers.points(case.score, case.interval)
    variants = sum(task.measured_variants for task in case.benchmarks)
    several = f", {variants} items" if variants > len(case.benchmarks) else ""
    done, declared = len(case.benchmarks), len(case.declared)
    tasks = f"{done} of {declared} tasks" if done < declared else f"{done} task{'' if done == 1 else 's'}"
    return ScoreRow(
        name=words(title),
        score=score,
        interval=interval,
        n=numbers.number(case.n, 0),
        coverage=numbers.percent(case.coverage),
        note=tasks
        + several
        + _beside_chance(case.chance, case.interval)
        + parts_note(case)
        + _open(case.bounds, [task_title(case.suite, name) for name in case.unbounded])
        + (f"; asked with {case.settings}" if case.settings else ""),
        plot=score_plot(case.score, case.interval, case.chance, (score, interval)),
        quick=sampled(case.mode, case.limit, case.settings),
        recommended=bool(case.recommended),
    )


def _beside_chance(chance: float | None, interval: Interval | None) -> str:
    """Whether a score is shown to be better than guessing."""
    if chance is None:
        return ""
    level = numbers.points(chance, None)[0]
    if interval is None or interval[0] <= chance <= interval[1]:
        return f"; not shown to differ from chance ({level})"
    return f"; {'above' if interval[0] > chance else 'below'} chance ({level})"


def _open(bounds: Interval | None, unbounded: Sequence[str]) -> str:
    """What cut answers leave open of a score."""
    if unbounded:
        return f"; answers were cut off in {', '.join(unbounded)}: how much that changes the score is not known"
    low, high = (numbers.points(bound, None)[0] for bound in bounds or (0.0, 0.0))
    return "" if low == high else f"; {low} if every cut-off answer was wrong, {high} if every one was right"


def aggregate_row(total: AggregateScore) -> ScoreRow:
    """The row of a profile's aggregate."""
    score, interval = numbers.points(total.score, total.interval)
    place = place_text(total.rank, total.rank_interval, total.ranked, total.unranked)
    return ScoreRow(
        name=profile_title(total.profile),
        score=score,
        interval=interval,
        n="",
        coverage=numbers.percent(total.coverage),
        note=(place + _open(total.bounds, [*map(use_case_title, total.unbounded)])).removeprefix("; "),
        plot=score_plot(total.score, total.interval, total.chance, (score, interval)),
        quick=sampled(total.mode, total.limit, total.settings),
    )


def item_row(
    task: str,
    variant: str,
    outcome: str,
    reason: str,
    metric: Metric | None,
    *,
    unscored: int = 0,
    cut: int | None = None,
    censored: int = 0,
    quick: str = "",
    href: str = "",
    before: str = "",
    behind: Iterable[str] = (),
) -> ItemRow:
    """The row of one item. A share is shown in percent, whatever its direction: the note says which way is better;
    ``before`` and ``behind`` are what else it says, empty texts for nothing."""
    message, slug = split_reason(reason)
    state = state_of(outcome, metric, message)
    value = interval = ""
    plot = None
    notes = [message.removeprefix(PARTIAL if state == "partial" else "")]
    if metric is not None and outcome in MEASURED:
        if metric.unit == "share":
            bounds = metric.interval and (100 * metric.interval[0], 100 * metric.interval[1])
            value, interval = told = numbers.points(100 * metric.value, bounds)
            value += f"{numbers.NBSP}%"
            chance = None if metric.chance is None else 100 * metric.chance
            plot = score_plot(100 * metric.value, bounds, chance, told)
        else:
            value, interval = numbers.estimate(metric.value, metric.interval)
            value += f"{numbers.NBSP}{metric.unit}"
        if not metric.higher_is_better:
            notes.append("lower is better")
    if metric is None and outcome in MEASURED and not message:
        notes.append("its values are in the charts")
    if metric is not None and metric.chance is not None and outcome in MEASURED:
        notes.append(f"chance {numbers.points(100 * metric.chance, None)[0]}{numbers.NBSP}%")
    if unscored:
        notes.append(f"{unscored} could not be scored")
    cuts = metric.cuts if metric else None
    for n, share, what in (
        (cut, cuts.cut if cuts else 0.0, "cut off"),
        (censored, cuts.censored if cuts else 0.0, "cut off while thinking"),
    ):
        if n or share:
            notes.append(_cut(n, share, what))
    if metric is not None and cuts is not None and cuts.bounds is not None and cuts.cut + cuts.censored:
        low, high = (_amount(bound, metric.unit) for bound in cuts.bounds)
        # Not "if all of them were wrong": of a rate that should be small that is the higher end, of others neither.
        notes.append(f"from {low} to {high}, depending on how those would have gone on")
    return ItemRow(
        task=task,
        variant=variant_title(variant),
        state=STATES.get(state, state),
        state_class=state.replace("_", "-") if state in STATES else "not-run",
        metric=metric_title(metric.name) if metric else "",
        value=value or numbers.MISSING,
        interval=interval,
        n=numbers.number(metric.n, 0) if metric else "",
        note="; ".join(filter(None, (before, *notes, *behind))),
        slug=slug,
        plot=plot,
        quick=quick,
        href=href,
    )


def _cut(n: int | None, share: float, what: str) -> str:
    """How many answers were cut off."""
    if share == 1:
        return f"every answer was {what}"
    if not n:
        return f"{numbers.percent(share)} of the answers {what}"
    return f"{n} {what}" + (f" ({numbers.percent(share)})" if share else "")


def _amount(value: float, unit: str) -> str:
    text = numbers.points(100 * value, None)[0] if unit == "share" else numbers.estimate(value, None)[0]
    return f"{text}{numbers.NBSP}{'%' if unit == 'share' else unit}"


def facts(data: Mapping[str, Any], hidden: tuple[str, ...] = (), *, names: bool = True) -> tuple[Fact, ...]:
    """Any mapping of a report as labels and values, unknown keys included; ``names`` False leaves keys as they are."""
    return tuple(
        Fact(label=numbers.label(key) if names else key, value=numbers.plain(key, value), code=_is_code(key))
        for key, value in data.items()
        if key not in hidden
    )


FIRST = ("cpu", "cores_physical", "cores_logical", "cores_usable", "ram_bytes", "os", "machine", "cpu_flags", "caches")
"""What people ask first about a machine."""
TWICE = ("ram_gib", "system")
"""What other keys of a machine say better."""


def machine_facts(data: Mapping[str, Any]) -> tuple[Fact, ...]:
    """What is known of a machine, with what people ask first at the top."""
    first = {key: data[key] for key in FIRST if key in data}
    return facts({**first, **data}, hidden=TWICE)


def split_reason(reason: str) -> tuple[str, str]:
    """An error line as its message and its slug."""
    line = reason.strip()
    message, bracket, last = line.rpartition("[")
    if bracket and re.fullmatch(_SLUG, last, flags=re.ASCII):
        return message.rstrip(), last.removesuffix("]")
    return line, ""


def title_of(entry: RegistryEntry, use_case: str) -> str:
    """The title of the suite that a use case is the score of."""
    facts = next((facts for facts in entry.suites.values() if facts.scored and facts.use_case == use_case), None)
    facts = facts or entry.suites.get(use_case)
    return words(facts.title if facts else use_case)


def tasks_of_rate(entry: RegistryEntry, name: str, rate: Rate) -> str:
    """The tasks that a rate is from, with their suite."""
    suites = [suite for suite, facts in entry.suites.items() if name in facts.rates]
    return ", ".join(
        f"{task_title(suite, task)} ({words(entry.suites[suite].title)})"
        for suite in suites
        for task in rate.tasks
        if entry.suites[suite].rates[name].task == task
    )


def anchor(kind: str, name: str) -> str:
    """An HTML id for any name, the same in every process."""
    return f"{kind}-{zlib.crc32(name.encode(errors='backslashreplace')):08x}"


def hub_address(repo: str | None) -> str:
    """The address of a Hub repository, or nothing for what is not plainly the name of one."""
    return f"https://huggingface.co/{repo}" if repo and re.fullmatch(_REPO, repo, flags=re.ASCII) else ""


def relative_address(path: str) -> str:
    """A path as a link, if it can be nothing but a path below the page."""
    return path if re.fullmatch(r"[A-Za-z0-9_][\w.@+/-]*", path, flags=re.ASCII) and ".." not in path else ""


_SLUG = r"[a-z][a-z0-9-]*\]"
_REPO = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"


def _is_code(key: str) -> bool:
    return any(part in key for part in ("sha256", "revision", "fingerprint", "path", "run_id", "template"))

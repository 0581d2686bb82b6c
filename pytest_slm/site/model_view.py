"""RegistryEntry -> ModelView: everything the registry knows about one model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_slm.comparing.use_cases import Comparisons
from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.core.types import Metric
from pytest_slm.load.builtin import built_in_use_cases
from pytest_slm.registry.entry import Composite, Rate, RegistryEntry, UseCase
from pytest_slm.registry.rows import machine_name
from pytest_slm.registry.speeds import Performance, QuantizationSpeed
from pytest_slm.site import numbers
from pytest_slm.site.compare import file_key, has_file
from pytest_slm.site.model.card import Card, card
from pytest_slm.site.model.commands import FileCommands, file_commands
from pytest_slm.site.model.context import ContextTable, context_table
from pytest_slm.site.model.forest import Forest, comparisons, forest, profile_of
from pytest_slm.site.model.history import History, history
from pytest_slm.site.model.items import ItemsView, items_view
from pytest_slm.site.model.profiles import profile_row
from pytest_slm.site.model.reference import reference_of
from pytest_slm.site.model.reports import ReportRow, report_rows
from pytest_slm.site.model.speeds import MachineSection, machine_section
from pytest_slm.site.titles.definitions import use_case_title
from pytest_slm.site.titles.wording import metric_title, profile_order, words
from pytest_slm.site.views import (
    Fact,
    ItemRow,
    ScoreRow,
    hub_address,
    item_row,
    machine_facts,
    sampled,
    score_row,
    tasks_of_rate,
    title_of,
)


@dataclass(frozen=True, kw_only=True)
class QuantizationRow:
    """One quantization in the table that compares them: a score of each use case, then what file it is."""

    name: str
    scores: tuple[tuple[str, str, str, str], ...]
    """(use case, score, interval, kind of run) of every use case that any quantization has; the kind is empty for a
    full run."""
    bits: str
    size: str
    made_from: str


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """The whole page."""

    name: str
    quantization: str
    chips: tuple[str, ...]
    quick: str
    facts: tuple[Fact, ...]
    aggregates: tuple[ScoreRow, ...]
    not_run: tuple[str, ...]
    scores: tuple[ScoreRow, ...]
    best_for: tuple[str, ...]
    not_for: tuple[str, ...]
    composites: tuple[tuple[str, tuple[ItemRow, ...]], ...]
    """Totals of benchmarks over several tasks, by suite."""
    safety: tuple[ItemRow, ...]
    card: Card
    forest: Forest | None
    compare: str
    """The address of the page that compares its quantizations, from the site's top; empty where there is nothing to."""
    columns: tuple[str, ...]
    quantizations: tuple[QuantizationRow, ...]
    machines: tuple[MachineSection, ...]
    context: ContextTable | None
    files: tuple[FileCommands, ...]
    items: ItemsView | None
    """Those of the quantization that is shown first; None where they have a page of their own, as the others do."""
    other_items: tuple[tuple[str, int, str], ...]
    """Name, number of items and address of each such page."""
    reports: tuple[ReportRow, ...]
    hardware: tuple[tuple[str, tuple[Fact, ...]], ...]
    history: History | None
    parts: tuple[PartLink, ...] = ()
    """Where its files do not fit on one page: all of its pages."""
    reference: str = ""
    """The file that others are compared with."""
    several: bool = False
    """Whether the model has more files than one, on whatever page."""
    elsewhere: str = ""
    """The page with the scores of ``quantization``, where they do not stand on this one."""


@dataclass(frozen=True, kw_only=True)
class PartLink:
    """A page of a model with many files; ``href`` is empty for the one that it stands on."""

    label: str
    href: str


def model_view(
    entry: RegistryEntry,
    addresses: Mapping[str, str],
    rules: ScoreRules,
    *,
    found: Mapping[str, Comparisons] | None = None,
    chosen: Card | None = None,
    shown: Collection[str] | None = None,
    parts: Sequence[PartLink] = (),
    elsewhere: str = "",
) -> ModelView:
    """What the page of a model shows; ``addresses`` holds the pages of its quantizations' items by name.
    ``shown`` are the quantizations of this page (None: all), ``found`` their comparisons and ``chosen`` the decision
    card where those are known; ``elsewhere`` is the page that has the headline's scores, if that is another one."""
    columns = sorted({name for q in entry.quantizations.values() for name in q.use_cases})
    quick = [case for case in entry.use_cases.values() if sampled(case.mode, case.limit, case.settings)]
    # What is not from full runs may stand beside a rank that full runs have.
    some = ", ".join(title_of(entry, name) for name, case in entry.use_cases.items() if case in quick)
    part = f" ({some})" if len(quick) < len(entry.use_cases) else ""
    most = max((task.n for case in quick for task in case.benchmarks), default=0)
    expected = {name for profile in rules.profiles for name in profile.weights} | {*built_in_use_cases().values()}
    machines = [*filter(None, [entry.performance]), *entry.performance_elsewhere]
    found = comparisons(entry, rules) if found is None else found
    every = ordered(entry)
    order = every if shown is None else [name for name in every if name in shown]
    profile = profile_of(entry, rules)
    chosen = chosen or card(entry, found, profile)
    advised = [choice.quantization for choice in chosen.choices if choice.quantization in order]
    same = [name for name, one in found.items() if one.overall and one.overall.verdict == "equivalent"]
    equivalent = {profile.name: [frozenset((reference_of(entry), name)) for name in same]} if profile else {}
    # The runs of the reference, which is on each page, stand on the first one.
    first = not parts or not parts[0].href
    measured = [name for name in order if first or name != reference_of(entry)]
    runnable = dict.fromkeys([*advised, *order])  # what is advised first
    made = ModelView(
        name=entry.name,
        quantization=entry.quantization,
        chips=_chips(entry),
        quick=f"{_sampled(quick)}{part}: sample of at most {most} per task, not ranked" if quick else "",
        facts=_facts(entry),
        aggregates=tuple(profile_row(entry, name) for name in sorted(entry.aggregates, key=profile_order)),
        not_run=tuple(sorted(map(use_case_title, expected - set(entry.use_cases)))),
        scores=tuple(score_row(title_of(entry, name), case) for name, case in entry.use_cases.items()),
        best_for=tuple(title_of(entry, name) for name in entry.best_for),
        not_for=tuple(title_of(entry, name) for name in entry.not_for),
        composites=tuple(
            (title_of(entry, use_case), tuple(_share(name, total, case) for name, total in case.composites.items()))
            for use_case, case in entry.use_cases.items()
            if case.composites
        ),
        safety=tuple(
            _share(name, rate, rate, rate.higher_is_better, tasks_of_rate(entry, name, rate))
            for name, rate in entry.safety.items()
        ),
        card=chosen,
        forest=forest(entry, found, order, profile),
        compare=_compare(entry, order),
        columns=tuple(title_of(entry, name) for name in columns),
        quantizations=tuple(_quantization(entry, name, columns) for name in order),
        machines=tuple(
            machine_section(entry, performance, order, equivalent)
            for performance in machines
            if performance.quantizations.keys() & set(order)
        ),
        context=context_table(_measured(machines, order), entry.context_length),
        files=tuple(file_commands(entry, name) for name in runnable),
        items=None if entry.quantization in addresses else items_view(entry, entry.quantization),
        other_items=tuple(
            (name, len(entry.quantizations[name].items), addresses[name]) for name in every if name in addresses
        ),
        reports=report_rows(entry, measured),
        hardware=tuple((machine_name(data), machine_facts(data)) for data in entry.provenance.machines.values()),
        history=history(entry, measured),
        parts=tuple(parts),
        reference=reference_of(entry),
        several=len(entry.quantizations) > 1,
        elsewhere=elsewhere,
    )
    if not elsewhere:
        return made
    # Scores of a file that is on another page would be taken for those of the files on this one.
    return replace(
        made,
        quick="",
        aggregates=(),
        not_run=(),
        scores=(),
        composites=(),
        safety=(),
        items=None,
        best_for=(),
        not_for=(),
    )


def _share(
    name: str, found: Rate | Composite, measured: Rate | UseCase, higher: bool = True, asked: str = ""
) -> ItemRow:
    """The row of a share that is no item's; ``measured`` says in what kind of run, ``asked`` by which tasks."""
    metric = Metric(
        name=name, value=found.value, n=found.n, interval=found.interval, higher_is_better=higher, cuts=found.cuts
    )
    quick = sampled(measured.mode, measured.limit, measured.settings)
    return item_row(metric_title(name), "", "passed", "", metric, quick=quick, before=asked)


def ordered(entry: RegistryEntry) -> list[str]:
    """The headline first, then from large to small."""

    def place(name: str) -> tuple[bool, float, str]:
        return name != entry.quantization, -(entry.quantizations[name].size_bytes or 0), name

    return sorted(entry.quantizations, key=place)


def _sampled(cases: Iterable[UseCase]) -> str:
    """The words for use cases that are not from full runs."""
    return ", ".join(sorted({word for case in cases if (word := sampled(case.mode, case.limit, case.settings))}))


def _chips(entry: RegistryEntry) -> tuple[str, ...]:
    """What people look for first."""
    counted = f"{numbers.parameters(entry.parameters)} parameters" if entry.parameters else ""
    context = f"{numbers.number(entry.context_length, 0)} tokens of context" if entry.context_length else ""
    return tuple(filter(None, (counted, context, entry.license, *entry.tags)))


def _facts(entry: RegistryEntry) -> tuple[Fact, ...]:
    counted = numbers.parameters(entry.parameters) if entry.parameters else ""
    pairs = (
        ("Parameters", f"{counted} counted" if counted else f"{entry.declared_parameters or 'not known'}, not counted"),
        ("Architecture", entry.architecture),
        ("Context", f"{numbers.number(entry.context_length, 0)} tokens" if entry.context_length else None),
        ("Family", entry.family),
        ("Submitted by", entry.submitted_by),
        ("Listed since", entry.date_added),
        (
            f"Domains, {entry.quantization}",
            ", ".join(f"{words(name)} {numbers.points(s, None)[0]}" for name, s in entry.domain_scores.items()),
        ),
    )
    found = [Fact(label=label, value=value) for label, value in pairs if value]
    if entry.hf_repo:
        found.append(Fact(label="Repository", value=entry.hf_repo, href=hub_address(entry.hf_repo)))
    if entry.revision:
        found.append(Fact(label="Revision", value=entry.revision[:12], code=True))
    return tuple(found)


def _quantization(entry: RegistryEntry, name: str, columns: list[str]) -> QuantizationRow:
    one = entry.quantizations[name]
    scores = []
    for column in columns:
        case = one.use_cases.get(column)
        text = numbers.points(case.score, case.interval) if case else ("not run", "")
        scores.append((title_of(entry, column), *text, _sampled([case]) if case else ""))
    return QuantizationRow(
        name=name,
        scores=tuple(scores),
        bits=f"{one.bits_per_weight:.3g}" if one.bits_per_weight else numbers.MISSING,
        size=numbers.size(one.size_bytes) if one.size_bytes else numbers.MISSING,
        made_from=one.made_from or "",
    )


def _measured(machines: Iterable[Performance], order: Iterable[str]) -> dict[str, QuantizationSpeed]:
    """What the first machine that measured it says of each quantization."""
    return {
        name: next(one.quantizations[name] for one in machines if name in one.quantizations)
        for name in order
        if any(name in one.quantizations for one in machines)
    }


def _compare(entry: RegistryEntry, order: Iterable[str]) -> str:
    first = reference_of(entry)
    names = [first, *(name for name in order if name != first)]
    keys = [f"{entry.id}@{file_key(name)}" for name in names if has_file(entry.quantizations[name])]
    return f"compare.html?m={','.join(keys[:4])}" if len(keys) > 1 else ""

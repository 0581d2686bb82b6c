"""Run reports -> registry entries -> the registry document. Pure: the same reports give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any, TypeVar

from pytest_slm.core.record import is_name, utc
from pytest_slm.core.types import MEASURED, RunReport, SuiteFacts
from pytest_slm.errors import ReportError
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry.entry import (
    Provenance,
    Registry,
    RegistryEntry,
    RegistryMetadata,
    ReportReference,
    UseCase,
)
from pytest_slm.registry.identity import by_model, model_id, of_one_revision, revision_of, weights_of
from pytest_slm.registry.performance import performances
from pytest_slm.registry.quantization import build_quantization, by_use, safety_rates, width
from pytest_slm.registry.rows.choosing import deployment_targets
from pytest_slm.registry.rows.making import entry_rows
from pytest_slm.registry.rows.ranking import rank
from pytest_slm.registry.scores import (
    Stratum,
    engine_of,
    machine_facts,
    machine_of,
    strata,
)
from pytest_slm.registry.store import StoredReport, to_lines

Made = TypeVar("Made")


def build_registry(reports: Iterable[StoredReport], kept: Registry | None = None) -> Registry:
    """The registry of these reports. Entries of ``kept`` stay unless the reports have a model of the same id."""
    entries = {entry.id: entry for entry in (kept.models if kept else ())}
    entries |= {entry.id: entry for entry in build_entries(reports, entries.get)}
    return document([entries[model] for model in sorted(entries)])


def build_entries(
    reports: Iterable[StoredReport], known: Callable[[str], RegistryEntry | None] = lambda _: None
) -> list[RegistryEntry]:
    """The entry of each model that these are reports of, without ranks; of the one that is ``known`` of the same id it
    has the claims, and since when it is listed."""
    entries = []
    for model, group in by_model(reports).items():
        entry, before = build_entry(model, group), known(model)
        if before is not None:
            added = min(filter(None, (before.date_added, entry.date_added)))
            entry = entry.but(date_added=added, claims=before.claims)
        entries.append(entry)
    return entries


def build_what_can_be(
    reports: Sequence[StoredReport], kept: Registry | None = None
) -> tuple[Registry, tuple[ReportError, ...]]:
    """``build_registry``, and an error for each report that it has to leave out."""

    def build(found: Sequence[StoredReport]) -> Registry:
        registry = build_registry(found, kept)
        made = {model_id(stored.run) for stored in found}
        to_lines([entry for entry in registry.models if entry.id in made])  # those of ``kept`` were read from JSON
        return registry

    return made_of_what_can_be(reports, build)


def made_of_what_can_be(
    reports: Sequence[StoredReport], make: Callable[[Sequence[StoredReport]], Made]
) -> tuple[Made, tuple[ReportError, ...]]:
    """What ``make`` makes of reports, and an error for each that has to be left out: what stands in one file of many
    must not keep all others from being built."""
    try:
        return make(reports), ()
    except Exception:  # nobody knows what anybody writes into a report; which one it is, is found out below
        errors = {stored.path: problem for stored in reports if (problem := _problem(stored)) is not None}
        if not errors:
            raise
    return make([stored for stored in reports if stored.path not in errors]), tuple(errors.values())


def _problem(stored: StoredReport) -> ReportError | None:
    """Why nothing can be made of a report, if so."""
    try:
        to_lines(build_registry([stored]))
    except Exception as error:  # the same; what it is stands in the line
        problem = f"nothing can be made of it ({type(error).__name__}: {error!s:.200})"
        return ReportError(f"{stored.path}: {problem}; look at its values", slug="report-odd")
    return None


def build_entry(model: str, group: Sequence[StoredReport]) -> RegistryEntry:
    """The entry of one model from all of its reports, those of other revisions included: they are only listed."""
    group = sorted(group, key=lambda stored: (utc(stored.run.finished), stored.path))
    newest = max(group, key=lambda s: (s.run.standard, utc(s.run.finished), s.path))
    revision, current = of_one_revision(group)
    sorted_runs = strata(current)
    quantizations = {
        name: build_quantization(name, current, [stratum for stratum in sorted_runs if stratum.quantization == name])
        for name in sorted({stratum.quantization for stratum in sorted_runs})
    }
    headline = max(quantizations, key=lambda name: (*width(quantizations[name]), name))
    # Speeds of a server hold its network and queue, and nobody knows its machine: they stay in its items.
    here = [stratum for stratum in sorted_runs if stratum.server is None]
    measured = performances(here, {name: entry.size_bytes for name, entry in quantizations.items()})
    best = quantizations[headline]
    suites = {name: facts for stored in current for name, facts in stored.run.suites.items()}
    rules = score_rules()
    submission = newest.run.submission
    detected = [run.detected for run in by_use(current, best.use_cases, best.items) if run.detected]
    entry = RegistryEntry(
        id=model,
        name=_name(newest.run),
        quantization=headline,
        date_added=min(utc(stored.run.created) for stored in group).date().isoformat(),
        family=submission.family,
        hf_repo=submission.hf_repo,
        revision=revision,
        parameters=next((d.parameters for d in detected if d.parameters is not None), None),
        declared_parameters=submission.parameters,
        architecture=submission.architecture or next((d.architecture for d in detected if d.architecture), None),
        context_length=submission.context_length
        or next((d.context_length for d in detected if d.context_length), None),
        license=submission.license or next((d.license for d in detected if d.license), None),
        submitted_by=submission.submitted_by,
        categories=submission.categories,
        tags=submission.tags,
        use_cases=best.use_cases,
        aggregates=best.aggregates,
        performance=measured[0] if measured else None,
        performance_elsewhere=measured[1:],
        safety=safety_rates(sorted_runs, headline),
        domain_scores=_domain_scores(best.use_cases.values(), suites),
        suites=suites,
        best_for=tuple(name for name, case in sorted(best.use_cases.items()) if _whole(case, rules.recommended, None)),
        not_for=tuple(
            name for name, case in sorted(best.use_cases.items()) if _whole(case, None, rules.not_recommended)
        ),
        quantizations=quantizations,
        provenance=_provenance(group, current, sorted_runs),
    )
    return entry.but(deployment_targets=deployment_targets(entry_rows(entry), rules.profiles[0].name))


def _name(run: RunReport) -> str:
    """The name for people: a server's address says little, and the model that it held then goes before it."""
    served = run.backend.served_model if run.backend else None
    name = run.submission.name
    last = (served or "").replace("\\", "/").rpartition("/")[2] or served
    told = f"{last} at {name}" if served else name
    return told if is_name(told) else name


def _domain_scores(cases: Iterable[UseCase], suites: Mapping[str, SuiteFacts]) -> dict[str, float]:
    """The mean score of the suites of each domain. A bare number cannot say that it is of a quick or limited run."""
    found: dict[str, list[float]] = {}
    for case in cases:
        domain = suites[case.suite].domain if case.suite in suites else None
        if domain and case.recommended is not None:
            found.setdefault(domain, []).append(case.score)
    return {domain: sum(scores) / len(scores) for domain, scores in sorted(found.items())}


def _whole(case: UseCase, low: float | None, high: float | None) -> bool:
    """Whether the whole interval of a full score lies at or above ``low``, or below ``high``."""
    if case.recommended is None or case.interval is None:
        return False
    return case.interval[0] >= low if low is not None else high is not None and case.interval[1] < high


def _provenance(group: Sequence[StoredReport], current: Sequence[StoredReport], runs: Iterable[Stratum]) -> Provenance:
    used = {stored.path for stratum in runs for stored, result in stratum.chosen if result.outcome in MEASURED}
    machines: dict[str, Mapping[str, Any]] = {}
    for stored in current:
        machine = machine_of(stored.run)
        if machine:
            machines[machine] = machine_facts(stored.run)
    references = (
        ReportReference(
            path=stored.path,
            sha256=stored.sha256,
            run_id=stored.run.run_id,
            quantization=stored.run.quantization,
            model=model_id(stored.run),
            weights=weights_of(stored.run),
            suites=tuple(sorted({one.suite for one in stored.run.results if one.outcome in MEASURED})),
            revision=revision_of(stored.run),
            mode=stored.run.mode,
            limit=stored.run.limit,
            settings=stored.run.own_settings,
            seed=stored.run.seed,
            created=stored.run.created,
            finished=stored.run.finished,
            complete=stored.run.complete,
            engine=engine_of(stored.run),
            machine=machine_of(stored.run),
            versions=stored.run.versions,
            used=stored.path in used,
        )
        for stored in group
    )
    return Provenance(reports=tuple(sorted(references, key=lambda reference: reference.path)), machines=machines)


def document(entries: Sequence[RegistryEntry]) -> Registry:
    """The registry of these entries, ranked."""
    machines = {key: value for entry in entries for key, value in machine_words(entry).items()}
    finished = [time for entry in entries if (time := newest(entry)) is not None]
    return Registry(metadata=metadata(len(entries), finished, machines), rules=score_rules(), models=rank(entries))


def metadata(count: int, finished: Iterable[str], machines: Mapping[str, str]) -> RegistryMetadata:
    """Of so many models, from when the newest report of each was, and all machines in words."""
    times = [utc(time) for time in finished]
    several = f"{len(machines)} machines, never ranked together" if len(machines) > 1 else ""
    return RegistryMetadata(
        last_updated=max(times).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if times else None,
        total_models=count,
        platform=several or next(iter(machines.values()), "") or None,
    )


def newest(entry: RegistryEntry) -> str | None:
    """When the newest report of a model was finished."""
    return max((reference.finished for reference in entry.provenance.reports), key=utc, default=None)


def machine_words(entry: RegistryEntry) -> dict[str, str]:
    """The machines of a model in words, by fingerprint."""
    return {
        key: ", ".join(str(machine[name]) for name in ("cpu", "device", "os") if machine.get(name))
        for key, machine in entry.provenance.machines.items()
    }

"""Run reports -> registry entries -> the registry document. Pure: the same reports give the same bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

from pytest_slm.core.aggregation import ranks
from pytest_slm.core.record import is_name, utc
from pytest_slm.core.types import MEASURED, RunReport, SuiteFacts
from pytest_slm.errors import ReportError
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry.entry import (
    AggregateScore,
    Provenance,
    Registry,
    RegistryEntry,
    RegistryMetadata,
    ReportReference,
    UseCase,
)
from pytest_slm.registry.performance import performances
from pytest_slm.registry.quantization import build_quantization, by_use, safety_rates, width
from pytest_slm.registry.scores import (
    Stratum,
    engine_of,
    machine_facts,
    machine_of,
    strata,
)
from pytest_slm.registry.store import StoredReport, to_text
from pytest_slm.registry.targets import deployment_targets


def build_registry(reports: Iterable[StoredReport], kept: Registry | None = None) -> Registry:
    """The registry of these reports. Entries of ``kept`` stay unless the reports have a model of the same id."""
    groups: dict[str, list[StoredReport]] = {}
    for stored in reports:
        groups.setdefault(model_id(stored.run), []).append(stored)
    entries = {entry.id: entry for entry in (kept.models if kept else ())}
    for model, group in groups.items():
        added = entries[model].date_added if model in entries else None
        entry = build_entry(group)
        entries[model] = entry if added is None else replace(entry, date_added=min(added, entry.date_added))
    return _document(rank([entries[model] for model in sorted(entries)]))


def build_what_can_be(
    reports: Sequence[StoredReport], kept: Registry | None = None
) -> tuple[Registry, tuple[ReportError, ...]]:
    """``build_registry``, and an error for each report that it has to leave out: what stands in one file of many must
    not keep all others from being built."""
    try:
        registry = build_registry(reports, kept)
        to_text(registry)
        return registry, ()
    except Exception:  # nobody knows what anybody writes into a report; which one it is, is found out below
        errors = {stored.path: problem for stored in reports if (problem := _problem(stored)) is not None}
        if not errors:
            raise
    return build_registry([stored for stored in reports if stored.path not in errors], kept), tuple(errors.values())


def _problem(stored: StoredReport) -> ReportError | None:
    """Why nothing can be made of a report, if so."""
    try:
        to_text(build_registry([stored]))
    except Exception as error:  # the same; what it is stands in the line
        problem = f"nothing can be made of it ({type(error).__name__}: {error!s:.200})"
        return ReportError(f"{stored.path}: {problem}; look at its values", slug="report-odd")
    return None


def model_id(run: RunReport) -> str:
    """The id of a model: its Hub repository with ``--`` between owner and name, else the slug of the submission.

    It becomes a file name and an address, so whatever is not plainly a name is reduced and made unique by a hash.
    """
    name = run.submission.hf_repo or run.submission.slug
    if run.backend is not None and run.backend.server is not None:  # one address holds now this model, now that one
        name = f"{name}:{run.backend.served_model}"
    plain = re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", name, flags=re.ASCII)
    if plain and "--" not in name and ".." not in name:
        return name.lower().replace("/", "--")
    kept = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    return f"{kept or 'model'}-{hashlib.sha256(name.encode(errors='backslashreplace')).hexdigest()[:16]}"


def build_entry(group: Sequence[StoredReport]) -> RegistryEntry:
    """The entry of one model from all of its reports, those of other revisions included: they are only listed."""
    group = sorted(group, key=lambda stored: (utc(stored.run.finished), stored.path))
    newest = max(group, key=lambda s: (s.run.standard, utc(s.run.finished), s.path))
    revision = revision_of(newest.run)
    current = [stored for stored in group if revision_of(stored.run) == revision]
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
    return RegistryEntry(
        id=model_id(newest.run),
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
        deployment_targets=deployment_targets(
            measured, {name: entry.bits_per_weight for name, entry in quantizations.items()}
        ),
        best_for=tuple(name for name, case in sorted(best.use_cases.items()) if _whole(case, rules.recommended, None)),
        not_for=tuple(
            name for name, case in sorted(best.use_cases.items()) if _whole(case, None, rules.not_recommended)
        ),
        quantizations=quantizations,
        provenance=_provenance(group, current, sorted_runs),
    )


def _name(run: RunReport) -> str:
    """The name for people: a server's address says little, and the model that it held then goes before it."""
    served = run.backend.served_model if run.backend else None
    name = run.submission.name
    last = (served or "").replace("\\", "/").rpartition("/")[2] or served
    told = f"{last} at {name}" if served else name
    return told if is_name(told) else name


def revision_of(run: RunReport) -> str | None:
    """The revision of the weights, as submitted or as found in their headers."""
    return run.submission.revision or (run.detected.revision if run.detected else None)


def rank(entries: Sequence[RegistryEntry]) -> tuple[RegistryEntry, ...]:
    """The entries with a rank in each profile, among models measured on the same machine, or the reason for none."""
    placed: dict[tuple[str, str], dict[str, float]] = {}
    reasons: dict[tuple[str, str], str] = {}
    for entry in entries:
        for profile, total in entry.aggregates.items():
            reasons[entry.id, profile] = why_unranked(total)
            if not reasons[entry.id, profile]:
                placed.setdefault((profile, str(total.machine)), {})[entry.id] = total.score
    for (profile, _), scores in placed.items():
        old = _outdated(profile, [entry for entry in entries if entry.id in scores])
        for model, reason in old.items():
            reasons[model, profile] = reason
            del scores[model]
    places = {group: ranks(scores) for group, scores in placed.items()}

    def of(entry: RegistryEntry, total: AggregateScore) -> AggregateScore:
        group = places.get((total.profile, str(total.machine)), {})
        reason = reasons[entry.id, total.profile]
        if reason:
            return replace(total, rank=None, ranked=None, unranked=reason)
        return replace(total, rank=group[entry.id], ranked=len(group), unranked="")

    return tuple(
        replace(entry, aggregates={name: of(entry, total) for name, total in sorted(entry.aggregates.items())})
        for entry in entries
    )


def why_unranked(total: AggregateScore) -> str:
    """Why an aggregate has no rank, in words; empty if it may be ranked."""
    if total.server is not None:
        return f"unverified weights: a server answered ({total.server})"
    if total.mode != "full":
        return f"measured in {total.mode} mode"
    if total.limit is not None:
        return f"measured with a limit of {total.limit} samples a task"
    if total.settings:
        return f"measured with settings of its own ({total.settings})"
    if not total.complete:
        return "a run of it did not finish, or had errors"
    needed = score_rules().ranked_coverage
    # 0.2 + 0.2 + 0.4 is a little less than 0.8 for a computer.
    if total.coverage < needed - 1e-9:
        return f"{total.coverage:.0%} of the profile measured, {needed:.0%} are needed"
    return "" if total.machine else "the report does not say which machine it ran on"


def _outdated(profile: str, entries: Sequence[RegistryEntry]) -> dict[str, str]:
    """The models that were measured with an older version of a task than another of these, with the reason."""
    versions = {entry.id: _versions(entry, entry.aggregates[profile]) for entry in entries}
    newest: dict[str, int] = {}
    for tasks in versions.values():
        for task, version in tasks.items():
            newest[task] = max(version, newest.get(task, version))
    return {
        model: f"measured with version {version} of {task}, others with version {newest[task]}"
        for model, tasks in versions.items()
        for task, version in sorted(tasks.items(), reverse=True)  # the first one by name is told
        if version < newest[task]
    }


def _versions(entry: RegistryEntry, total: AggregateScore) -> dict[str, int]:
    """The versions of the tasks in the scores that an aggregate is the mean of."""
    weights = next((profile.weights for profile in score_rules().profiles if profile.name == total.profile), {})
    cases = (entry.use_cases.get(name) for name in weights)
    return {
        f"{case.suite}/{task.task}": task.version
        for case in cases
        # Runs of another machine or kind may have filled what the aggregate lacks.
        if case and _kind_of(case) == _kind_of(total)
        for task in case.benchmarks
    }


def _kind_of(score: UseCase | AggregateScore) -> tuple[object, ...]:
    """What scores must have in common to be of one measurement."""
    return score.mode, score.limit, score.settings, score.machine


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


def _document(entries: Sequence[RegistryEntry]) -> Registry:
    times = [utc(reference.finished) for entry in entries for reference in entry.provenance.reports]
    machines = {key: value for entry in entries for key, value in entry.provenance.machines.items()}
    return Registry(
        metadata=RegistryMetadata(
            last_updated=max(times).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if times else None,
            total_models=len(entries),
            platform=_platform(machines),
        ),
        rules=score_rules(),
        models=tuple(entries),
    )


def _platform(machines: Mapping[str, Mapping[str, Any]]) -> str | None:
    if len(machines) > 1:
        return f"{len(machines)} machines, never ranked together"
    words = [str(machine[key]) for machine in machines.values() for key in ("cpu", "device", "os") if machine.get(key)]
    return ", ".join(words) or None

"""Ranks of rows: among files that were measured on the same machine, in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_slm.load.builtin import score_rules
from pytest_slm.registry.entry import QuantizationEntry, RegistryEntry
from pytest_slm.registry.points import AggregateScore, UseCase
from pytest_slm.registry.rows.making import entry_rows
from pytest_slm.registry.rows.placing import Place, places
from pytest_slm.registry.rows.row import Row

Key = tuple[str, str, str, str]
"""Model, quantization, machine and profile."""


def rank(entries: Sequence[RegistryEntry]) -> tuple[RegistryEntry, ...]:
    """The entries with the rank of each aggregate among the files that were measured on its machine, or the reason why
    it has none."""
    groups: dict[tuple[str, str], list[Row]] = {}
    reasons: dict[Key, str] = {}
    for row in (row for entry in entries for row in entry_rows(entry)):
        for profile, total in row.aggregates.items():
            reasons[_key(row, profile)] = reason = why_unranked(total)
            if not reason:
                groups.setdefault((profile, row.machine), []).append(row)
    placed: dict[Key, tuple[Place, int]] = {}
    for (profile, _), rows in groups.items():
        old = _outdated(profile, rows)
        reasons |= {_key(row, profile): old[row.id] for row in rows if row.id in old}
        current = {row.id: row for row in rows if row.id not in old}
        scores = {
            name: (row.aggregates[profile].score, row.aggregates[profile].interval) for name, row in current.items()
        }
        for name, place in places(scores).items():
            placed[_key(current[name], profile)] = (place, len(current))
    return tuple(_with_places(entry, placed, reasons) for entry in entries)


def _key(row: Row, profile: str) -> Key:
    return row.model, row.quantization, row.machine, profile


def _with_places(
    entry: RegistryEntry, placed: Mapping[Key, tuple[Place, int]], reasons: Mapping[Key, str]
) -> RegistryEntry:
    def of(quantization: str, totals: Mapping[str, AggregateScore]) -> dict[str, AggregateScore]:
        found = {}
        for profile, total in sorted(totals.items()):
            key = (entry.id, quantization, total.machine or "", profile)
            place, among = placed.get(key, (None, None))
            found[profile] = _at(total, place, among, reasons.get(key, total.unranked))
        return found

    def whole(name: str, one: QuantizationEntry) -> QuantizationEntry:
        elsewhere = tuple(replace(scores, aggregates=of(name, scores.aggregates)) for scores in one.elsewhere)
        return replace(one, aggregates=of(name, one.aggregates), elsewhere=elsewhere)

    return replace(
        entry,
        aggregates=of(entry.quantization, entry.aggregates),
        quantizations={name: whole(name, one) for name, one in entry.quantizations.items()},
    )


def _at(total: AggregateScore, place: Place | None, among: int | None, unranked: str) -> AggregateScore:
    if place is None:
        nowhere = replace(total, rank=None, ranked=None, rank_interval=None, tier=None, corrected=None)
        return replace(nowhere, unranked=unranked)
    return replace(
        total,
        rank=place.rank,
        ranked=among,
        rank_interval=place.rank_interval,
        tier=place.tier,
        corrected=place.corrected,
        unranked="",
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


def _outdated(profile: str, rows: Sequence[Row]) -> dict[str, str]:
    """The rows that were measured with an older version of a task than another of these, with the reason."""
    versions = {row.id: _versions(row, row.aggregates[profile]) for row in rows}
    newest: dict[str, int] = {}
    for tasks in versions.values():
        for task, version in tasks.items():
            newest[task] = max(version, newest.get(task, version))
    return {
        name: f"measured with version {version} of {task}, others with version {newest[task]}"
        for name, tasks in versions.items()
        for task, version in sorted(tasks.items(), reverse=True)  # the first one by name is told
        if version < newest[task]
    }


def _versions(row: Row, total: AggregateScore) -> dict[str, int]:
    """The versions of the tasks in the scores that an aggregate is the mean of."""
    weights = next((profile.weights for profile in score_rules().profiles if profile.name == total.profile), {})
    cases = (row.scores.get(name) for name in weights)
    return {
        f"{case.suite}/{task.task}": task.version
        for case in cases
        # Runs of another kind may have filled what the aggregate lacks.
        if case and _kind_of(case) == _kind_of(total)
        for task in case.benchmarks
    }


def _kind_of(score: UseCase | AggregateScore) -> tuple[object, ...]:
    """What scores must have in common to be of one measurement."""
    return score.mode, score.limit, score.settings, score.machine

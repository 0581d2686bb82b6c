"""Ranks of rows: among files that were measured on the same machine, in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_slm.load.builtin import built_in_versions, score_rules
from pytest_slm.registry.entry import QuantizationEntry, RegistryEntry
from pytest_slm.registry.points import AggregateScore
from pytest_slm.registry.rows.making import entry_rows
from pytest_slm.registry.rows.row import Row
from pytest_slm.registry.rows.standings import Key, Placement, RankCandidate, placed


def rank(entries: Sequence[RegistryEntry]) -> tuple[RegistryEntry, ...]:
    """The entries with the rank of each aggregate among the files that were measured on its machine, or the reason why
    it has none."""
    found = placed(one for entry in entries for row in entry_rows(entry) for one in candidates(row))
    return tuple(with_places(entry, found) for entry in entries)


def candidates(row: Row) -> Iterator[RankCandidate]:
    """The row in each profile that it has an aggregate of."""
    for profile, total in row.aggregates.items():
        yield RankCandidate(
            key=(row.model, row.quantization, row.machine, profile),
            score=total.score,
            interval=total.interval,
            reason=why_unranked(total),
            versions={task: version for task, (version, _) in total.tasks.items()},
            parts=total.parts,
        )


def with_places(entry: RegistryEntry, found: Mapping[Key, Placement]) -> RegistryEntry:
    """The entry with the place of each of its aggregates in it."""

    def of(quantization: str, totals: Mapping[str, AggregateScore]) -> dict[str, AggregateScore]:
        return {
            profile: _at(total, found.get((entry.id, quantization, total.machine or "", profile)))
            for profile, total in sorted(totals.items())
        }

    def whole(name: str, one: QuantizationEntry) -> QuantizationEntry:
        elsewhere = tuple(scores.but(aggregates=of(name, scores.aggregates)) for scores in one.elsewhere)
        return one.but(aggregates=of(name, one.aggregates), elsewhere=elsewhere)

    return entry.but(
        aggregates=of(entry.quantization, entry.aggregates),
        quantizations={name: whole(name, one) for name, one in entry.quantizations.items()},
    )


def _at(total: AggregateScore, found: Placement | None) -> AggregateScore:
    place = found.place if found else None
    if place is None:
        nowhere = total.but(rank=None, ranked=None, rank_interval=None, tier=None, corrected=None)
        return nowhere.but(unranked=found.reason if found else total.unranked)
    return total.but(
        rank=place.rank,
        ranked=found.among if found else None,
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
    known = built_in_versions()
    ahead = [task for task, (version, _) in total.tasks.items() if version > known.get(task, version)]
    if ahead:  # else one report could take the ranks of all others, whose versions are older then
        task = min(ahead)
        return f"measured with version {total.tasks[task][0]} of {task}; the newest that is known here is {known[task]}"
    needed = score_rules().ranked_coverage
    # 0.2 + 0.2 + 0.4 is a little less than 0.8 for a computer.
    if total.coverage < needed - 1e-9:
        return f"{total.coverage:.0%} of the profile measured, {needed:.0%} are needed"
    return "" if total.machine else "the report does not say which machine it ran on"

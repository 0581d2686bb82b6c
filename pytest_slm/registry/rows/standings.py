"""The place of each file in each profile: what has to be known of it for that, and who stands where."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.core.statistics import Interval
from pytest_slm.registry.rows.placing import Place, places

Key = tuple[str, str, str, str]
"""Model, quantization, machine and profile."""


@dataclass(frozen=True, kw_only=True)
class RankCandidate:
    """A file with an aggregate. ``reason`` is why it cannot be ranked, empty where it can; ``versions`` are those of
    the tasks in its aggregate, ``parts`` how many questions those had of which there was only a part."""

    key: Key
    score: float
    interval: Interval | None
    reason: str
    versions: Mapping[str, int]
    parts: Mapping[str, int]


@dataclass(frozen=True)
class Placement:
    """Its place among so many, or why it has none."""

    place: Place | None
    among: int | None
    reason: str


def placed(candidates: Iterable[RankCandidate]) -> dict[Key, Placement]:
    """The place of each among those of one machine and profile, or the reason why it has none."""
    groups: dict[tuple[str, str], list[RankCandidate]] = {}
    found: dict[Key, Placement] = {}
    for one in sorted(candidates, key=lambda one: one.key):
        if one.reason:
            found[one.key] = Placement(None, None, one.reason)
        else:
            groups.setdefault(one.key[2:], []).append(one)
    for group in groups.values():
        old = dict(_outdated(group))
        old |= dict(_partial([one for one in group if one.key not in old]))
        found |= {key: Placement(None, None, reason) for key, reason in old.items()}
        current = {"@".join(one.key[:3]): one for one in group if one.key not in old}
        for name, place in places({name: (one.score, one.interval) for name, one in current.items()}).items():
            found[current[name].key] = Placement(place, len(current), "")
    return found


def _outdated(group: Sequence[RankCandidate]) -> Iterator[tuple[Key, str]]:
    """Those that were measured with an older version of a task than another of these, with the reason."""
    newest: dict[str, int] = {}
    for versions in {id(one.versions): one.versions for one in group}.values():
        for task, version in versions.items():
            newest[task] = max(version, newest.get(task, version))
    for one in group:
        older = [task for task, version in one.versions.items() if version < newest[task]]
        if older:
            task = min(older)  # the first one by name is told
            reason = f"measured with version {one.versions[task]} of {task}, others with version {newest[task]}"
            yield one.key, reason


def _partial(group: Sequence[RankCandidate]) -> Iterator[tuple[Key, str]]:
    """Those that had a smaller part of a task's questions than another of these, with the reason."""
    most = {
        task: max((one.parts.get(task, math.inf) for one in group if task in one.versions), default=0.0)
        for task in dict.fromkeys(task for one in group for task in one.parts)
    }
    for one in group:
        fewer = [task for task, asked in one.parts.items() if asked < most[task]]
        if fewer:
            task = min(fewer)
            others = "all" if most[task] == math.inf else f"{most[task]:,.0f}"
            yield one.key, f"asked {one.parts[task]:,} questions of {task}, others {others}"


def order_of(
    rank: int | None, coverage: float, basis: str, lower: float | None, name: str, quantization: str, row: str
) -> tuple[object, ...]:
    """What rows with an aggregate are sorted by: ranked ones by rank, then the widest coverage; within one, those of
    one basis stand together, by the lower end of their intervals: aggregates of different tasks are never compared."""
    named = (name.casefold(), quantization, row)
    if rank is not None:
        return (0, 0.0, "", rank, *named)
    return (1, -coverage, basis, math.inf if lower is None else -lower, *named)

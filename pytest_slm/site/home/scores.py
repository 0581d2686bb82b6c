"""What files are ordered by: the score of a profile or of a use case, in groups of which each can be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.registry.entry import AggregateScore, UseCase
from pytest_slm.registry.rows import Row
from pytest_slm.site import numbers
from pytest_slm.site.titles.wording import profile_title
from pytest_slm.site.views import sampled


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The score of one row: points, interval and chance level; ``quick`` where it is not from a full run as tasks ask;
    ``note`` what it is made of; ``group`` the number of the group that it can be compared in."""

    score: float
    interval: tuple[float, float] | None
    chance: float | None
    quick: str
    note: str
    group: int

    @property
    def order(self) -> tuple[float, ...]:
        """Best first: by group, then by the lower end of the interval. What has none stands last in its group."""
        return (self.group, *((-self.interval[0],) if self.interval else (1.0,)), -self.score)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Everything that rows can be ordered by at once: a profile, or a use case, with the marks of the rows by id."""

    name: str
    title: str
    marks: Mapping[str, Mark]
    groups: tuple[str, ...]
    """What each group has in common, in words."""

    def heading(self, group: int) -> str:
        """What stands above the rows of a group; nothing where all that has a score can be compared."""
        if group >= len(self.groups):
            return "No score measured"
        told = self.groups[group]
        return f"{told[:1].upper()}{told[1:]}; not comparable with other groups" if len(self.groups) > 1 else ""

    def ordered(self, rows: Iterable[Row]) -> tuple[Row, ...]:
        """The rows with the best first; those without a score last, by name."""

        def place(row: Row) -> tuple[object, ...]:
            mark = self.marks.get(row.id)
            return (mark is None, *(mark.order if mark else ()), row.name.casefold(), row.quantization, row.id)

        return tuple(sorted(rows, key=place))


def profile_scale(rows: Sequence[Row], profile: str, title: str) -> Scale:
    """The scale of a profile's aggregate. Scores of different tasks are in different groups: they are not compared."""
    found = {row.id: (row, row.aggregates[profile]) for row in rows if profile in row.aggregates}
    # The machine is in no group: it says how fast a file is, and the score of a file is that of the file.
    return _scale(profile, title, {key: (row, total, row.basis(profile)[1:]) for key, (row, total) in found.items()})


def case_scale(rows: Sequence[Row], name: str, title: str) -> Scale:
    """The scale of a use case."""
    return _scale(
        name, title, {row.id: (row, row.scores[name], _basis(row.scores[name])) for row in rows if name in row.scores}
    )


def _basis(case: UseCase) -> tuple[object, ...]:
    tasks = sorted((task.task, task.version, task.measured_variants) for task in case.benchmarks)
    return (case.mode, str(case.limit), case.settings, round(case.coverage, 4), *tasks)


def _scale(
    name: str, title: str, found: Mapping[str, tuple[Row, UseCase | AggregateScore, tuple[object, ...]]]
) -> Scale:
    bases = {key: str(basis) for key, (*_, basis) in found.items()}
    sizes = Counter(bases.values())
    first: dict[str, UseCase | AggregateScore] = {}
    for key, (_, score, _) in found.items():
        first.setdefault(bases[key], score)

    def place(basis: str) -> tuple[object, ...]:
        score = first[basis]
        quick = sampled(score.mode, score.limit, score.settings)
        return (bool(quick), -round(score.coverage, 3), -sizes[basis], basis)

    order = {basis: number for number, basis in enumerate(sorted(sizes, key=place))}
    return Scale(
        name=name,
        title=title,
        groups=tuple(_told(first[basis]) for basis in sorted(order, key=order.__getitem__)),
        marks={key: _mark(score, order[bases[key]]) for key, (_, score, _) in found.items()},
    )


def _told(score: UseCase | AggregateScore) -> str:
    """What the scores of a group are made of."""
    kind = sampled(score.mode, score.limit, score.settings)
    kind = f"{kind} runs" if kind else "full runs"
    limit = "" if score.limit is None else f" of at most {numbers.number(score.limit, 0)} samples a task"
    of = f"of the {profile_title(score.profile).lower()} score" if isinstance(score, AggregateScore) else "of its tasks"
    return f"{kind}{limit}, {numbers.percent(score.coverage)} {of} measured"


def _mark(score: UseCase | AggregateScore, group: int) -> Mark:
    if isinstance(score, AggregateScore):
        note = _rank(score)
    else:
        done, declared = len(score.benchmarks), len(score.declared)
        note = f"n {numbers.number(score.n, 0)} · {done} of {declared} task{'' if declared == 1 else 's'}"
    return Mark(
        score=score.score,
        interval=score.interval,
        chance=score.chance,
        quick=sampled(score.mode, score.limit, score.settings),
        note=note,
        group=group,
    )


def _rank(total: AggregateScore) -> str:
    if total.rank is None:
        return f"{numbers.percent(total.coverage)}, not ranked"
    low, high = total.rank_interval or (total.rank, total.rank)
    between = "" if low == high else f" ({low}–{high})"
    return f"rank {total.rank}{between} of {total.ranked}"

"""What files are ordered by: the score of a profile or of a use case, in groups of which each can be compared."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_slm.core.statistics import Interval
from pytest_slm.site.facts.files import FileFacts, Score, ScoreBasis
from pytest_slm.site.facts.wide import Wide
from pytest_slm.site.titles.places import rank_text
from pytest_slm.site.titles.wording import profile_title, words


class ScoreMark(NamedTuple):
    """The score of one file: points, interval and chance level; ``quick`` where it is not from a full run as tasks ask;
    ``note`` what it is made of; ``group`` the number of the group that it can be compared in."""

    score: float
    interval: Interval | None
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
    """Everything that files can be ordered by at once: a profile, or a use case, with the marks of the files by id."""

    name: str
    title: str
    marks: Mapping[str, ScoreMark]
    groups: tuple[str, ...]
    """What each group has in common, in words."""

    def heading(self, group: int) -> str:
        """What stands above the rows of a group; nothing where all that has a score can be compared."""
        if group >= len(self.groups):
            return "No score measured"
        told = self.groups[group]
        return f"{told[:1].upper()}{told[1:]}; not comparable with other groups" if len(self.groups) > 1 else ""

    def ordered(self, files: Iterable[FileFacts]) -> tuple[FileFacts, ...]:
        """The files with the best first; those without a score last, by name."""
        return tuple(sorted(files, key=self._place))

    def best(self, files: Iterable[FileFacts], count: int) -> tuple[FileFacts, ...]:
        """The first ones of all in their order."""
        return tuple(heapq.nsmallest(count, files, key=self._place))

    def _place(self, file: FileFacts) -> tuple[object, ...]:
        mark = self.marks.get(file.id)
        return (mark is None, *(mark.order if mark else ()), file.name.casefold(), file.quantization, file.id)


def scales(wide: Wide) -> tuple[Scale, ...]:
    """The scale of the first profile, those of the others that something was measured of, and that of each use case by
    title; each has a name of its own. Scores of different tasks are in different groups: they are not compared."""
    titles = {name: title for name, (_, title) in wide.summary.titles.items()}
    totals: dict[str, list[tuple[str, Score, str]]] = {profile.name: [] for profile in wide.rules.profiles}
    cases: dict[str, list[tuple[str, Score, str]]] = {name: [] for name in titles}
    for file in wide.files:
        for name in totals.keys() & file.totals.keys():
            score = file.totals[name]
            totals[name].append((file.id, score, _ranked(wide, file, name, score)))
        for name, score in file.scores.items():
            cases[name].append((file.id, score, score.note))
    first = wide.rules.profiles[0].name
    profiles = [name for name, found in totals.items() if found or name == first]
    in_order = sorted(titles.items(), key=lambda pair: (pair[1].casefold(), pair[0]))
    return (
        # A use case may have the name of a profile: what is chosen on the page is one of them.
        *(
            _scale(f"{name}-profile" if name in titles else name, f"{profile_title(name)} score", totals[name])
            for name in profiles
        ),
        *(_scale(name, words(title), cases[name]) for name, title in in_order),
    )


def _ranked(wide: Wide, file: FileFacts, profile: str, score: Score) -> str:
    """Its rank; what the score is made of where it has none."""
    found = wide.places.get((file.model, file.quantization, file.machine, profile))
    if found is None or found.place is None:
        return score.note
    return rank_text(found.place.rank, found.place.rank_interval, found.among)


def _scale(name: str, title: str, found: Sequence[tuple[str, Score, str]]) -> Scale:
    sizes = Counter(score.kind.basis for _, score, _ in found)
    first: dict[str, ScoreBasis] = {}
    for _, score, _ in found:
        first.setdefault(score.kind.basis, score.kind)

    def place(basis: str) -> tuple[object, ...]:
        kind = first[basis]
        return (bool(kind.quick), -round(kind.coverage, 3), -sizes[basis], basis)

    order = {basis: number for number, basis in enumerate(sorted(sizes, key=place))}
    return Scale(
        name=name,
        title=title,
        groups=tuple(first[basis].told for basis in order),
        marks={
            key: ScoreMark(score.score, score.interval, score.chance, score.kind.quick, note, order[score.kind.basis])
            for key, score, note in found
        },
    )

"""Which reports belong together: of one id, or with the same weights, in however many portions they were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_slm.registry.folder.index import IndexedModel
from pytest_slm.registry.folder.pieces import KnownModel


@dataclass(kw_only=True)
class Group:
    """Reports by path, the portions that they were read in, and models of a registry that they are of, too."""

    paths: set[str] = field(default_factory=set)
    portions: set[int] = field(default_factory=set)
    models: set[str] = field(default_factory=set)


def joined(portions: Sequence[Mapping[str, KnownModel]], models: Mapping[str, IndexedModel]) -> list[Group]:
    """The groups that were not read as a whole: of several portions, or with models that nobody has looked at."""
    roots: dict[str, str] = {}

    def root(mark: str) -> str:
        way = []
        while roots.setdefault(mark, mark) != mark:
            way.append(mark)
            mark = roots[mark]
        for one in way:
            roots[one] = mark
        return mark

    def marks(ids: Sequence[str], weights: Sequence[str]) -> list[str]:
        found = [*(f"id {one}" for one in ids), *(f"weights {one}" for one in weights)]
        for one in found[1:]:
            roots[root(one)] = root(found[0])
        return found

    reports = [
        (path, number, marks([one.model], one.weights)[0])
        for number, portion in enumerate(portions)
        for path, one in portion.items()
    ]
    known = {name: marks([name, *model.names], model.weights)[0] for name, model in models.items()}
    groups: dict[str, Group] = {}
    for path, number, mark in reports:
        group = groups.setdefault(root(mark), Group())
        group.paths.add(path)
        group.portions.add(number)
    for name, mark in known.items():
        if (whose := groups.get(root(mark))) is not None:
            whose.models.add(name)
    return [group for group in groups.values() if len(group.portions) > 1 or group.models]

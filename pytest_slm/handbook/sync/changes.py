"""What is new since the last sync, and the models of a month in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pytest_slm.handbook.facts import FactChange, HubModel, Kind, Month

COMPARED: tuple[Kind, ...] = ("license", "gated", "parameters", "revision")
"""The facts that a change of is told."""
KEPT = 1000
"""Changes that are kept, the newest ones."""
SIZES: tuple[tuple[float, str], ...] = (
    (2e8, "up to 200 M"),
    (6e8, "200 M to 600 M"),
    (1.2e9, "600 M to 1.2 B"),
    (2e9, "1.2 B to 2 B"),
    (3.3e9, "2 B to 3.3 B"),
    (float("inf"), "more than 3.3 B"),
)
"""Classes of parameters, each with its upper end."""


def size_class(parameters: int | None) -> str:
    """The class that a number of parameters is in, in words."""
    if parameters is None:
        return "not counted"
    return next(title for most, title in SIZES if parameters <= most)


def changes(old: Mapping[str, HubModel], new: Iterable[HubModel], day: str) -> list[FactChange]:
    """What differs of each model (``old``: by its repository in small letters); downloads differ every day."""
    found: list[FactChange] = []
    seen = set()
    for model in new:
        seen.add(model.repo.lower())
        before = old.get(model.repo.lower())
        if before is None:
            found.append(FactChange(day=day, repo=model.repo, kind="added"))
        else:
            found += _differences(before, model, day)
    found += [FactChange(day=day, repo=one.repo, kind="dropped") for key, one in old.items() if key not in seen]
    return sorted(found, key=lambda one: (one.repo.lower(), one.kind))


def _differences(old: HubModel, new: HubModel, day: str) -> Iterator[FactChange]:
    def change(kind: Kind, before: object = "", after: object = "") -> FactChange:
        return FactChange(day=day, repo=new.repo, kind=kind, old=_word(before), new=_word(after))

    gone = [bool(model.trouble and model.trouble.kind == "gone") for model in (old, new)]
    if gone[0] != gone[1]:
        yield change("gone" if gone[1] else "back")
    if new.trouble:
        return
    for kind in COMPARED:
        before, after = getattr(old, kind), getattr(new, kind)
        if before != after:
            yield change(kind, before, after)
    names = [{one.name for one in model.quantizations} for model in (old, new)]
    if names[0] != names[1]:
        went, came = (", ".join(sorted(part)[:20]) for part in (names[0] - names[1], names[1] - names[0]))
        yield change("quantizations", went, came)


def _word(value: object) -> str:
    return "not known" if value is None else str(value)


def month_of(models: Iterable[HubModel], month: str) -> Month:
    """The models of a month in numbers: those that are gone are counted as that, and nowhere else."""
    every = list(models)
    there = [model for model in every if not (model.trouble and model.trouble.kind == "gone")]
    return Month(
        month=month,
        models=len(there),
        gone=len(every) - len(there),
        with_gguf=sum(bool(model.quantizations) for model in there),
        gated=sum(model.gated in ("auto", "manual") for model in there),
        downloads=sum(model.downloads or 0 for model in there),
        licenses=dict(sorted(Counter(model.license or "not told" for model in there).items())),
        sizes=dict(sorted(Counter(size_class(model.parameters) for model in there).items())),
    )

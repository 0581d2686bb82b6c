"""Is every file of a registry in order? And what differs between two of them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_slm import __version__
from pytest_slm.errors import ReportError, SlmError
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry.folder.index import INDEX, MODELS, Index, IndexedModel, Standing, model_path
from pytest_slm.registry.folder.pieces import MadeModel, indexed_model, is_fresh, made_totals
from pytest_slm.registry.folder.reading import read_index, read_model, read_placed
from pytest_slm.registry.folder.writing import index_of, metadata_of, totals_of
from pytest_slm.registry.rows.changes import Change, changed_rows
from pytest_slm.registry.rows.making import entry_rows
from pytest_slm.registry.rows.row import Row
from pytest_slm.registry.schema import validate
from pytest_slm.registry.store import read_json
from pytest_slm.workers import spread

FEW = 50
"""Models that are looked at before it would be worth a process."""


def check_registry(folder: Path, jobs: int | None = None) -> tuple[SlmError, ...]:
    """Everything that is wrong with a registry: each file against its hash, its records and its JSON Schema, what the
    index says against the files, its places against the scores, and files that are not of it."""
    return tuple(_problems(folder, jobs))


def answer(about: Any, order: Any) -> Any:
    """Look at one model, for a process of its own: message and slug of what is wrong, what of the index is not what its
    file makes it, and what it is ranked by."""
    folder, model = Path(about), IndexedModel.from_json(order)
    path = folder / model_path(model.id)
    try:
        entry = read_model(folder, model)
        validate("model", read_json(path), path)
    except SlmError as error:
        return {"problem": [error.args[0], error.slug], "wrong": [], "totals": []}
    every = entry_rows(entry)
    meant = indexed_model(entry, model.sha256, every).but(sample_bytes=model.sample_bytes, samples=model.samples)
    wrong = [name for name in model.fields() if getattr(model, name) != getattr(meant, name)]
    return {"problem": None, "wrong": wrong, "totals": [one.to_json() for one in made_totals(every)]}


def _problems(folder: Path, jobs: int | None) -> Iterator[SlmError]:
    try:
        index = read_index(folder)
        validate("index", read_json(folder / INDEX), folder / INDEX)
    except SlmError as error:
        yield error
        return
    # Another version may rank by other rules.
    ours = (index.made_by, index.rules) == (__version__, score_rules())
    known = totals_of(index) if ours else {}
    few = jobs is None and len(index.models) < FEW
    answers = spread("models", str(folder), [model.to_json() for model in index.models], 1 if few else jobs)
    told = set()
    for model, found in zip(index.models, answers, strict=True):
        if found["problem"] is not None:
            message, slug = found["problem"]
            yield ReportError(message, slug=slug)
        elif ours and found["wrong"]:
            yield _torn(folder, f"{', '.join(found['wrong'])} of {model.id} is not what its file says")
        if ours and found["problem"] is None and found["totals"] != [one.to_json() for one in known.get(model.id, ())]:
            told.add(model.id)
    if ours and not told:
        made = [MadeModel(indexed=model, totals=tuple(known.get(model.id, ()))) for model in index.models]
        told |= {"places"} if index.ranking != index_of(made, ()).ranking else set()
    for name in sorted(told):
        yield _torn(folder, f"the ranking is not what the scores make it ({name})")
    if ours and index.metadata != metadata_of(index.models):
        yield _torn(folder, "metadata is not that of its models")
    yield from _strays(folder, index)


def _torn(folder: Path, problem: str) -> ReportError:
    return ReportError(
        f"{folder / INDEX}: {problem}. Make it again: pytest-slm registry build REPORTS -o DIR", slug="registry-torn"
    )


def _strays(folder: Path, index: Index) -> Iterator[SlmError]:
    """Files that no model has, without those of a build that goes on."""
    known = {Path(model_path(model.id)).name for model in index.models}
    for path in sorted((folder / MODELS).iterdir()) if index.models else ():
        if path.name not in known and not is_fresh(path.name):
            yield ReportError(f"{path}: is of no model that {INDEX} names; remove it", slug="registry-torn")


def differences(old: Path, new: Path) -> tuple[Change, ...]:
    """What differs between two registries, row by row. Of models whose files are the same only places are looked at."""
    before, after = _Side(old), _Side(new)
    same = {name for name, model in before.models.items() if name in after.models and _alike(model, after.models[name])}
    found = list(changed_rows(before.rows(same), after.rows(same)))
    for name in same:
        found += _moved(after.models[name], before.standings(name), after.standings(name))
    return tuple(sorted(found, key=lambda change: change.row))  # those of one row stay in their order


def _alike(one: IndexedModel, other: IndexedModel) -> bool:
    return one.sha256 == other.sha256


class _Side:
    def __init__(self, folder: Path) -> None:
        index = read_index(folder)
        self.folder, self.models = folder, {model.id: model for model in index.models}
        self._standings: dict[str, list[tuple[str, Standing]]] = {}
        for profile, standings in index.ranking.items():
            for one in standings:
                self._standings.setdefault(one.model, []).append((profile, one))

    def standings(self, model: str) -> list[tuple[str, Standing]]:
        return self._standings.get(model, [])

    def rows(self, but: set[str]) -> dict[str, Row]:
        entries = (
            read_placed(self.folder, model, self.standings(name))
            for name, model in self.models.items()
            if name not in but
        )
        return {row.id: row for entry in entries for row in entry_rows(entry)}


def _moved(
    model: IndexedModel, before: list[tuple[str, Standing]], after: list[tuple[str, Standing]]
) -> Iterator[Change]:
    def ranks(found: list[tuple[str, Standing]]) -> Mapping[tuple[str, str], float | None]:
        return {("@".join(filter(None, (one.model, one.quantization, one.machine))), of): one.rank for of, one in found}

    old, new = ranks(before), ranks(after)
    for (row, profile), rank in new.items():
        if old.get((row, profile)) != rank:
            what, last = f"rank in {profile}", old.get((row, profile))
            yield Change(kind="changed", row=row, name=model.name, what=what, before=last, after=rank)

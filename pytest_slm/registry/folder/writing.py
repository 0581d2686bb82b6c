"""Writing a registry: the same content gives the same bytes, and a full disk leaves the old one whole."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_slm import __version__
from pytest_slm.errors import ReportError, writing_failed
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry.entry import QuantizationEntry, Registry, RegistryEntry, RegistryMetadata
from pytest_slm.registry.folder.index import (
    INDEX,
    MODELS,
    Index,
    IndexedModel,
    RefusedReport,
    Standing,
)
from pytest_slm.registry.folder.pieces import MadeModel, Total, encoded, fresh_path, holds, is_fresh, made_model
from pytest_slm.registry.folder.reading import read_index
from pytest_slm.registry.folder.remembering import abandoned
from pytest_slm.registry.merge import metadata
from pytest_slm.registry.points import AggregateScore
from pytest_slm.registry.rows.standings import Key, Placement, RankCandidate, order_of, placed
from pytest_slm.registry.store import settle, to_lines, write_new


def write_registry(folder: Path, registry: Registry, refused: Sequence[RefusedReport] = ()) -> Index:
    """Make a folder hold a registry, and return its index.

    Every file is written under another name first and then renamed, the index last. Raises ReportError, and leaves the
    old registry as it was, where the disk is full or the folder holds something else.
    """
    check_place(folder)
    token = secrets.token_hex(4)
    with clean(folder, token):
        old = old_index(folder)
        known = {model.id: model for model in old.models} if old else {}
        models = [made_model(without_ranks(entry), {}, folder, token) for entry in registry.models]
        models = [replace(one, indexed=_sampled(one.indexed, known.get(one.indexed.id))) for one in models]
        index = replace(index_of(models, refused), rules=registry.rules)
        if old is not None:  # what another version made stays to be made anew
            index = replace(index, made_by=old.made_by if old.rules == registry.rules else "")
        return put(folder, index, token, [model.id for model in index.models])


def old_index(folder: Path, *, needed: bool = False) -> Index | None:
    """The index that is there; None where there is none, or it is broken or of another format, which is an error
    (ReportError) where it is ``needed``: else it is replaced."""
    if not (folder / INDEX).is_file():
        return None
    try:
        return read_index(folder)
    except ReportError:
        if needed:
            raise
        return None


def _sampled(model: IndexedModel, before: IndexedModel | None) -> IndexedModel:
    """With the samples beside its reports, which nobody has looked at here: those that were there when the same reports
    were read."""
    same = before is not None and before.reports == model.reports
    return model.but(sample_bytes=before.sample_bytes, samples=before.samples) if before is not None and same else model


def check_place(folder: Path) -> None:
    """Raise ReportError where a folder holds something else than a registry."""
    if folder.exists() and not (folder / INDEX).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise ReportError(
            f"{folder}: is not empty and no registry, so nothing is written there. Name a new folder",
            slug="registry-foreign",
        )


@contextlib.contextmanager
def clean(folder: Path, token: str) -> Iterator[None]:
    """Whatever happens inside, no file without its name is left behind, nor one of a build that was killed; an OSError
    is told as a ReportError."""
    try:
        yield
    except OSError as error:
        raise writing_failed(folder, error) from error
    finally:
        with contextlib.suppress(OSError):
            for place in (folder, folder / MODELS):
                for name in _names(place):
                    if name.endswith(f".{token}.new") or (is_fresh(name) and abandoned(place / name)):
                        (place / name).unlink(missing_ok=True)
            if not (folder / INDEX).exists():  # nothing came of it
                for empty in (folder / MODELS, folder):
                    empty.rmdir()


def put(folder: Path, index: Index, token: str, made: Collection[str]) -> Index:
    """Give all files their names. All bytes are on the disk before: that needs room, and names do not. Of models that
    were not ``made`` the files stay, whatever lies beside them: a first look at some reports may have left it."""
    models, there = folder / MODELS, _names(folder / MODELS)
    known = {f"{model.id}.json" for model in index.models}
    paths = [models / f"{name}.json" for name in made]
    fresh = {path: new for path in paths if (new := fresh_path(path, token)).name in there}
    content = encoded(to_lines(index))
    if not holds(folder / INDEX, content):
        fresh[folder / INDEX] = fresh_path(folder / INDEX, token)
        write_new(fresh[folder / INDEX], content)
    settle(list(fresh.values()))
    for path, new in fresh.items():  # the index is the last one
        new.replace(path)
    for name in there - known:
        if name.endswith(".json"):
            (models / name).unlink(missing_ok=True)
    return index


def _names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as found:
            return {one.name for one in found}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def without_ranks(entry: RegistryEntry) -> RegistryEntry:
    """The entry as its own reports make it."""

    def totals(found: Mapping[str, AggregateScore]) -> dict[str, AggregateScore]:
        return {
            name: replace(total, rank=None, ranked=None, rank_interval=None, tier=None, corrected=None, unranked="")
            for name, total in found.items()
        }

    def whole(one: QuantizationEntry) -> QuantizationEntry:
        elsewhere = tuple(replace(scores, aggregates=totals(scores.aggregates)) for scores in one.elsewhere)
        return replace(one, aggregates=totals(one.aggregates), elsewhere=elsewhere)

    return replace(
        entry,
        aggregates=totals(entry.aggregates),
        quantizations={name: whole(one) for name, one in entry.quantizations.items()},
    )


class _Table:
    """What many standings have in common, each once."""

    def __init__(self) -> None:
        self.values: list[Mapping[str, int]] = []
        self._places: dict[tuple[tuple[str, int], ...], int] = {}

    def place(self, value: Mapping[str, int]) -> int:
        """Where in ``values`` it stands."""
        told = tuple(value.items())
        if told not in self._places:
            key = tuple(sorted(told))
            if key not in self._places:
                self._places[key] = len(self.values)
                self.values.append(value)
            self._places[told] = self._places[key]
        return self._places[told]


def index_of(models: Sequence[MadeModel], refused: Sequence[RefusedReport]) -> Index:
    """The index of all models, ranked by what is known of them."""
    models = sorted(models, key=lambda one: one.indexed.id)
    totals = [(one, total) for one in models for total in one.totals]
    found = placed(_candidate(one, total) for one, total in totals)
    versions, parts = _Table(), _Table()
    bases: dict[str, int] = {}
    ranking: dict[str, list[tuple[tuple[object, ...], Standing]]] = {one.name: [] for one in score_rules().profiles}
    for one, total in totals:
        standing = _standing(
            one,
            total,
            found[_key(one, total)],
            versions=versions.place(total.versions),
            parts=parts.place(total.parts) if total.parts else -1,
            basis=bases.setdefault(total.basis, len(bases)),
        )
        ranking.setdefault(total.profile, []).append((_order(one, total, standing), standing))
    return Index(
        metadata=metadata_of([one.indexed for one in models]),
        rules=score_rules(),
        models=tuple(one.indexed for one in models),
        ranking={
            name: tuple(one for _, one in sorted(all_, key=lambda pair: pair[0])) for name, all_ in ranking.items()
        },
        refused=tuple(sorted(set(refused), key=lambda one: (one.path, one.reason))),
        made_by=__version__,
        versions=tuple(versions.values),
        parts=tuple(parts.values),
        bases=tuple(bases),
    )


def metadata_of(models: Sequence[IndexedModel]) -> RegistryMetadata:
    """What an index says of all of its models together."""
    machines = {key: words for one in models for key, words in one.machines.items()}
    return metadata(len(models), [one.finished for one in models if one.finished], machines)


def totals_of(index: Index) -> dict[str, list[Total]]:
    """What the index knows of each model's aggregates, by its id."""
    found: dict[str, list[Total]] = {}
    for profile, standings in index.ranking.items():
        for one in standings:
            total = Total(
                quantization=one.quantization,
                machine=one.machine,
                profile=profile,
                score=one.score,
                interval=one.interval,
                coverage=one.coverage,
                chance=one.chance,
                reason="" if one.outdated else one.unranked,
                versions=index.versions[one.versions] if one.versions >= 0 else {},
                parts=index.parts[one.parts] if one.parts >= 0 else {},
                basis=index.bases[one.basis] if one.basis >= 0 else "",
            )
            found.setdefault(one.model, []).append(total)
    return {model: sorted(mine, key=lambda one: (one.quantization, one.machine)) for model, mine in found.items()}


def _key(one: MadeModel, total: Total) -> Key:
    return one.indexed.id, total.quantization, total.machine, total.profile


def _candidate(one: MadeModel, total: Total) -> RankCandidate:
    return RankCandidate(
        key=_key(one, total),
        score=total.score,
        interval=total.interval,
        reason=total.reason,
        versions=total.versions,
        parts=total.parts,
    )


def _standing(one: MadeModel, total: Total, found: Placement, *, versions: int, parts: int, basis: int) -> Standing:
    place = found.place
    return Standing(
        model=one.indexed.id,
        quantization=total.quantization,
        machine=total.machine,
        score=total.score,
        interval=total.interval,
        coverage=total.coverage,
        chance=total.chance,
        corrected=place.corrected if place else None,
        rank=place.rank if place else None,
        ranked=found.among,
        rank_interval=place.rank_interval if place else None,
        tier=place.tier if place else None,
        unranked=found.reason,
        outdated=bool(found.reason and not total.reason),
        versions=versions,
        parts=parts,
        basis=basis,
    )


def _order(one: MadeModel, total: Total, standing: Standing) -> tuple[object, ...]:
    row = "@".join(filter(None, (one.indexed.id, total.quantization, total.machine)))
    basis = "" if standing.rank is not None else total.basis
    lower = total.interval[0] if total.interval else None
    return order_of(standing.rank, total.coverage, basis, lower, one.indexed.name, total.quantization, row)

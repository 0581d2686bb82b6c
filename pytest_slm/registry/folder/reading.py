"""Reading a registry: every file is the one that the index names by its hash, and fits its records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_slm import files
from pytest_slm.core.record import RecordError
from pytest_slm.decoding import decoded
from pytest_slm.errors import ReportError
from pytest_slm.registry.entry import REGISTRY_SCHEMA, Registry, RegistryEntry
from pytest_slm.registry.folder.index import INDEX, Index, IndexedModel, ModelFile, Standing, model_path
from pytest_slm.registry.rows.placing import Place
from pytest_slm.registry.rows.ranking import rank, with_places
from pytest_slm.registry.rows.standings import Key, Placement
from pytest_slm.registry.store import parse_json, read_report_bytes
from pytest_slm.workers import uncollected

_AGAIN = "Make it again: pytest-slm registry build REPORTS -o DIR"


def read_registry(folder: Path) -> Registry:
    """The registry in a folder. Raises ReportError where a file is missing, broken, not the one that the index means,
    or of another version."""
    index = read_index(folder)
    entries = [read_model(folder, model) for model in index.models]
    return Registry(metadata=index.metadata, rules=index.rules, models=rank(entries))


def read_index(folder: Path) -> Index:
    """The index alone."""
    path = folder / INDEX
    content = read_report_bytes(path)
    with uncollected():
        index = decoded(Index, content)
        if index is not None:
            return index
        document = parse_json(path, content)
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    _check_version(path, metadata.get("schema_version") if isinstance(metadata, Mapping) else None)
    try:
        with uncollected():
            return Index.from_json(document)
    except RecordError as error:
        raise ReportError(f"{path}: {error}", slug="registry-invalid") from error


def read_model(folder: Path, model: IndexedModel, *, items: bool = True) -> RegistryEntry:
    """The entry of one model, without its ranks; without its ``items``, which are most of it, it can still be ranked,
    and must not be written."""
    path, content = folder / model_path(model.id), check_file(folder, model)
    read = decoded(ModelFile, content)
    if read is not None and read.model.id == model.id:
        return read.model
    document = parse_json(path, content)
    _check_version(path, document.get("schema_version") if isinstance(document, Mapping) else None)
    if not items:
        _drop_items(document)
    try:
        entry = ModelFile.from_json(document).model
    except RecordError as error:
        raise ReportError(f"{path}: {error}", slug="registry-invalid") from error
    if entry.id != model.id:
        raise ReportError(f"{path}: holds the model {entry.id!r:.80}. {_AGAIN}", slug="registry-invalid")
    return entry


def read_placed(folder: Path, model: IndexedModel, standings: Iterable[tuple[str, Standing]]) -> RegistryEntry:
    """The entry of one model, with its places by profile as the index has them."""
    return with_places(read_model(folder, model), places_of(standings))


def places_of(standings: Iterable[tuple[str, Standing]]) -> dict[Key, Placement]:
    """The places of files by profile, as an index has them."""
    found = {}
    for profile, one in standings:
        place = None
        if one.rank is not None:
            between = one.rank_interval or (one.rank, one.rank)
            place = Place(rank=one.rank, rank_interval=between, tier=one.tier or 0, corrected=one.corrected)
        found[one.model, one.quantization, one.machine, profile] = Placement(place, one.ranked, one.unranked)
    return found


def check_file(folder: Path, model: IndexedModel) -> bytes:
    """The bytes of a model's file. Raises ReportError where they are not those that the index means."""
    path = folder / model_path(model.id)
    try:
        content = files.read_bytes(files.inside(folder, model_path(model.id)))
    except OSError as error:
        raise ReportError(
            f"{path}: cannot be read ({error.strerror or error}). {_AGAIN}", slug="registry-torn"
        ) from error
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise ReportError(
            f"{path}: is not the file that {INDEX} means (its hash differs). {_AGAIN}", slug="registry-torn"
        )
    return content


def _drop_items(document: Mapping[str, Any]) -> None:
    model = document.get("model")
    quantizations = model.get("quantizations") if isinstance(model, dict) else None
    for quantization in quantizations.values() if isinstance(quantizations, dict) else ():
        if isinstance(quantization, dict):
            quantization.pop("items", None)


def _check_version(path: Path, version: object) -> None:
    if version != REGISTRY_SCHEMA:
        raise ReportError(
            f"{path}: registry schema {version!r:.80}, this version reads {REGISTRY_SCHEMA!r}. {_AGAIN}, "
            "or use the version that wrote it",
            slug="registry-schema",
        )

"""Writing a registry: the same content gives the same bytes, and a full disk leaves the old one whole."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_slm import __version__, files
from pytest_slm.core.record import RecordError
from pytest_slm.errors import ReportError, writing_failed
from pytest_slm.registry.entry import QuantizationEntry, Registry, RegistryEntry
from pytest_slm.registry.folder.index import (
    INDEX,
    MODELS,
    Index,
    IndexedModel,
    ModelFile,
    RefusedReport,
    Standing,
    model_path,
)
from pytest_slm.registry.points import AggregateScore
from pytest_slm.registry.rows.making import rows
from pytest_slm.registry.rows.order import in_order
from pytest_slm.registry.store import to_text, write_text


def write_registry(
    folder: Path,
    registry: Registry,
    refused: Sequence[RefusedReport] = (),
    sample_bytes: Mapping[str, int] | None = None,
    unchanged: Mapping[str, str] | None = None,
) -> Index:
    """Make a folder hold a registry, and return its index; ``sample_bytes`` are those beside each report, by its path,
    and ``unchanged`` the hashes of the files of models that were read from this folder and stay as they are.

    Every file is written under another name first and then renamed, the index last. Raises ReportError, and leaves the
    old registry as it was, where the disk is full or the folder holds something else.
    """
    _check_place(folder)
    kept = unchanged or {}
    texts = {model_path(entry.id): _text(entry) for entry in registry.models if entry.id not in kept}
    hashes = {entry.id: kept.get(entry.id) or _hash(texts[model_path(entry.id)]) for entry in registry.models}
    index = _index(registry, hashes, refused, sample_bytes or {})
    texts[INDEX] = to_text(index)
    changed = {name: text for name, text in texts.items() if not _holds(folder / name, text)}
    _put(folder, changed)
    for path in sorted((folder / MODELS).glob("*.json")) if (folder / MODELS).is_dir() else ():
        if path.stem not in hashes:
            path.unlink()
    return index


def _check_place(folder: Path) -> None:
    if folder.exists() and not (folder / INDEX).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise ReportError(
            f"{folder}: is not empty and no registry, so nothing is written there. Name a new folder",
            slug="registry-foreign",
        )


def _text(entry: RegistryEntry) -> str:
    try:
        return to_text(ModelFile(model=without_ranks(entry)))
    except RecordError as error:
        raise ReportError(f"{entry.id}: not written: {error}", slug="report-not-finite") from error


def _holds(path: Path, text: str) -> bool:
    try:
        return files.read_bytes(path) == encoded(text)
    except OSError:
        return False


def _hash(text: str) -> str:
    return hashlib.sha256(encoded(text)).hexdigest()


def encoded(text: str) -> bytes:
    """The bytes that ``write_text`` puts into a file."""
    return text.encode("utf-8", errors="backslashreplace")


def _put(folder: Path, texts: Mapping[str, str]) -> None:
    """Two steps: all bytes, which needs room on the disk, then all names, which does not."""
    token = secrets.token_hex(4)
    fresh = {folder / name: (folder / name).with_name(f".{Path(name).name}.{token}.new") for name in texts}
    try:
        for (path, new), text in zip(fresh.items(), texts.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(new, text)
        for path, new in sorted(fresh.items(), key=lambda pair: pair[0].name == INDEX):
            new.replace(path)
    except OSError as error:
        raise writing_failed(folder, error) from error
    finally:
        for new in fresh.values():
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)


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


def _index(
    registry: Registry, hashes: Mapping[str, str], refused: Sequence[RefusedReport], sample_bytes: Mapping[str, int]
) -> Index:
    every = rows(registry)
    counts: dict[str, int] = {}
    for row in every:
        counts[row.model] = counts.get(row.model, 0) + 1
    return Index(
        metadata=registry.metadata,
        rules=registry.rules,
        models=tuple(
            IndexedModel(
                id=entry.id,
                name=entry.name,
                sha256=hashes[entry.id],
                files=counts[entry.id],
                reports={reference.path: reference.sha256 for reference in entry.provenance.reports},
                names=tuple(sorted({reference.model for reference in entry.provenance.reports if reference.model})),
                weights=tuple(sorted({one for reference in entry.provenance.reports for one in reference.weights})),
                claims=len(entry.claims),
                sample_bytes=sum(sample_bytes.get(reference.path, 0) for reference in entry.provenance.reports),
            )
            for entry in registry.models
        ),
        ranking={
            profile.name: tuple(
                Standing(
                    model=row.model,
                    quantization=row.quantization,
                    machine=row.machine,
                    **{name: getattr(row.aggregates[profile.name], name) for name in _OF_TOTALS},
                )
                for row in in_order(every, profile.name)
                if profile.name in row.aggregates
            )
            for profile in registry.rules.profiles
        },
        refused=tuple(sorted(refused, key=lambda one: (one.path, one.reason))),
        made_by=__version__,
    )


_OF_TOTALS = (
    *("score", "interval", "coverage", "chance", "corrected"),
    *("rank", "ranked", "rank_interval", "tier", "unranked"),
)

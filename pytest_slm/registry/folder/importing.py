"""Registries of schema 2.0.0, an earlier marketplace's format: their numbers are kept as claims, and never ranked."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from pytest_slm import files
from pytest_slm.core.record import RecordError, is_file_name, is_name
from pytest_slm.errors import ReportError
from pytest_slm.registry.entry import Claim, Provenance, QuantizationEntry, Registry, RegistryEntry
from pytest_slm.registry.identity import plain_id
from pytest_slm.registry.merge import document
from pytest_slm.registry.store import parse_json

SCHEMA = "2.0.0"
UNKNOWN = "unknown"
KINDS = {"use_cases": "points", "aggregates": "points", "domain_scores": "points", "safety": "share"}
UNITS: Mapping[str, str] = {"size_gb": "GB", "ram_gb": "GB", "tps_output": "tok/s", "ttft_ms": "ms"}


def import_registry(path: Path, into: Registry) -> tuple[Registry, int, tuple[ReportError, ...]]:
    """``into`` with the numbers of an older registry as claims of its models, how many these are, and an error for each
    model that was left out. They take the place of all claims from a file of that name: what a later version of it no
    longer says goes, and models of which nothing else is known. Importing the same file again changes nothing.

    Raises ReportError where the file is no registry of that schema.
    """
    content = _content(path)
    data = parse_json(path, content)
    metadata = data.get("metadata") if isinstance(data, Mapping) else None
    version = metadata.get("schema_version") if isinstance(metadata, Mapping) else None
    if version != SCHEMA:
        problem = f"{path}: registry schema {version!r:.80}; only {SCHEMA} is imported. Others are built from reports"
        raise ReportError(problem, slug="registry-schema")
    models = data.get("models")
    if not isinstance(models, list | tuple):
        raise ReportError(f"{path}: 'models' is no list, so it has none to import", slug="registry-invalid")
    named = path.name if is_name(path.name) else "registry.json"
    source = {"source": named, "sha256": hashlib.sha256(content).hexdigest()}
    entries = {entry.id: without for entry in into.models if (without := _without(entry, named)) is not None}
    count, errors = 0, []
    for number, model in enumerate(models):
        try:
            told, claims = _model(model, source)
        except (RecordError, _OddError) as error:
            errors.append(ReportError(f"{path}: models[{number}]: {error}; left out", slug="registry-invalid"))
            continue
        entry = entries.get(told.id, told)
        known = {_about(one) for one in entry.claims if one.source == named}
        added = tuple(one for one in claims if _about(one) not in known)
        if len(added) < len(claims):
            problem = f"models[{number}]: is {told.id!r:.80} once more; its numbers that were told before are left out"
            errors.append(ReportError(f"{path}: {problem}", slug="registry-invalid"))
        entries[told.id] = replace(entry, claims=(*entry.claims, *added))
        count += len(added)
    return document([entries[name] for name in sorted(entries)]), count, tuple(errors)


def _without(entry: RegistryEntry, source: str) -> RegistryEntry | None:
    """A model without the claims of a file; None where nothing is left of it."""
    claims = tuple(one for one in entry.claims if one.source != source)
    if len(claims) == len(entry.claims):
        return entry
    return replace(entry, claims=claims) if claims or entry.provenance.reports else None


def _about(claim: Claim) -> tuple[str, str, str | None]:
    return claim.kind, claim.name, claim.quantization


class _OddError(ValueError):
    """A value that is none of the format's."""


def _content(path: Path) -> bytes:
    try:
        return files.read_bytes(path)
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror or error})", slug="report-missing") from error


def _model(model: object, source: Mapping[str, str]) -> tuple[RegistryEntry, tuple[Claim, ...]]:
    if not isinstance(model, Mapping):
        raise _OddError("is no object")
    repo, name = _text(model, "hf_repo"), _text(model, "name") or _text(model, "hf_repo")
    if not name:
        raise _OddError("has neither name nor hf_repo")
    performance = model.get("performance")
    speeds = performance.get("quantizations") if isinstance(performance, Mapping) else None
    speeds = {q: row for q, row in speeds.items() if is_file_name(q)} if isinstance(speeds, Mapping) else {}
    quantizations = {q: QuantizationEntry(format=UNKNOWN) for q in sorted(speeds) or [UNKNOWN]}
    entry = RegistryEntry(
        id=plain_id(repo or name),
        name=name,
        quantization=next(iter(quantizations)),
        date_added=_day(model.get("date_added")),
        family=_text(model, "family"),
        hf_repo=repo if repo and re.fullmatch(r"[\w.-]+/[\w.-]+", repo, re.ASCII) else None,
        architecture=_text(model, "architecture"),
        license=_text(model, "license"),
        quantizations=quantizations,
        provenance=Provenance(reports=()),
    )
    return entry, tuple(_claims(model, speeds, source))


def _claims(model: Mapping[str, Any], speeds: Mapping[str, Any], source: Mapping[str, str]) -> Iterator[Claim]:
    for kind, unit in KINDS.items():
        found = model.get(kind)
        for name, told in found.items() if isinstance(found, Mapping) else ():
            value = _number(told.get("score", told.get("value")) if isinstance(told, Mapping) else told)
            if value is not None and is_name(name):
                yield Claim(kind=kind, name=name, value=value, unit=unit, **source)
    for quantization, row in sorted(speeds.items()):
        for name, unit in UNITS.items():
            told = row.get(name) if isinstance(row, Mapping) else None
            value = _number(told.get("value") if isinstance(told, Mapping) else told)
            if value is not None and value > 0:  # nothing has no size and no speed
                yield Claim(kind="speed", name=name, quantization=quantization, value=value, unit=unit, **source)


def _number(value: object) -> float | None:
    """A finite number, or None for what is none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > 1e300:
        return None
    return float(value) if math.isfinite(value) else None


def _text(model: Mapping[str, Any], key: str) -> str | None:
    value = model.get(key)
    return value if isinstance(value, str) and is_name(value) else None


def _day(value: object) -> str:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        return ""

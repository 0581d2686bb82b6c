"""``manifest.json`` of a mirror: every file with its size and SHA-256, and where and when it was fetched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_slm.core.record import Inside, Record, Sha256, Time
from pytest_slm.errors import UsageError, writing_failed
from pytest_slm.files import open_regular, read_json

NAME = "manifest.json"
SCHEMA = "1"


@dataclass(frozen=True, kw_only=True)
class FileEntry(Record):
    """One file: bytes and SHA-256."""

    size: int
    sha256: Sha256


@dataclass(frozen=True, kw_only=True)
class DatasetEntry(Record):
    """One data set of a mirror. ``revision`` is the commit on the Hub, or None where another mirror did not know it."""

    source: str
    revision: str | None
    license: str | None
    pulled: Time
    """UTC, ISO 8601."""
    configs: tuple[str | None, ...]
    files: Mapping[Inside, FileEntry]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files.values())


@dataclass(frozen=True, kw_only=True)
class Manifest(Record):
    """All that a mirror was told to hold."""

    schema: str = SCHEMA
    datasets: Mapping[Inside, DatasetEntry] = field(default_factory=dict)


def read_manifest(mirror: Path) -> Manifest | None:
    """The manifest of a mirror, None where it has none. Raises UsageError if it cannot be read."""
    path = mirror / NAME
    try:
        manifest = Manifest.from_json(read_json(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path}: no manifest that can be read ({error}); remove it and run `pytest-slm data pull` again, which "
            "keeps what is right",
            slug="data-manifest",
        ) from None
    if manifest.schema != SCHEMA:
        raise UsageError(
            f"{path}: manifest schema {manifest.schema!r}, this version reads {SCHEMA!r}; remove it and pull again",
            slug="data-manifest",
        )
    return manifest


def write_manifest(mirror: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step: a reader sees the old one or the new one. Raises ReportError."""
    path, partial = mirror / NAME, mirror / f"{NAME}.partial"
    try:
        partial.write_text(json.dumps(manifest.to_json(), indent=1, sort_keys=True) + "\n", "utf-8")
        partial.replace(path)
    except OSError as error:
        raise writing_failed(path, error) from None


def entry_of(path: Path) -> FileEntry:
    """Size and SHA-256 of a file."""
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(size=file.tell(), sha256=digest)


def problems(mirror: Path, manifest: Manifest) -> list[str]:
    """What of the manifest is missing, truncated or changed, a line each."""
    found = []
    for dataset, entry in sorted(manifest.datasets.items()):
        for name, file in sorted(entry.files.items()):
            path = mirror / dataset / name
            if not path.is_file():
                found.append(f"{path}: missing")
            elif path.stat().st_size != file.size:
                found.append(f"{path}: {path.stat().st_size} bytes, it had {file.size}")
            elif entry_of(path) != file:
                found.append(f"{path}: changed, SHA-256 differs from the manifest's")
    return found

"""What the last build of a site knew of each model: what its pages were made from, and what they are. It lies in a
hidden file beside the site, is for this version's own code alone, and may be deleted at any time."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm import files
from pytest_slm.registry.store import write_text
from pytest_slm.workers import uncollected

CODE = {".py", ".html", ".css", ".js", ".svg", ".yaml", ".json"}
ENOUGH = 50
"""Models from which on it is worth a file."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A model of a site: ``key`` is the hash of all that its pages were made from, ``hashes`` those of its pages by
    path, ``digest`` what pages about many models need of it, ``listed`` what the list of those that can be compared
    does, ``slots`` where its page tells its places among others."""

    key: str
    hashes: Mapping[str, str]
    digest: Any
    listed: list[Any] | None
    slots: list[Any]


@functools.cache
def code_hash() -> str:
    """A hash of this package: other code makes other pages."""
    package, found = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(package.rglob("*")):
        inner = path.relative_to(package)
        if path.suffix in CODE and inner.parts[0] != "suites" and path.is_file():
            found.update(f"{inner.as_posix()}\n".encode() + hashlib.sha256(files.read_bytes(path)).digest())
    return found.hexdigest()


def key_of(*parts: Any) -> str:
    """The hash of what pages are made from."""
    return hashlib.sha256(json.dumps([code_hash(), *parts], sort_keys=True).encode()).hexdigest()


def place_of(site: Path) -> Path:
    """Where it lies."""
    return site.with_name(f".{site.name}.cache")


def write(site: Path, models: Mapping[str, Kept]) -> None:
    """Keep what is known of these models. Raises ReportError where there is no room."""
    if len(models) < ENOUGH:
        return
    lines = [
        json.dumps([name, one.key, one.hashes, one.digest, one.listed, one.slots], separators=(",", ":"))
        for name, one in models.items()
    ]
    body = "\n".join([code_hash(), *lines])
    write_text(place_of(site), f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")


def read(site: Path) -> dict[str, Kept]:
    """What is known; nothing where the file is not there, not whole, or of other code."""
    try:
        content = files.read_bytes(place_of(site), files.LINES)
        head, _, body = content.partition(b"\n")
        code, *lines = body.split(b"\n")
        if head.decode() != hashlib.sha256(body).hexdigest() or code.decode() != code_hash():
            return {}
        with uncollected():
            known = [json.loads(line) for line in lines]
        return {
            name: Kept(key=key, hashes=hashes, digest=digest, listed=listed, slots=slots)
            for name, key, hashes, digest, listed, slots in known
        }
    except (OSError, ValueError, TypeError):
        return {}


def hashes_of(texts: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """The hash of each page by its path."""
    return {path: hashlib.sha256(content).hexdigest() for path, content in texts}

"""What the last build of a site knew: its pages, what they were made from, and the facts of its models. It lies in a
hidden folder beside the site, is for this version's own code alone, and may be deleted at any time."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import secrets
import shutil
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_slm import files
from pytest_slm.load.builtin import suites_folder
from pytest_slm.registry.folder.index import INDEX
from pytest_slm.site.kept.tree import SiteFile, SiteTree
from pytest_slm.workers import uncollected

CODE = {".py", ".html", ".css", ".js", ".svg", ".yaml", ".json", ".toml"}
ENOUGH = 50
"""Models from which on it is worth a folder."""
NAME = "site.json"
MARKER = ".pytest-slm-cache"
"""Lies in every folder that was made here: no other one is used, or removed."""
SHARDS = 16
"""Files that the facts of models are divided among: of those only the ones with a changed model are written again."""


@dataclass(frozen=True, kw_only=True)
class KeptModel:
    """A model of a site: ``key`` stands for all that its pages were made from, ``slots`` is where its page tells its
    places among others."""

    key: str
    paths: tuple[str, ...]
    slots: list[Any]


@dataclass(frozen=True, kw_only=True)
class SiteState:
    """A site as it was built: ``state`` stands for all that it was made from, ``shards`` has the hash of each file of
    facts, ``samples`` are the paths of pages that somebody else has made."""

    state: str = ""
    pages: Mapping[str, SiteFile] = field(default_factory=dict)
    models: Mapping[str, KeptModel] = field(default_factory=dict)
    samples: tuple[str, ...] = ()
    shards: Mapping[str, str] = field(default_factory=dict)


@functools.cache
def code_hash() -> str:
    """A hash of this package and its suites: others make other pages."""
    package, found = Path(__file__).parents[2], hashlib.sha256()
    suites = suites_folder()
    for path in sorted({*package.rglob("*"), *suites.rglob("*")}):
        if (path.suffix in CODE or path.is_relative_to(suites)) and path.is_file() and path.suffix != ".pyc":
            digest = hashlib.sha256(files.read_bytes(path, files.LINES)).hexdigest()
            found.update(f"{path.name}\n{digest}\n".encode())
    return found.hexdigest()


def key_of(*parts: Any) -> str:
    """The hash of what something is made from."""
    return hashlib.sha256(json.dumps([code_hash(), *parts], sort_keys=True).encode()).hexdigest()


def state_of(registry: Path, address: str, guides: str) -> str:
    """What stands for all that a site is made from; empty where the registry cannot be read."""
    try:
        index = hashlib.sha256(files.read_bytes(registry / INDEX)).hexdigest()
    except OSError:
        return ""
    return key_of(index, address, guides)


def folder_of(site: Path) -> Path:
    """Where it lies."""
    return site.with_name(f".{site.name}.cache")


def before_of(site: Path) -> Path:
    """Where the site before the present one lies."""
    return folder_of(site) / "pages"


def shard_of(model: str) -> str:
    """The shard of a model: the same whatever other models there are."""
    return f"{zlib.crc32(model.encode()) % SHARDS:02}"


def read(site: Path) -> SiteState:
    """What is known; nothing where it is not there, not whole, or of other code."""
    try:
        head, _, body = files.read_bytes(folder_of(site) / NAME, files.LINES).partition(b"\n")
        if head.decode() != hashlib.sha256(body).hexdigest():
            return SiteState()
        with uncollected():
            code, state, pages, models, samples, shards = json.loads(body)
            if code != code_hash():
                return SiteState()
            return SiteState(
                state=state,
                pages={path: SiteFile(digest, stamp and tuple(stamp)) for path, (digest, stamp) in pages.items()},
                models={
                    name: KeptModel(key=key, paths=tuple(paths), slots=slots)
                    for name, (key, paths, slots) in models.items()
                },
                samples=tuple(samples),
                shards=shards,
            )
    except (OSError, ValueError, TypeError, AttributeError):
        return SiteState()


def write(site: Path, known: SiteState) -> None:
    """Keep what is known. Raises OSError where there is no room."""
    models = {name: [one.key, one.paths, one.slots] for name, one in known.models.items()}
    body = json.dumps(
        [code_hash(), known.state, known.pages, models, known.samples, known.shards], separators=(",", ":")
    ).encode()
    put(folder_of(site), NAME, b"\n".join([hashlib.sha256(body).hexdigest().encode(), body]))


def stays(tree: SiteTree, known: SiteState, sampled: Collection[str]) -> bool:
    """Whether the site is the one that would be made. What is found out by reading its pages is kept."""
    if tree.begun or not tree.whole() or set(known.samples) != sampled:
        return False
    for path in known.pages:
        tree.keep(path)
    if tree.pages != known.pages:
        write(tree.site, replace(known, pages=tree.pages))
    return True


def put(folder: Path, name: str, content: bytes) -> str:
    """Put a file into the folder, all of it or nothing; returns its hash. It is not waited for: one that a power cut
    has emptied has not its hash, and what it knew is found out again. Raises OSError."""
    temporary = folder / f".{name}.{secrets.token_hex(4)}.tmp"
    try:
        temporary.write_bytes(content)
        temporary.replace(folder / name)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return hashlib.sha256(content).hexdigest()


def prepared(site: Path) -> bool:
    """Make the folder, if it is not there; whether it is one of ours. Raises OSError."""
    folder = folder_of(site)
    if folder.is_symlink() or folder.is_file():
        folder.unlink()  # other versions had a file there
    if folder.is_dir():
        return (folder / MARKER).is_file()
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("What 'pytest-slm site build' leaves for the next one; it may be deleted.\n", "utf-8")
    (folder / ".gitignore").write_text("*\n", "utf-8")
    return True


def forget(site: Path) -> None:
    """Keep nothing."""
    folder = folder_of(site)
    if not folder.is_symlink() and (folder / MARKER).is_file():
        shutil.rmtree(folder, ignore_errors=True)

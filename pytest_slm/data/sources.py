"""Where a mirror is fetched from: the Hub, or another mirror."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pytest_slm import hub
from pytest_slm.data.manifest import DatasetEntry, entry_of, read_manifest
from pytest_slm.errors import UsageError
from pytest_slm.files import open_regular, read_bytes


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file that a source has. What it does not know of it is None; ``git`` is git's own hash of a small file."""

    size: int | None
    sha256: str | None = None
    git: str | None = None

    def differs(self, path: Path) -> str | None:
        """In what a local file is not the one that is offered, or None."""
        if self.size is not None and path.stat().st_size != self.size:
            return f"{path.stat().st_size} bytes instead of {self.size}"
        if self.sha256 is not None and entry_of(path).sha256 != self.sha256:
            return "another SHA-256"
        if self.sha256 is None and self.git is not None and _git_hash(path) != self.git:
            return "another hash"
        return None


@dataclass(frozen=True, kw_only=True)
class DatasetOffer:
    """What a source has of a data set."""

    revision: str | None
    license: str | None
    files: Mapping[str, SourceFile]


class Source(Protocol):
    """Something that data sets are fetched from."""

    name: str

    def offered(self, dataset: str) -> DatasetOffer:
        """Its files. Raises UsageError if there is no such data set, or if it cannot be asked."""
        ...

    def fetch(self, dataset: str, revision: str | None, file: str, folder: Path) -> Path:
        """Put a file below ``folder``, going on where an earlier try broke off, and return its path."""
        ...


class Hub:
    """The Hugging Face Hub, or what ``HF_ENDPOINT`` names."""

    def __init__(self, revision: str | None = None) -> None:
        self._client = hub.client("pulling from the Hub")
        self._revision = revision
        self.name = hub.endpoint()

    def offered(self, dataset: str) -> DatasetOffer:
        asked = self._client.HfApi(endpoint=self.name).dataset_info
        question = partial(asked, dataset, revision=self._revision, files_metadata=True, timeout=hub.TIMEOUT_S)
        info = self._asked(dataset, self._revision, question)
        card = info.card_data or {}
        licence = card.get("license")
        return DatasetOffer(
            revision=info.sha,
            license=", ".join(licence) if isinstance(licence, list) else licence,
            files={
                sibling.rfilename: SourceFile(
                    size=sibling.size, sha256=sibling.lfs.sha256 if sibling.lfs else None, git=sibling.blob_id
                )
                for sibling in info.siblings or ()
            },
        )

    def fetch(self, dataset: str, revision: str | None, file: str, folder: Path) -> Path:
        where = {"repo_type": "dataset", "revision": revision, "local_dir": folder, "endpoint": self.name}
        question = partial(self._client.hf_hub_download, dataset, file, **where)
        return Path(self._asked(dataset, revision, question))

    def _asked(self, dataset: str, revision: str | None, question: Callable[[], Any]) -> Any:
        way_out = "run the same command again, it goes on where it stopped, or take another mirror with --from DIR"
        return hub.asked(dataset, revision, question, page=f"datasets/{dataset}", way_out=way_out)


class Folder:
    """Another mirror on this machine."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise UsageError(f"--from {root}: no such folder", slug="data-missing")
        self._root = root
        self._manifest = read_manifest(root)
        self.name = "another mirror"

    def offered(self, dataset: str) -> DatasetOffer:
        folder = self._root / dataset
        if not folder.is_dir():
            raise UsageError(f"{folder}: this mirror does not have it; take another source", slug="data-missing")
        known = self._manifest.datasets.get(dataset) if self._manifest else None
        paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return DatasetOffer(
            revision=known.revision if known else None,
            license=known.license if known else _license(folder / "README.md"),
            files={(name := path.relative_to(folder).as_posix()): _offer(path, name, known) for path in paths},
        )

    def fetch(self, dataset: str, revision: str | None, file: str, folder: Path) -> Path:
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_regular(self._root / dataset / file) as offered, target.open("wb") as copy:
            shutil.copyfileobj(offered, copy)
        return target


def _offer(path: Path, name: str, known: DatasetEntry | None) -> SourceFile:
    """What the mirror's own manifest says of the file, so that damage is not copied; else what it is."""
    entry = known.files.get(name) if known else None
    entry = entry or entry_of(path)
    return SourceFile(size=entry.size, sha256=entry.sha256)


def _license(card: Path) -> str | None:
    from pytest_slm.data.rows import facts

    if not card.is_file():
        return None
    try:
        found = facts(card).get("license")
    except ImportError:
        return None
    return ", ".join(found) if isinstance(found, list) else found


def _git_hash(path: Path) -> str:
    content = read_bytes(path)
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()

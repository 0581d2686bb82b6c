"""Where a mirror is fetched from: the Hub, or another mirror."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pytest_slm.data.manifest import DatasetEntry, entry_of, read_manifest
from pytest_slm.errors import NotAvailableError, SlmError, UsageError

TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Offer:
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
class Offered:
    """What a source has of a data set."""

    revision: str | None
    license: str | None
    files: Mapping[str, Offer]


class Source(Protocol):
    """Something that data sets are fetched from."""

    name: str

    def offered(self, dataset: str) -> Offered:
        """Its files. Raises UsageError if there is no such data set, NotAvailableError if it cannot be asked."""
        ...

    def fetch(self, dataset: str, revision: str | None, file: str, folder: Path) -> Path:
        """Put a file below ``folder``, going on where an earlier try broke off, and return its path."""
        ...


class Hub:
    """The Hugging Face Hub, or what ``HF_ENDPOINT`` names."""

    def __init__(self, revision: str | None = None) -> None:
        try:
            import huggingface_hub
        except ImportError:
            raise NotAvailableError(
                "pulling from the Hub needs the package huggingface_hub; run `pip install 'pytest-slm[hub]'`",
                slug="hub-client-missing",
            ) from None
        self._client: Any = huggingface_hub
        self._endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        self._revision = revision
        self.name = self._endpoint

    def offered(self, dataset: str) -> Offered:
        api = self._client.HfApi(endpoint=self._endpoint)
        try:
            info = api.dataset_info(dataset, revision=self._revision, files_metadata=True, timeout=TIMEOUT_S)
        except Exception as error:  # the client hides neither its own errors nor those of its transport
            raise self._told(dataset, error) from None
        card = info.card_data or {}
        licence = card.get("license")
        return Offered(
            revision=info.sha,
            license=", ".join(licence) if isinstance(licence, list) else licence,
            files={
                sibling.rfilename: Offer(
                    size=sibling.size, sha256=sibling.lfs.sha256 if sibling.lfs else None, git=sibling.blob_id
                )
                for sibling in info.siblings or ()
            },
        )

    def fetch(self, dataset: str, revision: str | None, file: str, folder: Path) -> Path:
        try:
            path = self._client.hf_hub_download(
                dataset, file, repo_type="dataset", revision=revision, local_dir=folder, endpoint=self._endpoint
            )
        except Exception as error:
            raise self._told(f"{dataset}/{file}", error) from None
        return Path(path)

    def _told(self, what: str, error: Exception) -> SlmError:
        from huggingface_hub import errors

        if isinstance(error, errors.GatedRepoError):
            return UsageError(
                f"{what}: its owner gives access on request; accept the terms at {self._endpoint}/datasets/{what}, "
                "then `hf auth login` or set HF_TOKEN",
                slug="hub-gated",
            )
        if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError):
            return UsageError(f"{what}: not at {self._endpoint}, or private; check the name", slug="hub-not-found")
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        return NotAvailableError(
            f"{what}: cannot be fetched from {self._endpoint} ({why}); run the same command again, it goes on where it "
            "stopped, or take another mirror with --from DIR",
            slug="hub-unreachable",
        )


class Folder:
    """Another mirror on this machine."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise UsageError(f"--from {root}: no such folder", slug="data-missing")
        self._root = root
        self._manifest = read_manifest(root)
        self.name = "another mirror"

    def offered(self, dataset: str) -> Offered:
        folder = self._root / dataset
        if not folder.is_dir():
            raise UsageError(f"{folder}: this mirror does not have it; take another source", slug="data-missing")
        known = self._manifest.datasets.get(dataset) if self._manifest else None
        paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return Offered(
            revision=known.revision if known else None,
            license=known.license if known else _license(folder / "README.md"),
            files={(name := path.relative_to(folder).as_posix()): _offer(path, name, known) for path in paths},
        )

    def fetch(self, dataset: str, revision: str | None, file: str, folder: Path) -> Path:
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._root / dataset / file, target)
        return target


def _offer(path: Path, name: str, known: DatasetEntry | None) -> Offer:
    """What the mirror's own manifest says of the file, so that damage is not copied; else what it is."""
    entry = known.files.get(name) if known else None
    entry = entry or entry_of(path)
    return Offer(size=entry.size, sha256=entry.sha256)


def _license(card: Path) -> str | None:
    from pytest_slm.runners.upstream.rows import facts

    if not card.is_file():
        return None
    try:
        found = facts(card).get("license")
    except ImportError:
        return None
    return ", ".join(found) if isinstance(found, list) else found


def _git_hash(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()

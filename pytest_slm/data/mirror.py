"""A folder that mirrors the Hub's layout: ``DIR/<org>/<name>/`` stands for the data set ``<org>/<name>``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from pytest_slm.errors import UsageError
from pytest_slm.files import inside, open_regular


@dataclass(frozen=True, kw_only=True)
class MirrorCopy:
    """A data set in a mirror. ``cache`` is a folder of its own for what ``datasets`` derives from exactly these bytes:
    its cache is keyed by the folder's name, so that two mirrors with one layout would be served each other's rows."""

    folder: Path
    sha256: str
    cache: Path


def locate(mirror: str | None, dataset: str, config: str | None) -> MirrorCopy | None:
    """The data set in the mirror, or None if there is no mirror or it does not have it.

    The hash is over the names and bytes of the data files, those of ``config`` where that is a folder of its own.
    """
    if mirror is None:
        return None
    root = Path(mirror)
    if not root.is_dir():
        raise UsageError(f"--slm-data={mirror}: no such folder", slug="data-missing")
    folder = (root / dataset).resolve()
    if not folder.is_relative_to(root.resolve()) or not folder.is_dir():
        return None
    part = folder / config if config and (folder / config).is_dir() else folder
    digest = hashlib.sha256()
    for path in sorted(file for file in (*part.rglob("*"), folder / "README.md") if file.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with open_regular(path) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    sha256 = digest.hexdigest()
    return MirrorCopy(
        folder=folder, sha256=sha256, cache=Path(platformdirs.user_cache_dir("pytest-slm")) / "datasets" / sha256[:16]
    )


def beside(mirror: str | None, name: str) -> Path | None:
    """A file of a mirror that is no data set of the Hub: in its folder, or beside it, as ``essays/`` beside ``hub/``.
    None if there is no mirror, or no such file."""
    if mirror is None:
        return None
    for folder in (Path(mirror), Path(mirror).resolve().parent):
        try:
            place = inside(folder, name)
        except OSError:
            continue
        if place.is_file():
            return place
    return None

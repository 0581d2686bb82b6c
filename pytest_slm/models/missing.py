"""What would have to be downloaded or made before a quantization can be opened. Neither is done to find out."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_slm.core.types import Quantization, Submission
from pytest_slm.errors import SlmError
from pytest_slm.models.choose import locate, original_of, repo_of
from pytest_slm.models.derive import derived
from pytest_slm.models.naming import split_parts


@dataclass(frozen=True, kw_only=True)
class DownloadNeed:
    """``n_bytes`` to download (0: none; None: not known), what is lacking, what is ``free`` where they would go, and
    the ``size`` of the weights where that is known."""

    n_bytes: int | None
    reason: str = ""
    free: int | None = None
    size: int | None = None

    @property
    def nothing(self) -> bool:
        """Whether the weights are here, ready to be opened."""
        return self.n_bytes == 0 and not self.reason


def missing(submission: Submission, quantization: Quantization, *, offline: bool) -> DownloadNeed:
    """What a quantization lacks on this machine."""
    if quantization.format == "fake":
        return DownloadNeed(n_bytes=0)
    if quantization.made is not None:
        return _derived(submission, quantization, quantization.made, offline=offline)
    try:
        return DownloadNeed(n_bytes=0, size=_size(locate(submission, quantization, offline=True)))
    except SlmError as error:
        if offline:
            return DownloadNeed(n_bytes=None, reason=str(error))
    return _on_the_hub(submission, quantization)


def arriving(submission: Submission, quantizations: Iterable[Quantization], *, offline: bool) -> list[DownloadNeed]:
    """What several of them lack, with every download once: engines, kernels and derived types may share a file."""
    found: dict[str, DownloadNeed] = {}
    for one in quantizations:
        lacks, published = missing(submission, one, offline=offline), one
        while lacks.n_bytes != 0 and published.made is not None:
            published = original_of(submission, published)
        found.setdefault(published.name if lacks.n_bytes == 0 else f"{published.declared}, downloaded", lacks)
    return list(found.values())


def _derived(submission: Submission, quantization: Quantization, kind: str, *, offline: bool) -> DownloadNeed:
    original = original_of(submission, quantization)
    here = missing(submission, original, offline=offline)
    if not here.nothing:
        return here
    made = derived(locate(submission, original, offline=True), kind)
    if made is not None:
        return DownloadNeed(n_bytes=0, size=_size(made))
    return DownloadNeed(n_bytes=0, reason=f"{quantization.name} has to be made from {original.name} first")


def _on_the_hub(submission: Submission, quantization: Quantization) -> DownloadNeed:
    from pytest_slm.models import hub  # at use: the client is an optional package

    repo, revision = repo_of(submission, quantization.source or submission.hf_repo or "")
    try:
        found = hub.listing(repo, revision)
        sizes = [found.sizes.get(file) for file in hub.needed(found, quantization)]
    except SlmError as error:
        return DownloadNeed(n_bytes=None, reason=str(error))
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return DownloadNeed(n_bytes=None, reason=f"the Hub does not tell the sizes of all files of {repo}")
    total = sum(known)
    return DownloadNeed(
        n_bytes=total, reason=f"{total} bytes to download from {repo}", free=free(hub.cache_folder()), size=total
    )


def _size(path: Path) -> int | None:
    files = split_parts(path) if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) or None


def free(path: Path) -> int | None:
    """Bytes that are free where a path is, or will be."""
    there = next((folder for folder in (path, *path.parents) if folder.exists()), None)
    return None if there is None else shutil.disk_usage(there).free

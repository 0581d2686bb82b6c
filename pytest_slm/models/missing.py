"""What would have to be downloaded before a quantization can be opened. Nothing is downloaded to find out."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pytest_slm.core.types import Quantization, Submission
from pytest_slm.errors import SlmError
from pytest_slm.models.choose import locate


@dataclass(frozen=True, kw_only=True)
class Missing:
    """``n_bytes`` to download (0: it is here; None: not known), why, what is ``free`` where they would go, and the
    ``size`` of the weights where that is known."""

    n_bytes: int | None
    reason: str = ""
    free: int | None = None
    size: int | None = None


def missing(submission: Submission, quantization: Quantization, *, offline: bool) -> Missing:
    """What a quantization lacks on this machine."""
    if quantization.format == "fake" or quantization.derived_from is not None:
        return Missing(n_bytes=0)
    try:
        return Missing(n_bytes=0, size=_size(locate(submission, quantization, offline=True)))
    except SlmError as error:
        if offline:
            return Missing(n_bytes=None, reason=str(error))
    return _on_the_hub(submission, quantization)


def _on_the_hub(submission: Submission, quantization: Quantization) -> Missing:
    from pytest_slm.models import hub  # at use: the client is an optional package

    repo, _, revision = (quantization.source or submission.hf_repo or "").partition("@")
    try:
        found = hub.listing(repo, revision or submission.revision)
        sizes = [found.sizes.get(file) for file in hub.needed(found, quantization)]
    except SlmError as error:
        return Missing(n_bytes=None, reason=str(error))
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return Missing(n_bytes=None, reason=f"the Hub does not tell the sizes of all files of {repo}")
    total = sum(known)
    return Missing(
        n_bytes=total, reason=f"{total} bytes to download from {repo}", free=free(hub.cache_folder()), size=total
    )


def _size(path: Path) -> int | None:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) or None


def free(path: Path) -> int | None:
    """Bytes that are free where a path is, or will be."""
    there = next((folder for folder in (path, *path.parents) if folder.exists()), None)
    return None if there is None else shutil.disk_usage(there).free

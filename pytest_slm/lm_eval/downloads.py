"""Data of NLTK that functions of a task fetch while they are imported: they are named instead, with the command."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_slm.errors import NotAvailableError
from pytest_slm.lm_eval.screening import imports


@contextlib.contextmanager
def refused(name: str, folder: Path | None) -> Iterator[None]:
    """While the functions of a task of lm-eval, in this folder, are imported, nothing is fetched for NLTK. Raises
    NotAvailableError (``nltk-data``) where something is missing."""
    if folder is None or not imports(folder, "nltk"):
        yield  # to import NLTK takes a second
        return
    try:
        import nltk
    except ImportError:
        yield  # it is told as any package that is missing
        return

    def download(what: object = None, *_more: Any, **_named: Any) -> None:
        raise NotAvailableError(
            f"lm-eval's {name} needs {what!s:.80} of NLTK's data, which is not there: "
            f"python -m nltk.downloader {what!s:.80}",
            slug="nltk-data",
        )

    theirs = nltk.download
    nltk.download = download
    try:
        yield
    finally:
        nltk.download = theirs

"""The Hugging Face Hub through its own client (``pip install 'pytest-slm[hub]'``), for models as for data sets: where
the client is found, and where its errors become ours."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, TypeVar

from pytest_slm.errors import NotAvailableError, SlmError, UsageError

TIMEOUT_S = 10.0
"""After so long a question is given up."""

T = TypeVar("T")


def endpoint() -> str:
    """The Hub, or what ``HF_ENDPOINT`` names."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def client(what: str) -> Any:
    """The package ``huggingface_hub``. Raises NotAvailableError where it is not installed; ``what`` needs it."""
    try:
        import huggingface_hub  # an extra, and slow to import
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError:
        raise NotAvailableError(
            f"{what} needs the package huggingface_hub; run `pip install 'pytest-slm[hub]'`",
            slug="hub-client-missing",
        ) from None
    return huggingface_hub


def asked(repo: str, revision: str | None, question: Callable[[], T], *, page: str, way_out: str) -> T:
    """The answer to ``question``. Raises UsageError (hub-gated, hub-not-found, hub-unreachable): the client's errors
    become one line with a remedy, ``way_out`` where the Hub cannot be reached. Errors of the disk, and bugs, stay.

    ``page`` is the address of the repo below the endpoint.
    """
    try:
        return question()
    except SlmError:
        raise
    except Exception as error:  # the client hides neither its own errors nor those of its transport
        told = _told(repo, revision, error, page, way_out)
        if told is None:
            raise
        raise told from None


def _told(repo: str, revision: str | None, error: Exception, page: str, way_out: str) -> UsageError | None:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return UsageError(
            f"{repo}: its owner gives access on request; accept the terms at {endpoint()}/{page}, then log in "
            "with `hf auth login` or set HF_TOKEN",
            slug="hub-gated",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return UsageError(f"{repo}: has no revision {revision!r}; check its spelling", slug="hub-not-found")
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return UsageError(
            f"{repo}: not at {endpoint()}, or it is private; check the spelling, and for a private one log in with "
            "`hf auth login` or set HF_TOKEN",
            slug="hub-not-found",
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return UsageError(f"{repo}: a listed file is gone at {revision}; try again", slug="hub-not-found")
    if not _is_transport(error):
        return None
    response = getattr(error, "response", None)
    why = f"it answered {response.status_code}" if response is not None else type(error.__cause__ or error).__name__
    return UsageError(f"{repo}: the Hub at {endpoint()} cannot be reached ({why}); {way_out}", slug="hub-unreachable")


def is_of_disk(error: OSError) -> bool:
    """Whether it is of files on this machine, not of the network."""
    return error.filename is not None or error.errno == errno.ENOSPC


def _is_transport(error: Exception) -> bool:
    """Errors of the network: the client has used requests, httpx and httpx2, and hides none of them."""
    if isinstance(error, OSError) and is_of_disk(error):
        return False
    roots = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(roots & {"requests", "urllib3", "httpx", "httpx2", "httpcore"}) or isinstance(error, OSError)

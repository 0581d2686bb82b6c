"""The Hugging Face Hub through its own client (``pip install 'pytest-slm[hub]'``), for models as for data sets: where
the client is found, and where its errors become ours."""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pytest_slm.errors import NotAvailableError, SlmError, UsageError

PACKAGE = Path(__file__).parent
RESET = re.compile(r"\bt\s*=\s*(\d+)")
"""Of the header RateLimit: seconds until questions are answered again."""

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
    """The answer to ``question``. Raises UsageError (hub-gated, hub-not-found, hub-token, hub-busy, hub-answer,
    hub-unreachable): the client's errors become one line with a remedy, ``way_out`` where the Hub cannot be reached.
    Errors of the disk, and bugs of ours, stay.

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
    from huggingface_hub import errors, get_token

    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    # Without a token 401 is the answer for what is not there too, with one only for a token that is not valid.
    if status == 401 and get_token():
        said = " ".join(str(response.headers.get("X-Error-Message") or "").split())
        return UsageError(
            f"{repo}: the Hub at {endpoint()} refuses the token ({said or 'it answered 401'}), which may have expired; "
            "log in again with `hf auth login` or correct HF_TOKEN; for a public repo go without (`hf auth logout`)",
            slug="hub-token",
        )
    if status == 429:
        return UsageError(
            f"{repo}: the Hub at {endpoint()} has been asked too often (it answered 429); try again "
            f"{_when(response.headers)}, or log in with `hf auth login`, which allows more",
            slug="hub-busy",
        )
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
    if isinstance(error, ValueError | LookupError | TypeError | AttributeError | RecursionError) and not _is_ours(
        error
    ):
        return no_answer(repo, f"{type(error).__name__}: {' '.join(str(error).split()):.100}")
    if not _is_transport(error):
        return None
    why = f"it answered {status}" if status is not None else type(error.__cause__ or error).__name__
    return UsageError(f"{repo}: the Hub at {endpoint()} cannot be reached ({why}); {way_out}", slug="hub-unreachable")


def no_answer(repo: str, why: str) -> UsageError:
    """The error for an answer that no Hub gives."""
    return UsageError(
        f"{repo}: what {endpoint()} answers is no answer of a Hub ({why}); check HF_ENDPOINT, and whether a proxy or a "
        "login page answers instead",
        slug="hub-answer",
    )


def _when(headers: Mapping[str, str]) -> str:
    """When the Hub will answer again, as far as it says."""
    reset = RESET.search(headers.get("RateLimit") or "")
    seconds = headers.get("Retry-After") or (reset[1] if reset else "")
    return f"in {seconds} s" if seconds.isdecimal() else f"after {seconds:.40}" if seconds else "later"


def _is_ours(error: Exception) -> bool:
    """Whether it was raised by code of this package, and not by the client, which believes what it is answered."""
    frames = traceback.extract_tb(error.__traceback__)
    return Path(frames[-1].filename).is_relative_to(PACKAGE)


def is_of_disk(error: OSError) -> bool:
    """Whether it is of files on this machine, not of the network."""
    return error.filename is not None or error.errno == errno.ENOSPC


def _is_transport(error: Exception) -> bool:
    """Errors of the network: the client has used requests, httpx and httpx2, and hides none of them."""
    if isinstance(error, OSError) and is_of_disk(error):
        return False
    roots = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(roots & {"requests", "urllib3", "httpx", "httpx2", "httpcore"}) or isinstance(error, OSError)

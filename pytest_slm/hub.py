"""The Hugging Face Hub through its own client (``pip install 'pytest-slm[hub]'``), for models as for data sets: where
the client is found, and where its errors become ours."""

from __future__ import annotations

import errno
import os
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
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
        import huggingface_hub.utils
    except ImportError:
        raise NotAvailableError(
            f"{what} needs the package huggingface_hub; run `pip install 'pytest-slm[hub]'`",
            slug="hub-client-missing",
        ) from None
    # Without this the client tells the Hub what else is installed and which program has started it, and asks it for a
    # list of such programs.
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
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
    from huggingface_hub import errors

    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    # Without a token 401 is the answer for what is not there too, with one only for a token that is not valid.
    if status == 401 and response.request.headers.get("Authorization"):
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


@dataclass
class Meter:
    """What the Hub was asked while ``counted`` looked: ``asked`` of ``most`` questions, redirections and further pages
    counted like the first; ``status`` and ``wait_s`` of the last answer, None where it did not say how long to wait."""

    most: int
    asked: int = 0
    status: int | None = None
    wait_s: float | None = None

    def request(self, request: Any) -> None:
        """Before each question. Raises NotAvailableError (hub-budget) where it would be one too many."""
        if self.asked >= self.most:
            raise NotAvailableError(
                f"the Hub has been asked {self.asked} times, and no more were allowed; the rest comes with the next "
                "sync, or allow more",
                slug="hub-budget",
            )
        self.asked += 1
        self.status = self.wait_s = None
        limits = dict(request.extensions.get("timeout") or {})
        if not any(limits.values()):  # the client waits for lists for as long as it takes
            request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)

    def response(self, response: Any) -> None:
        """After each answer. Raises the client's own error for one that it would ask again for by itself."""
        self.status, self.wait_s = response.status_code, wait_s(response.headers, time.time())
        if self.status in (408, 429, 500, 502, 503, 504):
            from huggingface_hub.utils import hf_raise_for_status

            response.read()
            hf_raise_for_status(response)


@contextmanager
def counted(client: Any, most: int) -> Iterator[Meter]:
    """Count every question that the client asks meanwhile, and let none be asked twice by itself. Raises
    NotAvailableError (hub-client-old) for a client that cannot be looked at."""
    meter, session = Meter(most=most), client.utils.get_session()
    hooks = getattr(session, "event_hooks", None)
    if hooks is None:
        raise NotAvailableError(
            "counting what the Hub is asked needs huggingface_hub 1.0 or later; run "
            "`pip install -U 'huggingface-hub>=1.0'`",
            slug="hub-client-old",
        )
    before = {name: list(functions) for name, functions in hooks.items()}
    session.event_hooks = {
        "request": [*before.get("request", []), meter.request],
        "response": [*before.get("response", []), meter.response],
    }
    try:
        yield meter
    finally:
        session.event_hooks = before


def wait_s(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds until the Hub wants to be asked again, by ``Retry-After`` (seconds, or a date) or ``RateLimit``."""
    text = headers.get("Retry-After") or ""
    if text.isdecimal():
        return float(text[:9])
    if text:
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - now)
        except (ValueError, OverflowError):
            return None
    limit = headers.get("RateLimit") or ""
    reset = RESET.search(limit) if re.search(r"\br\s*=\s*0\b", limit) else None
    return float(reset[1][:9]) if reset else None


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

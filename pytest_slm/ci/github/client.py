"""A small client of GitHub's REST API: answers within limits, waits where it is told to, and never shows its token."""

from __future__ import annotations

import hashlib
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from pytest_slm.core.record import is_loopback
from pytest_slm.errors import SlmError, UsageError, writing_failed
from pytest_slm.files import MIB, parse_json

VERSION = "2022-11-28"
TIMEOUT_S = 30.0
TRIES = 4
LONGEST_WAIT_S = 60.0
LARGEST_ANSWER = 16 * MIB
PER_PAGE = 100
SAME_TWICE = frozenset({"GET", "PUT", "PATCH"})
"""Methods that may be tried again when nobody knows whether they were heard."""

T = TypeVar("T")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a download to where it is stored, and nowhere that is less safe than the API."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.get_method() != "GET" or not _is_safe(newurl):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class GitHub:
    """The API for one repository. ``path`` arguments stand below it: ``pulls/7``; their parts are to be ``quoted``."""

    def __init__(self, api: str, repo: str, token: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        if not _is_safe(api):
            raise UsageError(f"GITHUB_API_URL={api:.80}: expected https://...", slug="ci-environment")
        self.repo, self._root, self._token, self._sleep = repo, f"{api.rstrip('/')}/repos/{repo}/", token, sleep
        self._opener = urllib.request.build_opener(_Redirects)

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON that a path has. Raises SlmError (ci-github)."""
        return self._asked("GET", path + (f"?{urlencode(query)}" if query else ""))

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that is answered to a body. Raises SlmError (ci-github), with the ``status`` in it."""
        return self._asked(method, path, json.dumps(body).encode())

    def pages(self, path: str, key: str | None = None, *, most: int = 1_000) -> Iterator[Mapping[str, Any]]:
        """The items of a list, page by page; ``key`` names the list in the answer. What comes after ``most`` is an
        error: nobody should believe that the rest does not matter."""
        seen = 0
        for number in range(1, most // PER_PAGE + 2):
            answer = self.get(path, per_page=PER_PAGE, page=number)
            items = field(answer, key, list) if key else answer
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise _odd(path, "a list of objects")
            seen += len(items)
            if seen > most:
                raise SlmError(f"{self.repo}: {path:.80} has more than {most} entries", slug="ci-github")
            yield from items
            if len(items) < PER_PAGE:
                return

    def download(self, path: str, target: Path, limit: int) -> str:
        """Put the bytes of a path into a file, at most ``limit`` of them, and return their SHA-256."""
        digest, size = hashlib.sha256(), 0
        with self._opened("GET", path, None) as answer:
            try:
                with target.open("wb") as file:
                    while block := answer.read(MIB):
                        size += len(block)
                        if size > limit:
                            raise SlmError(
                                f"{path}: larger than {limit} bytes, which is more than was told", slug="ci-artifact"
                            )
                        digest.update(block)
                        file.write(block)
            except HTTPException as error:
                raise SlmError(f"{path}: cut off ({type(error).__name__}); try again", slug="ci-github") from None
            except OSError as error:
                raise writing_failed(target, error) from None
        return digest.hexdigest()

    def _asked(self, method: str, path: str, body: bytes | None = None) -> Any:
        with self._opened(method, path, body) as answer:
            try:
                content = answer.read(LARGEST_ANSWER + 1)
            except (OSError, HTTPException) as error:
                raise SlmError(
                    f"{method} {path}: cut off ({type(error).__name__}); try again", slug="ci-github"
                ) from None
        if len(content) > LARGEST_ANSWER:
            raise SlmError(f"{method} {path}: an answer of more than {LARGEST_ANSWER} bytes", slug="ci-github")
        try:
            return parse_json(content) if content.strip() else None
        except ValueError as error:
            raise SlmError(f"{method} {path}: answered what is no JSON ({error})", slug="ci-github") from None

    def _opened(self, method: str, path: str, body: bytes | None) -> HTTPResponse:
        request = urllib.request.Request(self._root + path, data=body, method=method)  # noqa: S310 # _is_safe
        request.add_header("Accept", "application/vnd.github+json")
        request.add_header("X-GitHub-Api-Version", VERSION)
        request.add_header("User-Agent", "pytest-slm")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if self._token:  # not told to the place that a download is redirected to
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        for left in reversed(range(TRIES)):
            try:
                answer: HTTPResponse = self._opener.open(request, timeout=TIMEOUT_S)
                return answer
            except urllib.error.HTTPError as error:
                with error:
                    wait = _wait(error.code, error.headers, method)
                    if not left or wait is None:
                        raise _refused(method, path, error) from None
            except (OSError, HTTPException) as error:
                wait = 1.0
                if not left or method not in SAME_TWICE:
                    why = getattr(error, "reason", None) or type(error).__name__
                    raise SlmError(
                        f"{method} {path}: GitHub cannot be reached ({why!s:.80})", slug="ci-github"
                    ) from None
            self._sleep(wait * (TRIES - left))
        raise AssertionError("the last try returns or raises")


class GitHubError(SlmError):
    """GitHub answered with a status that is no success."""

    slug = "ci-github"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _refused(method: str, path: str, error: urllib.error.HTTPError) -> GitHubError:
    said = ""
    try:
        answer = parse_json(error.read(MIB))
        said = f": {answer['message']!s:.200}" if isinstance(answer, dict) and "message" in answer else ""
    except (ValueError, OSError, HTTPException):
        said = ""
    return GitHubError(f"{method} {path}: GitHub answered {error.code}{said}", error.code)


def _wait(status: int, headers: Message, method: str) -> float | None:
    """Seconds until it may be tried again; None where it need not be."""
    said = headers.get("Retry-After") or ""
    told = min(float(said), LONGEST_WAIT_S) if re.fullmatch(r"\d{1,6}", said, re.ASCII) else None
    if status == 429 or (status == 403 and (told is not None or headers.get("X-RateLimit-Remaining") == "0")):
        return 1.0 if told is None else told
    if 500 <= status < 600 and method in SAME_TWICE:
        return 1.0 if told is None else told
    return None


def _is_safe(address: str) -> bool:
    """Whether nobody on the way can read what is sent: by TLS, or to this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def quoted(part: str | int) -> str:
    """A text as one part of a path."""
    return quote(str(part), safe="")


def field(data: object, path: str, kind: type[T]) -> T:
    """What stands at a dotted path of an answer. Raises SlmError (ci-github) where nothing of that kind does."""
    value: Any = data
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _odd(path, f"a {kind.__name__}")
    return value


def _odd(path: str, wanted: str) -> SlmError:
    return SlmError(f"GitHub's answer has no {path:.80}, or it is not {wanted}", slug="ci-github")

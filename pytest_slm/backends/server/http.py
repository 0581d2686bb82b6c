"""One server, asked over HTTP: its address and nothing else, within limits, with a key that stays out of every text.

Redirects are not followed, and nothing is decompressed. Whoever waits gives ``alive``, which is called at every sign of
life and may raise to end the waiting.
"""

from __future__ import annotations

import contextlib
import email.utils
import os
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from pytest_slm import __version__
from pytest_slm.backends.server import failures
from pytest_slm.backends.server.events import EventParser
from pytest_slm.core.record import is_loopback
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.files import parse_json

KEY = "SLM_API_KEY"
"""The environment variable with the server's key. It is written nowhere."""

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of an answer in one piece, and of all events of one stream."""
CONNECT_S = 20.0
TRIES = 6
"""Of a request that a busy server (429, 503) has put off."""
LONGEST_WAIT_S = 60.0
BUSY = (429, 503)
EVENTS = "text/event-stream"

Alive = Callable[[], None]


def unwatched() -> None:
    """The sign of life of those who do not watch."""


class CutError(BackendError):
    """The connection ended before the answer did."""

    slug = "server-cut"


class _Key(httpx.Auth):
    """Puts the key into a request on its way out, so that no object that is ever shown holds it."""

    def __init__(self, key: str) -> None:
        self._header: Callable[[], str] = lambda: f"Bearer {key}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._header()
        yield request


def key_of_environment() -> str | None:
    """The key, if there is one. Raises UsageError for one that no header can hold, without saying it."""
    key = os.environ.get(KEY, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"{KEY}: not only letters that a header can hold; copy the key again", slug="server-key")
    return key or None


class Reply:
    """A response whose body is still to be read, in pieces."""

    def __init__(self, response: httpx.Response, what: str, alive: Alive) -> None:
        self._response, self._what, self._alive = response, what, alive
        self.status = response.status_code
        self.kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()

    def pieces(self) -> Iterator[bytes]:
        """The bytes as they come. Raises CutError where they end too early, BackendError where they are too many."""
        size = 0
        for piece in self._response.iter_raw():
            size += len(piece)
            if size > LARGEST_BODY:
                raise failures.too_much(self._what, LARGEST_BODY)
            yield piece

    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces())

    def events(self) -> Iterator[tuple[float, Any]]:
        """(when it had come, JSON) of each event, until ``[DONE]``; the time is that of the monotonic clock."""
        parser = EventParser()
        try:
            for piece in self.pieces():
                came = time.perf_counter()
                for data in parser.feed(piece):
                    self._alive()
                    if data.strip() == "[DONE]":
                        return
                    yield came, self._json(data)
            for data in parser.finish():
                if data.strip() == "[DONE]":
                    return
                yield time.perf_counter(), self._json(data)
        except ValueError as error:  # of the parser; a BackendError is none
            raise failures.no_json(self._what, error) from None
        raise CutError(f"{self._what}: the stream ended without its end; look at the server's log, and run again")

    def json(self) -> Any:
        """The body as JSON. Raises BackendError where it is none."""
        body = self.body()
        if self.kind in ("text/html", "application/xhtml+xml") or body.lstrip()[:1] == b"<":
            raise failures.page(self._what, body)
        return self._json(body)

    def _json(self, data: bytes | str) -> Any:
        try:
            return parse_json(data)
        except (ValueError, RecursionError) as error:
            raise failures.no_json(self._what, error) from None


class Client:
    """The one connection to a server. ``base`` is its address with the path of the OpenAI interface (``.../v1``); paths
    that begin with ``/`` are below it, others (``props``) beside it. ``scrubbed(text)`` is the text without the key,
    whoever has put it there."""

    def __init__(self, base: str, *, silence_s: float, key: str | None = None) -> None:
        self.base = base
        self._root = base.removesuffix("/v1")
        # Only functions hold it: what shows all fields of an object, as a traceback with locals does, shows none.
        self.has_key = key is not None
        self.scrubbed: Callable[[str], str] = lambda text: text.replace(key, "***") if key else text
        parts = urlsplit(base)
        self._http = httpx.Client(
            auth=None if key is None else _Key(key),
            # A proxy of the environment is asked for other machines only.
            trust_env=not is_loopback(parts.hostname or ""),
            follow_redirects=False,
            headers={"Accept-Encoding": "identity", "User-Agent": f"pytest-slm/{__version__}"},
            timeout=httpx.Timeout(silence_s, connect=min(CONNECT_S, silence_s), pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )
        self._silence_s = silence_s

    def url(self, path: str) -> str:
        """The address of an endpoint."""
        return f"{self.base}{path}" if path.startswith("/") else f"{self._root}/{path}"

    def told(self, path: str, body: Mapping[str, Any] | None = None) -> Any | None:
        """What an endpoint says that not every server has; None where there is none, or where it says no JSON."""
        try:
            return self.ask(path, body)
        except BackendError as error:
            if error.slug in ("server-endpoint", "server-refused", "server-json", "server-page", "server-error"):
                return None
            raise

    def ask(self, path: str, body: Mapping[str, Any] | None = None, alive: Alive = unwatched) -> Any:
        """The JSON that an endpoint answers, to a GET without a body. Raises BackendError."""
        with self.reply(path, body, alive) as (reply, _):
            return reply.json()

    @contextlib.contextmanager
    def reply(
        self, path: str, body: Mapping[str, Any] | None = None, alive: Alive = unwatched
    ) -> Iterator[tuple[Reply, int]]:
        """The response of an endpoint that has accepted the request, and how often a busy server had put it off. Raises
        BackendError."""
        what = self.url(path)
        with self._translated(what):
            for tries in range(TRIES):
                with self._sent(what, body) as response:
                    reply = Reply(response, what, alive)
                    if response.headers.get("content-encoding", "identity") != "identity":
                        raise failures.compressed(what)
                    if response.status_code not in BUSY or tries == TRIES - 1:
                        self._check(reply, response)
                        yield reply, tries
                        return
                    wait = retry_after(response.headers, tries)
                self._wait(wait, alive)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _sent(self, url: str, body: Mapping[str, Any] | None) -> Any:
        if body is None:
            return self._http.stream("GET", url)
        return self._http.stream("POST", url, json=body)

    def _check(self, reply: Reply, response: httpx.Response) -> None:
        """Raise BackendError unless the request was accepted."""
        if response.is_success:
            return
        if response.is_redirect:
            raise failures.redirect(reply.status, self.base, response.headers.get("location", ""))
        said = self.scrubbed(b"".join(_first(reply.pieces())).decode("utf-8", "replace"))
        raise failures.refusal(reply.status, str(response.url), said, has_key=self.has_key, variable=KEY)

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except BackendError as error:
            text = self.scrubbed(error.args[0])
            if text != error.args[0]:
                raise type(error)(text, slug=error.slug) from None
            raise
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout):
                raise failures.unreachable(what, f"no connection in {min(CONNECT_S, self._silence_s):g} s") from None
            raise failures.silent(what, self._silence_s) from None
        except httpx.ConnectError as error:
            if _is_tls(error):
                raise failures.tls(what, error) from None
            raise failures.unreachable(what, str(error)) from None
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
            if _is_tls(error):
                raise failures.tls(what, error) from None
            raise CutError(
                f"{what}: the connection broke off ({error!s:.200}); look at the server's log, and run again"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failures.unreachable(what, f"{type(error).__name__}: {error}") from None

    def _wait(self, seconds: float, alive: Alive) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            alive()
            time.sleep(min(0.2, left))


def retry_after(headers: Mapping[str, str], tries: int) -> float:
    """Seconds to wait before a busy server is asked again: what it says, as a number or as a time on its own clock,
    else a little more each time; never more than ``LONGEST_WAIT_S``."""
    seconds, said = 0.5 * float(2**tries), headers.get("retry-after", "").strip()
    if said.isdecimal():
        seconds = float(said[:9])
    elif said:
        # Neither a number nor a date: as if nothing had been said.
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            times = (email.utils.parsedate_to_datetime(text) for text in (said, headers.get("date", "")))
            seconds = (next(times) - next(times)).total_seconds()
    return min(max(seconds, 0.05), LONGEST_WAIT_S)


def _first(pieces: Iterator[bytes], most: int = 4096) -> Iterator[bytes]:
    """As many pieces as somebody reads of an error."""
    size = 0
    for piece in pieces:
        yield piece[: most - size]
        size += len(piece)
        if size >= most:
            return


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) or "SSL" in str(error) or "CERTIFICATE" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False

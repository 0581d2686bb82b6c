"""One file of a repo on the Hub, of which only the bytes that are read are fetched."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_slm import hub
from pytest_slm.models.hub import Listing, ask, hub_client

FIRST, MOST = 1 << 16, 1 << 19
"""Bytes of the first range, and of those that follow one behind the other, each twice as long as the one before."""
DEADLINE_S = 60.0
"""For one range: a server that sends a byte now and then never seems to be silent."""
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class RangeFile:
    """A ``Source`` over HTTP ranges, at the commit of a listing. ``fetched`` counts the bytes that came, ``ranges`` the
    questions. Its methods raise UsageError as everything does that asks the Hub."""

    def __init__(self, found: Listing, file: str) -> None:
        size = found.sizes.get(file)
        if size is None or size < 0:
            raise hub.no_answer(found.repo, f"it does not tell how long {file:.100} is")
        self.repo, self.revision, self.file, self.size = found.repo, found.revision, file, size
        self.path = Path(f"{found.repo}/{file}")
        """For messages: it is nowhere on this machine."""
        self.fetched = self.ranges = 0
        self._position = self._start = 0
        self._data = b""
        self._step = FIRST

    def seek(self, offset: int, /) -> int:
        """Read from byte ``offset`` on; nothing is fetched."""
        self._position = offset
        return offset

    def read(self, count: int, /) -> bytes:
        """The next ``count`` bytes, fewer at the end only."""
        first, end = self._position, min(self._position + count, self.size)
        if end <= first:
            return b""
        known = self._start + len(self._data)
        if not self._start <= first <= known:
            self._start, self._data, self._step, known = first, b"", FIRST, first
        if end > known:
            more = self._range(known, min(max(end, known + self._step), self.size))
            self._data = self._data[first - self._start :] + more
            self._start, self._step = first, min(2 * self._step, MOST)
        self._position = end
        return self._data[first - self._start : end - self._start]

    def piece(self, first: int, count: int) -> bytes:
        """So many bytes from ``first`` on, wherever one reads; fewer at the end only."""
        end = min(first + count, self.size)
        return self._range(first, end) if first < end else b""

    def _range(self, first: int, end: int) -> bytes:
        data = ask(self.repo, self.revision, lambda: self._asked(first, end))
        self.fetched += len(data)
        self.ranges += 1
        return data

    def _asked(self, first: int, end: int) -> bytes:
        client, began = hub_client(), time.monotonic()
        url = client.hf_hub_url(self.repo, self.file, revision=self.revision)
        headers = {
            **client.utils.build_hf_headers(),
            "Range": f"bytes={first}-{end - 1}",
            "Accept-Encoding": "identity",
        }
        data = bytearray()
        with _streamed(client, url, headers) as (response, pieces):
            self._check(response, first, end)
            for piece in pieces:
                data += piece
                if len(data) > end - first:
                    raise hub.no_answer(self.repo, f"it sends more of {self.file:.100} than it was asked for")
                if time.monotonic() - began > DEADLINE_S:
                    raise TimeoutError
        if len(data) != end - first:
            raise ConnectionError
        return bytes(data)

    def _check(self, response: Any, first: int, end: int) -> None:
        """Raise UsageError for an answer that is not this range of this file."""
        told = str(response.headers.get("Content-Range") or "")
        match = CONTENT_RANGE.fullmatch(told)
        if response.status_code == 206 and match and tuple(map(int, match.groups())) == (first, end - 1, self.size):
            return
        if response.status_code == 200 and (first, end) == (0, self.size):
            return  # all of a small file
        what = f"the range {told:.60}" if response.status_code == 206 else "the whole file"
        raise hub.no_answer(
            self.repo, f"asked for the bytes {first}-{end - 1} of {self.size} of {self.file:.100} it sends {what}"
        )


@contextmanager
def _streamed(client: Any, url: str, headers: dict[str, str]) -> Iterator[tuple[Any, Iterator[bytes]]]:
    """An answer whose body has not been read, and the pieces of the body. The client has a session of httpx since its
    version 1, and of requests before; both take the token off where they are sent to another host."""
    session = client.utils.get_session()
    if callable(getattr(session, "stream", None)):
        with session.stream("GET", url, headers=headers, follow_redirects=True, timeout=hub.TIMEOUT_S) as response:
            if response.status_code >= 400:
                response.read()  # the client looks into it for the reason
            client.utils.hf_raise_for_status(response)
            yield response, response.iter_raw()
    else:
        with session.get(url, headers=headers, stream=True, timeout=hub.TIMEOUT_S) as response:
            client.utils.hf_raise_for_status(response)
            yield response, response.iter_content(FIRST)

"""Server-sent events (the WHATWG's HTML standard, 9.2), as bytes come: split anywhere, with any end of line."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST_EVENT = 16 * 1024 * 1024
"""Bytes of one event, and of one line."""

_ENDS = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class EventParser:
    """The data of each event, in the order in which they end. Comments and other fields are left out.

    ``feed`` and ``finish`` raise ValueError for an event that is too long, or no UTF-8.
    """

    def __init__(self, limit: int = LONGEST_EVENT) -> None:
        self._limit = limit
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The events that end in these bytes."""
        if not chunk:
            return
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        *lines, rest = _ENDS.split(chunk)
        for line in lines:
            self._line += line
            yield from self._end_of_line()
        self._line += rest
        self._check(len(self._line))

    def finish(self) -> Iterator[str]:
        """What was not ended by an empty line when the stream ended: servers differ there."""
        yield from self._end_of_line()
        yield from self._end_of_event()

    def _end_of_line(self) -> Iterator[str]:
        line = bytes(self._line)
        self._line.clear()
        self._check(len(line))
        if not self._begun:
            self._begun, line = True, line.removeprefix(_BOM)
        if not line:
            yield from self._end_of_event()
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._size += len(value)
            self._check(self._size)

    def _end_of_event(self) -> Iterator[str]:
        if self._data:
            data, self._data, self._size = b"\n".join(self._data), [], 0
            yield data.decode("utf-8")

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise ValueError(f"an event of more than {self._limit} bytes")

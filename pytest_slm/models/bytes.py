"""Reading numbers and texts from a file of known size, never past its end and never more than asked."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Protocol

from pytest_slm.errors import UsageError

CHUNK = 1 << 18


class ByteSource(Protocol):
    """What can be read in pieces: an open file, or one on the Hub."""

    def seek(self, offset: int, /) -> int:
        """Read from byte ``offset`` on."""
        ...

    def read(self, count: int, /) -> bytes:
        """The next ``count`` bytes; fewer at the end only."""
        ...


class Bytes:
    """A cursor over ``file`` that raises UsageError (gguf-truncated, gguf-corrupt) instead of reading past ``size``."""

    def __init__(self, file: ByteSource, size: int, path: Path, *, chunk: int = CHUNK) -> None:
        self.file, self.size, self.path, self.chunk = file, size, path, chunk
        self.base = self.position = 0
        self.buffer = b""

    def tell(self) -> int:
        """The offset of the next byte."""
        return self.base + self.position

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes; callers have bounded the count."""
        end = self.position + count
        if end > len(self.buffer):
            self._demand(self.tell() + count)
            self._fill(max(count, self.chunk))
            end = count
        taken = self.buffer[self.position : end]
        if len(taken) != count:  # the file became shorter since its size was asked
            self._demand(self.size + 1)
        self.position = end
        return taken

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes."""
        self._demand(self.tell() + count)
        self.position += count

    def u32(self) -> int:
        """An unsigned number of four bytes."""
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        """An unsigned number of eight bytes."""
        return int.from_bytes(self.take(8), "little")

    def number(self, layout: str) -> int | float | bool:
        """One value in a layout of ``struct``."""
        value: int | float | bool = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def text(self, most: int) -> str:
        """A text with its length before it; longer than ``most`` bytes is an error."""
        at = self.tell()
        length = self.u64()
        if length > most:
            raise self._corrupt(f"a name of {length} bytes", at)
        return self._decode(self.take(length), at)

    def text_or_skip(self, most: int) -> str | None:
        """A text with its length before it, or None (passed over) where it is longer than ``most`` bytes."""
        at = self.tell()
        length = self.u64()
        if length > most:
            self.skip(length)
            return None
        return self._decode(self.take(length), at)

    def skip_texts(self, count: int) -> None:
        """Pass over ``count`` texts. A vocabulary has 100,000 of them: this loop is most of the time of a header."""
        length_at = struct.Struct("<Q").unpack_from
        buffer, position, last = self.buffer, self.position, len(self.buffer) - 8
        for _ in range(count):
            if position > last:
                self.position = position
                self._demand(self.tell() + 8)
                self._fill(self.chunk)
                buffer, position, last = self.buffer, 0, len(self.buffer) - 8
                if last < 0:
                    self._demand(self.size + 1)
            position += 8 + length_at(buffer, position)[0]
        self.position = position
        self._demand(self.tell())

    def _fill(self, count: int) -> None:
        self.base, self.position = self.tell(), 0
        self.file.seek(self.base)
        self.buffer = self.file.read(count)

    def _demand(self, end: int) -> None:
        if end > self.size:
            raise UsageError(
                f"{self.path}: ends at byte {self.size}, inside its header (at byte {min(self.tell(), self.size)} "
                f"something follows that needs {end - self.size} bytes more); download it again",
                slug="gguf-truncated",
            )

    def _decode(self, data: bytes, at: int) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise self._corrupt("a text that is not UTF-8", at) from None

    def _corrupt(self, problem: str, at: int) -> UsageError:
        return UsageError(
            f"{self.path}: {problem} (at byte {at}); the file is damaged, download it again", slug="gguf-corrupt"
        )

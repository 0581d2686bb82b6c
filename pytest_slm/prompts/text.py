"""Bytes of tokens become text as they come."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class GrowingText:
    """The text of a generation so far. A stop string is found even where it spans tokens, and a character may be
    spread over several tokens; what is no UTF-8 becomes U+FFFD."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = [stop for stop in stops if stop]
        self._longest = max((len(stop) for stop in self._stops), default=0)
        self._text = ""

    @property
    def text(self) -> str:
        """The whole characters so far."""
        return self._text

    def end(self, place: int) -> None:
        """Let the text end at ``place``."""
        self._text = self._text[:place]
        self._decoder.reset()

    def add(self, piece: bytes | str) -> bool:
        """Whether a stop string is complete now; the text then ends before it."""
        seen = max(0, len(self._text) - self._longest)
        self._text += piece if isinstance(piece, str) else self._decoder.decode(piece)
        ends = [end for stop in self._stops if (end := self._text.find(stop, seen)) >= 0]
        if ends:
            self.end(min(ends))
        return bool(ends)

    def finish(self) -> str:
        """The whole text; a character that was cut in half becomes U+FFFD."""
        return self._text + self._decoder.decode(b"", final=True)

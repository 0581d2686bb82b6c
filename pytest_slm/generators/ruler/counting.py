"""How long a prompt will be, without tokenizing it again for every sample: its pieces are counted once.

The prompts of RULER are made of the same few pieces (noise, sentences of essays, words of a list, documents), put
together where a tokenizer cuts anyway: before a space or the end of a line. So the tokens of a prompt are those of its
frame and of its pieces. Whether that is true of a tokenizer is seen on a whole prompt of every item; where it is not,
each prompt is counted as a whole.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice

ANCHORS = ("a.", "a")
"""What stands before a piece while it is counted: a full stop as a rule, and a letter before a hyphen, which would be
one token with a full stop."""
NUMBER = 1_234_567


class TextPieces:
    """The tokens that a piece adds to a text, each counted once."""

    def __init__(self, count_texts: Callable[[Sequence[str]], Sequence[int]]) -> None:
        self._count = count_texts
        self._known: dict[str, int] = {}
        self._anchors: Sequence[int] = ()
        self._numbers = [0]

    @functools.cached_property
    def even_numbers(self) -> bool:
        """Whether numbers of seven digits take as many tokens, as far as 60 of them can tell."""
        found = [f" {number}." for number in (NUMBER, *range(1_000_000, 10_000_000, 152_543))]
        self.know(found)
        return len({self._known[piece] for piece in found}) == 1

    def numbers(self, n: int) -> Sequence[int]:
        """The tokens of " 1.", of " 1." and " 2.", and so on to ``n`` at least; 0 before them."""
        if len(self._numbers) <= n:
            new = [f" {number}." for number in range(len(self._numbers), 2 * n + 1)]
            self.know(new)
            for piece in new:
                self._numbers.append(self._numbers[-1] + self._known[piece])
        return self._numbers

    def know(self, pieces: Iterable[str]) -> None:
        """Count those that are new, in one round trip."""
        new = [piece for piece in dict.fromkeys(pieces) if piece not in self._known]
        if not new:
            return
        self._anchors = self._anchors or self._count(ANCHORS)
        behind = [piece.startswith("-") for piece in new]
        counts = self._count([ANCHORS[place] + piece for place, piece in zip(behind, new, strict=True)])
        for piece, place, n in zip(new, behind, counts, strict=True):
            self._known[piece] = max(0, n - self._anchors[place])

    def sum(self, pieces: Iterable[str]) -> int:
        """The tokens of several pieces, which are known."""
        return sum(map(self._known.__getitem__, pieces))

    def __getitem__(self, piece: str) -> int:
        if piece not in self._known:
            self.know([piece])
        return self._known[piece]


class Filling:
    """An endless text that a prompt is filled with: ``blocks``, each of so many ``parts`` that it can be cut into.

    A size is (whole blocks, parts of the next one). ``cut(parts, pieces)`` are the pieces of some parts of a block.
    Samples that are filled with the same text share one: what its blocks take is added up once.
    """

    def __init__(
        self, blocks: Iterator[Sequence[str]], cut: Callable[[Sequence[str], TextPieces], Sequence[str]]
    ) -> None:
        self._source, self._cut = blocks, cut
        self._blocks: list[Sequence[str]] = []
        self._joined: list[str] = []
        self._ends: list[int] = [0]
        self._counted_by: TextPieces | None = None

    def block(self, place: int) -> Sequence[str]:
        """The parts of a block."""
        if place >= len(self._blocks):
            self._blocks += islice(self._source, place + 1 - len(self._blocks))
        return self._blocks[place]

    def joined(self, size: tuple[int, int]) -> list[str]:
        """The blocks of a size, each as one text; the last one may be cut."""
        whole, more = size
        if whole > len(self._joined):
            self.block(whole - 1)
            self._joined += map(" ".join, self._blocks[len(self._joined) : whole])
        return [*self._joined[:whole], *([" ".join(self.block(whole)[:more])] if more else ())]

    def parts(self, size: tuple[int, int]) -> list[str]:
        """The parts of a size."""
        whole, more = size
        if whole:
            self.block(whole - 1)
        return [
            *(part for block in self._blocks[:whole] for part in block),
            *(self.block(whole)[:more] if more else ()),
        ]

    def fitted(self, room: int, pieces: TextPieces) -> tuple[int, int]:
        """The greatest size whose tokens are at most ``room``."""
        if pieces is not self._counted_by:
            self._ends, self._counted_by = [0], pieces
        ends = self._ends
        while ends[-1] <= room:
            # As many at once as would fill the rest: one round trip, rarely two.
            place = len(ends) - 1
            average = max(1.0, ends[-1] / place) if place else float(room + 1)
            more = int((room - ends[-1]) / average) + 1
            self.block(place + more - 1)
            cut = [self._cut(block, pieces) for block in self._blocks[place : place + more]]
            pieces.know(text for texts in cut for text in texts)
            # At least one, so that no text is endless.
            ends += islice(accumulate((max(1, pieces.sum(texts)) for texts in cut), initial=ends[-1]), 1, None)
        whole = bisect_right(ends, room) - 1
        return whole, self._more(self.block(whole), room - ends[whole], ends[whole + 1] - ends[whole], pieces)

    def _more(self, block: Sequence[str], room: int, tokens: int, pieces: TextPieces) -> int:
        """How many parts of a block fit, by proportion first."""
        few, many = 0, len(block)  # so many fit, so many do not
        while many - few > 1:
            tried = min(max(round(room * len(block) / max(1, tokens)), few + 1), many - 1)
            if few and many < len(block):
                tried = (few + many) // 2
            pieces.know(texts := self._cut(block[:tried], pieces))
            if pieces.sum(texts) <= room:
                few = tried
            else:
                many = tried
        return few


def most(fits: Callable[[int], bool], least: int, limit: int) -> int:
    """The greatest number from ``least`` to ``limit`` that still fits, where smaller ones do; ``least`` in any case."""
    low, high = least, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low

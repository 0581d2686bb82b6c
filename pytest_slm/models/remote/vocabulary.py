"""Where an array of many texts ends, looked for instead of walked to: a vocabulary has megabytes, and nobody needs it.

Each text stands behind its length, eight bytes of which the upper ones are zero. So a piece from the middle of the
array can be told from numbers, from prose and from weights, though not how many texts are before it. Pieces are looked
at further and further on, until one is no texts; then the end is between two pieces, and its place is where a name with
a type follows in place of a text. What is found is a guess: whoever reads on sees whether the rest of the file fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from pytest_slm.models.gguf import ARRAY, MAX_ARRAY_STRINGS, MAX_DIMENSIONS, MAX_STRING, STRING, WIDTHS

MANY = 16_384
"""Texts from which on looking costs less than walking."""
PIECE = 8_192
LAST = 1 << 16
"""Bytes between two pieces that are read as a whole."""
MOST_PIECES = 64
LONGEST = 1_024
"""Bytes of a text. One that is longer looks like no text: then the array is walked."""
ENOUGH = 8
"""Texts one behind the other to the end of a piece that are no chance."""
NAME = re.compile(rb"[A-Za-z0-9_]+([.-][A-Za-z0-9_-]+)+")
"""Of a pair, or of a tensor where the array is the last pair."""
LONGEST_NAME = 128
BEHIND = 512
"""Bytes behind a place in which the name there, its type and what follows are."""

Piece = Callable[[int, int], bytes]
"""The bytes of a file from a place on: so many, fewer at its end."""


def bytes_of_texts(piece: Piece, start: int, count: int) -> int | None:
    """The bytes of an array of so many texts that begins at ``start``, as far as one can see; None if one cannot."""
    if count < MANY:
        return None
    # What follows an array of texts is mostly one number for each of them, or the end of all arrays. Half the width of
    # such numbers is no stride over them, so that what is behind them is not taken for more of the same.
    stride = 2 * count
    inside, at = start, start + 8 * count  # their lengths alone take as much
    asked = 0
    outside = None
    while outside is None or outside - inside > LAST:
        if asked == MOST_PIECES:
            return None
        asked += 1
        offset = first_text(piece(at, PIECE))
        if offset is None:
            outside = at
        else:
            inside = at + offset
        at = inside + stride if outside is None else (inside + outside) // 2
    window = piece(inside, outside - inside + PIECE + BEHIND)
    end = next((place for place in _texts(window, 0) if begins_a_pair(window, place)), None)
    return None if end is None else inside + end - start


def first_text(data: bytes) -> int | None:
    """Where in a piece the first text begins, if there are nothing but texts from there on."""
    for begin in range(min(LONGEST + 8, len(data) - 8)):
        places = [*_texts(data, begin)]
        if places[-1] + 8 <= len(data):
            continue  # it breaks off before the end of the piece
        texts = [data[place + 8 : end] for place, end in pairwise(places) if end <= len(data)]
        if len([*filter(None, texts)]) >= max(ENOUGH, len(texts) / 2) and all(map(_is_text, texts)):
            return begin
    return None


def begins_a_pair(data: bytes, at: int) -> bool:
    """Whether a name with a type stands there, and behind it a value of that type: no text is followed so."""
    after = _after_name(data, at)
    if after is None:
        return False
    kind = int.from_bytes(data[after : after + 4], "little")
    value = after + 4
    if kind == STRING:
        return _number(data, value) <= MAX_STRING
    if kind == ARRAY:
        inner = int.from_bytes(data[value : value + 4], "little")
        return (inner in WIDTHS or inner == STRING) and _number(data, value + 4) <= MAX_ARRAY_STRINGS
    # Of what is a scalar here, or the number of a tensor's dimensions, any value is one. A text as long as its type's
    # number could stand there, too; but behind it there is no name.
    if kind in WIDTHS and _after_name(data, value + WIDTHS[kind]) is not None:
        return True
    return 0 < kind <= MAX_DIMENSIONS and all(0 < _number(data, value + 8 * axis) < 1 << 32 for axis in range(kind))


def _after_name(data: bytes, at: int) -> int | None:
    length = _number(data, at)
    end = at + 8 + length
    named = length <= LONGEST_NAME and end + 24 <= len(data) and NAME.fullmatch(data, at + 8, end)
    return end if named else None


def _texts(data: bytes, at: int) -> Iterator[int]:
    """Places where texts begin, one behind the other, as long as they are not too long; the last is where none does."""
    while at + 8 <= len(data):
        yield at
        length = _number(data, at)
        if length > LONGEST:
            return
        at += 8 + length
    yield at


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _is_text(data: bytes) -> bool:
    if bytes(3) in data:  # the length of another text: this one was begun at the wrong byte
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True

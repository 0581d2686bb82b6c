"""Rows in columns for a terminal; what stands in them is shown, and not obeyed.

Of the libraries, ``tabulate`` needs a second package for wide characters and obeys control characters; this is shorter.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Sequence

from pytest_slm.errors import JOINERS, shown


def width(text: str) -> int:
    """Columns that a text takes: two for a wide character (Chinese, Japanese, Korean, emoji), none for an accent that
    joins the one before it."""
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me") or char in JOINERS
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )


def aligned(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """A line for each row, two blanks between columns; those in ``right`` end at one place, the others begin there."""
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]

    def padded(place: int, cell: str) -> str:
        blanks = " " * (widths[place] - width(cell))
        return blanks + cell if place in right else cell + blanks

    return ["  ".join(padded(place, cell) for place, cell in enumerate(row)).rstrip() for row in cells]

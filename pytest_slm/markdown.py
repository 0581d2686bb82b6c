"""Text for GitHub's Markdown, as tables and as nothing but text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from pytest_slm.errors import shown

CALLS = r"@|#(?=\d)|(?<=\bGH)-(?=\d)"
"""What calls a person or names an issue."""
MARKS = re.compile(rf"(?P<call>{CALLS})|[\\`*_{{}}\[\]()#+!|~$^=-]|:(?=//)|(?<=www)\.|^\d+\.", re.ASCII | re.IGNORECASE)
"""What means something in a line, or at its beginning."""
APART = "&#8203;"
"""A space without width. People and issues are looked for in the finished page, where an entity is its letter again."""


def escaped(text: str) -> str:
    """A text that Markdown and HTML take for nothing but text: no link, no mention of a person, no cell, no tag."""
    plain = shown(text).strip().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MARKS.sub(_reference, plain)


def _reference(match: re.Match[str]) -> str:
    text = match[0]  # of a number at the beginning of a line the point, of all others the one letter
    return f"{text[:-1]}&#{ord(text[-1])};" + (APART if match["call"] else "")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a table, every cell escaped."""
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    for row in rows:
        yield f"| {' | '.join(escaped(str(cell)) for cell in row)} |"

"""Text for GitHub's Markdown, as tables and as nothing but text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from pytest_slm.errors import shown


def escaped(text: str) -> str:
    """A text that Markdown and HTML take for nothing but text: no link, no mention of a person, no cell, no tag."""
    plain = shown(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # A reference such as #12, @name or a bare address becomes a link of its own; an entity in it does not.
    plain = re.sub(r"[\\`*_{}\[\]()#+!|~$^=-]", lambda found: f"&#{ord(found[0])};", plain)
    return plain.replace("@", "&#64;").replace("://", "&#58;//").replace("www.", "www&#46;")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a table, every cell escaped."""
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    for row in rows:
        yield f"| {' | '.join(escaped(str(cell)) for cell in row)} |"

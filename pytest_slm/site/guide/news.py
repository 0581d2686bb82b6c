"""What is new: the runs by the day they ended, the history of every file, an Atom feed and a sitemap."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from pytest_slm.site.facts.runs import RunLine
from pytest_slm.site.facts.summary import Summary

FED = 30
"""Runs in the feed."""
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://pypi.org/project/pytest-slm/")


@dataclass(frozen=True, kw_only=True)
class NewsView:
    """The newest runs by day, with how many there are in all."""

    days: tuple[tuple[str, tuple[RunLine, ...]], ...]
    shown: int
    total: int


def news_view(summary: Summary) -> NewsView:
    """All runs that are known, the newest first."""
    days: dict[str, list[RunLine]] = {}
    for run in summary.runs:
        days.setdefault(run.when.partition(",")[0], []).append(run)
    return NewsView(
        days=tuple((day, tuple(found)) for day, found in days.items()), shown=len(summary.runs), total=summary.total
    )


def feed(summary: Summary, address: str) -> str:
    """An Atom feed of the newest runs. Links are relative to it where the site does not know its ``address``."""
    lines = summary.runs[:FED]
    updated = lines[0].stamp if lines else "1970-01-01T00:00:00Z"
    entries = "".join(
        f"<entry><id>{_urn('report', line.sha256 or line.href, line.quantization, line.stamp)}</id>"
        f"<title>{_xml(f'{line.name} {line.quantization}: {line.change}')}</title><updated>{line.stamp}</updated>"
        f"<link href={quoteattr(address + line.href)}/><summary>{_xml(line.details)}</summary></entry>\n"
        for line in lines
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>{_urn('site', address)}</id><title>Small language models, measured</title>"
        f"<author><name>pytest-slm</name></author><updated>{updated}</updated>"
        f'<link rel="self" href={quoteattr(address + "feed.xml")}/><link href={quoteattr(address + "new.html")}/>\n'
        f"{entries}</feed>\n"
    )


def sitemap(pages: Sequence[str], address: str) -> str:
    """The addresses of all pages, for search engines. They must be whole, so there is none without an ``address``."""
    places = "".join(f"<url><loc>{escape(address + page)}</loc></url>\n" for page in sorted(pages))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}</urlset>\n'
    )


def _urn(*parts: str) -> str:
    """An identifier that stays the same, made of what it stands for."""
    return uuid.uuid5(NAMESPACE, "\n".join(parts).encode(errors="backslashreplace").decode()).urn


def _xml(text: str) -> str:
    """Text for XML, which has no word for most control characters."""
    kept = "".join(
        c if c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff" else "\ufffd" for c in text
    )
    return escape(kept)

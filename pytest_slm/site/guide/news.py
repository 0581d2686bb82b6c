"""What is new: the runs by the day they ended, the history of every file, an Atom feed and a sitemap."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from pytest_slm.core.record import utc
from pytest_slm.registry.entry import Registry, RegistryEntry, ReportReference
from pytest_slm.site import numbers

SHOWN, FED = 100, 30
"""Runs on the page, and in the feed."""
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://pypi.org/project/pytest-slm/")


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run. ``change`` says what it was for its file: the first one, a newer one, or one that no number is from."""

    name: str
    quantization: str
    href: str
    when: str
    stamp: str
    change: str
    details: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class NewsView:
    """The newest runs by day, with how many there are in all."""

    days: tuple[tuple[str, tuple[RunLine, ...]], ...]
    shown: int
    total: int


def news_view(registry: Registry) -> NewsView:
    """All runs of the registry, the newest first."""
    runs = run_lines(registry)
    days: dict[str, list[RunLine]] = {}
    for run in runs[:SHOWN]:
        days.setdefault(run.when.partition(",")[0], []).append(run)
    return NewsView(
        days=tuple((day, tuple(found)) for day, found in days.items()), shown=min(SHOWN, len(runs)), total=len(runs)
    )


def run_lines(registry: Registry) -> tuple[RunLine, ...]:
    """Every report that the registry knows as a line, the newest first."""
    found = [line for entry in registry.models for line in _lines(entry)]
    return tuple(sorted(found, key=lambda line: (line.stamp, line.name, line.quantization, line.sha256), reverse=True))


def _lines(entry: RegistryEntry) -> Iterable[RunLine]:
    seen: dict[str, int] = {}
    for report in sorted(entry.provenance.reports, key=lambda one: (utc(one.finished), one.path)):
        count = seen[report.quantization] = seen.get(report.quantization, 0) + 1
        yield RunLine(
            name=entry.name,
            quantization=report.quantization,
            href=f"models/{entry.id}.html",
            when=numbers.day(report.finished),
            stamp=utc(report.finished).strftime("%Y-%m-%dT%H:%M:%SZ"),
            change=_change(report, count),
            details=" · ".join(
                filter(None, (report.measured_as, report.engine or "", "" if report.complete else "not complete"))
            ),
            sha256=report.sha256,
        )


def _change(report: ReportReference, count: int) -> str:
    if not report.used:
        return "not used for any number"
    return "first run of this file" if count == 1 else f"run {count} of this file"


def feed(registry: Registry, address: str) -> str:
    """An Atom feed of the newest runs. Links are relative to it where the site does not know its ``address``."""
    lines = run_lines(registry)[:FED]
    updated = lines[0].stamp if lines else "1970-01-01T00:00:00Z"
    entries = "".join(
        f"<entry><id>{_urn('report', line.sha256, line.name, line.quantization, line.stamp)}</id>"
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

"""A page of Markdown, read once: its headings, links, images and fences, each with its line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token

SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where a page leads to, as it is written there."""

    line: int
    target: str

    @property
    def scheme(self) -> str:
        """``https`` and the like; empty for a place in this folder."""
        found = SCHEME.match(self.target)
        return found.group()[:-1].lower() if found else ""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A picture, and the words for who does not see it."""

    line: int
    source: str
    alternative: str | None


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A block of code: ``info`` is what stands behind its first marks, ``line`` that of its first line of code."""

    line: int
    info: str
    text: str


@dataclass(kw_only=True)
class PageContent:
    """What there is on a page."""

    links: list[Link] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    fences: list[Fence] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=dict)
    """Names of places on the page, with their lines."""
    headings: list[tuple[int, int, str]] = field(default_factory=list)
    """(line, level, text)."""


def split_front_matter(text: str) -> tuple[str, int]:
    """The YAML at the head of a page (empty if there is none), and how many lines it takes with its marks."""
    found = re.match(r"---\n(.*?)^---[ \t]*(?:\n|\Z)", text, re.DOTALL | re.MULTILINE)
    return (found.group(1), found.group().count("\n")) if found else ("", 0)


def parse(text: str) -> PageContent:
    """Read a page."""
    from markdown_it import MarkdownIt

    _, skipped = split_front_matter(text)
    body = "".join(text.splitlines(keepends=True)[skipped:])
    page = PageContent()
    line, level = 1, 0
    reader = MarkdownIt("commonmark").enable("table")
    reader.validateLink = _any_link  # type: ignore[method-assign]
    for token in reader.parse(body):
        if token.map:
            line = token.map[0] + skipped + 1
        if token.type == "heading_open":
            level = int(token.tag[1:])
        elif token.type == "fence":
            page.fences.append(Fence(line=line + 1, info=token.info.strip(), text=token.content))
        elif token.type == "html_block":
            _html(page, token.content, line)
        elif token.type == "inline":
            _inline(page, token, line)
            if level:
                heading = "".join(_plain(token))
                page.headings.append((line, level, heading))
                _anchor(page, heading_id(heading), line, counted=True)
        elif token.type == "heading_close":
            level = 0
    return page


def _any_link(url: str) -> bool:
    """Programs that make pages are less careful than the reader: a link of any scheme is one, and is told."""
    return True


def heading_id(text: str) -> str:
    """The name of a heading's place, as Python-Markdown makes it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def _anchor(page: PageContent, name: str, line: int, *, counted: bool = False) -> None:
    wanted, number = name, 0
    while counted and name in page.anchors:
        number += 1
        name = f"{wanted}_{number}"
    page.anchors[name] = line


def _plain(token: Token) -> Iterator[str]:
    for child in token.children or ():
        if child.type in ("text", "code_inline"):
            yield child.content
        elif child.type in ("softbreak", "hardbreak"):
            yield " "


def _inline(page: PageContent, token: Token, line: int) -> None:
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            line += 1
        elif child.type == "link_open":
            page.links.append(Link(line=line, target=str(child.attrs.get("href", ""))))
        elif child.type == "image":
            words = "".join(part.content for part in child.children or ())
            page.images.append(Image(line=line, source=str(child.attrs.get("src", "")), alternative=words))
        elif child.type == "html_inline":
            _html(page, child.content, line)


def _html(page: PageContent, text: str, line: int) -> None:
    reader = _Tags(page, line)
    reader.feed(text)


class _Tags(HTMLParser):
    """Links, pictures and names in HTML that stands in Markdown."""

    def __init__(self, page: PageContent, line: int) -> None:
        super().__init__()
        self._page, self._first = page, line

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line, given = self._first + self.getpos()[0] - 1, dict(attrs)
        for name in (given.get("id"), given.get("name") if tag == "a" else None):
            if name:
                _anchor(self._page, name, line)
        if tag == "img":
            self._page.images.append(Image(line=line, source=given.get("src") or "", alternative=given.get("alt")))
        elif tag == "a" and given.get("href"):
            self._page.links.append(Link(line=line, target=given["href"] or ""))

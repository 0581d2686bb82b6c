"""Articles of Wikipedia as plain text, tables included: fetched once into a mirror, read from there.

The REST API's HTML is taken, and not the API's own extracts, since those leave tables out. An article is a file of the
mirror, ``wikipedia/<host>/<hash of its title>.json``, with its title, its revision and its text.
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from pytest_slm.core.record import Record, RecordError
from pytest_slm.data.web import get
from pytest_slm.errors import BackendError, SlmError, UsageError, writing_failed
from pytest_slm.files import read_json

SCHEME = "https"
MOST = 24 << 20
"""Bytes of an article's HTML, and of its file in the mirror."""
PATIENCE = 5
"""Articles in a row that cannot be fetched before the rest is left for another time."""
_HOST = re.compile(r"([a-z-]{2,12})(\.m)?\.wikipedia\.org")
_REVISION = re.compile(rb"Special:Redirect/revision/(\d{1,12})")


@dataclass(frozen=True, kw_only=True)
class ArticleLink:
    """An article by its Wikipedia's host and its title, with spaces."""

    host: str
    title: str

    @property
    def name(self) -> str:
        """The article's file in a mirror."""
        return f"wikipedia/{self.host}/{hashlib.sha256(self.title.encode()).hexdigest()[:32]}.json"

    @property
    def url(self) -> str:
        """Where its HTML is."""
        return (
            f"{SCHEME}://{self.host}/api/rest_v1/page/html/{urllib.parse.quote(self.title.replace(' ', '_'), safe='')}"
        )


@dataclass(frozen=True, kw_only=True)
class Article(Record):
    """What a mirror has of an article; ``revision`` is Wikipedia's number, None where it did not tell one."""

    title: str
    text: str
    revision: str | None = None


def link_of(address: str) -> ArticleLink | None:
    """The article that an address is of; None where it is of none, as a search."""
    parts = urllib.parse.urlsplit(address if "://" in address else f"https://{address}")
    found = _HOST.fullmatch(parts.netloc.lower())
    named = urllib.parse.parse_qs(parts.query).get("title", [""])[0]
    title = parts.path.removeprefix("/wiki/") if parts.path.startswith("/wiki/") else named
    title = " ".join(urllib.parse.unquote(title).replace("_", " ").split())
    if found is None or not title or len(title.encode("utf-8", "replace")) > 255 or title.startswith("Special:"):
        return None
    return ArticleLink(host=f"{found[1]}.wikipedia.org", title=title)


def find(mirror: str | None, address: str) -> tuple[str, str] | None:
    """Title and text of an article, by its address; None where the mirror does not have it."""
    link = link_of(address)
    path = None if mirror is None or link is None else Path(mirror) / link.name
    if path is None or not path.is_file():
        return None
    article = read(path)
    return article.title, article.text


def read(path: Path) -> Article:
    """An article of a mirror. Raises BackendError (``articles-broken``) for a file that is none."""
    try:
        return Article.from_json(read_json(path, MOST))
    except (OSError, ValueError, TypeError, RecordError) as error:
        told = f"{path}: no article ({error!s:.200}); remove it and fetch it again with `pytest-slm data pull`"
        raise BackendError(told, slug="articles-broken") from None


def pull(mirror: Path, addresses: Iterable[str], tell: Callable[[str], None]) -> list[SlmError]:
    """Fetch the articles that the mirror does not have; return what failed, after everything else was fetched. One that
    is there is not fetched again."""
    links = [link for link in dict.fromkeys(map(link_of, addresses)) if link is not None]
    wanted = [link for link in links if not (mirror / link.name).is_file()]
    if not wanted:
        tell(f"{len(links)} articles of Wikipedia: there")
        return []
    tell(f"{len(wanted)} articles of Wikipedia to fetch, {len(links) - len(wanted)} are there")
    failed: list[SlmError] = []
    fetched = row = 0
    for number, link in enumerate(wanted):
        try:
            _keep(mirror / link.name, _fetched(link))
            fetched, row = fetched + 1, 0
        except UsageError as error:
            failed.append(error)
            row += 1
            if row == PATIENCE:
                left = len(wanted) - number - 1
                told = f"{PATIENCE} articles in a row could not be fetched: {left} more are left; run the command again"
                failed.append(UsageError(told, slug="articles-pull"))
                break
    tell(f"{len(links)} articles of Wikipedia: {len(links) - len(wanted) + fetched} are there")
    return failed


def _fetched(link: ArticleLink) -> Article:
    data = get(link.url, MOST, slug="articles-pull")
    text = text_of(data.decode("utf-8", "replace"))
    if not text:
        raise UsageError(f"{link.url}: no text in it", slug="articles-pull")
    revision = _REVISION.search(data[:4096])
    return Article(title=link.title, text=text, revision=revision[1].decode() if revision else None)


def _keep(path: Path, article: Article) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".partial")
        part.write_text(json.dumps(article.to_json(), ensure_ascii=False, sort_keys=True), "utf-8")
        part.replace(path)
    except OSError as error:
        raise writing_failed(path, error) from None


SKIPPED = frozenset({"head", "script", "style", "noscript", "figure", "math"})
"""Elements whose text is none of the article's."""
LEFT_OUT = ("navbox", "reference", "noprint", "mw-editsection", "hatnote", "ambox", "metadata")
"""Classes of elements that are about the article, and no part of it."""
BLOCKS = frozenset({"p", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd", "caption", "br", "blockquote"})
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})


class _Text(HTMLParser):
    """Collects the lines of an article; the cells of a row have a bar between them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._open: list[str] = []
        self._count: Counter[str] = Counter()
        self._skip: int | None = None

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        classes = next((value or "" for name, value in attrs if name == "class"), "").split()
        if tag not in VOID:
            self._open.append(tag)
            self._count[tag] += 1
            if self._skip is None and (tag in SKIPPED or any(name in LEFT_OUT for name in classes)):
                self._skip = len(self._open)
        if self._skip is None and tag in BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if not self._count[tag]:
            return
        closed = ""
        while closed != tag:  # what was left open inside ends with it
            closed = self._open.pop()
            self._count[closed] -= 1
        if self._skip is not None and len(self._open) < self._skip:
            self._skip = None
        elif self._skip is None:
            self.parts.append("\n" if tag in BLOCKS else " | " if tag in ("td", "th") else "")

    def handle_data(self, data: str) -> None:
        if self._skip is None:
            self.parts.append(data.replace("\n", " "))


def text_of(html: str) -> str:
    """The lines of an article that are text, tables row by row."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    lines = (" ".join(line.split()).strip("| ") for line in "".join(parser.parts).split("\n"))
    return "\n".join(line for line in lines if line)

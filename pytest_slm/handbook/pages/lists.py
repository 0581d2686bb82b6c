"""What a page of tables is made of."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_slm.handbook.pages.markdown import Md

NOTHING = Md("")


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table with its heading and a sentence before it."""

    title: str
    words: Md
    columns: tuple[str, ...]
    rows: tuple[tuple[Md, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ListPage:
    """A page of tables; ``pages`` leads to its further parts, ``links`` to other lists."""

    head: Md
    title: str
    words: tuple[Md, ...]
    links: tuple[Md, ...]
    tables: tuple[PageTable, ...]
    pages: Md = NOTHING

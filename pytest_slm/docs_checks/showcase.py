"""``{{ showcase }}`` in a page: what others have built, from ``showcase.json`` beside ``docs.toml``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_slm.core.record import Record, RecordError
from pytest_slm.docs_checks.findings import DocsError, Finding
from pytest_slm.docs_checks.tree import Page, Tree
from pytest_slm.files import read_json

PLACE = re.compile(r"\{\{\s*showcase\s*\}\}")
FILE = "showcase.json"
NOBODY = "There is no entry yet."


@dataclass(frozen=True, kw_only=True)
class Entry(Record):
    """Something that runs with a small model; ``measured`` is one thing with its number of cases."""

    title: str
    address: str
    model: str
    by: str
    measured: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9_.~/%?=&#@:+-]*)?", self.address):
            raise ValueError(f"address {self.address!r:.80}: begin it with https://")
        if not all(text.strip() for text in (self.title, self.model, self.by, self.measured)):
            raise ValueError(f"{self.title!r:.80}: title, model, by and measured say something")


@dataclass(frozen=True, kw_only=True)
class Showcase(Record):
    """All of them, in the order of the file."""

    entries: tuple[Entry, ...]


def check_showcase(tree: Tree, page: Page) -> Iterator[Finding]:
    """What is wrong with the file, where the page shows it."""
    if PLACE.search(page.text) and (problem := _read(tree)[1]):
        yield Finding(path=tree.shown(tree.root / FILE), line=1, problem=problem)


def with_showcase(tree: Tree, page: Page, text: str) -> str:
    """The text with the table in its place. Raises DocsError where the file cannot be read."""
    if not PLACE.search(text):
        return text
    found, problem = _read(tree)
    if found is None:
        raise DocsError([Finding(path=tree.shown(tree.root / FILE), line=1, problem=problem)])
    return PLACE.sub(lambda _: _table(found.entries), text)


def _read(tree: Tree) -> tuple[Showcase | None, str]:
    try:
        return Showcase.from_json(read_json(tree.root / FILE)), ""
    except OSError as error:
        return None, f"cannot be read ({error.strerror or error})"
    except (RecordError, ValueError) as error:
        return None, str(error)


def _table(entries: tuple[Entry, ...]) -> str:
    if not entries:
        return NOBODY
    lines = [
        f"| [{_cell(one.title)}]({one.address}) | {_cell(one.model)} | {_cell(one.measured)} | {_cell(one.by)} |"
        for one in entries
    ]
    return "\n".join(["| what | model | measured | by |", "|---|---|---|---|", *lines])


def _cell(text: str) -> str:
    """The text as a cell of a table: nothing in it is Markdown or HTML any more."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_{}\[\]()#+.!|~>-])", r"\\\1", plain)

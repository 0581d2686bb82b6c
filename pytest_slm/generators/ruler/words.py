"""Words by which RULER's keys and lists are made: the lists of the package wonderwords, in one pinned version."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from pytest_slm.errors import NotAvailableError
from pytest_slm.files import read_text

VERSION = "3.0.1"
"""Other versions have other words, and so other tasks."""
_LISTS = ("adjectivelist.txt", "nounlist.txt", "verblist.txt")


@functools.cache
def _lists() -> tuple[Mapping[str, tuple[str, ...]], str]:
    """The lists by name, and their hash. Its files are read, its code is not run."""
    found = importlib.util.find_spec("wonderwords")
    version = importlib.metadata.version("wonderwords") if found else "no version"
    if found is None or found.origin is None or version != VERSION:
        raise NotAvailableError(
            f"ruler: the words are those of wonderwords {VERSION}, and {version} is installed: "
            "pip install 'pytest-slm[ruler]'",
            slug="ruler-words",
        )
    folder = Path(found.origin).parent / "assets"
    texts = {name: read_text(folder / name) for name in _LISTS}
    lists = {name: tuple(line.rstrip() for line in text.splitlines()) for name, text in texts.items()}
    return lists, hashlib.sha256("".join(texts.values()).encode()).hexdigest()


def facts() -> dict[str, str]:
    """Where the words are from, for the report."""
    return {"words": f"wonderwords {VERSION}", "words_sha256": _lists()[1]}


@functools.cache
def adjectives_and_nouns() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both lists, each word once. RULER draws from all six million ``adjective-noun``; no two of them are alike, so
    that an adjective and a noun drawn apart are the same draw."""
    lists, _ = _lists()
    return tuple(dict.fromkeys(lists["adjectivelist.txt"])), tuple(dict.fromkeys(lists["nounlist.txt"]))


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """Nouns, adjectives and verbs, sorted, each once."""
    lists, _ = _lists()
    return tuple(sorted({word for words in lists.values() for word in words}))

"""Refusals in other languages than English, and which languages nobody can judge here.

Of the languages under ``declining`` in ``languages.json`` the usual first sentences of a refusal are known, as patterns
over the text that `reading.plain` gives. A text in a script or language beside them is not judged at all: neither its
refusals nor its answers would be seen. Languages with Latin letters that are not judged are known by their ``words``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_slm.files import read_json

FILE = Path(__file__).with_name("languages.json")
LETTERS = 20
"""Letters from which a text is long enough to ask for its language."""
SIGNS = 3
"""Words by which a language is known."""
_READ = 2_000
# The scripts of the languages that are judged: Latin, Cyrillic, Arabic, Devanagari, Japanese, Chinese, Korean.
_KNOWN = re.compile(
    r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff\u0400-\u04ff\u0600-\u06ff\u0900-\u097f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)


@dataclass(frozen=True, kw_only=True)
class _Languages:
    declining: Mapping[str, re.Pattern[str]]
    words: Mapping[str, frozenset[str]]


@functools.cache
def _languages() -> _Languages:
    told = read_json(FILE)
    return _Languages(
        declining={name: re.compile("|".join(patterns)) for name, patterns in told["declining"].items()},
        words={name: frozenset(words.split()) for name, words in told["words"].items()},
    )


def declining(text: str) -> str | None:
    """The language in which the text, as `reading.plain` gives it, declines; None where no pattern is found."""
    return next((name for name, pattern in _languages().declining.items() if pattern.search(text)), None)


def unknown(text: str) -> str | None:
    """What nobody can judge: the name of the language, or ``script``; None where the text may be in a known one."""
    letters = [letter for letter in text[:_READ] if letter.isalpha()]
    if len(letters) < LETTERS:
        return None
    if sum(_KNOWN.match(letter) is None for letter in letters) * 2 > len(letters):
        return "script"
    words = [word.strip(".,:;!?") for word in text[:_READ].split()]
    counts = {name: sum(word in theirs for word in words) for name, theirs in _languages().words.items()}
    english = counts.pop("en")
    most = max(counts, key=lambda name: counts[name])
    found = counts[most] >= SIGNS and counts[most] > english and counts[most] * 10 >= len(words)
    return most if found else None

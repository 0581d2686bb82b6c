"""The sentences of an answer, and what in each of them its sources do not have: words, numbers, dates, names, quotes.

Nothing here knows what a sentence means. A word counts as supported where its stem stands anywhere in the sources or
in the question; a number where the same value does, in digits or as a word.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

STOP = frozenset(
    "a about above after again against all also am an and another any are as at be because been before being below "
    "between both but by can could did do does doing down during each few for from further given had has have having "
    "he her here hers him his how i if in into is it its itself just may me might more most must my no nor not of off "
    "on once only or other our out over own same shall she should so some such than that the their them then there "
    "these they this those through to too under until up upon us very was we were what when where which while who "
    "whom why will with within without would you your yours "
    "answer answers based brief context following passage passages provided question response".split()
)
"""Words that no source has to have: those of every sentence, and those of every answer by passages."""

NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
}
MONTHS = frozenset("january february march april may june july august september october november december".split())
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:[.,:/]\d+)*")
_SENTENCES = re.compile(r"(?<=[.!?:])\s+(?=\W{0,3}\w)(?![a-z])|\n+")
_CITED = re.compile(r"\(?\bpassages?\s*\d{1,3}(?:\s*(?:,|and|&)\s*\d{1,3})*\)?|\[\d{1,3}\]", re.IGNORECASE)
_ITEM = re.compile(r"\s*(?:\d{1,3}[.)]|[*•-])\s*")
_QUOTE = re.compile(r'"([^"\n]{8,400})"')
_ENDINGS = ("'s", "ies", "ing", "ed", "es", "ly", "er", "s")


@dataclass(frozen=True)
class Word:
    """A word or number of a text, and from where to where it stands there."""

    text: str
    start: int
    end: int

    @cached_property
    def stem(self) -> str:
        """What it is compared by: without ending, a number without its thousands marks."""
        return stem(self.text)

    @property
    def is_number(self) -> bool:
        """Whether it is written in digits."""
        return self.text[0].isdigit()


def stem(word: str) -> str:
    """A word without its commonest English ending, in lower case; numbers in one spelling."""
    word = word.casefold()
    if word[0].isdigit():
        grouped = re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", word)
        return word.replace(",", "") if grouped else word
    if word in NUMBER_WORDS:
        return NUMBER_WORDS[word]
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def words(text: str, offset: int = 0) -> list[Word]:
    """All words and numbers of a text."""
    return [Word(found[0], found.start() + offset, found.end() + offset) for found in _WORD.finditer(text)]


def spans(text: str) -> Iterator[tuple[int, int]]:
    """From where to where each sentence or item of a list stands."""
    place = 0
    for found in [*(match.span() for match in _SENTENCES.finditer(text)), (len(text), len(text))]:
        if text[place : found[0]].strip():
            yield place, found[0]
        place = found[1]


class Sources:
    """What an answer may rest on: the text of the passages, and the question."""

    def __init__(self, passages: str, question: str = "") -> None:
        read = words(passages)
        self.stems = frozenset(word.stem for word in read)
        self.known = self.stems | {word.stem for word in words(question)}
        self.plain = " ".join(word.text.casefold() for word in read)
        content = [word.stem for word in read if word.text.casefold() not in STOP]
        self.pairs = frozenset(itertools.pairwise(content))
        self.sentences = [
            frozenset(word.stem for word in words(passages[start:end]) if word.text.casefold() not in STOP)
            for start, end in spans(passages)
        ]


@dataclass(frozen=True)
class Sentence:
    """A sentence of an answer beside its sources: its content words, and those that the sources do not have."""

    start: int
    end: int
    text: str
    content: tuple[Word, ...]
    missing: tuple[Word, ...]
    sources: Sources

    @property
    def numbers(self) -> list[str]:
        """Numbers that stand in no source; those of dates are apart."""
        return [word.text for word in self.missing if word.is_number and not self._dated(word)]

    @property
    def dates(self) -> list[str]:
        """Months, and years and days beside them, that stand in no source."""
        return [word.text for word in self.missing if self._dated(word)]

    @property
    def names(self) -> list[str]:
        """Words with a capital letter, not at the beginning, that stand in no source."""
        begins = self.content[0].start if self.content else self.start
        return [
            word.text
            for word in self.missing
            if word.text[0].isupper() and word.start > begins and not self._dated(word)
        ]

    @property
    def quotes(self) -> list[str]:
        """What stands in quotation marks, and not in these words in a source."""
        said = (found[1] for found in _QUOTE.finditer(self.text))
        return [one for one in said if " ".join(w.text.casefold() for w in words(one)) not in self.sources.plain]

    @property
    def missing_pairs(self) -> int:
        """Neighbours among its content words that are no neighbours in the sources."""
        stems = [word.stem for word in self.content]
        return sum(pair not in self.sources.pairs for pair in itertools.pairwise(stems))

    @property
    def cover(self) -> float:
        """The share of its content words that one sentence of the sources has, the best one."""
        mine = {word.stem for word in self.content}
        return max((len(mine & theirs) / len(mine) for theirs in self.sources.sentences), default=0.0) if mine else 1.0

    def _dated(self, word: Word) -> bool:
        if word.text.casefold() in MONTHS and word.text[0].isupper():
            return True
        if not word.is_number:
            return False
        if re.fullmatch(r"(?:1[5-9]|20)\d\d", word.text):
            return True
        near = self.text[max(0, word.start - self.start - 12) : word.end - self.start + 12].casefold()
        return word.text.isdigit() and any(month in near for month in MONTHS - {"may"})


def sentences(answer: str, sources: Sources) -> list[Sentence]:
    """The sentences of an answer. What names a passage or numbers a list is no part of what they say."""
    found = []
    for start, end in spans(answer):
        text = answer[start:end]
        said = _CITED.sub(lambda match: " " * len(match[0]), text)
        if item := _ITEM.match(said):
            said = " " * item.end() + said[item.end() :]
        content = tuple(word for word in words(said, start) if word.text.casefold() not in STOP)
        missing = tuple(word for word in content if word.stem not in sources.known)
        found.append(Sentence(start, end, said, content, missing, sources))
    return found

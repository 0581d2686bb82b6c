"""What comes most often: RULER's common words (cwe), of a numbered list, and frequent words (fwe), of a coded text."""

from __future__ import annotations

import math
import random
import string
from collections.abc import Sequence

from pytest_slm.errors import NotAvailableError
from pytest_slm.generators.ruler import templates, words
from pytest_slm.generators.ruler.counting import TextPieces, most
from pytest_slm.generators.ruler.drafts import Length, Text
from pytest_slm.generators.ruler.options import RulerOptions

SHORT = 4096
"""Below so many tokens words come less often: 6 times and once, in the example 3 times and once, of 20 words."""
CHUNK = 128
"""Words that are counted together."""
LETTERS = 6
ZETA_2 = math.pi**2 / 6
"""How often the word of rank k comes is proportional to k**-2; this is the sum of them all."""
DOTS = "..."
"""Stands in the place of the most frequent coded word, as noise."""


class CommonWords:
    """One sample: words in the order in which they are taken, the common ones first."""

    cluster: str | None = None

    def __init__(self, options: RulerOptions, seed: str, length: Length) -> None:
        short = length.tokens < SHORT
        self._often, self._rarely = (6, 1) if short else (options.freq_cw, options.freq_ucw)
        rng, self._seed, self._length, self._n = random.Random(seed), seed, length, options.num_cw
        n_example, often, rarely = (20, 3, 1) if short else (40, 10, 3)
        example = rng.sample(words.vocabulary(), max(n_example, self._n + 1))
        # A number with its full stop and a word are two tokens at least.
        most_words = self._n + length.prompt // (2 * self._rarely) + 2
        self._words = _distinct(f"{seed} words", min(most_words, len(words.vocabulary())))
        shown = self._written(_list(example, self._n, often, rarely, seed))
        answer = _numbered(example[: self._n])
        self._example = f"{shown}{templates.COMMON_WORDS.answer_prefix} {answer}\n"
        self.target: Sequence[str] = self._words[: self._n]
        self.least = self._n + 1

    def fitted(self, room: int, pieces: TextPieces) -> int:
        """As many words as there is room for."""
        size, tokens = self.least, 0
        while size < len(self._words):
            if (size - self.least) % CHUNK == 0:
                pieces.know(f" {word}" for word in self._words[size : size + CHUNK])
            entries = self._entries(size)
            ends = pieces.numbers(entries + self._rarely)
            tokens += self._rarely * pieces[f" {self._words[size]}"] + ends[entries + self._rarely] - ends[entries]
            if tokens > room:
                return size
            size += 1
        if size == len(words.vocabulary()) and room - tokens > self._length.prompt // 10:
            raise NotAvailableError(
                f"cwe: all {size} words of the list do not fill {self._length.tokens} tokens; take a shorter variant",
                slug="ruler-words",
            )
        return size

    def text(self, size: int) -> Text:
        """The example, and a list of so many different words."""
        question = self._written(_list(self._words[:size], self._n, self._often, self._rarely, self._seed))
        prefix = templates.COMMON_WORDS.answer_prefix
        return Text(question=f"{self._example}{question}", answer_prefix=prefix, metadata={})

    def _entries(self, n: int) -> int:
        return self._n * self._often + (n - self._n) * self._rarely

    @staticmethod
    def _written(context: str) -> str:
        return templates.COMMON_WORDS.question.format(context=context)


def _distinct(seed: str, n: int) -> list[str]:
    """So many different words; fewer are the beginning of more."""
    draw, vocabulary = random.Random(seed).random, words.vocabulary()
    found: dict[str, None] = {}
    while len(found) < n:
        found[vocabulary[int(draw() * len(vocabulary))]] = None
    return list(found)


def _list(chosen: Sequence[str], n: int, often: int, rarely: int, seed: str) -> str:
    listed = [*chosen[:n]] * often + [*chosen[n:]] * rarely
    random.Random(f"{seed} order").shuffle(listed)
    return _numbered(listed)


def _numbered(listed: Sequence[str]) -> str:
    return " ".join(f"{number}. {word}" for number, word in enumerate(listed, start=1))


class FrequentWords:
    """One sample: coded words by rank; a size is the number that their shares are taken of."""

    cluster: str | None = None

    def __init__(self, seed: str, length: Length) -> None:
        rng, self._seed, self._length = random.Random(seed), seed, length
        vocabulary: dict[str, None] = {}
        while len(vocabulary) < max(5, length.prompt // 50):
            vocabulary["".join(rng.choices(string.ascii_lowercase, k=LETTERS))] = None
        self._words = [DOTS, *list(vocabulary)[1:]]
        self.target: Sequence[str] = self._words[1:4]
        self.least = self._told_apart()

    def _told_apart(self) -> int:
        """The least size in which the words of the answer come more often than the next."""
        return next(n for n in range(1, 10_000) if self._times(n, 4) > self._times(n, 5))

    @staticmethod
    def _times(size: int, rank: int) -> int:
        return int(size / rank**2 / ZETA_2)

    def _counts(self, size: int) -> list[tuple[str, int]]:
        """The words that come, with how often each does."""
        last = min(len(self._words), int(math.sqrt(size / ZETA_2)) + 1)
        found = ((word, self._times(size, rank)) for rank, word in enumerate(self._words[:last], start=1))
        return [(word, times) for word, times in found if times]

    def fitted(self, room: int, pieces: TextPieces) -> int:
        """The greatest size that there is room for."""
        words = [f" {word}" for word, _ in self._counts(self._length.prompt)]
        pieces.know(words)
        costs = [pieces[word] for word in words]
        squares = [rank**2 for rank in range(1, len(costs) + 1)]

        def tokens(size: int) -> int:
            last = min(len(costs), int(math.sqrt(size / ZETA_2)) + 1)
            return sum(
                int(size / square / ZETA_2) * cost for square, cost in zip(squares[:last], costs[:last], strict=True)
            )

        return most(
            lambda size: tokens(size) - tokens(self.least) <= room, self.least, max(self.least, self._length.prompt)
        )

    def text(self, size: int) -> Text:
        """The coded text of that size."""
        coded = [word for word, times in self._counts(size) for _ in range(times)]
        random.Random(f"{self._seed} order").shuffle(coded)
        question = templates.FREQUENT_WORDS.question.format(context=" ".join(coded))
        return Text(question=question, answer_prefix=templates.FREQUENT_WORDS.answer_prefix, metadata={})

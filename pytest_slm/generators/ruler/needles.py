"""Needles in a haystack: the eight tasks niah_* of RULER."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from itertools import count, cycle, islice

from pytest_slm.generators.ruler import templates, words
from pytest_slm.generators.ruler.counting import NUMBER, Filling, TextPieces
from pytest_slm.generators.ruler.drafts import Text
from pytest_slm.generators.ruler.haystacks import Sentence
from pytest_slm.generators.ruler.options import RulerOptions

DEPTHS = tuple(round(100 * step / 39) for step in range(40))
"""Percent of the sentences before a needle, of which each needle among essays gets another one."""
DEPTHS_TOLD = (0, 25, 50, 75, 100)
LINES = 8
"""Lines that are counted together."""


class Needles:
    """One sample: keys with values, some of which are asked for."""

    cluster: str | None = None
    least = (0, 0)

    def __init__(self, options: RulerOptions, seed: str, hay: Callable[[], Filling]) -> None:
        self._options, self._seed = options, seed
        rng = random.Random(seed)
        n_keys = max(options.num_needle_k, options.num_needle_q)
        found = [
            (
                _drawn(options.type_needle_k, rng),
                [_drawn(options.type_needle_v, rng) for _ in range(options.num_needle_v)],
            )
            for _ in range(n_keys)
        ]
        asked = rng.sample(range(n_keys), options.num_needle_q)
        self.target: Sequence[str] = [value for place in asked for value in found[place][1]]
        self._queries = [found[place][0] for place in asked]
        needles = [(self._needle(key, value), value) for key, values in found for value in values]
        rng.shuffle(needles)
        self._needles = [needle for needle, _ in needles]
        self._asked_for = [value for _, value in needles].index(self.target[0]) if len(self.target) == 1 else None
        self._depths = sorted(rng.sample(DEPTHS, len(needles)))
        self._essays = options.type_haystack == "essay"
        self._filling = hay() if options.type_haystack != "needle" else _lines_like(options, rng, self._needle)

    def _needle(self, key: str, value: str) -> str:
        return templates.NEEDLE.format(type_needle_v=self._options.type_needle_v, key=key, value=value)

    def fitted(self, room: int, pieces: TextPieces) -> tuple[int, int]:
        """As much haystack as there is room for."""
        return self._filling.fitted(room, pieces)

    def text(self, size: tuple[int, int]) -> Text:
        """The prompt with so much haystack."""
        hay, places = self._among_essays(size) if self._essays else self._among_lines(size)
        between = " " if self._essays else "\n"
        parts: list[str] = []
        for start, end, needle in zip([0, *places], places, self._needles, strict=False):
            parts += [*hay[start:end], needle]
        context = between.join([*parts, *hay[places[-1] :]])
        metadata = {}
        if self._asked_for is not None and hay:
            depth = 100 * places[self._asked_for] / len(hay)
            metadata["depth"] = min(DEPTHS_TOLD, key=lambda told: abs(told - depth))
        return Text(**self._written(context), metadata=metadata)

    def _among_essays(self, size: tuple[int, int]) -> tuple[list[str], list[int]]:
        hay = self._filling.joined(size)
        return hay, [int(len(hay) * depth / 100) for depth in self._depths]

    def _among_lines(self, size: tuple[int, int]) -> tuple[list[str], list[int]]:
        """Each needle before another line."""
        hay, n = self._filling.parts(size), len(self._needles)
        rng = random.Random(f"{self._seed} places")
        return hay, sorted(rng.sample(range(len(hay)), n)) if len(hay) >= n else [0] * n

    def _written(self, context: str) -> dict[str, str]:
        *first, last = self._queries
        query = f"{', '.join(first)}, and {last}" if first else last
        question, prefix = templates.NIAH.question, templates.NIAH.answer_prefix
        kind: str = self._options.type_needle_v
        if self._options.num_needle_q * self._options.num_needle_v == 1:
            question, prefix = _singular(question), _singular(prefix)
            kind = kind[:-1]
        return {
            "question": question.format(type_needle_v=kind, context=context, query=query),
            "answer_prefix": prefix.format(type_needle_v=kind, query=query),
        }


def _singular(text: str) -> str:
    """RULER's words where one value is asked for."""
    return text.replace("Some", "A").replace("are all", "is").replace("are", "is")


def _drawn(kind: str, rng: random.Random) -> str:
    if kind == "numbers":
        return str(rng.randint(1_000_000, 9_999_999))
    if kind == "uuids":
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))
    adjectives, nouns = words.adjectives_and_nouns()
    return f"{rng.choice(adjectives)}-{rng.choice(nouns)}"


def essays(sentences: Sequence[Sentence]) -> Filling:
    """The sentences of essays, from the first one again after the last."""
    return Filling(cycle(sentences), lambda some, _pieces: [" " + " ".join(some)])


def _lines_like(options: RulerOptions, rng: random.Random, needle: Callable[[str, str], str]) -> Filling:
    """Lines like the needles, each sample's own."""
    lines = (needle(_drawn(options.type_needle_k, rng), _drawn(options.type_needle_v, rng)) for _ in count())
    cut = _pieces_of_lines if (options.type_needle_k, options.type_needle_v) == ("words", "numbers") else _lines
    return Filling((tuple(islice(lines, LINES)) for _ in count()), cut)


def noise() -> Filling:
    """The same line again and again."""
    return Filling(((templates.NOISE,) for _ in count()), _lines)


def _lines(some: Sequence[str], _pieces: TextPieces) -> list[str]:
    return ["".join(f"\n{line}" for line in some)]


def _pieces_of_lines(some: Sequence[str], pieces: TextPieces) -> list[str]:
    """Lines that are keys of two words with a number each, as pieces that come again in others."""
    if not pieces.even_numbers:
        return _lines(some, pieces)
    found = []
    for line in some:
        before, _, rest = line.partition(" for ")
        adjective, _, noun = rest.rpartition(" is: ")[0].partition("-")
        found += [f"\n{before} for", f" {adjective}", f"-{noun}", " is:", f" {NUMBER}."]
    return found

"""Variables that are given the value of others: RULER's variable tracking (vt), with one chain and one example."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

from pytest_slm.generators.ruler import templates
from pytest_slm.generators.ruler.counting import Filling, TextPieces
from pytest_slm.generators.ruler.drafts import Text
from pytest_slm.generators.ruler.needles import noise
from pytest_slm.generators.ruler.options import RulerOptions

EXAMPLE = 500
"""Tokens of the example at most."""
LEAST_LINES = 5


class AssignmentChain:
    """One sample: an example with three letters a name, and the question with five."""

    cluster: str | None = None

    def __init__(self, options: RulerOptions, seed: str, example_lines: int, filling: Filling) -> None:
        rng = random.Random(seed)
        self._seed, n = seed, options.num_hops + 1
        names, self._example = _names(rng, n, 3), ""
        shown, answer = _written(names, _value(rng), _lines(example_lines, f"{seed} example", names))
        self._example = f"{shown}{answer} {' '.join(names)}\n\n"
        self.target: Sequence[str] = _names(rng, n, 5)
        self._value = _value(rng)
        self._filling = filling
        self.least = (n, 0)

    def fitted(self, room: int, pieces: TextPieces) -> tuple[int, int]:
        """As many lines of noise as there is room for; never fewer than the chain needs places for."""
        lines, _ = self._filling.fitted(room, pieces)
        return self.least[0] + lines, 0

    def text(self, size: tuple[int, int]) -> Text:
        """The example, and the chain among so many lines of noise."""
        names = list(self.target)
        question, prefix = _written(names, self._value, _lines(size[0], f"{self._seed} places", names))
        return Text(question=self._example + question, answer_prefix=prefix, metadata={})


def example_lines(options: RulerOptions, seed: str, pieces: TextPieces) -> int:
    """As many lines of noise as the example has room for, found with the first sample and the same for all."""
    names, least = _names(random.Random(seed), options.num_hops + 1, 3), max(LEAST_LINES, options.num_hops + 1)
    question, prefix = _written(names, "12345", _lines(least, f"{seed} example", names))
    lines, _ = noise().fitted(max(0, EXAMPLE - pieces[question + prefix]), pieces)
    return least + lines


def _names(rng: random.Random, n: int, letters: int) -> list[str]:
    names: dict[str, None] = {}
    while len(names) < n:
        names["".join(rng.choices(string.ascii_uppercase, k=letters))] = None
    return list(names)


def _value(rng: random.Random) -> str:
    return str(rng.randint(10_000, 99_998))


def _lines(n: int, seed: str, names: Sequence[str]) -> list[str | tuple[str, str]]:
    """Lines of noise, with the names of a chain at places of their own, in order: (name, the one before it or none)."""
    lines: list[str | tuple[str, str]] = [templates.NOISE] * n
    places = sorted(random.Random(seed).sample(range(n), len(names)))
    for number, (place, name) in enumerate(zip(places, names, strict=True)):
        lines.insert(place + number, (name, names[number - 1] if number else ""))
    return lines


def _written(names: Sequence[str], value: str, lines: Sequence[str | tuple[str, str]]) -> tuple[str, str]:
    told = [
        line if isinstance(line, str) else f"VAR {line[0]} = {f'VAR {line[1]} ' if line[1] else value}"
        for line in lines
    ]
    template = templates.VARIABLE_TRACKING
    context = "\n".join(told).replace(". \n", ".\n")
    return (
        template.question.format(context=context, query=value),
        template.answer_prefix.format(num_v=len(names), query=value),
    )

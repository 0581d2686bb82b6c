"""Families of questions that take turns: what all generators of calculations have in common."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from pytest_slm.core.types import Sample
from pytest_slm.generators import GeneratorContext

Made = tuple[str, Fraction]
"""A question and its answer."""

Family = Callable[[random.Random, int], Made]
"""Makes one question; the second argument, 1 or more, widens the range of its numbers."""

NAMES = (
    *("Ada", "Ben", "Chen", "Dina", "Emre", "Fatou", "Goran"),
    *("Hana", "Ivo", "Jaya", "Kofi", "Lena", "Mateo", "Nour"),
)
THINGS = ("apples", "books", "coins", "pencils", "stamps", "shells", "cards", "buttons", "marbles", "tickets")

_PATIENCE = 20


def take_turns(
    name: str, families: Mapping[str, Family], instruction: str, context: GeneratorContext
) -> Iterator[Sample]:
    """``context.limit`` samples with ``metadata.family``, no question twice; ``target`` is the answer in digits.

    The families take turns, so every prefix is balanced; ``instruction`` follows every question. A question whose
    answer already stands in its text is thrown away, because a model that only echoes the question would be right.
    """
    rng = random.Random(f"{name} {context.seed}")
    order = list(families)
    seen: set[str] = set()
    for index in range(context.n_samples):
        family = order[index % len(order)]
        question, answer = _fresh(families[family], rng, seen)
        seen.add(question)
        yield Sample(
            id=f"{family}-{index:04d}",
            input=f"{question} {instruction}",
            target=str(answer),
            metadata={"family": family},
        )


def _fresh(family: Family, rng: random.Random, seen: set[str]) -> Made:
    """A question that was not asked yet; when a range is used up it grows, so that the family never ends."""
    tries = 0
    while True:
        question, answer = family(rng, 1 + tries // _PATIENCE)
        tries += 1
        echoed = str(abs(answer)) in re.findall(r"\d+", question)
        if question not in seen and not echoed and answer.denominator == 1:
            return question, answer

"""Arithmetic questions without end, made from a seed: nothing to download, and no training set can hold them.

Six families take turns, so every prefix is balanced. Answers are whole numbers, computed exactly. A question whose
answer already stands in its text is thrown away, because a model that only echoes the question would be right.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from fractions import Fraction

from pytest_slm.core.types import Sample
from pytest_slm.generators import Generator, GeneratorContext
from pytest_slm.generators.families import NAMES, THINGS, Family, Made, take_turns

_WITH_NUMBER_ONLY = "Answer with the number only."


def generate(context: GeneratorContext) -> Iterator[Sample]:
    """``context.limit`` samples with ``metadata.family``, no question twice; ``target`` is the answer in digits."""
    return take_turns("arithmetic", FAMILIES, _WITH_NUMBER_ONLY, context)


def _add(rng: random.Random, size: int) -> Made:
    a, b = rng.randint(2, 99 * size), rng.randint(2, 99 * size)
    return f"What is {a} + {b}?", Fraction(a + b)


def _subtract(rng: random.Random, size: int) -> Made:
    b = rng.randint(2, 90 * size)
    a = b + rng.randint(1, 90 * size)
    return f"What is {a} - {b}?", Fraction(a - b)


def _multiply(rng: random.Random, size: int) -> Made:
    a, b = rng.randint(2, 12 * size), rng.randint(2, 12 * size)
    return f"What is {a} times {b}?", Fraction(a * b)


def _divide(rng: random.Random, size: int) -> Made:
    divisor, quotient = rng.randint(2, 12 * size), rng.randint(2, 12 * size)
    return f"What is {divisor * quotient} divided by {divisor}?", Fraction(divisor * quotient, divisor)


def _percent(rng: random.Random, size: int) -> Made:
    share = rng.choice((5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 90))
    whole = 20 * rng.randint(1, 25 * size)
    return f"What is {share}% of {whole}?", Fraction(share * whole, 100)


def _word_problem(rng: random.Random, size: int) -> Made:
    name, other = rng.sample(NAMES, 2)
    things = rng.choice(THINGS)
    a, b = rng.randint(5, 30 * size), rng.randint(2, 20 * size)
    c = rng.randint(2, 9)
    template = rng.randrange(4)
    if template == 0:
        few = rng.randint(1, a - 1)
        text = f"{name} has {a} {things}, gives {few} to {other} and then finds {b} more."
        return f"{text} How many {things} does {name} have now?", Fraction(a - few + b)
    if template == 1:
        text = f"{name} buys {c} boxes with {b} {things} in each box and already has {a} {things} at home."
        return f"{text} How many {things} does {name} have in all?", Fraction(a + b * c)
    if template == 2:
        text = f"{name} puts {a * c} {things} into {c} bags, the same number into each. {other} adds {b} to one bag."
        return f"{text} How many {things} are in that bag now?", Fraction(a * c, c) + b
    text = f"{name} has {a} {things}. {other} has {b} more than {name}."
    return f"{text} How many {things} do they have together?", Fraction(a + (a + b))


FAMILIES: Mapping[str, Family] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "percent": _percent,
    "word_problem": _word_problem,
}
"""How to make a question of each kind."""


ARITHMETIC = Generator(make=generate)

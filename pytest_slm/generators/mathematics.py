"""School mathematics without end, made from a seed: equations, fractions, sequences, rates, stories and more.

Fourteen families take turns. The answer is chosen or computed exactly and is a whole number; every rule that a question
needs is in its text, so that "which number comes next" has one answer. Numbers are small enough for a few steps in the
head: what is asked for is the way, not the calculating.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_slm.core.types import Sample
from pytest_slm.generators import Generator, GeneratorContext, numbers, quantities
from pytest_slm.generators.families import Family, take_turns

_WITH_STEPS = 'Think in short steps. End with "Answer:" and the number.'

FAMILIES: Mapping[str, Family] = {
    "equation": numbers.equation,
    "story": quantities.story,
    "fraction": numbers.fraction,
    "time": quantities.time,
    "sequence": numbers.sequence,
    "units": quantities.units,
    "percentage": numbers.percentage,
    "rate": quantities.rate,
    "divisors": numbers.divisors,
    "geometry": quantities.geometry,
    "expression": numbers.expression,
    "average": quantities.average,
    "two_numbers": numbers.two_numbers,
    "ratio": quantities.ratio,
}
"""How to make a question of each kind."""


def generate(context: GeneratorContext) -> Iterator[Sample]:
    """``context.limit`` samples with ``metadata.family``, no question twice; ``target`` is the answer in digits."""
    return take_turns("mathematics", FAMILIES, _WITH_STEPS, context)


MATHEMATICS = Generator(make=generate)

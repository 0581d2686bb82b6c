"""Questions about numbers alone. Each function makes one of several kinds, with its answer."""

from __future__ import annotations

import math
import random
from fractions import Fraction

from pytest_slm.generators.families import Made


def equation(rng: random.Random, size: int) -> Made:
    """A linear equation whose solution was chosen first."""
    x = rng.choice([-1, 1, 1]) * rng.randint(2, 15 * size)
    a, b, d = rng.randint(3, 9), rng.randint(1, 20 * size), rng.randint(2, 8)
    kind = rng.randrange(4)
    if kind == 0:
        written = f"{a}x + {b} = {a * x + b}"
    elif kind == 1:
        written = f"{a}x - {b} = {a * x - b}"
    elif kind == 2:
        written = f"{a}(x + {b}) = {a * (x + b)}"
    else:
        written = f"{a + d}x + {b} = {a}x + {d * x + b}".replace("+ -", "- ")
    return f"Solve the equation {written}. What is x?", Fraction(x)


def two_numbers(rng: random.Random, size: int) -> Made:
    """Two unknown numbers, given by two facts."""
    small = rng.randint(2, 30 * size)
    kind = rng.randrange(4)
    if kind < 2:
        large = small + rng.randint(1, 30 * size)
        wanted, answer = ("larger", large) if kind else ("smaller", small)
        facts = f"The sum of two numbers is {small + large}, and their difference is {large - small}."
        return f"{facts} What is the {wanted} number?", Fraction(answer)
    times = rng.randint(2, 6)
    if kind == 2:
        facts = f"One number is {times} times as large as another. Together they make {small * (times + 1)}."
        return f"{facts} What is the smaller number?", Fraction(small)
    more = rng.randint(2, 20)
    facts = f"If a number is multiplied by {times} and then {more} is added, the result is {small * times + more}."
    return f"{facts} What is the number?", Fraction(small)


def fraction(rng: random.Random, size: int) -> Made:
    """A part of a whole, a whole from its part, or a sum over a common denominator."""
    below = rng.choice((3, 4, 5, 6, 8, 10, 12))
    above = rng.choice([n for n in range(1, below) if math.gcd(n, below) == 1])
    whole = below * rng.randint(2, 12 * size)
    part = whole * above // below
    kind = rng.randrange(4)
    if kind == 0:
        return f"What is {above}/{below} of {whole}?", Fraction(part)
    if kind == 1:
        return f"{above}/{below} of a number is {part}. What is the number?", Fraction(whole)
    if kind == 2:
        return f"Of {whole} seats, {above}/{below} are taken. How many seats are free?", Fraction(whole - part)
    other_below = rng.choice([n for n in (2, 3, 4, 5, 6, 7, 8, 9, 10) if n != below])
    other_above = rng.randint(1, other_below - 1)
    common = math.lcm(below, other_below) * rng.randint(1, size)
    total = (Fraction(above, below) + Fraction(other_above, other_below)) * common
    sum_ = f"{above}/{below} + {other_above}/{other_below}"
    return f"Write {sum_} as one fraction with the denominator {common}. What is its numerator?", total


def sequence(rng: random.Random, size: int) -> Made:
    """A sequence with its rule in words."""
    first, step = rng.randint(1, 15 * size), rng.randint(2, 9)
    kind = rng.randrange(5)
    if kind == 0:
        place = rng.randint(8, 15 * size)
        shown = ", ".join(str(first + step * n) for n in range(4))
        rule = f"The sequence {shown} goes on by adding the same number each time."
        return f"{rule} What is its {_ordinal(place)} number?", Fraction(first + step * (place - 1))
    if kind == 1:
        factor = rng.randint(2, 4)
        shown = ", ".join(str(first * factor**n) for n in range(4))
        rule = f"The sequence {shown} goes on by multiplying by the same number each time."
        return f"{rule} What is its next number?", Fraction(first * factor**4)
    if kind == 2:
        terms = [first, first + step]
        while len(terms) < 6:
            terms.append(terms[-1] + terms[-2])
        shown = ", ".join(map(str, terms[:5]))
        rule = f"In the sequence {shown}, each number from the third on is the sum of the two before it."
        return f"{rule} What is its next number?", Fraction(terms[5])
    if kind == 3:
        growth = rng.randint(1, 5)
        terms = [first + step * n + growth * n * (n - 1) // 2 for n in range(6)]
        shown = ", ".join(map(str, terms[:5]))
        rule = f"In the sequence {shown}, the difference between neighbours grows by {growth} each time."
        return f"{rule} What is its next number?", Fraction(terms[5])
    factor, term = rng.randint(2, 3), first
    for _ in range(3):
        term = factor * term + step
    rule = f"A sequence begins with {first}. Each number after it is {factor} times the one before it, plus {step}."
    return f"{rule} What is the fourth number?", Fraction(term)


def percentage(rng: random.Random, size: int) -> Made:
    """A changed price, a share in percent, a whole from its part, or what is left."""
    share = rng.choice((5, 10, 15, 20, 25, 30, 40, 60, 75, 80))
    whole = 20 * rng.randint(1, 15 * size)
    part = Fraction(share * whole, 100)
    kind = rng.randrange(5)
    if kind == 0:
        return f"A price of {whole} euros rises by {share} %. What is the new price in euros?", whole + part
    if kind == 1:
        return f"A price of {whole} euros is lowered by {share} %. What is the new price in euros?", whole - part
    if kind == 2:
        return f"{part} of {whole} pupils walk to school. How many percent of the pupils is that?", Fraction(share)
    if kind == 3:
        text = f"After a discount of {share} %, a coat costs {whole - part} euros. What did it cost before, in euros?"
        return text, Fraction(whole)
    return f"Of {whole} members of a club, {share} % are children. How many members are not children?", whole - part


def divisors(rng: random.Random, size: int) -> Made:
    """Common divisors and multiples, remainders, and counting multiples."""
    common, a, b = rng.randint(2, 12 * size), rng.randint(2, 9), rng.randint(2, 9)
    kind = rng.randrange(4)
    if kind == 0:
        one, other = common * a, common * b
        text = f"What is the greatest number that divides both {one} and {other} without remainder?"
        return text, Fraction(math.gcd(one, other))
    if kind == 1:
        one, other = a + rng.randint(1, 4 * size), b + rng.randint(5, 9)
        text = f"What is the smallest whole number above zero that both {one} and {other} divide without remainder?"
        return text, Fraction(math.lcm(one, other))
    if kind == 2:
        number, divisor = rng.randint(30, 200 * size), rng.randint(4, 15)
        return f"What is the remainder when {number} is divided by {divisor}?", Fraction(number % divisor)
    top, divisor = rng.randint(30, 150 * size), rng.randint(3, 12)
    text = f"How many of the whole numbers from 1 to {top} are divisible by {divisor}?"
    return text, Fraction(top // divisor)


def expression(rng: random.Random, size: int) -> Made:
    """A sum that needs the order of operations."""
    a, b, c, d = (rng.randint(2, 9 + 3 * size) for _ in range(4))
    kind = rng.randrange(5)
    if kind == 0:
        return f"What is {a} + {b} × {c} - {d}?", Fraction(a + b * c - d)
    if kind == 1:
        return f"What is ({a} + {b}) × {c} - {d}?", Fraction((a + b) * c - d)
    if kind == 2:
        return f"What is {a} × {b} - {c} × {d}?", Fraction(a * b - c * d)
    if kind == 3:
        return f"What is {a * b} ÷ {a} + {c} × {d}?", Fraction(b + c * d)
    return f"What is ({a} - {b}) × ({c} + {d})?", Fraction((a - b) * (c + d))


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"

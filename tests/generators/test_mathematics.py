"""Every generated question is solved a second time, from its text alone and by other means than it was made with."""

from __future__ import annotations

import ast
import operator
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count, islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slm.core.types import Generation, Sample
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.mathematics import FAMILIES, generate
from pytest_slm.scorers.number import number

Contexts = Callable[..., GeneratorContext]
N = r"(-?\d+)"
F = r"(\d+)/(\d+)"


def value(expression: str, x: int = 0) -> Fraction:
    """A written sum, by Python's own grammar: 3x, 2(x + 1), × and ÷ are understood."""
    signs = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
    expression = re.sub(r"(\d)(?=[x(])", r"\1*", expression.replace("×", "*").replace("÷", "/"))

    def walk(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return Fraction(signs[type(node.op)](walk(node.left), walk(node.right)))
        if isinstance(node, ast.UnaryOp):
            return -walk(node.operand)
        if isinstance(node, ast.Name):
            return Fraction(x)
        assert isinstance(node, ast.Constant)
        return Fraction(int(str(node.value)))

    return walk(ast.parse(expression, mode="eval").body)


def whole(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def first(found: Iterator[int]) -> int:
    return next(found)


def clock(text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    return sum(60 for _ in range(hours)) + minutes


def equation(left: str, right: str) -> int:
    (only,) = [x for x in range(-400, 401) if value(left, x) == value(right, x)]
    return only


def grown(shown: str, growth: str) -> int:
    terms = whole(shown)
    steps = [b - a for a, b in pairwise(terms)]
    assert {b - a for a, b in pairwise(steps)} == {int(growth)}
    return terms[-1] + steps[-1] + int(growth)


def geometric(shown: str) -> Fraction:
    terms = whole(shown)
    (factor,) = {Fraction(b, a) for a, b in pairwise(terms)}
    return terms[-1] * factor


def arithmetic(shown: str, place: str) -> int:
    terms = whole(shown)
    (step,) = {b - a for a, b in pairwise(terms)}
    return next(islice(count(terms[0], step), int(place) - 1, None))


def bus(start: int, off: int, on: int, off2: int) -> int:
    people = ["old"] * start
    del people[:off]
    people += ["new"] * on
    del people[:off2]
    return len(people) + off2 * 2


def weeks(has: int, weekly: int, price: int) -> int:
    return first(week for week in count() if has + sum([weekly] * week) >= price)


SOLUTIONS: dict[str, Callable[..., object]] = {
    r"Solve the equation (.+) = (.+)\. What is x\?": equation,
    rf"The sum of two numbers is {N}, and their difference is {N}\. What is the (larger|smaller) number\?": (
        lambda s, d, which: first(
            b if which == "larger" else a for a in range(int(s) + 1) for b in (int(s) - a,) if b - a == int(d)
        )
    ),
    rf"One number is {N} times as large as another\. Together they make {N}\. What is the smaller number\?": (
        lambda t, s: first(n for n in count() if n + n * int(t) == int(s))
    ),
    rf"If a number is multiplied by {N} and then {N} is added, the result is {N}\. What is the number\?": (
        lambda t, m, r: first(n for n in count() if n * int(t) + int(m) == int(r))
    ),
    rf"What is {F} of {N}\?": lambda a, b, n: Fraction(n) * int(a) / int(b),
    rf"{F} of a number is {N}\. What is the number\?": (
        lambda a, b, n: first(w for w in count() if w * int(a) == int(n) * int(b))
    ),
    rf"Of {N} seats, {F} are taken\. How many seats are free\?": (
        lambda n, a, b: Fraction(n) * (1 - Fraction(f"{a}/{b}"))
    ),
    rf"Write {F} \+ {F} as one fraction with the denominator {N}\. What is its numerator\?": (
        lambda a, b, c, d, n: first(
            k for k in count() if k * int(b) * int(d) == (int(a) * int(d) + int(c) * int(b)) * int(n)
        )
    ),
    r"The sequence ([\d, ]+) goes on by adding .* What is its (\d+)(?:st|nd|rd|th) number\?": arithmetic,
    r"The sequence ([\d, ]+) goes on by multiplying .* What is its next number\?": geometric,
    r"In the sequence ([\d, ]+), each number from the third on is the sum .* What is its next number\?": (
        lambda shown: sum(whole(shown)[-2:])
    ),
    r"In the sequence ([\d, ]+), the difference between neighbours grows by (\d+) each time\. .*": grown,
    rf"A sequence begins with {N}\. Each number after it is {N} times the one before it, plus {N}\. .* fourth .*": (
        lambda a, f, s: value(f"(({a}*{f}+{s})*{f}+{s})*{f}+{s}")
    ),
    rf"A price of {N} euros rises by {N} %\. .*": lambda w, s: Fraction(w) * (100 + int(s)) / 100,
    rf"A price of {N} euros is lowered by {N} %\. .*": lambda w, s: Fraction(w) * (100 - int(s)) / 100,
    rf"{N} of {N} pupils walk to school\. How many percent of the pupils is that\?": (
        lambda p, w: Fraction(100 * int(p), int(w))
    ),
    rf"After a discount of {N} %, a coat costs {N} euros\. .*": (
        lambda s, p: first(w for w in count() if w * (100 - int(s)) == 100 * int(p))
    ),
    rf"Of {N} members of a club, {N} % are children\. .*": lambda w, s: Fraction(w) * (100 - int(s)) / 100,
    rf"What is the greatest number that divides both {N} and {N} without remainder\?": (
        lambda a, b: max(d for d in range(1, int(a) + 1) if not int(a) % d and not int(b) % d)
    ),
    rf"What is the smallest whole number above zero that both {N} and {N} divide without remainder\?": (
        lambda a, b: first(m for m in count(int(a), int(a)) if not m % int(b))
    ),
    rf"What is the remainder when {N} is divided by {N}\?": lambda a, b: first(
        r for r in range(int(b)) if (int(a) - r) / int(b) == (int(a) - r) // int(b)
    ),
    rf"How many of the whole numbers from 1 to {N} are divisible by {N}\?": (
        lambda t, d: sum(1 for n in range(1, int(t) + 1) if n % int(d) == 0)
    ),
    r"What is ([\d+×÷ ()-]+)\?": value,
    rf"\w+ buys {N} pens for {N} euros each and {N} bags for {N} euros each, and pays with {N} euros\. .*": (
        lambda a, p, b, q, paid: int(paid) - sum([int(p)] * int(a) + [int(q)] * int(b))
    ),
    rf"A bus sets out with {N} people\. At the first stop {N} get off and {N} get on\. "
    rf"At the second stop {N} get off, and twice as many as that get on\. .*": lambda *n: bus(*map(int, n)),
    rf"\w+ has {N} euros and saves {N} euros every week for a bike that costs {N} euros\. .*": (
        lambda *n: weeks(*map(int, n))
    ),
    rf"A box holds {N} \w+\. How many boxes does \w+ need for {N} \w+\?": (
        lambda holds, n: len(range(0, int(n), int(holds)))
    ),
    rf"A hall has {N} rows with {N} seats each\. {N} seats are taken\. .*": (
        lambda r, s, t: len([1 for _ in range(int(r)) for _ in range(int(s))]) - int(t)
    ),
    rf"\w+ gives {N} \w+ to each of {N} friends, loses {N} and has {N} left\. .*": (
        lambda a, c, b, left: sum([int(a)] * int(c), int(b) + int(left))
    ),
    r"How many minutes are there from ([\d:]+) to ([\d:]+) on the same day\?": lambda a, b: clock(b) - clock(a),
    rf"A film begins at ([\d:]+) and lasts {N} minutes\. How many minutes after ([\d:]+) does it end\?": (
        lambda a, lasts, b: clock(a) + int(lasts) - clock(b)
    ),
    rf"A machine needs {N} h {N} min for one part\. How many minutes does it need for {N} parts\?": (
        lambda h, m, n: sum([int(h) * 60 + int(m)] * int(n))
    ),
    rf"A clock loses {N} seconds every {N} hours\. How many seconds does it lose in {N} days\?": (
        lambda s, h, d: int(s) * len(range(0, 24 * int(d), int(h)))
    ),
    rf"How many metres are {N} km and {N} m together\?": lambda a, b: Fraction(a) * 1000 + int(b),
    rf"How many cups of {N} ml can be filled from a can of {N} litres\?": (
        lambda c, b: len(range(0, 1000 * int(b), int(c)))
    ),
    rf"One jar weighs {N} g, and its box weighs {N} g\. How many grams do the box and {N} jars weigh\?": (
        lambda g, box, n: sum([int(g)] * int(n), int(box))
    ),
    rf"From a rope of {N} m, {N} pieces of {N} cm are cut\. How many centimetres of rope are left\?": (
        lambda b, n, piece: 100 * int(b) - sum([int(piece)] * int(n))
    ),
    rf"How many seconds are {N} minutes and {N} seconds together\?": lambda m, s: sum([60] * int(m), int(s)),
    rf"A car drives at a steady {N} km/h\. How many kilometres does it drive in {N} minutes\?": (
        lambda v, m: Fraction(v) * Fraction(int(m), 60)
    ),
    rf"Somebody cycles {N} km at a steady {N} km/h\. How many minutes does that take\?": (
        lambda n, v: 60 * Fraction(n) / int(v)
    ),
    rf"{N} kg of nuts cost {N} euros\. At the same price, how many euros do {N} kg cost\?": (
        lambda a, p, b: Fraction(p) / int(a) * int(b)
    ),
    rf"One machine makes {N} parts a minute, another {N}\. They start together\. After how many minutes have they made "
    rf"{N} parts in all\?": lambda a, b, n: len(range(0, int(n), int(a) + int(b))),
    rf"A rectangle has a perimeter of {N} cm, and one of its sides is {N} cm long\. .*": (
        lambda p, a: int(a) * first(b for b in count() if 2 * int(a) + 2 * b == int(p))
    ),
    rf"A rectangle has an area of {N} square centimetres, and one of its sides is {N} cm long\. .*": (
        lambda area, a: 2 * int(a) + 2 * first(b for b in count() if int(a) * b == int(area))
    ),
    rf"What is the area in square metres of a square with a perimeter of {N} m\?": (
        lambda p: first(side for side in count() if 4 * side == int(p)) ** 2
    ),
    rf"A box is {N} cm long, {N} cm wide and {N} cm high\. .*": lambda a, b, c: value(f"{a}×{b}×{c}"),
    rf"Two angles of a triangle are {N} and {N} degrees\. .*": (
        lambda a, b: first(c for c in count() if int(a) + int(b) + c == 180)
    ),
    r"What is the average of ([\d, and]+)\?": lambda listed: Fraction(sum(whole(listed)), len(whole(listed))),
    rf"The average of {N} numbers is {N}\. All but one of them are ([\d, and]+)\. .*": (
        lambda n, mean, listed: first(
            x for x in count(-2000) if len(whole(listed)) + 1 == int(n) and sum(whole(listed), x) == int(n) * int(mean)
        )
    ),
    rf"The average of {N} numbers is {N}\. Each of the numbers is made greater by {N}\. .*": (
        lambda n, mean, more: sum([int(mean) + int(more)] * int(n))
    ),
    rf"(\w+) and \w+ share {N} euros in the ratio {N} to {N}\. How many euros does (\w+) get\?": (
        lambda one, total, a, b, who: Fraction(total) / (int(a) + int(b)) * (int(a) if who == one else int(b))
    ),
    rf"A recipe for {N} people takes {N} g of flour\. How many grams does it take for {N} people\?": (
        lambda a, g, b: Fraction(g) / int(a) * int(b)
    ),
    rf"On a map, 1 cm stands for {N} cm\. Two towers are {N} cm apart on the map\. How many metres apart are they\?": (
        lambda scale, n: Fraction(scale) / 100 * int(n)
    ),
}  # fmt: skip


def question(sample: Sample) -> str:
    text, _, _ = str(sample.input).partition(" Think in short steps.")
    return text


def solve(text: str) -> tuple[str, object]:
    """The pattern that fits the question, and the solution by it. Exactly one fits."""
    ((pattern, groups),) = [(p, m.groups()) for p in SOLUTIONS if (m := re.fullmatch(p, text))]
    return pattern, SOLUTIONS[pattern](*groups)


@pytest.fixture(scope="module")
def samples(context: Contexts) -> list[Sample]:
    return list(generate(context(len(FAMILIES) * 60)))


def test_every_kind_of_question_comes_and_is_solved(samples: list[Sample]) -> None:
    solved = Counter()
    for sample in samples:
        pattern, answer = solve(question(sample))
        assert answer == Fraction(sample.target), sample
        solved[pattern] += 1
    assert set(solved) == set(SOLUTIONS)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_the_target_is_the_solution_whatever_the_seed(seed: int) -> None:
    context = GeneratorContext(options={}, variant={}, limit=3 * len(FAMILIES), seed=seed, count_tokens=len)
    for sample in generate(context):
        assert solve(question(sample))[1] == Fraction(sample.target), sample


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**9), size=st.integers(1, 6))
@pytest.mark.parametrize("family", FAMILIES)
def test_greater_numbers_are_right_too(family: str, seed: int, size: int) -> None:
    text, answer = FAMILIES[family](random.Random(seed), size)
    if answer.denominator == 1:
        assert solve(text)[1] == answer, text


def test_families_take_turns(samples: list[Sample]) -> None:
    assert [sample.metadata["family"] for sample in samples[: len(FAMILIES)]] == list(FAMILIES)
    assert set(Counter(sample.metadata["family"] for sample in samples).values()) == {60}


def test_no_question_comes_twice_and_a_family_does_not_run_out(context: Contexts) -> None:
    asked = [sample.input for sample in generate(context(len(FAMILIES) * 400))]
    assert len(set(asked)) == len(asked)


def test_echoing_the_question_scores_nothing(samples: list[Sample]) -> None:
    for sample in samples:
        for echo in (str(sample.input), question(sample)):
            assert number(sample, Generation(text=echo, n_prompt=1, n_output=1, finish="stop")).value == 0, sample


def test_no_constant_number_is_often_right(samples: list[Sample]) -> None:
    (_, often), *_ = Counter(sample.target for sample in samples).most_common(1)
    assert often <= 0.04 * len(samples)


def test_an_answer_in_the_asked_form_is_right(samples: list[Sample]) -> None:
    for sample in samples:
        text = f"First 17 and 4 make 21.\nAnswer: {sample.target}"
        assert number(sample, Generation(text=text, n_prompt=1, n_output=1, finish="stop")).value == 1, sample

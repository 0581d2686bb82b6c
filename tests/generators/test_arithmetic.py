"""Arithmetic questions are balanced, all different, and each has one right answer that is not in its text."""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slm.core.types import Generation, Sample
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.arithmetic import FAMILIES, generate
from pytest_slm.scorers.number import number

Contexts = Callable[..., GeneratorContext]

SIGNS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "times": operator.mul,
    "divided by": operator.truediv,
    "% of": lambda share, whole: share * whole / 100,
}


@pytest.fixture(scope="module")
def samples(context: Contexts) -> list[Sample]:
    return list(generate(context(600)))


def test_families_take_turns(samples: list[Sample]) -> None:
    assert set(Counter(sample.metadata["family"] for sample in samples).values()) == {100}
    assert [sample.metadata["family"] for sample in samples[:6]] == list(FAMILIES)


def test_no_question_comes_twice(samples: list[Sample]) -> None:
    assert len({sample.input for sample in samples}) == len(samples)


def test_the_answer_is_not_in_the_question(samples: list[Sample]) -> None:
    # "What is 16 / 4?" echoed back ends with 4, which would be right.
    assert not [s for s in samples if s.target in re.findall(r"\d+", str(s.input))]


def test_echoing_the_question_scores_nothing(samples: list[Sample]) -> None:
    echoes = [Generation(text=str(s.input), n_prompt=1, n_output=1, finish="stop") for s in samples]
    assert sum(number(s, echo).value or 0 for s, echo in zip(samples, echoes, strict=True)) == 0


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_the_written_sum_has_the_target_as_its_value(seed: int) -> None:
    context = GeneratorContext(options={}, variant={}, limit=60, seed=seed, count_tokens=len)
    for sample in generate(context):
        match = re.match(r"What is (\d+) ?(\+|-|times|divided by|% of) (\d+)\?", str(sample.input))
        if sample.metadata["family"] == "word_problem":
            assert match is None
        else:
            assert match is not None
            assert SIGNS[match[2]](Fraction(match[1]), Fraction(match[3])) == Fraction(sample.target)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (r"\w+ has (\d+) \w+, gives (\d+) to \w+ and then finds (\d+) more\.", "{0} - {1} + {2}"),
        (r"\w+ buys (\d+) boxes with (\d+) \w+ in each box and already has (\d+) ", "{0} * {1} + {2}"),
        (r"\w+ puts (\d+) \w+ into (\d+) bags, the same number into each\. \w+ adds (\d+) ", "{0} // {1} + {2}"),
        (r"\w+ has (\d+) \w+\. \w+ has (\d+) more than \w+\.", "2 * {0} + {1}"),
    ],
)
def test_word_problems_have_the_value_of_their_story(samples: list[Sample], pattern: str, value: str) -> None:
    told = [(match, s) for s in samples if (match := re.match(pattern, str(s.input)))]
    assert len(told) > 5
    for match, sample in told:
        assert str(_value(value.format(*match.groups()))) == sample.target


def _value(expression: str) -> int:
    signs = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv}

    def walk(node: ast.expr) -> int:
        if isinstance(node, ast.BinOp):
            return int(signs[type(node.op)](walk(node.left), walk(node.right)))
        assert isinstance(node, ast.Constant)
        return int(str(node.value))

    return walk(ast.parse(expression, mode="eval").body)


def test_answers_are_whole_and_not_negative(samples: list[Sample]) -> None:
    assert all(sample.target.isdigit() for sample in samples)


def test_a_family_does_not_run_out(context: Contexts) -> None:
    # There are only 121 divisions with numbers up to 12; then the numbers grow.
    assert len({sample.input for sample in generate(context(6 * 300))}) == 6 * 300

"""Numbers are compared as numbers, and the right one of several is taken."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.errors import UsageError
from pytest_slm.scorers.number import NumberOptions, answered, number

Scoring = Callable[..., Verdict]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("25", "25"),
        (25, "25."),
        ("3", "3.0"),
        ("1234", "1,234"),
        ("1234567.5", "1,234,567.50"),
        ("-3", "−3"),  # the typographic minus sign
        ("-3", "The result is -3 degrees."),
        ("0.5", ".5"),
        ("12", "$12"),
        ("-5", "-$5"),
        ("12", "12 apples"),
        ("12", "12km"),
        ("40", "40%"),
        ("7", "3 + 4 = 7"),
        ("3", "10-3"),  # a difference, not minus three
        ("3", "(10)-3"),
        ("12", "So she has 20 - 8 = **12** apples left."),
    ],
)
def test_the_right_number_is_right(score: Scoring, target: object, text: str) -> None:
    assert score(number, target, text).value == 1.0


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("5", "25"),  # "25" ends with "5" as a string, but 25 is not 5 as a number
        ("25", "5"),
        ("25", "2.5"),
        ("25", "-25"),
        ("1234", "1,23"),
        ("5", "12345"),
        ("3", "3.01"),
    ],
)
def test_another_number_is_wrong(score: Scoring, target: object, text: str) -> None:
    assert score(number, target, text).value == 0.0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The answer is 12, because 5 + 7 makes 12 and not 13", "12"),
        ("Answer: 3 + 4 = 7", "7"),  # a sum is not yet a declaration
        ("The answer is 34 + 4 = 38", "38"),
        ("Answer: 24 hours - 8 hours = 16 hours", "16"),  # nor with units
        ("Answer: 3 boxes + 4 boxes = 7 boxes", "7"),
        ("Answer: 3 x 4 = 12", "12"),
        ("Answer: 12 apples, not 7", "12"),
        ("**Answer**: 42 (since 40 + 2)", "42"),
        ("The answer is **9**.", "9"),
        ("#### 18", "18"),
        ("First 5, so \\boxed{18} of 20", "18"),
        ("The answer is 4. No, the answer is 6.", "6"),
        ("12\n\nExplanation: 5 + 7", "12"),  # alone on the first line
        ("12 red apples\n5 + 7", "12"),
        ("5 + 7\n12", "12"),
        ("The answer is not 4 but 6", "6"),
        ("It is 59:\n1. Add 12.\n2. Add nothing more.", "12"),  # what numbers a list is no answer
        ("The total:\n12.", "12"),
        ("no digits at all", None),
    ],
)
def test_a_declared_number_goes_before_one_alone_before_the_last(text: str, found: str | None) -> None:
    assert answered(text) == found


def test_words_without_a_number_are_wrong_and_say_so(score: Scoring) -> None:
    verdict = score(number, "12", "I think it is twelve")
    assert (verdict.value, verdict.explanation) == (0.0, "no number in the answer, expected 12")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 15.\nThe answer is 15.\nThe answer is 1", "15"),
        ("12. Ann has 59 euros.\n13", "59"),
        ("That makes 7\n", "7"),  # a line that has ended is whole
        ("10% of 360 is 0.10 * 360 = 36.", "36"),  # so has a sentence
        ("So she has 20 apples and gives $1,2", "20"),
        ("12", "12"),
    ],
)
def test_a_number_at_which_an_answer_was_cut_off_may_be_half_of_one(text: str, answer: str) -> None:
    sample = Sample(id="s", input="?", target="1")
    verdict = number(sample, Generation(text=text, n_prompt=1, n_output=9, finish="length"))
    assert (verdict.value, verdict.answer) == (0.0, answer)
    if text == answer:
        assert verdict.explanation == "no number before the answer was cut off, expected 1"


def test_a_whole_number_counts_in_an_answer_that_was_cut_off_later() -> None:
    sample = Sample(id="s", input="?", target="15")
    text = "The answer is 15. " * 9 + "The answer is 1"
    assert number(sample, Generation(text=text, n_prompt=1, n_output=9, finish="length")).value == 1.0


def test_silence_is_no_answer(score: Scoring) -> None:
    assert score(number, "12", "").explanation == "no answer"


def test_the_verdict_says_what_was_answered_and_expected(score: Scoring) -> None:
    verdict = score(number, "12", "That makes 13.")
    assert (verdict.answer, verdict.explanation) == ("13", "answered 13, expected 12")


@pytest.mark.parametrize("target", ["twelve", None, True, "", "1e400", "12 apples"])
def test_a_target_that_is_no_number_is_a_mistake_in_the_data(score: Scoring, target: object) -> None:
    with pytest.raises(UsageError, match="is no number"):
        score(number, target, "12")


@pytest.mark.parametrize(("text", "right"), [("0.14", 1.0), ("14.1 %", 1.0), ("It is 14.2%.", 0.0), ("0.15", 0.0)])
def test_of_several_targets_any_is_right(score: Scoring, text: str, right: float) -> None:
    assert score(number, ["0.14", "14.1%"], text).value == right  # as a share and as it is written


def test_each_target_has_a_tolerance_of_its_own(score: Scoring) -> None:
    options = NumberOptions(relative=0.01)
    sample = Sample(id="s", input="", target=["0.14136", "14.1%"])
    told = [
        number(sample, Generation(text=text, n_prompt=1, n_output=1, finish="stop"), options).value
        for text in ("0.142", "14.2", "14.3", "0.143")
    ]
    assert told == [1, 1, 0, 0]


@pytest.mark.parametrize("target", [[], ["3", "no"], ["3", None], [["3"]]])
def test_every_target_of_several_is_a_number(score: Scoring, target: object) -> None:
    with pytest.raises(UsageError, match="is no number"):
        score(number, target, "3")


def test_a_looping_model_does_not_break_the_parser(score: Scoring) -> None:
    # int() refuses texts of more than 4300 digits.
    assert score(number, "9", "9" * 20_000).value == 0.0


@given(value=st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_every_number_is_equal_to_itself_however_it_is_written(value: Decimal) -> None:
    sample = Sample(id="s", input="?", target=f"{value:f}")
    for text in (f"{value:f}", f"{value:,f}", f"It is {value:f}.", f"{value:f}0", f"The answer is {value:,f}!"):
        assert number(sample, Generation(text=text, n_prompt=1, n_output=1, finish="stop")).value == 1.0, text


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    sample = Sample(id="s", input="?", target="1")
    assert number(sample, Generation(text=text, n_prompt=1, n_output=1, finish="stop")).value in (0.0, 1.0)

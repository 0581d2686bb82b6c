"""Short answers by rule: what people would take for the same, and what only looks like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_slm.core.types import Verdict
from pytest_slm.scorers.grounding.short_answer import short_answer

Score = Callable[..., Verdict]

RIGHT: list[tuple[Any, str]] = [
    ("Jane Ballou", "Jane Ballou"),
    ("Jane Ballou", "jane  BALLOU."),
    ("Jane Ballou", "Her name would be Jane Ballou."),
    ("The Battle of Hastings.", "Battle of Hastings"),
    ("The Battle of Hastings.", "It was the Battle of Hastings."),
    ("37th", "37th"),
    ("37th", "It would rank 37."),
    ("87", "87 years"),
    ("87", "Answer: 87"),
    ("10 years", "ten"),
    ("Five", "5"),
    ("43,518", "43518"),
    ("506000", "506,000 people"),
    ("75.68%", "75.68 percent"),
    ("98 Years (Arlington, TX)", "98 years"),
    ("Alberto Ginés López (18 at the time).", "Alberto Ginés López"),
    ("April 2, 1961", "2 April 1961"),
    ("April 2, 1961", "On April 2nd, 1961."),
    ("April 2, 1961", "1961-04-02"),
    ("Yes", "Yes, both are Italian."),
    ("Lima", "not Quito but Lima"),
    ("Lima", "I first thought of Quito. The answer is Lima."),
    (["UK", "United Kingdom"], "The United Kingdom"),
    ("Sydney, Australia", "Sydney, Australia"),
    ("Simon or Garfunkel", "Simon or Garfunkel"),
    ("France", "Ｆｒａｎｃｅ"),
]
WRONG: list[tuple[Any, str]] = [
    ("Jane Ballou", "Ballou"),
    ("Lima", "not Lima"),
    ("Lima", "It is not in Lima, I believe."),
    ("Lima", "Lima or Quito"),
    ("Lima", "Either Lima"),
    ("Lima", "Quito, Lima, Bogota, La Paz"),
    ("Lima", "- Quito\n- Lima\n- Bogota"),
    ("Lima", "1. Lima\n2. Quito"),
    ("Lima", "Limanowa"),
    ("87", "87 or 88"),
    ("87", "187"),
    ("87", "not 87"),
    ("87", "8.7"),
    ("1961", "1962"),
    ("April 2, 1961", "1961"),
    ("April 2, 1961", "April 3, 1961"),
    ("April 2, 1961", "2 April 1961 or 3 April 1961"),
    ("No", "There is no way to know."),
    ("Yes", "No, yes is wrong."),
    ("9", "nine hundred and 99"),
    ("Lima", ""),
    ("Lima", "\u200b"),
    ("Lima", "Лима"),
    ("Lima", "L\u0456ma"),  # a Cyrillic letter that looks like i
]


def test_what_is_the_same_answer(score: Score) -> None:
    assert [(target, text) for target, text in RIGHT if score(short_answer, target, text).value != 1] == []


def test_what_only_looks_like_it(score: Score) -> None:
    assert [(target, text) for target, text in WRONG if score(short_answer, target, text).value != 0] == []


def test_of_a_long_answer_the_last_sentence_counts_and_of_a_short_one_all(score: Score) -> None:
    thought = "We look at the capitals of the continent one after the other, as people would in an atlas. " * 3
    assert score(short_answer, "Lima", thought + "It is Lima.").value == 1
    assert score(short_answer, "Lima", "It is Lima. " + thought + "Mountains are all around it.").value == 0
    assert score(short_answer, "Lima", "It is Lima. Mountains are all around it.").value == 1


def test_each_way_of_being_right_has_a_value(score: Score) -> None:
    assert score(short_answer, "87", "It is 87 years.").values == {"accuracy": 1, "exact_match": 0, "numeric_match": 1}
    assert score(short_answer, "Lima", "Lima").values == {"accuracy": 1, "exact_match": 1, "numeric_match": None}


def test_an_explanation_is_not_compared(score: Score) -> None:
    verdict = score(short_answer, "It was the first of all the bridges that were built in steel", "steel")
    assert verdict.value is None
    assert "not compared" in verdict.explanation


@pytest.mark.parametrize(
    "text", ["Lima " * 19_000, "not " * 24_000, "1," * 49_000, "answer is " * 9_000, "(" * 99_000, "[9]\n" * 24_000]
)
def test_long_answers_end_in_a_verdict(score: Score, text: str) -> None:
    for target in ("Quito", "7", "April 2, 1961"):
        assert score(short_answer, target, text).value == 0

"""BFCL's agentic check of a last message, with its traps."""

import pytest

from pytest_slm.bfcl.memory.checking import names_one


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("{'answer': 'Seattle', 'context': 'you said so'}", ["Seattle"]),
        ("You are THIRTY five.", ["35", "thirty five"]),
        ("It is 138/85.", ["138/85"]),
        ("1,800", ["1800"]),
        ("2.5", ["25"]),  # a point is no letter
        ("strawberry-matcha", ["strawberrymatcha"]),
        ("Not Michael, nor Anna: I do not know.", ["Michael"]),  # whatever is said of it
        ("1, 2, 3, 4", ["3"]),
        ("the user's", ['user"s']),
        ("(Metformin) 1000 mg", ["Metformin 1000 mg"]),
    ],
)
def test_an_answer_that_stands_in_the_message_is_right(text, answers):
    assert names_one(text, answers)


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("", ["Seattle"]),
        ("Seattleite", ["Seattle"]),
        ("135", ["35"]),
        ("thirty-five", ["thirty five"]),  # spaces count
        ("It costs $49.99.", ["$49.99"]),  # no word begins before a dollar
        ("Ｓeattle", ["Seattle"]),
        ("x" * 1_000_000, ["Seattle"]),
    ],
)
def test_what_does_not_stand_there_is_wrong(text, answers):
    assert not names_one(text, answers)

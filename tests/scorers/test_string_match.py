"""RULER's metrics: partial credit for all, or any; case does not matter, words are not looked for as a whole."""

import pytest

from pytest_slm.core.types import Generation, Sample
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.scorers.rules.string_match import STRING_MATCH, StringMatchOptions


def judged(answer, target, of="all"):
    sample = Sample(id="1", input="?", target=target)
    generation = Generation(text=answer, n_prompt=1, n_output=1, finish="stop")
    return STRING_MATCH.judge(sample, generation, StringMatchOptions(of=of))


@pytest.mark.parametrize(
    ("answer", "target", "share", "part"),
    [
        ("1234567", ["1234567"], 1, 1),
        ("it is 1234567.", ["1234567"], 1, 1),
        ("91234567", ["1234567"], 1, 1),  # RULER looks for texts, not for words
        ("a b", ["A", "B", "C", "D"], 0.5, 1),
        ("c", ["a", "b"], 0, 0),
        ("90%", ["90", "90%", "90%"], 1, 1),  # what annotators said twice counts twice
        ("90", ["90", "90%", "90%"], 1 / 3, 1),
        ("one\ttwo", ["one\ntwo"], 1, 1),  # what cannot be printed becomes the end of a line
        ("two", ["two "], 0, 0),  # as in RULER, a space of a target is part of it
        ("", ["a"], 0, 0),
        ("\x00\x1f \n", ["a"], 0, 0),
        ("İSTANBUL", ["i̇stanbul"], 1, 1),
    ],
)
def test_the_share_of_targets_and_whether_there_is_any(answer, target, share, part):
    assert judged(answer, target).value == pytest.approx(share)
    assert judged(answer, target, "part").value == part
    values = judged(answer, target).values
    assert not values or values == {"string_match_all": pytest.approx(share), "string_match_part": part}


def test_what_is_missing_is_told():
    assert judged("a", ["a", "b"]).explanation == "1 of 2 are in the answer; missing: 'b'"


def test_a_target_is_needed():
    for target in (None, [], [""]):
        with pytest.raises(UsageError):
            STRING_MATCH.check(Sample(id="1", input="?", target=target), StringMatchOptions())


def test_a_megabyte_is_wrong_with_the_reason():
    verdict = judged("1234567 " * 130_000, ["1234567"])
    assert verdict.value == 0
    assert "too long to be read" in verdict.explanation


def test_the_scorer_is_known_by_its_name():
    assert Extensions().scorers.lookup("string_match") is STRING_MATCH

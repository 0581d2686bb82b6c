"""The right answer with the right passage, or "I don't know" where there is none: what counts as either, and traps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_slm.core.types import Verdict
from pytest_slm.errors import UsageError
from pytest_slm.scorers.grounding.citation import check, citation
from pytest_slm.scorers.grounding.reading import abstention, citations, clean, states

GOLD = {"answer": [["1907", "nineteen-seven"]], "passages": [2], "other": ["1912"]}
TWO = {"answer": [["60"], ["six", "6"]], "passages": [3, 5]}
NONE: dict[str, Any] = {"answer": [], "passages": []}

Score = Callable[..., Verdict]


def test_citations_are_read_in_the_notations_that_people_write() -> None:
    for text, numbers in {
        "In 1907 [2]": [2],
        "In 1907 [2][3].": [2, 3],
        "In 1907 [2, 3] [2]": [2, 3, 2],
        "[1-3]": [1, 2, 3],
        "[1–3]": [1, 2, 3],
        "[1 and 3]": [1, 3],
        "【2】": [2],
        "[^2]": [2],
        "[Passage 2]": [2],
        "(Passage 2)": [2],
        "Passage [2]": [2],
        "According to passages 1, 2 and 4, yes": [1, 2, 4],
        "see source 3": [3],
        "In 1907 (2)": [2],
        "three (3) boats [2]": [2],  # parentheses count only where there is nothing else
        "［２］": [2],  # full-width
        "[\u200b2\u200b]": [2],
        "[0]": [0],
        "[99]": [99],
        "[1-999999]": [1, 999999],  # no list of a million
        "[sic] [a] [] [-] [2": [],
        "in 1907": [],
    }.items():
        assert citations(clean(text))[0] == numbers, text
    assert citations("It was 1907 [2], passage 3 says.")[1] == "It was 1907 , says."


def test_the_number_of_a_passage_is_no_answer(score: Score) -> None:
    assert score(citation, {"answer": [["2"]], "passages": [2]}, "[2]").value == 0
    assert score(citation, {"answer": [["2"]], "passages": [2]}, "2 [2]").value == 1


@pytest.mark.parametrize(
    ("text", "right", "precision", "recall"),
    [
        ("1907 [2]", 1, 1, 1),
        ("It was opened in 1907 [2][2].", 1, 1, 1),
        ("1907", 0, None, 0),
        ("1907 [1][2]", 0, 0.5, 1),
        ("1907 [99]", 0, 0, 0),
        ("1907 [0]", 0, 0, 0),
        ("1908 [2]", 0, 1, 1),
        ("1907 or 1912 [2]", 0, 1, 1),
        ("not in 1907, I think [2]", 0, 1, 1),
        ("not in 1912 but in 1907 [2]", 1, 1, 1),
        ("19075 [2]", 0, 1, 1),
        ("I don't know", 0, None, 0),
        ("I don't know, but 1907 [2]", 0, 1, 1),
        ("1907 [2]. I do not know more.", 0, 1, 1),
        ("[1][2][3][4][5] 1907", 0, 0.2, 1),
    ],
)
def test_an_answer_and_its_citation(
    score: Score, text: str, right: int, precision: float | None, recall: float
) -> None:
    verdict = score(citation, GOLD, text)
    assert verdict.value == right
    assert verdict.values["citation_precision"] == precision
    assert verdict.values["citation_recall"] == recall
    assert verdict.values["abstention_recall"] is None


def test_both_parts_and_both_passages_are_wanted(score: Score) -> None:
    assert score(citation, TWO, "60 g, six days [3][5]").value == 1
    half = score(citation, TWO, "60 g [3]")
    assert (half.value, half.values["citation_precision"], half.values["citation_recall"]) == (0, 1, 0.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *((text, "yes") for text in ("I don't know", "I don’t know.", "i do not know", "Sorry, I don't know!")),
        ("The passages do not say how old it is.", "yes"),
        ("None of the passages mentions it.", "yes"),
        ("The price is not mentioned in the passages.", "yes"),
        ("I don't know. The passages only describe the opening of the bridge.", "yes"),
        ("Unable to answer based on given passages.", "yes"),
        ("Unknown.", "yes"),
        ("I\u200b don't know", "yes"),
        ("I don't know who drew it, but it opened in 1907.", "both"),
        ("It opened in 1907. I don't know who drew it.", "both"),
        ("I don't know. It opened in 1907.", "both"),
        ("1907", "no"),
        ("The unknown soldier", "no"),
        ("It knows no limit", "no"),
        ("", "no"),
    ],
)
def test_abstention_is_all_of_an_answer_or_none(text: str, says: str) -> None:
    assert abstention(clean(text)) == says


def test_questions_without_an_answer(score: Score) -> None:
    yes = score(citation, NONE, "I don't know")
    assert (yes.value, yes.values["abstention_precision"], yes.values["abstention_recall"]) == (1, 1, 1)
    assert yes.values["citation_precision"] is None
    no = score(citation, NONE, "It cost 9,000 [3]")
    assert (no.value, no.values["abstention_recall"], no.values["citation_precision"]) == (0, 0, 0)
    assert score(citation, NONE, "I don't know. It cost 9,000.").value == 0
    for silence in ("", " \n", "\u200b"):
        nothing = score(citation, NONE, silence)
        assert (nothing.value, nothing.values["decision"]) == (0, 0)


def test_what_is_denied_is_not_stated() -> None:
    assert not states("It was not the Vessel Ground", "Vessel Ground")
    assert not states("Italy rather than France", "France")
    assert states("not Italy, France", "France")
    assert not states("start", "art")
    assert not states("14711", "4711")
    assert states("ＴＯＢＩＡＳ  reed", "Tobias Reed")
    assert not states("", "x")


@pytest.mark.parametrize("text", ["a" * 1_000_001, "[1]" * 333_000, "I don't know " * 80_000, "not " * 250_000])
def test_an_endless_answer_is_wrong_and_said_to_be(score: Score, text: str) -> None:
    assert score(citation, GOLD, text).value == score(citation, NONE, text).value == 0
    assert "too long" in score(citation, GOLD, text).explanation


@pytest.mark.parametrize(
    "text", ["[1]" * 33_000, "I don't know but " * 5_800, "not in " * 14_000, "[" * 99_999, "(1, " * 24_000]
)
def test_a_long_answer_is_read_to_its_end(score: Score, text: str) -> None:
    assert score(citation, GOLD, text).value == 0


@pytest.mark.parametrize(
    "target",
    [
        None,
        "1907",
        {},
        {"answer": [["x"]], "passages": []},
        {"answer": [], "passages": [1]},
        {"answer": [[]], "passages": [1]},
        {"answer": [["x"]], "passages": [0]},
        {"answer": [["x"]], "passages": [1, 1]},
        {"answer": [[" "]], "passages": [1]},
    ],
)
def test_a_target_that_is_none_is_a_mistake_of_the_file(answer: Callable[[str], Any], target: Any) -> None:
    from pytest_slm.core.types import Sample

    with pytest.raises(UsageError, match="target"):
        check(Sample(id="s", input="?", target=target))

"""What of an answer stands in its passages: words, numbers, dates, names, quotes, and the check's own errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pytest_slm.core.types import Sample, Verdict
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.scorers.grounding.claims import Sources, sentences, stem
from pytest_slm.scorers.grounding.grounded import GROUNDED, check, grounded
from pytest_slm.scorers.grounding.support import FEATURES, features, model

Score = Callable[..., Verdict]

PASSAGES = (
    "passage 1:The Marrow Bridge at Oxbury was opened to carts on 4 May 1871. Its three arches are of sandstone.\n\n"
    'passage 2:Henrietta Vance drew the plans; "a bridge for everyone", she wrote. '
    "It cost 12,500 crowns and took 29 months."
)
TARGET = {"passages": PASSAGES, "question": "Who drew the plans of the bridge, and when was it opened?"}


def found(answer: str, kind: str) -> list[str]:
    return [text for one in sentences(answer, Sources(PASSAGES)) for text in getattr(one, kind)]


@pytest.mark.parametrize(
    ("answer", "kind", "items"),
    [
        ("It cost 12500 crowns.", "numbers", []),
        ("It cost 12,500 crowns and 3 arches.", "numbers", []),  # three
        ("It cost 13,000 crowns.", "numbers", ["13,000"]),
        ("1. It cost 12,500 crowns (passage 7).", "numbers", []),  # of a list, and of a citation
        ("It was opened on 4 May 1871.", "dates", []),
        ("It was opened on 5 June 1872.", "dates", ["5", "June", "1872"]),
        ("The plans were drawn by Henrietta Vance.", "names", []),
        ("The plans were drawn by Tobias Reed.", "names", ["Tobias", "Reed"]),
        ("Yesterday it was opened.", "names", []),  # the first word of any sentence has a capital letter
        ('She called it "a bridge for everyone".', "quotes", []),
        ('She called it "a bridge for nobody at all".', "quotes", ["a bridge for nobody at all"]),
    ],
)
def test_what_stands_in_no_passage(answer: str, kind: str, items: list[str]) -> None:
    assert found(answer, kind) == items


def test_words_are_compared_by_their_stems() -> None:
    assert stem("opened") == stem("opening") == stem("Opens") == "open"
    assert stem("1,250") == stem("1250") != stem("1,2,50")
    assert stem("Twelve") == "12"


def test_copied_sentences_are_right_and_invented_ones_wrong(score: Score) -> None:
    told = score(grounded, TARGET, "Henrietta Vance drew the plans. The Marrow Bridge was opened on 4 May 1871.")
    assert (told.value, told.values["supported"]) == (1, 1)
    made_up = score(
        grounded,
        TARGET,
        "Henrietta Vance drew the plans. Later Queen Victoria of England gave Thomas Telford a pension of 900 pounds.",
    )
    assert (made_up.value, made_up.values["supported"]) == (0, 0)
    assert (made_up.values["numbers"], made_up.values["names"], made_up.values["dates"]) == (0, 0, 1)
    assert "Telford" in made_up.explanation


def test_who_abstains_has_not_answered_and_has_invented_nothing(score: Score) -> None:
    verdict = score(grounded, TARGET, "Unable to answer based on given passages.")
    assert (verdict.value, verdict.values["answers"], verdict.values["supported"]) == (0, 0, None)
    for silence in ("", "\u200b", "...", "¿?"):
        verdict = score(grounded, TARGET, silence)
        assert (verdict.value, verdict.values["supported"]) == (0, None)


@pytest.mark.parametrize("text", ["abc", "lorem ipsum", "It is.", "Yes"])
def test_what_shares_no_word_with_its_passages_rests_on_nothing(score: Score, text: str) -> None:
    verdict = score(grounded, TARGET, text)
    assert (verdict.value, verdict.values["supported"]) == (0, 0)


def test_other_scripts_are_read_as_words_that_no_passage_has(score: Score) -> None:
    verdict = score(grounded, TARGET, "Мост построил Иван Петров и его друзья из Москвы за тысячу рублей в Лондоне.")
    assert verdict.value == 0


def test_an_endless_answer_is_wrong(score: Score) -> None:
    assert score(grounded, TARGET, "a" * 1_000_001).value == 0
    assert score(grounded, TARGET, "Invented Words Everywhere 77. " * 1_000).value == 0


@pytest.mark.parametrize("target", [None, "text", {}, {"passages": " "}, {"passages": "a", "more": 1}])
def test_a_sample_without_passages_is_a_mistake_of_the_data(target: Any) -> None:
    with pytest.raises(UsageError, match="target"):
        check(Sample(id="s", input="?", target=target))


def test_every_number_of_the_check_is_told_with_its_errors() -> None:
    told: Mapping[str, Any] = GROUNDED.identity(GROUNDED.options())
    errors = told["scorer_error"]
    assert told["check"] == f"grounding {model()['version']}"
    assert set(model()["coefficients"]) == set(FEATURES)
    for level in ("response", "span"):
        assert {"precision", "recall", "f1", "n"} <= set(errors[level])
        rates = [errors[level][key] for key in ("precision", "recall", "f1")]
        assert all(0 < rate < 1 for rate in rates)
        assert rates[2] == pytest.approx(2 * rates[0] * rates[1] / (rates[0] + rates[1]), abs=1e-3)
    assert errors["response"]["f1"] >= 0.5


def test_a_sentence_has_as_many_features_as_they_have_names() -> None:
    assert {len(row) for row in features(sentences("One. Two more.\n- 3 items", Sources(PASSAGES)))} == {len(FEATURES)}


def test_the_features_of_a_sentence_by_hand() -> None:
    answer = "The Marrow Bridge was opened. However, it cost 3 crowns. I do not know."
    rows = [dict(zip(FEATURES, row, strict=True)) for row in features(sentences(answer, Sources(PASSAGES)))]
    assert [row["place"] for row in rows] == [0, 0.5, 1]
    assert [(row["first"], row["last"]) for row in rows] == [(1, 0), (0, 0), (0, 1)]
    assert [row["hedges"] for row in rows] == [0, math.log(2), 0]
    assert all(0 <= row[name] <= 1 for row in rows for name in ("missing_share", "pairs_share", "uncovered"))


def test_the_right_answer_of_a_sample_is_a_whole_sentence_of_its_passages() -> None:
    passages = "passage 1: Red, white and blue\npassage 2: The bridge was opened on 4 May 1871."
    target = {**TARGET, "passages": passages}
    assert GROUNDED.right(Sample(id="s", input="?", target=target), None) == ("The bridge was opened on 4 May 1871.",)


def test_the_scorer_is_known_by_its_name() -> None:
    assert Extensions().scorers.lookup("grounded") is GROUNDED
    assert GROUNDED.right(Sample(id="s", input="?", target=TARGET), None)

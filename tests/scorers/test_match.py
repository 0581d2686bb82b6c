"""Text in the answer: whole words, any case, one of several spellings."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.errors import UsageError
from pytest_slm.scorers import match
from pytest_slm.scorers.match import contains, exact, needle

Scoring = Callable[..., Verdict]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("4711", "The code is 4711."),
        ("4711", "4711"),
        ("4711", "Codes: 12, 4711, 13"),
        ("STRASSE", "in der Straße"),  # casefold, not lower
        ("blue whale", "A Blue\n  Whale!"),
        ("café", "the cafe\u0301 there"),  # composed and decomposed letters look the same
        (["NYC", "New York"], "It is new york, I think."),
        (4711, "4711"),
    ],
)
def test_contained_text_is_right(score: Scoring, target: object, text: str) -> None:
    assert score(contains, target, text).value == 1.0


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("4711", "14711"),  # a needle inside a longer number is another number
        ("4711", "47110"),
        ("4711", "4711.5"),
        ("4711", "0.4711"),
        ("art", "Let us start"),
        ("4711", "47 11"),
        ("blue whale", "blue"),
        ("4711", "I do not know"),
    ],
)
def test_parts_of_words_and_numbers_are_not_the_target(score: Scoring, target: object, text: str) -> None:
    assert score(contains, target, text).value == 0.0


@pytest.mark.parametrize("text", ["48,213", "48'213", "48’213", "48_213", "48\u202f213", r"$48{,}213$", r"\(48\,213\)"])
def test_a_needle_may_have_thousands_separators(score: Scoring, text: str) -> None:
    assert score(needle, "48213", f"It is {text}.").value == 1.0


@pytest.mark.parametrize("text", ["148,213", "48,213,000", "48,213.7", "4,8213", "48'213'000", "1'48'213", "48 213"])
def test_separators_do_not_make_another_number_the_needle(score: Scoring, text: str) -> None:
    assert score(needle, "48213", text).value == 0.0


@pytest.mark.parametrize("text", ["Paris", " paris.\n", '"Paris"', "**Paris**"])
def test_exact_reads_over_case_space_quotes_and_full_stop(score: Scoring, text: str) -> None:
    assert score(exact, "Paris", text).value == 1.0


@pytest.mark.parametrize("text", ["Paris, France", "It is Paris", "Pari"])
def test_exact_takes_nothing_more_and_nothing_less(score: Scoring, text: str) -> None:
    assert score(exact, "Paris", text).value == 0.0


@pytest.mark.parametrize("scorer", [contains, exact, needle])
@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_answer_is_no_answer(score: Scoring, scorer: object, text: str) -> None:
    # Thinking aloud is not answering: a block that was never closed used up the tokens.
    verdict = score(scorer, "Paris", text)
    assert (verdict.value, verdict.explanation) == (0.0, "no answer")


def test_the_explanation_names_what_was_expected(score: Scoring) -> None:
    assert score(contains, ["a", "b"], "c").explanation == "'a' or 'b' is not in the answer"


@pytest.mark.parametrize("target", [None, "", [], ["x", " "]])
def test_a_sample_without_target_is_a_mistake_in_the_data(score: Scoring, target: object) -> None:
    # An empty text is contained in every answer.
    with pytest.raises(UsageError, match=r"sample 's': the target is empty.*\[sample-unfit\]"):
        score(contains, target, "anything")


@given(code=st.integers(10_000, 99_999), other=st.integers(0, 10**9))
def test_a_number_is_contained_only_in_itself(code: int, other: int) -> None:
    sample = Sample(id="s", input="?", target=str(code))
    text = f"The code is {other}."
    generation = Generation(text=text, n_prompt=1, n_output=1, finish="stop")
    assert needle(sample, generation).value == float(code == other)


def test_no_pattern_is_made_of_a_target_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    # of a million letters that takes twenty seconds
    monkeypatch.setattr(match.re, "search", lambda *_: pytest.fail("a pattern was compiled"))
    sample = Sample(id="1", input="?", target="x" * 1_000_000)
    assert contains(sample, Generation(text="Paris", n_prompt=1, n_output=1, finish="stop")).value == 0.0

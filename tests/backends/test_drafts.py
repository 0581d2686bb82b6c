"""A text that repeats itself is drafted, and no other one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'pytest-slm[gguf]'")

from pytest_slm.backends.llamacpp.drafts import LONGEST, SEEN, SURE, Drafter

token = st.integers(0, 5)


def following(text):
    drafter = Drafter([])
    for each in text:
        drafter.add(each)
    return drafter


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30, unique=True), st.integers(0, 60), st.integers(0, 40))
def test_what_turns_in_a_circle_is_drafted_for_ever(circle, more, most):
    n = len(circle) + SEEN + SURE + more
    text = [circle[place % len(circle)] for place in range(n + most)]
    draft = following(text[:n]).draft(most)
    assert draft == text[n : n + len(draft)]
    assert bool(draft) == (most > 0)


@given(st.lists(token, max_size=80), st.integers(0, 40))
def test_a_draft_is_what_followed_the_last_time(text, most):
    drafter = following(text)
    draft = drafter.draft(most)
    assert len(draft) <= min(most, LONGEST)
    assert not draft or drafter.hits >= SURE
    if draft:  # somewhere before, the text went on from the same tokens with the draft's first
        last = text[-SEEN:]
        assert any(text[at : at + SEEN] == last and text[at + SEEN] == draft[0] for at in range(len(text) - SEEN))


@given(st.lists(st.integers(), unique=True, max_size=60))
def test_what_never_repeats_itself_is_not_drafted(text):
    assert following(text).draft(9) == []


def test_a_few_right_guesses_are_not_enough():
    text = [1, 2, 3, 4, 5]
    assert following([*text, *text, 1][: 2 * len(text)]).draft(9) == []


def test_a_repetition_that_ends_is_not_drafted_any_more():
    drafter = following([1, 2, 3, 4] * 10)
    assert drafter.draft(2) == [1, 2]
    drafter.add(9)
    assert drafter.draft(2) == []


def test_what_a_prompt_repeats_says_nothing_yet():
    drafter = Drafter([1, 2, 3, 4] * 10)
    assert drafter.draft(4) == []
    for each in [1, 2, 3, 4] * 2:
        drafter.add(each)
    assert drafter.draft(4) == [1, 2, 3, 4]


@pytest.mark.parametrize("most", [0, -3])
def test_no_room_is_no_draft(most):
    assert following([1, 2] * 20).draft(most) == []

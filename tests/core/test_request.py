"""What may be asked of a model, and what may not."""

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.request import Generation, check_thinking


@pytest.mark.parametrize("thinking", ["off", "on", 0, 1, 512, 10**9 - 1])
def test_thinking_is_off_on_or_a_number_of_tokens(thinking):
    check_thinking(thinking)


@pytest.mark.parametrize("thinking", [-1, 10**9, 2**70, 1.5, None, "yes", "512"])
def test_other_thinking_is_refused_with_what_it_was(thinking):
    with pytest.raises(RecordError, match="off, on or a number of tokens") as caught:
        check_thinking(thinking)
    assert repr(thinking)[:80] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reasoning", "finish", "ending"),
    [
        ("Paris", "", "stop", "whole"),
        ("", "", "stop", "whole"),
        ("Par", "", "length", "cut"),
        ("Par", "Which city?", "length", "cut"),
        ("", "", "length", "cut"),  # it wrote white space
        (" ", "Which city?", "length", "censored"),  # it was still thinking
    ],
)
def test_how_much_of_an_answer_there_is(text, reasoning, finish, ending):
    assert Generation(text=text, reasoning=reasoning, n_prompt=1, n_output=2, finish=finish).ending == ending


def test_an_answer_tells_how_often_it_was_asked_for_again():
    first = Generation(text="4", n_prompt=1, n_output=1, finish="stop")
    assert (first.n_retries, first.retried(0).n_retries, first.retried(2).retried(1).n_retries) == (0, 0, 3)

"""The real engine ends a thinking when its tokens are spent, and what it writes then is the answer."""

import pytest

from pytest_slm.core.types import Request

OPENED = "Question: 2 + 3?\n<think>\n"


def ask(prompt=OPENED, *, max_tokens=5, **more):
    return Request(prompt=prompt, max_tokens=max_tokens, **more)


@pytest.mark.parametrize("budget", [0, 6])
def test_a_thinking_is_ended_when_its_tokens_are_spent(limited, budget):
    model = limited(n_ctx=256, thinking=budget)
    closing = len(model._model.tokenize("\n</think>\n\n", add_special=False, parse_special=True))
    # beside others, one of which was never asked to think
    free, thought, plain = model.generate([ask(OPENED + "\n</think>\n\n", max_tokens=3), ask(), ask("1, 2, 3,")])
    assert (thought.n_output - thought.n_reasoning, thought.finish) == (5, "length")
    # white space behind the mark, of the model's own, is no token of the answer either
    assert budget + closing <= thought.n_reasoning <= budget + closing + 1
    assert (plain.reasoning, plain.n_output, plain.n_reasoning) == ("", 5, 0)
    if budget:
        assert thought.reasoning
    else:  # it is asked as if the prompt had closed it
        assert (thought.reasoning, thought.text[:4]) == ("", free.text.lstrip()[:4])


def test_without_a_limit_of_its_own_it_spends_the_tokens_of_the_answer(backend):
    (thought,) = backend.generate([ask()])
    assert (thought.text, thought.n_output, thought.n_reasoning, thought.ending) == ("", 5, 5, "censored")


def test_stop_strings_are_not_looked_for_in_the_thinking(limited):
    model = limited(n_ctx=256, thinking=8)
    (free,) = model.generate([ask()])
    stop = free.reasoning.strip()[:1]
    (stopped,) = model.generate([ask(stop=(stop,))])
    assert stopped.reasoning == free.reasoning
    assert stopped.text == free.text.split(stop)[0]


def test_a_thinking_is_outside_of_the_grammar_and_the_answer_within(limited):
    model = limited(n_ctx=256, thinking=6)
    (found,) = model.generate([ask(grammar='root ::= ("yes" | "no") "!"')])
    assert found.text in ("yes!", "no!")
    assert found.reasoning

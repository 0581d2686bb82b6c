"""Players in place of a model: what each answers to a text, to choices, and to choices that are asked one by one."""

import pytest

from pytest_slm.authoring.players import LIKELY, Babbler, Constant, Empty, Oracle, play
from pytest_slm.core.request import Likelihoods, RollingLikelihood, Together
from pytest_slm.core.types import Request

TEXT = Request(prompt="?")
CHOICES = Likelihoods(pairs=(("?", " a"), ("?", " b"), ("?", " c")))
ONE_BY_ONE = Together(asks=tuple(Likelihoods(pairs=(pair,)) for pair in CHOICES.pairs))


def likely(answer):
    return [one.logprob for one in answer]


def test_the_oracle_says_what_is_right():
    assert play(Oracle(), TEXT, "Oslo").text == "Oslo"
    assert (
        likely(play(Oracle(), CHOICES, (False, True, False)))[1]
        == LIKELY
        == max(likely(play(Oracle(), CHOICES, (False, True, False))))
    )
    told = play(Oracle(), ONE_BY_ONE, ((False,), (False,), (True,)))
    assert [one.logprob == LIKELY for (one,) in told] == [False, False, True]
    (generation,) = play(Oracle(), Together(asks=(TEXT,)), (" Oslo",))
    assert generation.text == " Oslo"


def test_a_model_that_says_nothing_finds_everything_equally_likely():
    assert play(Empty(), TEXT, "Oslo").text == ""
    assert len(set(likely(play(Empty(), CHOICES, (False, True, False))))) == 1
    assert play(Empty(), RollingLikelihood(text="x"), None).logprob == -1


def test_babbling_is_by_a_seed_and_never_the_same_twice():
    one, other = Babbler(), Babbler()
    texts = [play(one, TEXT, "Oslo").text for _ in range(20)]
    assert texts == [play(other, TEXT, "Rome").text for _ in range(20)]
    assert len(set(texts)) == 20
    places = [max(range(3), key=likely(play(one, CHOICES, None)).__getitem__) for _ in range(300)]
    assert all(70 < places.count(place) < 130 for place in range(3))


@pytest.mark.parametrize("ask", [CHOICES, ONE_BY_ONE])
def test_the_constant_answer_is_the_right_one_of_most_questions_with_the_same_choices(ask):
    flags = [(False, True, False)] * 3 + [(True, False, False)] * 2
    rights = flags if ask is CHOICES else [tuple((flag,) for flag in right) for right in flags]
    others = [(Likelihoods(pairs=(("?", " x"), ("?", " y"))), (True, False))] * 9
    written = [(TEXT, right) for right in ("No", "Yes", "No", (" No",))]
    player = Constant.of([*((ask, right) for right in rights), *others, *written])
    assert player.text(None) == "No"
    told = play(player, ask, rights[-1])
    assert [one.logprob == LIKELY for one in (told if ask is CHOICES else [one for (one,) in told])] == [
        False,
        True,
        False,
    ]


def test_choices_that_no_other_question_has_leave_no_constant_answer():
    # A model is not shown at which place a choice stands in the file, so it cannot always take the first.
    asks = [Likelihoods(pairs=(("?", f" right{n}"), ("?", f" wrong{n}"))) for n in range(5)]
    player = Constant.of([(ask, (True, False)) for ask in asks])
    assert all(len(set(likely(play(player, ask, (True, False))))) == 1 for ask in asks)


def test_without_any_right_answer_the_constant_one_is_empty():
    assert play(Constant.of([]), TEXT, None).text == ""
    assert len(set(likely(play(Constant.of([]), CHOICES, None)))) == 1

"""Contexts and continuations are split and cut as by HFLM, also where one of them is empty or too long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slm.errors import BackendError
from pytest_slm.prompts.pairs import fitted, split_pair

ids = st.lists(st.integers(0, 99), min_size=1, max_size=24)


@pytest.mark.parametrize("continuation", ["Once", " Once", "\n", "1", "½", "<|im_end|>"])
def test_after_an_empty_context_comes_the_start_token(model, literal, hflm, continuation):
    from lm_eval.api.instance import Instance

    lm = hflm(literal)
    lm.loglikelihood([Instance("loglikelihood", {}, ("", continuation), 0)])
    assert [split_pair(model, "", continuation)] == lm.asked
    assert lm.asked[0][0] == [model.start] == [lm.prefix_token_id]


def test_a_continuation_without_a_token_of_its_own_is_refused_by_both(model, literal, hflm):
    pair = split_pair(model, "x(", "))")  # "())" is one token
    assert pair[1] == hflm(literal)._encode_pair("x(", "))")[1] == []
    with pytest.raises(BackendError, match="adds no token"):
        fitted([pair], 8)
    with pytest.raises(AssertionError):
        hflm(literal)._loglikelihood_tokens([(("x(", "))"), *pair)])


@settings(max_examples=100, deadline=None)
@given(ids, ids, st.integers(1, 24))
def test_what_is_too_long_loses_its_left_end_as_in_hflm(literal, hflm, head, tail, limit):
    lm = hflm(literal, max_length=limit)
    request = (("", ""), head, tail)
    if len(tail) > limit:
        with pytest.raises(BackendError) as refused:
            fitted([(head, tail)], limit)
        assert refused.value.slug == "context-too-long"
        with pytest.raises(AssertionError):
            lm._loglikelihood_tokens([request])
        return
    ((kept, predicted),) = fitted([(head, tail)], limit)
    lm._loglikelihood_tokens([request])
    assert [[*kept, *predicted][:-1]] == lm.shown  # the last token is predicted, never shown
    assert predicted == tail

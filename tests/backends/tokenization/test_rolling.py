"""Long texts roll in windows as in lm-eval, but for BOS, which HFLM predicts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slm.prompts.pairs import rolling_windows


def rolled(lm, string):
    from lm_eval.api.instance import Instance

    lm.loglikelihood_rolling([Instance("loglikelihood_rolling", {}, (string,), 0)], True)
    return lm.asked


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 200), st.integers(1, 64))
def test_windows_are_those_of_lm_eval(n, limit):
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    text_ids = list(range(10, 10 + n))
    theirs = get_rolling_token_windows(text_ids, prefix_token=1, max_seq_len=limit, context_len=1)
    assert rolling_windows(text_ids, 1, limit) == [make_disjoint_window(window) for window in theirs]


def test_a_text_rolls_as_in_hflm(model, literal, plain, hflm):
    string = "In 1999 it was 2½ times as far,  1 or 2 miles; then came <|im_end|> and the rest. " * 3
    windows = rolling_windows(plain(model, string), model.start, 16)
    assert [(list(head), list(tail)) for head, tail in windows] == rolled(hflm(literal, max_length=16), string)


def test_hflm_predicts_bos_when_it_rolls_and_we_do_not(with_bos, literal_with_bos, im_start, plain, hflm):
    ((head, tail),) = rolling_windows(plain(with_bos, "Once"), with_bos.start, 16)
    assert rolled(hflm(literal_with_bos), "Once") == [(head, [im_start, *tail])]

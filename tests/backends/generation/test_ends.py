"""A text ends at its stop strings or where the context does."""

import pytest

from pytest_slm.core.types import Request
from pytest_slm.errors import BackendError


def test_every_request_has_stop_strings_of_its_own(language, texts):
    free = language.generate([Request(prompt="1, 2, 3, 4, 5,", max_tokens=24)])[0].text
    stops = (" 7", " 9", "never", ", 8")
    stopped = language.generate([Request(prompt="1, 2, 3, 4, 5,", max_tokens=24, stop=(stop,)) for stop in stops])
    assert texts(stopped) == [free.split(stop)[0] for stop in stops]
    assert [g.finish for g in stopped] == ["stop", "stop", "length", "stop"]


def test_a_prompt_that_is_too_long_is_refused_before_anything_runs(limited):
    small = limited(n_ctx=64)
    told = []
    requests = [Request(prompt="Hi", max_tokens=2), Request(prompt="word " * 100, max_tokens=2)]
    with pytest.raises(BackendError, match="choose a shorter variant"):
        small.generate(requests, finished=lambda *_: told.append(1))
    assert not told


def test_text_ends_where_the_context_does(limited):
    small = limited(n_ctx=64)
    (generation,) = small.generate([Request(prompt="word " * 60, max_tokens=50, forced_length=True)])
    assert generation.finish == "context"
    assert generation.n_prompt + generation.n_output == 65  # the last one is not shown to the model


def test_a_prompt_may_fill_the_context_and_is_answered_with_one_token(limited):
    small = limited(n_ctx=64)
    words = "word " * 63
    (filled,) = small.generate([Request(prompt=words, max_tokens=5, forced_length=True)])
    assert (filled.n_prompt, filled.n_output, filled.timings.n_evaluated) == (64, 1, 64)
    roomy = limited(n_ctx=128).generate([Request(prompt=words, max_tokens=1, forced_length=True)])
    assert filled.text == roomy[0].text
    with pytest.raises(BackendError, match="the prompt has 65 tokens, the context of the model 64"):
        small.generate([Request(prompt=words + "word ", max_tokens=1)])

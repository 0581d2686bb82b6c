"""Tokens per second after the first, and the time between tokens, for answers of exactly so many tokens."""

import pytest

from pytest_slm import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task(
    "decode",
    variant="n_tokens",
    quick=(100,),
    prompt=performance.PROMPT_TOKENS,
    output="n_tokens",
    budget_s={100: 8, 500: 40, 1000: 80},
)
@pytest.mark.parametrize("n_tokens", [100, 500, 1000])
def test_decode(benchmark, slm_backend, slm_time, n_tokens):
    slm_time(benchmark, lambda subject: performance.Decode(subject.open(), n_tokens))

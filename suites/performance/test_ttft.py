"""Seconds until the first token of the answer, and what they are made of, for prompts of exactly so many tokens."""

import pytest

from pytest_slm import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task(
    "ttft",
    variant="n_tokens",
    quick=(512,),
    prompt="n_tokens",
    output=1,
    budget_s={512: 8, 2048: 40, 8192: 50},
)
@pytest.mark.parametrize("n_tokens", [512, 2048, 8192])
def test_ttft(benchmark, slm_backend, slm_time, n_tokens):
    slm_time(benchmark, lambda subject: performance.FirstToken(subject.open(), n_tokens))

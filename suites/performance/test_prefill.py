"""Tokens of a prompt that the engine computes in a second: what llama-bench calls pp512."""

import pytest

from pytest_slm import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task("prefill", variant="n_tokens", prompt="n_tokens", output=1, budget_s=8)
@pytest.mark.parametrize("n_tokens", [512])
def test_prefill(benchmark, slm_backend, slm_time, n_tokens):
    slm_time(benchmark, lambda subject: performance.Prefill(subject.open(), n_tokens))

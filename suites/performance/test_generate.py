"""Tokens that the engine writes in a second, without tokenizer and sampler: what llama-bench calls tg128."""

import pytest

from pytest_slm import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task("generate", variant="n_tokens", prompt=1, output="n_tokens", budget_s=8)
@pytest.mark.parametrize("n_tokens", [128])
def test_generate(benchmark, slm_backend, slm_time, n_tokens):
    slm_time(benchmark, lambda subject: performance.Generate(subject.open(), n_tokens))

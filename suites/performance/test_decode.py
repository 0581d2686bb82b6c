"""Tokens per second after the first, for answers of exactly so many tokens."""

import pytest

from pytest_slm.runners import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task(
    "decode", variant="n_tokens", quick=(100,), cost=1500, prompt=performance.PROMPT_TOKENS, output="n_tokens"
)
@pytest.mark.parametrize("n_tokens", [100, 500, 1000])
def test_decode(benchmark, slm_backend, slm_result, n_tokens):
    performance.require_context(slm_backend, performance.PROMPT_TOKENS + n_tokens)
    rounds = performance.Rounds(slm_backend, performance.PROMPT_TOKENS, n_tokens, seed=n_tokens)
    performance.measure(benchmark, rounds)
    speed = rounds.measurement("decode_tps", "tok/s", performance.decode_tps, higher_is_better=True)
    slm_result(measurements=[speed], metrics=[performance.median_metric(speed)], primary="decode_tps")

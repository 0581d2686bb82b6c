"""Seconds until the first token of the answer, for prompts of exactly so many tokens."""

import pytest

from pytest_slm.runners import performance


@pytest.mark.slm_timing
@pytest.mark.slm_task("ttft", variant="n_tokens", quick=(512,), cost=3600, prompt="n_tokens", output=1)
@pytest.mark.parametrize("n_tokens", [512, 2048, 8192])
def test_ttft(benchmark, slm_backend, slm_result, n_tokens):
    performance.require_context(slm_backend, n_tokens + 1)
    rounds = performance.Rounds(slm_backend, n_tokens, 1, seed=n_tokens)
    performance.measure(benchmark, rounds)
    wait = rounds.measurement("ttft", "s", performance.ttft, higher_is_better=False)
    parts = [
        rounds.measurement("ttft_prepare", "s", lambda t: t.prepare_s, higher_is_better=False),
        rounds.measurement("ttft_prefill", "s", lambda t: t.prefill_s, higher_is_better=False),
        rounds.measurement("ttft_sample", "s", lambda t: t.sample_s, higher_is_better=False),
    ]
    slm_result(measurements=[wait, *parts], metrics=[performance.median_metric(wait)], primary="ttft")

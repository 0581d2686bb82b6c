"""Every answer is told when it is known, with its times."""

import pytest

from pytest_slm.core.types import Request


def test_every_result_is_told_once_when_it_is_known(backend, prompts):
    told, counts = [], []
    requests = [Request(prompt=prompt, max_tokens=20 - 3 * n) for n, prompt in enumerate(prompts)]
    results = backend.generate(requests, lambda *count: counts.append(count), lambda n, g: told.append((n, g)))
    assert sorted(n for n, _ in told) == list(range(len(prompts)))
    assert all(results[n] == g for n, g in told)
    assert told[0][0] == len(prompts) - 1  # it has the least to say
    assert counts == sorted(counts)
    assert counts[-1] == (len(prompts), len(prompts))


def test_an_interrupt_in_the_middle_leaves_the_backend_usable(backend, prompts, texts, alone):
    def stop(number, _):
        raise KeyboardInterrupt

    requests = [Request(prompt=prompt, max_tokens=3 + n) for n, prompt in enumerate(prompts)]
    likelihood = backend.loglikelihood([("The capital of France is", " Paris")])
    with pytest.raises(KeyboardInterrupt):
        backend.generate(requests, finished=stop)
    assert texts(backend.generate(requests)) == texts(alone(backend, requests))
    assert backend.loglikelihood([("The capital of France is", " Paris")]) == likelihood


def test_times_go_up_and_the_first_token_is_one_of_them(backend, prompts):
    for generation in backend.generate([Request(prompt=prompt, max_tokens=8) for prompt in prompts]):
        stamps = generation.timings.token_s
        assert list(stamps) == sorted(stamps)
        assert generation.timings.prepare_s + generation.timings.prefill_s <= stamps[0] <= generation.timings.end_s

"""A seed decides a sampled text, whoever runs beside it."""

from pytest_slm.core.types import Request


def test_no_seed_is_a_random_one(backend, texts):
    # llama.cpp takes the greatest seed for "any"
    request = Request(prompt="Once upon a time", max_tokens=12, temperature=1.0, seed=-1)
    assert len(set(texts([backend.generate([request])[0] for _ in range(3)]))) == 1


def test_a_seed_means_the_same_whoever_runs_beside_it(backend, texts, alone):
    def request(seed):
        return Request(prompt="Once upon a time", max_tokens=12, temperature=0.9, top_k=40, top_p=0.95, seed=seed)

    requests = [request(seed) for seed in range(6)]
    together = texts(backend.generate(requests))
    assert together == texts(alone(backend, requests))
    assert together[::-1] == texts(backend.generate(requests[::-1]))
    assert len(set(together)) > 3


def test_top_k_of_one_is_greedy(backend, prompts):
    greedy, chance = backend.generate(
        [Request(prompt=prompts[0], max_tokens=10), Request(prompt=prompts[0], max_tokens=10, temperature=2.0, top_k=1)]
    )
    assert greedy.text == chance.text

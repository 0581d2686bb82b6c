"""What several prompts begin with is computed once."""

import pytest

from pytest_slm.core.types import Request


def test_a_common_beginning_is_computed_once(backend, texts, alone):
    preamble = "Question: What is two and two?\nAnswer: four\n\n" * 10
    requests = [Request(prompt=f"{preamble}Question: What is {n} and one?\nAnswer:", max_tokens=4) for n in range(8)]
    together = backend.generate(requests)
    longest = together[0].n_prompt
    assert sum(g.timings.n_evaluated for g in together) < 2 * longest
    assert texts(together) == texts(alone(backend, requests))


def test_equal_prompts_are_computed_once_but_answered_each(backend, texts):
    request = Request(prompt="word " * 100 + "and so on", max_tokens=5)
    first, *rest = backend.generate([request] * 5)
    assert texts(rest) == [first.text] * 4
    evaluated = sorted(g.timings.n_evaluated for g in (first, *rest))
    assert evaluated == [1, 1, 1, 1, first.n_prompt]


@pytest.mark.parametrize("n_batch", [16, 33, 64])
def test_a_beginning_may_be_longer_than_a_batch(limited, texts, alone, n_batch):
    small = limited(n_batch=n_batch)
    # The first is running and speaks on while the others' beginning is read in several steps.
    requests = [Request(prompt="A story of its own:", max_tokens=12)]
    requests += [Request(prompt=f"{'word ' * 100}Number {n}:", max_tokens=3) for n in range(3)]
    together = small.generate(requests)
    assert texts(together) == texts(alone(small, requests))
    assert sum(g.timings.n_evaluated for g in together) < sum(g.n_prompt for g in together[:2]) + 30


def test_beginnings_of_several_kinds_follow_one_another(backend, texts, alone):
    # a, b and c: each group has its trunk, and a part of it is that of all
    common = "The following are facts about the world. " * 6
    requests = [
        Request(prompt=f"{common}{('About ' + kind + '. ') * 20}Number {n}:", max_tokens=3)
        for kind in ("animals", "plants", "stones")
        for n in range(3)
    ]
    assert texts(backend.generate(requests)) == texts(alone(backend, requests))

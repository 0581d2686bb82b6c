"""Requests get together the answers that they get alone, whatever the limits are."""

import dataclasses
import random

import pytest

from pytest_slm.backends.llamacpp import context, streams
from pytest_slm.backends.llamacpp.generation import Batcher
from pytest_slm.backends.llamacpp.streams import alike
from pytest_slm.core.types import Request
from pytest_slm.errors import BackendError


def test_requests_get_the_answers_that_they_get_alone(backend, prompts, texts, alone):
    requests = [Request(prompt=prompt, max_tokens=4 + 3 * n) for n, prompt in enumerate(prompts)]
    together = backend.generate(requests)
    assert texts(together) == texts(alone(backend, requests))
    assert [g.n_output for g in together] == [request.max_tokens for request in requests]


def test_more_requests_than_sequences_wait_for_a_free_one(limited, prompts, texts, alone):
    few = limited(n_seq=2)
    requests = [Request(prompt=prompt, max_tokens=2 + n % 3 * 4) for n, prompt in enumerate(prompts * 2)]
    assert texts(few.generate(requests)) == texts(alone(few, requests))


def test_little_kv_memory_means_fewer_at_once_and_the_same_answers(limited, backend, prompts, texts):
    narrow = limited(kv_cells=40)
    requests = [Request(prompt=prompt, max_tokens=6) for prompt in prompts]
    assert texts(narrow.generate(requests)) == texts(backend.generate(requests))


def test_memory_is_counted_in_the_engines_blocks(backend):
    # a text of 257 tokens, and one that is not shown any more, takes 512 cells
    limits = dataclasses.replace(backend._context.limits, kv_cells=4096, n_seq=64)
    prompts = [backend._prompt(n, Request(prompt_ids=(1,) * 250, max_tokens=8)) for n in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend._context, "limits", limits)
        batcher = Batcher(backend._context, prompts)
    assert (batcher.n_cells, batcher.at_once) == (257, 4096 // 512 - 1)


def test_a_prompt_that_may_lose_its_left_end_is_answered_as_its_end_is(limited):
    short = limited(n_ctx=64)
    words = "one two three four five six seven eight nine ten " * 12
    ids = short._model.tokenize(words, add_special=False, parse_special=False)
    cut, end = short.generate(
        [Request(prompt=words, max_tokens=6, keep_end=True), Request(prompt_ids=tuple(ids[-58:]), max_tokens=6)]
    )
    assert (cut.text, cut.n_prompt) == (end.text, 58)
    assert short.workload_of_requests([Request(prompt=words, max_tokens=6, keep_end=True)]).evaluated == 58
    with pytest.raises(BackendError, match="choose a shorter variant"):
        short.generate([Request(prompt=words, max_tokens=6)])


def test_no_requests_are_no_work(backend):
    assert backend.generate([]) == []


def test_a_request_that_ends_leaves_the_others_undisturbed(backend, prompts, texts, alone):
    # the sequences of those that end early are filled by those that go on: their memory moves
    requests = [Request(prompt=prompt, max_tokens=1 if n % 2 == 0 else 24) for n, prompt in enumerate(prompts)]
    assert texts(backend.generate(requests)) == texts(alone(backend, requests))


def test_a_small_batch_takes_long_prompts_in_pieces(limited, backend, prompts, texts):
    small = limited(n_batch=32, n_seq=4)
    requests = [Request(prompt=f"{prompt} " * 12, max_tokens=4) for prompt in prompts]
    assert texts(small.generate(requests)) == texts(backend.generate(requests))


def groups(backend, lengths, max_tokens=100, *, beginning=0):
    """How many prompts of which greatest length are written together; the first tokens of all are the same."""
    limits = dataclasses.replace(backend._context.limits, kv_cells=2**17, n_seq=64, n_ctx=2**14)
    request = Request(prompt_ids=(1,), max_tokens=max_tokens)
    prompts = [
        dataclasses.replace(
            backend._prompt(n, request), ids=[*range(1, beginning + 1), *[7 + n % 50] * (length - beginning)]
        )
        for n, length in enumerate(lengths)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend._context, "limits", limits)
        found = alike(backend._context, prompts)
    assert sorted(prompt.number for group in found for prompt in group) == list(range(len(lengths)))
    return [(len(group), max(len(prompt.ids) for prompt in group)) for group in found]


def test_a_long_prompt_does_not_slow_the_short_ones_down(backend):
    # A step looks at as many cells for each of its requests as the longest of them has.
    assert groups(backend, [300] * 30 + [4000]) == [(1, 4000), (30, 300)]
    assert groups(backend, [300] * 30) == [(30, 300)]


def test_prompts_of_about_one_length_stay_together(backend):
    assert groups(backend, [300, 500, 700]) == [(3, 700)]


def test_a_long_beginning_is_not_computed_again_for_a_few_tokens(backend):
    lengths = [3000] * 4 + [3900]
    assert groups(backend, lengths, max_tokens=1, beginning=2900) == [(5, 3900)]
    assert groups(backend, lengths, max_tokens=1000, beginning=2900) == [(1, 3900), (4, 3000)]


def test_every_prompt_is_in_one_group_and_longer_groups_come_first(backend):
    rng = random.Random(1)
    for _ in range(30):
        lengths = [rng.randrange(1, 6000) for _ in range(rng.randrange(1, 40))]
        found = groups(backend, lengths, max_tokens=rng.randrange(1, 300))
        assert sum(n for n, _ in found) == len(lengths)
        assert [most for _, most in found] == sorted((most for _, most in found), reverse=True)


def test_groups_get_the_answers_that_they_get_alone(backend, prompts, texts, alone, monkeypatch):
    # Every length in a group of its own, as if a step cost nothing.
    monkeypatch.setattr(streams, "STEP", 0)
    monkeypatch.setattr(context, "CELL_BLOCK", 4)
    requests = [Request(prompt=prompt * (1 + n % 3), max_tokens=6) for n, prompt in enumerate(prompts)]
    assert len(alike(backend._context, [backend._prompt(n, one) for n, one in enumerate(requests)])) > 1
    assert texts(backend.generate(requests)) == texts(alone(backend, requests))

"""Requests get together the answers that they get alone, whatever the limits are."""

import dataclasses

import pytest

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
    from pytest_slm.backends.llamacpp.generation import Batcher

    context = backend._context
    limits = dataclasses.replace(context.limits, kv_cells=4096, n_seq=64)
    prompts = [backend._prompt(n, Request(prompt_ids=(1,) * 250, max_tokens=8)) for n in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "limits", limits)
        batcher = Batcher(context, prompts)
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

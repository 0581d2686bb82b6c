"""Requests of the profile user: nothing is cached, and lengths are exact."""

import dataclasses
import math

import pytest

from pytest_slm.backends.fake import TEMPLATE_TOKENS, Fake
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.performance import Decode, Depth, FirstToken, Prefill, require_context
from pytest_slm.performance.prompts import Prompts


class Caching(Fake):
    """Remembers the prompt before, as engines do that re-use the longest common prefix."""

    def generate(self, requests, *progress):
        return [
            dataclasses.replace(made, timings=dataclasses.replace(made.timings, n_evaluated=1))
            for made in super().generate(requests, *progress)
        ]


def test_every_token_of_the_prompt_is_computed_and_every_token_of_the_answer_comes(fake):
    rounds = Decode(fake(), 20)
    rounds.prepare()
    timings = rounds.timings()
    assert timings.n_evaluated == 64
    assert len(timings.token_s) == 20


def test_an_engine_that_caches_is_an_error_and_no_speed(fake, one):
    with pytest.raises(BackendError, match="1 of 64 prompt tokens were computed") as caught:
        one(Decode(fake(Caching), 20))
    assert caught.value.slug == "prompt-cached"


def test_a_backend_without_timings_is_not_timed(fake, one):
    class Timeless(Fake):
        def generate(self, requests, *progress):
            return [dataclasses.replace(made, timings=None) for made in super().generate(requests, *progress)]

    with pytest.raises(NotAvailableError, match="in one piece, without times") as caught:
        one(Decode(fake(Timeless), 20))
    assert caught.value.slug == "no-timing"


def test_an_answer_that_ends_early_although_its_length_is_forced_is_an_error(fake, one):
    class Short(Fake):
        def generate(self, requests, *progress):
            return [dataclasses.replace(made, n_output=7) for made in super().generate(requests, *progress)]

    with pytest.raises(BackendError, match="7 of 20 tokens came") as caught:
        one(Decode(fake(Short), 20))
    assert caught.value.slug == "context-too-long"


def test_every_round_has_other_words(fake, watching, one):
    backend = fake(watching)
    one(Decode(backend, 4), 7)
    assert len(set(backend.prompts)) == 7
    # an engine may keep a common beginning even where the whole differs
    assert len({prompt.split()[0] for prompt in backend.prompts}) > 1


def test_a_model_without_a_chat_template_is_timed_with_a_prompt_of_the_same_length(fake, one):
    backend = fake(capabilities=["generate", "tokens", "timing"])
    asked = []
    generate = backend.generate
    backend.generate = lambda requests, *progress: asked.extend(requests) or generate(requests, *progress)
    assert one(Decode(backend, 4)).values["decode_tps"] > 0
    assert one(FirstToken(backend, 128)).values["ttft"] > 0
    assert [(request.messages, backend.count_tokens([request])) for request in asked] == [(None, [64]), (None, [128])]


def test_a_seed_gives_the_same_words(fake):
    prompts = [[Prompts(fake(), 64, seed).next()[0].content for _ in range(3)] for seed in (1, 1, 2)]
    assert prompts[0] == prompts[1] != prompts[2]


@pytest.mark.parametrize("n", [TEMPLATE_TOKENS, 64, 512, 2048])
def test_a_prompt_has_exactly_so_many_tokens(fake, one, n):
    rounds = FirstToken(fake(), n)
    one(rounds)
    assert rounds.timings().n_evaluated == n


@pytest.mark.parametrize("letters_per_token", [4, 2, 1])
def test_a_tokenizer_of_several_tokens_a_word_is_fitted_too(fake, letters_per_token):
    # one word for each missing token overshoots more and more where a word is two tokens
    class Pieces(Fake):
        @staticmethod
        def _n_prompt(request):
            words = request.messages[0].content.split()
            return TEMPLATE_TOKENS + sum(math.ceil(len(word) / letters_per_token) for word in words)

    for seed in range(5):
        content = Prompts(fake(Pieces), 512, seed).next()[0].content
        assert TEMPLATE_TOKENS + sum(math.ceil(len(word) / letters_per_token) for word in content.split()) == 512


def test_a_length_that_no_prompt_has_is_an_error(fake):
    with pytest.raises(BackendError, match=r"exactly 2 tokens.*template alone may be longer") as caught:
        Prompts(fake(), TEMPLATE_TOKENS - 1, 1).next()
    assert caught.value.slug == "prompt-length"


def test_what_does_not_fit_is_skipped_with_both_lengths(fake, one):
    backend = fake(context_length=2048)
    require_context(backend, 2048)
    one(FirstToken(backend, 2048))  # its answer of one token is never shown to the model
    for ask in (
        lambda: require_context(backend, 2049),
        lambda: FirstToken(backend, 2049),
        lambda: Prefill(backend, 2049),
        lambda: Depth(backend, 2048 - 511),
    ):
        with pytest.raises(NotAvailableError, match="2049 tokens do not fit into the context of 2048") as caught:
            ask()
        assert caught.value.slug == "context-too-short"

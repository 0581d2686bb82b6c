"""A model that computes nonsense is an error before it is a score."""

from dataclasses import replace

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import BackendError
from pytest_slm.run import canary


class Told(Fake):
    """A model of 50,000 tokens, 2 a word, that finds the order of words worth so many nats a word in texts that hold
    ``known``, and a text as likely as it was told to, in nats a token."""

    def __init__(self, nats=-2.4, worth=4.0, known=canary.SENTENCE):
        super().__init__(ModelSpec(path=None, format="fake"))
        self.nats, self.worth, self.known = nats, worth, known
        self.asked = []

    def describe(self):
        return replace(super().describe(), vocab_size=50_000)

    def loglikelihood(self, pairs, progress=None):
        self.asked += [text for _, text in pairs]
        return [self.scored(text) for _, text in pairs]

    def scored(self, text):
        words = len(text.split(" "))
        order = 0 if self.known in text else self.worth * words
        return LogLikelihood(logprob=self.nats * 2 * words - order, is_greedy=False, n_tokens=2 * words)


def test_a_model_of_language_passes_with_one_sentence():
    model = Told()
    canary.check(model)
    assert len(model.asked) == 3


@pytest.mark.parametrize("nats", [-8.9, -10.9, -50.0])
def test_guessing_does_not(nats):
    # ln(50000) is 10.82; between is what chance makes of weights that are broken in one place
    with pytest.raises(BackendError, match="knows no order of words") as caught:
        canary.check(Told(nats))
    assert caught.value.slug == "canary"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("worth", [0.0, 1.9, -3.0])
def test_a_model_that_knows_no_order_of_words_does_not(worth):
    with pytest.raises(BackendError, match="beside the same words in another order") as caught:
        canary.check(Told(worth=worth))
    assert caught.value.slug == "canary"


@pytest.mark.parametrize("text", canary.OTHERS)
def test_one_language_that_it_knows_is_enough(text):
    class Foreign(Told):
        def scored(self, asked):
            known = len(asked) != len(text) or asked == text
            return LogLikelihood(logprob=-100.0 - (0 if known else 1000.0), is_greedy=False, n_tokens=40)

    canary.check(Foreign())


def test_a_backend_without_likelihoods_is_taken_as_it_is():
    silent = Told(-50.0)
    silent.capabilities = frozenset({"chat"})
    canary.check(silent)


def test_so_is_a_context_without_room_for_a_sentence():
    class Short(Told):
        def loglikelihood(self, pairs, progress=None):
            raise BackendError("does not fit", slug="context-too-long")

    canary.check(Short())


def test_what_is_no_number_is_told_as_that():
    class Broken(Told):
        def loglikelihood(self, pairs, progress=None):
            raise BackendError("no numbers", slug="not-finite")

    with pytest.raises(BackendError, match="not-finite"):
        canary.check(Broken())


def test_the_real_model_is_far_above_the_limit(real_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    backend = LlamaCpp(ModelSpec(path=str(real_model), format="gguf", settings=EngineSettings(threads=1)))
    try:
        canary.check(backend)
        worth, mean = canary._worth(backend, canary.SENTENCE)
        assert worth > 1.5 * canary.LEAST
        assert mean > -4
    finally:
        backend.close()

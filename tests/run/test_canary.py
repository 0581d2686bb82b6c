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
    """A model of 50,000 tokens that finds every text as likely as it was told to, in nats a token."""

    def __init__(self, nats):
        super().__init__(ModelSpec(path=None, format="fake"))
        self.nats = nats

    def describe(self):
        return replace(super().describe(), vocab_size=50_000)

    def loglikelihood(self, pairs, progress=None):
        return [LogLikelihood(logprob=self.nats * 20, is_greedy=False, n_tokens=20) for _ in pairs]


def test_a_model_of_language_passes():
    canary.check(Told(-2.4))


@pytest.mark.parametrize("nats", [-10.9, -50.0])
def test_guessing_does_not(nats):
    # ln(50000) is 10.82
    with pytest.raises(BackendError, match="no likelier than chance") as caught:
        canary.check(Told(nats))
    assert caught.value.slug == "canary"


def test_a_backend_without_likelihoods_is_taken_as_it_is():
    silent = Told(-50.0)
    silent.capabilities = frozenset({"chat"})
    canary.check(silent)


def test_the_real_model_is_far_above_chance(real_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    backend = LlamaCpp(ModelSpec(path=str(real_model), format="gguf", settings=EngineSettings(threads=1)))
    try:
        canary.check(backend)
        (scored,) = backend.loglikelihood([("", canary.SENTENCE)])
        assert scored.logprob / scored.n_tokens > -4
    finally:
        backend.close()

"""NaN and infinity are an error, and never become a text or a score."""

import math

import pytest

from pytest_slm.backends.protocol import EngineTest, ModelSpec
from pytest_slm.core.types import EngineSettings, Request
from pytest_slm.errors import BackendError

pytest.importorskip("llama_cpp", reason="needs llama.cpp: pip install 'pytest-slm[gguf]'")

BAD = "the z"


@pytest.fixture(scope="module", params=["nan", "inf"])
def broken(request, tiny_gguf, token_of):
    """A model that computes numbers until it has seen a z."""

    def change(name, tensor):
        if name == "token_embd":
            tensor[token_of("z"), 0] = float(request.param)

    return tiny_gguf(change)


@pytest.fixture
def opened():
    """Opens llama.cpp on a file; closes it afterwards."""
    from pytest_slm.backends.llamacpp import LlamaCpp

    backends = []

    def open_(path, **settings):
        spec = ModelSpec(path=str(path), format="gguf", settings=EngineSettings(threads=1, **settings))
        backends.append(LlamaCpp(spec))
        return backends[-1]

    yield open_
    for backend in backends:
        backend.close()


@pytest.mark.parametrize("how", [{}, {"temperature": 1.0}, {"grammar": 'root ::= "a"'}, {"forced_length": True}])
def test_no_text_is_made_of_it(opened, broken, how):
    backend = opened(broken)
    with pytest.raises(BackendError, match="computes no numbers after 'z'") as caught:
        backend.generate([Request(prompt=BAD, max_tokens=4, **how)])
    assert caught.value.slug == "not-finite"


def test_no_likelihood_is_made_of_it(opened, broken):
    with pytest.raises(BackendError, match="computes no numbers after") as caught:
        opened(broken).loglikelihood([("a", " b"), (BAD, " is a")])
    assert caught.value.slug == "not-finite"


def test_what_is_asked_next_does_not_see_it(opened, broken):
    # a cell that is masked is multiplied by 0, and 0 times NaN is NaN
    backend, fresh = opened(broken), opened(broken)
    request, pair = Request(prompt="a b", max_tokens=8), ("a b", " c d")
    for _ in range(2):
        with pytest.raises(BackendError, match="no numbers"):
            backend.generate([Request(prompt=BAD, max_tokens=4)] * 3)
        assert backend.generate([request])[0].text == fresh.generate([request])[0].text
        with pytest.raises(BackendError, match="no numbers"):
            backend.loglikelihood([(BAD, " is a"), pair])
        assert backend.loglikelihood([pair]) == fresh.loglikelihood([pair])


def test_a_neighbour_of_a_broken_text_is_no_text_either(opened, broken):
    # they share batches: whether its numbers are right nobody can say
    told = []
    requests = [Request(prompt="a b", max_tokens=40), Request(prompt=BAD, max_tokens=4)]
    with pytest.raises(BackendError, match="no numbers"):
        opened(broken).generate(requests, finished=lambda number, _: told.append(number))
    assert told == []


@pytest.mark.parametrize("test", [EngineTest(n_prompt=16), EngineTest(n_gen=4), EngineTest(n_gen=4, n_sequences=2)])
def test_no_time_is_taken_of_it(opened, tiny_gguf, test):
    def change(name, tensor):
        if name == "blk.0.ffn_down":
            tensor[:] = math.nan

    with pytest.raises(BackendError, match="no numbers") as caught:
        opened(tiny_gguf(change)).time(test)
    assert caught.value.slug == "not-finite"


def test_a_token_that_can_never_come_is_no_fault(opened, tiny_gguf, token_of):
    # minus infinity for single tokens: 1e38 * 1e38 overflows to it
    def change(name, tensor):
        if name == "output_norm":
            tensor[0] = 1e20
        if name == "output":
            tensor[:, 0] = 0
            tensor[token_of("z"), 0] = -1e20

    def both(name, tensor):
        change(name, tensor)
        if name == "token_embd":
            tensor[:, 0] = 100.0

    backend = opened(tiny_gguf(both))
    assert backend.generate([Request(prompt="a b", max_tokens=4)])[0].n_output == 4
    (scored,) = backend.loglikelihood([("a b", " c")])
    assert math.isfinite(scored.logprob)
    (never,) = backend.loglikelihood([("a b", " z")])
    assert never.logprob == -math.inf

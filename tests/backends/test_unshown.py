"""An engine says how many tokens of a prompt it did not show, and shows its end."""

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Request

pytest.importorskip("llama_cpp", reason="needs llama.cpp: pip install 'pytest-slm[gguf]'")

LONG = "a b c d e f g h i j k l m n o p"


@pytest.fixture(scope="module")
def backend(tiny_gguf):
    """A tiny model with a context of 24 tokens."""
    from pytest_slm.backends.llamacpp import LlamaCpp

    spec = ModelSpec(path=str(tiny_gguf()), format="gguf", settings=EngineSettings(threads=1, n_ctx=24))
    opened = LlamaCpp(spec)
    yield opened
    opened.close()


def test_of_a_prompt(backend):
    n = len(backend._tokenizer.tokenize(LONG, add_special=True, parse_special=False))
    cut, whole = backend.generate(
        [
            Request(prompt=LONG, max_tokens=4, keep_end=True, forced_length=True),
            Request(prompt="a b", max_tokens=4, keep_end=True, forced_length=True),
        ]
    )
    assert (cut.n_prompt, cut.n_unshown) == (20, n - 20)
    assert whole.n_unshown == 0


def test_of_a_context(backend):
    n = len(backend._tokenizer.tokenize(LONG, add_special=True, parse_special=False))
    cut, whole = backend.loglikelihood([(LONG, " q"), ("a b", " c")])
    assert cut.n_prompt + cut.n_tokens == 25  # the last one is not shown to the model
    assert cut.n_unshown == n - cut.n_prompt > 0
    assert (whole.n_prompt, whole.n_unshown) == (5, 0)

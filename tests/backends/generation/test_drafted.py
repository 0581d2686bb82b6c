"""What is drafted changes no text and takes fewer steps."""

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Request

CIRCLES = ("abc", "defgh")
"""Texts that the model goes on with for ever."""
BEGINNINGS = ("abcabcabcabcab", "ghdefghdefghde", "a")


@pytest.fixture(scope="module")
def circling(tiny_gguf, token_of):
    """A network that goes round in circles, as a real one does at the end of its wits: what comes next is decided by
    the last letter, and a little by all before it."""
    embedded = {}

    def change(name, tensor):
        if name == "token_embd":
            embedded.update({letter: tensor[token_of(letter)].copy() for circle in CIRCLES for letter in circle})
        elif name == "output":
            tensor *= 0.1
            for circle in CIRCLES:
                for letter, following in zip(circle, circle[1:] + circle[0], strict=True):
                    tensor[token_of(following)] = embedded[letter]
        elif name.endswith(("attn_output", "ffn_down")):
            tensor *= 0.01

    return tiny_gguf(change)


@pytest.fixture(scope="module")
def opened(circling):
    """``opened(exact=True)``: the network behind the engine."""
    from pytest_slm.backends.llamacpp import LlamaCpp

    made = []

    def open_(**settings):
        made.append(
            LlamaCpp(ModelSpec(path=str(circling), format="gguf", settings=EngineSettings(threads=1), **settings))
        )
        return made[-1]

    yield open_
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def backend(opened):
    return opened()


@pytest.fixture
def steps(backend, monkeypatch):
    """How many rows each step of the engine had so far."""
    seen = []
    decode = backend._context.decode

    def watching(rows, wanted):
        seen.append(len(rows))
        return decode(rows, wanted)

    monkeypatch.setattr(backend._context, "decode", watching)
    return seen


def plainly(backend, requests, monkeypatch):
    """The answers of token by token."""
    from pytest_slm.backends.llamacpp import drafts

    with monkeypatch.context() as patch:
        patch.setattr(drafts, "SURE", 10**9)
        return backend.generate(requests)


@pytest.mark.parametrize(
    "more",
    [
        {"max_tokens": 40},
        {"max_tokens": 40, "temperature": 1.0, "seed": 5},
        {"max_tokens": 60, "stop": ("cabcabcabcabcabcabcabcab", "hdefghdefghdefghdefghdefghd")},
    ],
    ids=["greedy", "sampled", "stopped"],
)
def test_what_is_drafted_changes_no_text_and_takes_fewer_steps(backend, steps, prompts, texts, monkeypatch, more):
    requests = [Request(prompt=prompt, **more) for prompt in BEGINNINGS]
    requests += [Request(prompt=prompt, **{**more, "max_tokens": 20}) for prompt in prompts[:2]]
    expected = plainly(backend, requests, monkeypatch)
    n_plain = len(steps)
    found = backend.generate(requests)
    assert texts(found) == texts(expected)
    assert [(g.n_output, g.finish) for g in found] == [(g.n_output, g.finish) for g in expected]
    assert all(len(g.timings.token_s) == g.n_output for g in found)
    assert len(steps) - n_plain < n_plain


def test_a_circle_takes_a_fraction_of_the_steps(backend, steps):
    (answer,) = backend.generate([Request(prompt=BEGINNINGS[0], max_tokens=100)])
    assert answer.n_output == 100
    assert len(steps) < 60


def test_a_forced_length_is_written_token_by_token(backend, steps):
    backend.generate([Request(prompt=BEGINNINGS[0], max_tokens=30, forced_length=True)])
    assert steps[1:] == [1] * 29


def test_where_the_shape_is_fixed_nothing_is_drafted(opened, monkeypatch):
    exact = opened(exact=True)
    seen = []
    decode = exact._context.decode
    monkeypatch.setattr(exact._context, "decode", lambda rows, wanted: (seen.append(len(rows)), decode(rows, wanted)))
    exact.generate([Request(prompt=BEGINNINGS[0], max_tokens=30)])
    assert seen[1:] == [1] * 29

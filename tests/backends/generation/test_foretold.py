"""What is foretold changes no text and takes fewer steps."""

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Request

CIRCLES = (
    "1 2 3 4 5 6 1 2 3 4 5 6 1 2 3 4 5 6 1 2",
    "red green blue red green blue red green blue red",
    "ab ab ab ab ab",
)


@pytest.fixture
def backend(language):
    """What a network without sense writes never turns in a circle."""
    return language


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
        {"max_tokens": 40, "temperature": 0.1, "seed": 5},
        {"max_tokens": 60, "stop": ("6 1 2 3 4 5 6 1 2 3 4 5 6 1 2 3 4 5",)},
    ],
    ids=["greedy", "sampled", "stopped"],
)
def test_what_is_foretold_changes_no_text_and_takes_fewer_steps(backend, steps, prompts, texts, monkeypatch, more):
    requests = [Request(prompt=prompt, **more) for prompt in CIRCLES]
    requests += [Request(prompt=prompt, **{**more, "max_tokens": 20}) for prompt in prompts[:2]]
    expected = plainly(backend, requests, monkeypatch)
    n_plain = len(steps)
    found = backend.generate(requests)
    assert texts(found) == texts(expected)
    assert [(g.n_output, g.finish) for g in found] == [(g.n_output, g.finish) for g in expected]
    assert all(len(g.timings.token_s) == g.n_output for g in found)
    assert len(steps) - n_plain < n_plain


def test_a_circle_takes_a_fraction_of_the_steps(backend, steps):
    (answer,) = backend.generate([Request(prompt=CIRCLES[0], max_tokens=100)])
    assert answer.n_output == 100
    assert len(steps) < 60


def test_a_forced_length_is_written_token_by_token(backend, steps):
    backend.generate([Request(prompt=CIRCLES[0], max_tokens=30, forced_length=True)])
    assert steps[1:] == [1] * 29


def test_where_the_shape_is_fixed_nothing_is_foretold(f32_model, monkeypatch):
    from pytest_slm.backends.llamacpp import LlamaCpp

    exact = LlamaCpp(ModelSpec(path=str(f32_model), format="gguf", settings=EngineSettings(threads=1), exact=True))
    seen = []
    decode = exact._context.decode
    monkeypatch.setattr(exact._context, "decode", lambda rows, wanted: (seen.append(len(rows)), decode(rows, wanted)))
    exact.generate([Request(prompt=CIRCLES[0], max_tokens=30)])
    exact.close()
    assert seen[1:] == [1] * 29

"""A small model, opened once or with limits of a test's own; the real one, where a text has to make sense."""

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings

PROMPTS = ("Once upon a time", "The capital of France is", "1, 2, 3, 4, 5,", "def add(a, b):", "Water boils at", "My")


@pytest.fixture(scope="session")
def prompts():
    """Short beginnings of several kinds."""
    return PROMPTS


@pytest.fixture(scope="module")
def backend(small_model):
    """The small model with the limits that it has by itself. F32: what differs between two ways of computing is an
    error of ours, not the noise of a quantization."""
    yield from _opened(small_model)


@pytest.fixture(scope="module")
def language(real_model):
    """The real model, where a text has to make sense."""
    yield from _opened(real_model)


def _opened(path):
    from pytest_slm.backends.llamacpp import LlamaCpp

    opened = LlamaCpp(ModelSpec(path=str(path), format="gguf", settings=EngineSettings(threads=1)))
    yield opened
    opened.close()


@pytest.fixture
def limited(small_model):
    """Opens the model with other limits; closes it afterwards."""
    from pytest_slm.backends.llamacpp import LlamaCpp

    opened = []

    def open_(*, exact=False, thinking="off", **settings):
        spec = ModelSpec(
            path=str(small_model),
            format="gguf",
            settings=EngineSettings(threads=1, **settings),
            exact=exact,
            thinking=thinking,
        )
        opened.append(LlamaCpp(spec))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def texts():
    """``texts(generations)``: their texts."""

    def of(generations):
        return [generation.text for generation in generations]

    return of


@pytest.fixture(scope="session")
def alone():
    """``alone(backend, requests)``: each one's answer when it is asked by itself."""

    def ask(backend, requests):
        return [backend.generate([request])[0] for request in requests]

    return ask

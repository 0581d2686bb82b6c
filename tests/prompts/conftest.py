"""Rendering a template as it is, without asking whether it writes everything."""

import pytest

from pytest_slm.core.types import Message
from pytest_slm.prompts import process, template

HELLO = (Message(role="user", content="Hello"),)


@pytest.fixture
def render():
    """``render(source, messages, tools=..., bos_token=...)``: the text, or BackendError."""

    def rendered(source, messages=HELLO, tools=(), **tokens):
        (rendering,), _ = process.render(source, [{**template.variables(messages, tools), **tokens}])
        return rendering.required()

    return rendered

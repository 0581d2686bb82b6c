"""Chat templates are programs that come with the weights, so they run in a sandbox.

jinja2's immutable sandbox denies attributes of Python's own machinery (CVE-2024-34359 was a template without one);
the size of template and result is limited here, and the time by the request limit of the process that holds the model.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pytest_slm.core.types import Message
from pytest_slm.errors import BackendError

TEMPLATE_DATE = datetime(2024, 7, 26, tzinfo=UTC)
"""Templates that write a date get this one (the default of those that have one): a prompt must not change overnight."""

MAX_TEMPLATE = 256 * 1024
MAX_RENDERED = 16 * 1024 * 1024


@functools.lru_cache(maxsize=8)
def compiled(source: str) -> Template:
    """The template, compiled once, with the helpers that transformers gives to templates."""
    if len(source) > MAX_TEMPLATE:
        raise BackendError(
            f"chat template: {len(source)} characters, the limit is {MAX_TEMPLATE}", slug="chat-template"
        )
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: TEMPLATE_DATE.strftime(form)
    try:
        return environment.from_string(source)
    except TemplateError as error:
        raise BackendError(
            f"chat template: line {getattr(error, 'lineno', '?')}: {error}", slug="chat-template"
        ) from None


def render(
    source: str,
    messages: Sequence[Message],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    bos_token: str = "",
    eos_token: str = "",
) -> str:
    """The conversation as the text that the model was trained to see, ready for its answer."""
    parts = []
    size = 0
    try:
        stream = compiled(source).generate(
            messages=[message.to_json() for message in messages],
            tools=[dict(tool) for tool in tools] or None,
            add_generation_prompt=True,
            bos_token=bos_token,
            eos_token=eos_token,
        )
        for part in stream:
            size += len(part)
            if size > MAX_RENDERED:
                raise BackendError(f"chat template: more than {MAX_RENDERED} characters come out", slug="chat-template")
            parts.append(part)
    except BackendError:
        raise
    except Exception as error:  # a template is foreign code: whatever it raises is its author's error, not ours
        raise BackendError(f"chat template: {type(error).__name__}: {error}", slug="chat-template") from None
    return "".join(parts)


def _raise(message: str) -> None:
    raise TemplateError(message)

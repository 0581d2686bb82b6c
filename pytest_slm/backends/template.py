"""Chat templates are programs that come with the weights, so they run in a sandbox.

jinja2's immutable sandbox denies attributes of Python's own machinery (CVE-2024-34359 was a template without one);
the size of template, values and result is limited here, and so is the time.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jinja2 import Template, TemplateError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pytest_slm.core.types import Message
from pytest_slm.errors import BackendError

TEMPLATE_DATE = datetime(2024, 7, 26, tzinfo=UTC)
"""Templates that write a date get this one (the default of those that have one): a prompt must not change overnight."""

MAX_TEMPLATE = 256 * 1024
MAX_RENDERED = 16 * 1024 * 1024
MAX_POWER = 1000
"""Base and exponent."""
MAX_SECONDS = 10.0
"""Real templates take milliseconds."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """jinja2's sandbox, which also watches the operators that make much of little."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or not all(isinstance(side, int | float) for side in (left, right)):
            sizes = [side if isinstance(side, int | float) else len(side) for side in (left, right)]
            much = max(map(abs, sizes)) > MAX_POWER if operator == "**" else sizes[0] * sizes[1] > MAX_RENDERED
            if much:
                raise TemplateError(f"{operator} would make something of more than {MAX_RENDERED} characters or digits")
        return super().call_binop(context, operator, left, right)


class _TooLongError(Exception):
    """The time of a template is over."""


@functools.lru_cache(maxsize=8)
def compiled(source: str) -> Template:
    """The template, compiled once, with the helpers that transformers gives to templates."""
    if len(source) > MAX_TEMPLATE:
        raise BackendError(
            f"chat template: {len(source)} characters, the limit is {MAX_TEMPLATE}", slug="chat-template"
        )
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
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
        with _within(MAX_SECONDS):
            for part in stream:
                size += len(part)
                if size > MAX_RENDERED:
                    raise BackendError(
                        f"chat template: more than {MAX_RENDERED} characters come out", slug="chat-template"
                    )
                parts.append(part)
    except BackendError:
        raise
    except _TooLongError:
        raise BackendError(
            f"chat template: not done after {MAX_SECONDS:g} s, it may loop for ever; the model needs another template",
            slug="chat-template",
        ) from None
    except Exception as error:  # a template is foreign code: whatever it raises is its author's error, not ours
        raise BackendError(f"chat template: {type(error).__name__}: {error}", slug="chat-template") from None
    return "".join(parts)


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise _TooLongError in the block when its time is over: a template is Python code, which can be interrupted
    between any two instructions, even where it writes nothing."""
    thread, lock = threading.get_ident(), threading.Lock()
    over = False

    def interrupt() -> None:
        with lock:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_TooLongError))

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
        timer.cancel()


def _raise(message: str) -> None:
    raise TemplateError(message)

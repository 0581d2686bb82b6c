"""Chat templates are programs that come with the weights, so they run in a sandbox.

jinja2's immutable sandbox denies attributes of Python's own machinery (CVE-2024-34359 was a template without one).
Limited here are the size of the template, of what comes out, and the time; and whatever makes much of little in one
step is refused before it does so: the operators ``+``, ``*``, ``**``, ``%`` and ``~``, the methods in ``METHODS``, the
filters in ``FILTERS``, and what is written or given to any other filter and is huge as text (lists of lists of lists).
Not limited, except by time, is what becomes a few times as large in one step (``split``, ``escape``, ``list``), what
``sum``, ``batch`` and ``slice`` put into lists, and what a block of ``set``, ``macro``, ``call`` or ``filter`` collects
before it is used.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import re
import string
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import BuiltinMethodType, MethodType
from typing import Any

from jinja2 import Environment, Template, TemplateError, nodes
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

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
MAX_BITS = 100_000
"""Of a product of whole numbers: it cannot be interrupted while it is computed."""


def _size(*values: Any) -> int:
    """About how long they are as text, with all that is in them. Counts no further than to what is too much."""
    total, left = 0, list(values)
    while left and total <= MAX_RENDERED:
        value = left.pop()
        if isinstance(value, str | bytes):
            total += len(value)
        elif isinstance(value, Collection):
            total += 64 + 4 * len(value)  # more than its commas, for lists of lists take time to count
            left += value
            left += value.values() if isinstance(value, Mapping) else ()
        else:
            total += 24 + (value.bit_length() // 3 if isinstance(value, int) else 0)
    return total


FIELD = r"%[-+ #0]*(?:\*|(\d*))(?:\.(\d*))?"
"""Of a text for ``%``: width and precision."""


def _percent(form: Any, *given: Any, **named: Any) -> int:
    text = form.decode("latin-1") if isinstance(form, bytes) else str(form)
    keyed = text.count("%(")  # a field that names its value may show it again, and hide its width in the name
    widths = (
        re.findall(r"\d+", text)
        if keyed
        else [digits for field in re.findall(FIELD, text) for digits in field if digits]
    )
    starred = [abs(value) for value in given if isinstance(value, int)] if "*" in text else []
    return len(text) + sum(map(int, widths)) + sum(starred) + max(1, keyed) * _size(given, named)


def _braces(form: str, *given: Any, **named: Any) -> int:
    widths, again = 0, 0
    for _, field, spec, _ in string.Formatter().parse(form):
        if "{" in (spec or ""):
            raise TemplateError("format: a width that is itself a field is not supported")
        widths += sum(map(int, re.findall(r"\d+", spec or "")))
        again += bool(field)
    return len(form) + widths + max(1, again) * _size(given, named)


def _padded(text: Any, width: int = 80, *_more: Any) -> int:
    return max(_size(text), width)


def _replaced(text: Any, old: Any, new: Any, *_count: Any, **_named: Any) -> int:
    text, old = (value if isinstance(value, str | bytes) else str(value) for value in (text, old))
    return len(text) + (text.count(old) if old else len(text) + 1) * _size(new)


def _joined(separator: Any, parts: Collection[Any]) -> int:
    return _size(parts) + len(parts) * _size(separator)


def _translated(text: Any, table: Mapping[Any, Any]) -> int:
    return len(text) * max([1, *map(_size, table.values())])


def _indented(text: Any, width: int | str = 4, *_more: Any, **_named: Any) -> int:
    return _size(text) + (len(str(text).splitlines()) + 1) * (width if isinstance(width, int) else len(width))


def _wrapped(
    text: Any, _width: int = 79, _long: bool = True, wrapstring: Any = None, *_more: Any, **_named: Any
) -> int:
    return _size(text) * (1 + _size(wrapstring or "\n"))


def _as_json(value: Any, **options: Any) -> int:
    widths = sum(option if isinstance(option, int) else _size(option) for option in options.values())
    return _size(value) * (1 + widths)


METHODS: Mapping[str, Callable[..., int]] = {
    **dict.fromkeys(("ljust", "rjust", "center", "zfill"), _padded),
    "to_bytes": lambda _number, length=1, *_order, **_named: length,
    "expandtabs": lambda text, tabsize=8: len(text) + text.count("\t" if isinstance(text, str) else b"\t") * tabsize,
    "replace": _replaced,
    "join": _joined,
    "translate": _translated,
    "format": _braces,
    "format_map": lambda form, named: _braces(form, **named),
}
"""Methods that make much of little, with the most that can come out for what is given."""


def _given(value: Any, *_more: Any, **_named: Any) -> int:
    return _size(value)


FILTERS: Mapping[str, Callable[..., int]] = {
    "center": _padded,
    "replace": _replaced,
    "join": lambda parts, d="", *_attribute, **_named: _joined(d, parts),
    "format": _percent,
    "indent": _indented,
    "wordwrap": _wrapped,
    "tojson": _as_json,
}
"""The same for filters; for all others it is the size of what they are given."""


def _check(what: str, size: float) -> None:
    if size > MAX_RENDERED:
        raise TemplateError(f"{what} would make something of more than {MAX_RENDERED} characters or digits")


def _filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of jinja2 that refuses to make too much."""
    size: Callable[..., int] = FILTERS.get(name, _given)

    @functools.wraps(function)  # also what jinja2 has noted on it: which of its own objects it is given first
    def guarded(*given: Any, **named: Any) -> Any:
        own = [value for value in given[:1] if isinstance(value, Context | EvalContext | Environment)]
        value, *rest = given[len(own) :]
        if name == "join":
            value = list(value)  # it may be there only once
        _check(name, size(value, *rest, **named))
        return function(*own, value, *rest, **named)

    return guarded


def _written(value: Any) -> Any:
    _check("{{ }}", _size(value))
    return value


def _concatenated(parts: Iterable[Any]) -> str:
    parts = list(parts)
    _check("~", _size(parts))
    return "".join(map(str, parts))


class _Concatenations(NodeTransformer):
    """Makes a filter of ``~``, which jinja2's sandbox does not watch as it does the other operators."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - the name is jinja2's
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(parts, "~", [], [], None, None, lineno=node.lineno)


class _Sandbox(ImmutableSandboxedEnvironment):
    """jinja2's sandbox, which also watches what makes much of little."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(finalize=_written, **options)
        self.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
        self.filters.update({name: _filter(name, function) for name, function in self.filters.items()})
        self.filters["~"] = _concatenated

    def template(self, source: str) -> Template:
        """The template of a text, with its limits."""
        tree = _Concatenations().visit(self.parse(source))
        tree.set_environment(self)
        return self.from_string(tree)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        numbers = [side for side in (left, right) if isinstance(side, int | float)]
        if operator == "%" and isinstance(left, str | bytes):
            given = [right] if isinstance(right, Mapping) or not isinstance(right, tuple) else right
            _check(operator, _percent(left, *given))
        elif operator == "+" and not numbers:
            _check(operator, sum(len(side) for side in (left, right) if isinstance(side, Collection)))
        elif operator == "**" or (operator == "*" and len(numbers) < 2):
            sizes = [side if isinstance(side, int | float) else len(side) for side in (left, right)]
            much = max(map(abs, sizes)) > MAX_POWER if operator == "**" else sizes[0] * sizes[1] > MAX_RENDERED
            _check(operator, MAX_RENDERED + 1 if much else 0)
        elif operator == "*":
            bits = sum(side.bit_length() for side in numbers if isinstance(side, int))
            _check(operator, MAX_RENDERED + 1 if bits > MAX_BITS else 0)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, function: Any, /, *given: Any, **named: Any) -> Any:
        # `format` comes wrapped, as a sandboxed one.
        method = getattr(function, "__wrapped__", function)
        if isinstance(method, BuiltinMethodType | MethodType) and method.__name__ in METHODS:
            if method.__name__ == "join":
                given = tuple(list(parts) for parts in given)
            _check(method.__name__, METHODS[method.__name__](method.__self__, *given, **named))
        return super().call(context, function, *given, **named)


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
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: TEMPLATE_DATE.strftime(form)
    try:
        return environment.template(source)
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
    variables: Mapping[str, Any] | None = None,
) -> str:
    """The conversation as the text that the model was trained to see, ready for its answer; ``variables`` are what the
    template can know besides."""
    parts = []
    size = 0
    try:
        stream = compiled(source).generate(
            messages=[message.as_template() for message in messages],
            tools=[dict(tool) for tool in tools] or None,
            add_generation_prompt=True,
            bos_token=bos_token,
            eos_token=eos_token,
            **(variables or {}),
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

"""The program that renders chat templates, in a process of its own: see ``process.py``, which starts it by its path.

Nothing imports it. It needs jinja2 and the standard library alone, and starts in a tenth of a second.

One JSON line in, one out. In: ``source`` (a template, if it is another one than before), ``asks`` (the variables of
each prompt), ``characters`` (the most that may come out of one) and ``seconds`` (of processor time, for all). Out:
``answers``, for each prompt its text and None, or None and what is wrong; and ``uses``, which of ``NOTED`` the template
names.
"""

from __future__ import annotations

import codecs
import contextlib
import html  # noqa: F401 - see EARLY
import json
import math
import os
import pprint  # noqa: F401
import random
import signal
import sys
import textwrap  # noqa: F401
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import jinja2.constants
import jinja2.debug  # noqa: F401
from jinja2 import Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

TEMPLATE_DATE = datetime(2024, 7, 26, tzinfo=UTC)
"""Templates that write a date get this one (the default of those that have one): a prompt must not change overnight."""

NOTED = frozenset({"strftime_now", "random", "lipsum"})
"""What makes one prompt another one on another day."""

LONGEST_ERROR = 300

EARLY = ("ascii", "latin_1", "utf_8", "utf_16", "utf_32", "unicode_escape")
"""Codecs that are loaded before no file can be opened any more; the last one is jinja2's own. It is why modules are
imported here that nothing here uses: jinja2's filters import them when they are first called."""


class GenerationTag(Extension):
    """``{% generation %}`` marks the assistant's words for training; what it encloses is written as it is."""

    tags = frozenset({"generation"})  # type: ignore[assignment]

    def parse(self, parser: Parser) -> nodes.Node:
        """A block with a scope of its own, as in transformers."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("written"), [], [], body).set_lineno(line)

    def written(self, caller: Macro) -> str:
        """The text of the block."""
        text: str = caller()
        return text


class TemplateNamespace(Namespace):
    """jinja2's, without names that begin with an underscore, as in transformers."""

    def __init__(*args: Any, **named: Any) -> None:
        # Without names, as jinja2 does it: `namespace(self=...)` is allowed.
        self, *given = args
        attributes = dict(*given, **named)
        for name in attributes:
            _check_public(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_public(name)
        super().__setitem__(name, value)


def _check_public(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace cannot hold {name!r:.40}: it begins with an underscore")


def _dict(*given: Any, **named: Any) -> dict[Any, Any]:
    return dict(*given, **named)


def _as_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """``tojson`` of transformers: that of jinja2 escapes what HTML does not allow."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: object) -> None:
    raise TemplateError(str(message)[:LONGEST_ERROR])


def environment() -> ImmutableSandboxedEnvironment:
    """jinja2's sandbox (CVE-2024-34359 was a template without one), with what transformers gives to templates."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols], cache_size=0
    )
    made.filters["tojson"] = _as_json
    made.globals.update(
        raise_exception=_raise,
        strftime_now=lambda form: TEMPLATE_DATE.strftime(form),
        dict=_dict,
        namespace=TemplateNamespace,
    )
    return made


def noted(made: ImmutableSandboxedEnvironment, source: str) -> list[str]:
    """What of ``NOTED`` is a filter or variable of a template, or given to a filter: ``map('random')`` calls it too."""
    tree = made.parse(source)
    filters = list(tree.find_all(nodes.Filter))
    given = [one.value for each in filters for one in each.args if isinstance(one, nodes.Const)]
    named = [*(each.name for each in filters), *(each.name for each in tree.find_all(nodes.Name))]
    return sorted(name for name in NOTED if name in (*named, *given))


def told(error: Exception) -> str:
    """An error in a line: a template may raise whatever text it likes."""
    with contextlib.suppress(MemoryError):
        number = getattr(error, "lineno", None)
        line = f"line {number}: " if number else ""
        text = str(error)[:LONGEST_ERROR] or type(error).__name__
        known = isinstance(error, TemplateError)
        return line + (text if known or text == type(error).__name__ else f"{type(error).__name__}: {text}")
    return "MemoryError"


def attempt(work: Callable[..., Any], *given: Any) -> tuple[Any, str | None]:
    """What comes of it and None, or None and the error: a template is foreign code, and raises what it likes."""
    try:
        return work(*given), None
    except Exception as error:
        return None, told(error)


def render(template: Template, variables: Mapping[str, Any], characters: int) -> str:
    """The text of one prompt. Raises TemplateError where more comes out."""
    random.seed(0)  # whatever a template draws, it draws it again in the next run
    parts, size = [], 0
    for part in template.generate(variables):
        size += len(part)
        if size > characters:
            raise TemplateError(f"more than {characters} characters come out")
        parts.append(part)
    return "".join(parts)


def confine(memory: int) -> None:
    """Limits of the kernel, where it has them: bytes of memory, and no further file, socket or process at all."""
    for codec in EARLY:
        codecs.lookup(codec)
    if resource is not None:
        for name, limit in (("AS", memory), ("CORE", 0), ("NPROC", 0), ("NOFILE", 0)):
            with contextlib.suppress(AttributeError, ValueError, OSError):  # this system does not have that one
                number = getattr(resource, f"RLIMIT_{name}")
                resource.setrlimit(number, (limit, resource.getrlimit(number)[1] if name == "AS" else limit))


def allow(seconds: float) -> None:
    """So much processor time from now: whoever started this may be gone before a template ends."""
    if resource is not None:
        with contextlib.suppress(ValueError, OSError):
            hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds) + 1, hard))


def main() -> None:
    """Render until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confine(int(sys.argv[1]))
    made = environment()
    print(json.dumps({"ready": os.getpid()}), flush=True)
    template: Template | None = None
    problem: str | None = None
    uses: list[str] | None = None
    for line in sys.stdin:
        order = json.loads(line)
        allow(order["seconds"])
        if "source" in order:
            source = order["source"]
            template, problem = attempt(made.from_string, source)
            uses, _ = attempt(noted, made, source)
        answers = [
            (None, problem) if template is None else attempt(render, template, asked, order["characters"])
            for asked in order["asks"]
        ]
        print(json.dumps({"answers": answers, "uses": uses or []}), flush=True)


if __name__ == "__main__":
    main()

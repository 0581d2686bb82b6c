"""Templates to pages: everything is escaped, a missing value is an error, and a policy in each page lets only our own
style and script run."""

from __future__ import annotations

import base64
import contextlib
import contextvars
import functools
import hashlib
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any
from urllib.parse import quote

import jinja2
from jinja2.compiler import CodeGenerator
from markupsafe import Markup, escape

from pytest_slm import __version__
from pytest_slm.site import numbers
from pytest_slm.site.titles.wording import coded

NOTHING = "'none'"
_GUIDES = contextvars.ContextVar("guides", default="")


@contextlib.contextmanager
def beside(place: str) -> Iterator[None]:
    """Meanwhile the pages of the site lead to the guides there: a folder, seen from the first page, or an address."""
    token = _GUIDES.set(place)
    try:
        yield
    finally:
        _GUIDES.reset(token)


def guides() -> str:
    """Where the guides are now, seen from the first page; empty where there are none."""
    return _GUIDES.get()


def _escaped(value: Any) -> str:
    """The value as a part of a page. Most are texts without anything to escape, numbers, or parts that are made
    already, and asking that is quicker than escaping."""
    kind = value.__class__
    if kind is str:
        text: str = escape(value) if _SPECIAL(value) else value
        return text
    return str(value) if kind in _SAFE else escape(value)


_SAFE = {float, int, Markup}
_SPECIAL = re.compile("[&<>\"']").search


class _Generator(CodeGenerator):
    """jinja's compiler with ``_escaped``; should another version of it not ask here, it escapes by itself."""

    def _output_child_pre(self, node: Any, frame: Any, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.escaped(")


class _Environment(jinja2.Environment):
    code_generator_class = _Generator
    escaped = staticmethod(_escaped)
    # No key of a mapping is meant by ``a.b`` here, so none is looked for; the builtin itself, since a method, which the
    # checker of types would rather have, is one call more for each of a page's thousands of attributes.
    getattr = staticmethod(getattr)  # type: ignore[assignment]


@functools.cache
def environment() -> jinja2.Environment:
    """The jinja environment of all pages."""
    made = _Environment(
        loader=jinja2.PackageLoader("pytest_slm.site"),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["coded"] = coded
    made.filters["thousands"] = lambda count: numbers.number(count, 0)
    return made


@functools.cache
def static(name: str) -> str:
    """The text of a file in ``static/``."""
    return resources.files("pytest_slm.site").joinpath("static", name).read_text(encoding="utf-8")


def linked_page(template: str, *, root: str, script: str = "", inline: str = "", styled: str = "", **views: Any) -> str:
    """A page of the site: style and script are its own files, ``root`` is the way to the site's top (``../``).
    ``inline`` is a short script, and ``styled`` a short style sheet, that stand in the page itself: one file less to
    wait for. So does the icon, which a browser would ask for, too."""
    scripts_from = "'self'" if script else _hash(static(inline)) if inline else NOTHING
    styles_from = f"'self' {_hash(static(styled))}" if styled else "'self'"
    place = guides()
    views |= {"guides_at": place if not place or re.match(r"https?://", place) else f"{root}{place}"}
    # Our own files, of which the policy has the hashes: the only texts that are not escaped.
    views |= {"inline": Markup(static(inline)) if inline else ""}  # noqa: S704
    views |= {"more_style": Markup(static(styled)) if styled else ""}  # noqa: S704
    return _render(template, policy=_policy(styles_from, scripts_from), root=root, script=script, style=None, **views)


def single_page(template: str, **views: Any) -> str:
    """A page in one file, with its style inside and no script at all; it can be sent by mail."""
    return _inlined(template, "'none'", **views)


def scripted_page(template: str, *names: str, **views: Any) -> str:
    """A page with its style and its scripts (``scripts`` in the template) inside, which may read further scripts from
    beside it and no others."""
    scripts = [static(name) for name in names]
    allowed = " ".join(("'self'", *map(_hash, scripts)))
    return _inlined(template, allowed, scripts=[Markup(script) for script in scripts], **views)  # noqa: S704


def _inlined(template: str, scripts_from: str, **views: Any) -> str:
    style = static("style.css")
    views |= {"policy": _policy(_hash(style), scripts_from), "style": Markup(style)}  # noqa: S704
    return _render(template, root="", script="", guides_at=guides(), more_style="", **views)


def _policy(styles_from: str, scripts_from: str) -> str:
    return (
        f"default-src 'none'; style-src {styles_from}; script-src {scripts_from}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


@functools.cache
def _icon() -> str:
    return f"data:image/svg+xml,{quote(static('favicon.svg').strip())}"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _render(template: str, **views: Any) -> str:
    return environment().get_template(template).render(version=__version__, icon=_icon(), **views)

"""Templates to pages: everything is escaped, a missing value is an error, and a policy in each page lets only our own
style and script run."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from pytest_slm import __version__


@functools.cache
def environment() -> jinja2.Environment:
    """The jinja environment of all pages."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("pytest_slm.site"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@functools.cache
def static(name: str) -> str:
    """The text of a file in ``static/``."""
    return resources.files("pytest_slm.site").joinpath("static", name).read_text(encoding="utf-8")


def linked_page(template: str, *, root: str, script: str = "", **views: Any) -> str:
    """A page of the site: style and script are its own files, ``root`` is the way to the site's top (``../``)."""
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'"
    )
    if not script:
        policy = policy.replace("script-src 'self'", "script-src 'none'")
    return _render(template, policy=policy, root=root, script=script, style=None, **views)


def single_page(template: str, **views: Any) -> str:
    """A page in one file, with its style inside and no script at all; it can be sent by mail."""
    return _inlined(template, "'none'", **views)


def viewer_page(template: str, script: str, **views: Any) -> str:
    """A page with its style and its ``script`` inside, which may load further scripts from beside it and no others."""
    source = static(script)
    return _inlined(template, f"'self' 'sha256-{_digest(source)}'", source=Markup(source), **views)  # noqa: S704


def _inlined(template: str, scripts: str, **views: Any) -> str:
    style = static("style.css")
    policy = (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; script-src {scripts}; base-uri 'none'; "
        "form-action 'none'"
    )
    # Our own file, and the policy has its hash: the only text that is not escaped.
    return _render(template, policy=policy, root="", script="", style=Markup(style), **views)  # noqa: S704


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _render(template: str, **views: Any) -> str:
    return environment().get_template(template).render(version=__version__, **views)

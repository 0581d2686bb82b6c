"""Templates to pages: everything is escaped, a missing value is an error, and a policy in each page lets only our own
style and script run."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
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
    policy = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'"
    if not script:
        policy = policy.replace("script-src 'self'", "script-src 'none'")
    return _render(template, policy=policy, root=root, script=script, style=None, **views)


def scripted_page(template: str, names: Sequence[str], **views: Any) -> str:
    """A page at the site's top with its style and scripts inside, which may read further scripts of the site."""
    style, scripts = static("style.css"), [static(name) for name in names]
    allowed = " ".join(map(_hash, scripts))
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src 'self' {allowed}; base-uri 'none'"
    # Our own files, whose hashes the policy has.
    inside = [Markup(script) for script in scripts]  # noqa: S704
    return _render(
        template,
        policy=f"{policy}; form-action 'none'",
        root="",
        script="",
        style=Markup(style),  # noqa: S704
        scripts=inside,
        **views,
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def single_page(template: str, **views: Any) -> str:
    """A page in one file, with its style inside and no script at all; it can be sent by mail."""
    style = static("style.css")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src 'none'; base-uri 'none'; form-action 'none'"
    # Our own file, and the policy has its hash: the only text that is not escaped.
    return _render(template, policy=policy, root="", script="", style=Markup(style), **views)  # noqa: S704


def _render(template: str, **views: Any) -> str:
    return environment().get_template(template).render(version=__version__, **views)

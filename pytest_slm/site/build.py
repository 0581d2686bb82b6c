"""The site: a folder of pages from one registry file. It is made beside its place and put there in one step."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.errors import ReportError, writing_failed
from pytest_slm.files import inside
from pytest_slm.registry.entry import Registry
from pytest_slm.registry.schema import read_registry
from pytest_slm.registry.store import write_text
from pytest_slm.site import numbers
from pytest_slm.site.compare import compare_files, compare_page
from pytest_slm.site.home_view import home_view
from pytest_slm.site.model_view import items_view, model_view
from pytest_slm.site.render import linked_page, single_page, static
from pytest_slm.site.views import words

STATIC = ("style.css", "home.js")
MARKER = ".pytest-slm-site"
"""Lies in every folder that was made here: no other folder is ever replaced."""


@dataclass(frozen=True, kw_only=True)
class MethodologyView:
    """What the page is told: each profile with its weights in words, and the thresholds."""

    profiles: tuple[tuple[str, str], ...]
    ranked: str
    recommended: str
    not_recommended: str


def methodology_view(rules: ScoreRules) -> MethodologyView:
    """The view of the rules that a registry was made by."""
    return MethodologyView(
        profiles=tuple(
            (
                words(profile.name),
                ", ".join(f"{words(name).lower()} {100 * weight:g}" for name, weight in profile.weights.items()),
            )
            for profile in rules.profiles
        ),
        ranked=numbers.percent(rules.ranked_coverage),
        recommended=f"{rules.recommended:g}",
        not_recommended=f"{rules.not_recommended:g}",
    )


def build_site(registry_path: Path, out_dir: Path) -> tuple[str, ...]:
    """Replace ``out_dir`` by the pages of a registry; returns their paths in it.

    The same registry gives the same bytes. Raises ReportError, and leaves the old site as it was, where the registry
    cannot be read, a folder cannot be written, or ``out_dir`` holds something that is no site.
    """
    registry = read_registry(registry_path)
    try:
        pages = site_pages(registry)
    except (ArithmeticError, LookupError, ValueError, TypeError) as error:
        # Its schema is kept, but somebody has changed values in it that belong together, or beyond all measure.
        problem = f"no page can be made of it ({type(error).__name__}: {error!s:.200}); make the registry again"
        raise ReportError(f"{registry_path}: {problem}", slug="registry-odd") from error
    if out_dir.exists() and not (out_dir / MARKER).exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise ReportError(
            f"{out_dir}: is not empty and no site made by pytest-slm, so it is not replaced. Name a new folder",
            slug="site-foreign",
        )
    token = secrets.token_hex(4)
    fresh = out_dir.with_name(f".{out_dir.name}.{token}.new")
    old = out_dir.with_name(f".{out_dir.name}.{token}.old")
    try:
        for name, text in pages.items():
            write_text(inside(fresh, name), text)
        if out_dir.exists():
            out_dir.rename(old)
        try:
            fresh.rename(out_dir)
        except OSError:
            if old.exists():
                old.rename(out_dir)
            raise
    except OSError as error:
        raise writing_failed(out_dir, error) from error
    finally:
        for leftover in (fresh, old):
            with contextlib.suppress(OSError):
                shutil.rmtree(leftover)
    return tuple(sorted(name for name in pages if name.endswith(".html")))


def site_pages(registry: Registry) -> Mapping[str, str]:
    """The text of every file of the site by its path. Links are relative, so any host and any sub-path will do."""
    addresses = {entry.id: f"models/{entry.id}.html" for entry in registry.models}
    home = home_view(registry, addresses)
    pages = {
        "index.html": linked_page("home.html", root="", script="home.js", view=home),
        "methodology.html": linked_page("methodology.html", root="", view=methodology_view(registry.rules)),
        # A host shows it for any path, where neither a relative style sheet nor a relative link would be found.
        "404.html": single_page("404.html"),
        "compare.html": compare_page(),
        **compare_files(registry),
    }
    for entry in registry.models:
        items = {
            name: f"items/{entry.id}/{file_name(name)}" for name in entry.quantizations if name != entry.quantization
        }
        view = model_view(entry, {name: f"../{address}" for name, address in items.items()}, registry.rules)
        pages[addresses[entry.id]] = linked_page("model.html", root="../", view=view, updated=home.updated)
        for name, address in items.items():
            back = f"../../{addresses[entry.id]}"
            pages[address] = linked_page("items.html", root="../../", view=items_view(entry, name), back=back)
    files = {f"static/{name}": static(name) for name in STATIC}
    return {**pages, **files, MARKER: "Made by pytest-slm; 'pytest-slm site build' replaces this folder.\n"}


def file_name(quantization: str) -> str:
    """The file of a quantization's items: its name where that is plain, else a hash of it."""
    if re.fullmatch(r"[A-Za-z0-9][\w.-]{0,60}", quantization, flags=re.ASCII):
        return f"{quantization}.html"
    return f"{hashlib.sha256(quantization.encode(errors='backslashreplace')).hexdigest()[:16]}.html"

"""The site: a folder of pages from one registry file. It is made beside its place and put there in one step."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pytest_slm.errors import ReportError, UsageError, writing_failed
from pytest_slm.files import inside
from pytest_slm.registry.entry import Registry
from pytest_slm.registry.folder import read_registry
from pytest_slm.registry.rows import rows
from pytest_slm.registry.store import write_text
from pytest_slm.site import numbers
from pytest_slm.site.compare import compare_files, compare_page
from pytest_slm.site.guide import guide_pages
from pytest_slm.site.guide.news import sitemap
from pytest_slm.site.home import home_pages
from pytest_slm.site.home.view import scales
from pytest_slm.site.model_view import items_view, model_view
from pytest_slm.site.names import page_name
from pytest_slm.site.render import linked_page, single_page, static
from pytest_slm.site.tools import tools_pages

STATIC = ("style.css", "favicon.svg", "home.js")
MARKER = ".pytest-slm-site"
"""Lies in every folder that was made here: no other folder is ever replaced."""


def build_site(
    registry_path: Path, out_dir: Path, address: str = "", samples: Iterable[tuple[str, str]] = (), guides: str = ""
) -> tuple[str, ...]:
    """Replace ``out_dir`` by the pages of a registry, and by those of ``samples`` (path and text); returns the paths of
    the former in it. ``address`` is where they will be, ``guides`` where those are, seen from the first page.

    The same registry gives the same bytes. Raises ReportError, and leaves the old site as it was, where the registry
    cannot be read, a folder cannot be written, or ``out_dir`` holds something that is no site.
    """
    registry, address = read_registry(registry_path), _checked(address)
    if out_dir.exists() and not (out_dir / MARKER).exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise ReportError(
            f"{out_dir}: is not empty and no site made by pytest-slm, so it is not replaced. Name a new folder",
            slug="site-foreign",
        )
    token = secrets.token_hex(4)
    fresh = out_dir.with_name(f".{out_dir.name}.{token}.new")
    old = out_dir.with_name(f".{out_dir.name}.{token}.old")
    try:
        sampled = set()  # samples come one by one: those of all models together would fill the memory
        for name, text in samples:
            write_text(inside(fresh, name), text)
            sampled.add(name)
        pages = _pages(registry_path, registry, address, sampled, guides)
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


def _pages(path: Path, registry: Registry, address: str, sampled: Collection[str], guides: str) -> Mapping[str, str]:
    try:
        return site_pages(registry, address, sampled, guides)
    except (ArithmeticError, LookupError, ValueError, TypeError) as error:
        # Its schema is kept, but somebody has changed values in it that belong together, or beyond all measure.
        problem = f"no page can be made of it ({type(error).__name__}: {error!s:.200}); make the registry again"
        raise ReportError(f"{path}: {problem}", slug="registry-odd") from error


def _checked(address: str) -> str:
    """The address with a slash at its end. Raises UsageError for what is none of the web."""
    if not address:
        return ""
    if not re.fullmatch(r"https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9_.~/-]*)?", address):
        raise UsageError(
            f"--address={address}: begin it with https://, as in https://me.example/slm/", slug="site-address"
        )
    return address if address.endswith("/") else f"{address}/"


def site_pages(
    registry: Registry, address: str = "", sampled: Collection[str] = (), guides: str = ""
) -> Mapping[str, str]:
    """The text of every file of the site by its path. Links are relative, so any host and any sub-path will do; with
    an ``address``, where the site will be, it has what must name that: a sitemap, and a way home from any path.
    ``sampled`` are the paths of the pages of samples that stand beside them: a model's page leads to its own."""
    files = rows(registry)
    found = scales(registry, files)
    updated = numbers.day(registry.metadata.last_updated) if registry.metadata.last_updated else ""
    pages = {
        **home_pages(registry, files, found),
        **guide_pages(registry, files, found, address),
        # A host shows it for any path, where neither a relative style sheet nor a relative link would be found.
        "404.html": single_page("404.html", home=address),
        "compare.html": compare_page(),
        **compare_files(registry),
        **tools_pages(files, guides),
    }
    for entry in registry.models:
        items = {
            name: f"items/{entry.id}/{page_name(name)}.html"
            for name in entry.quantizations
            if name != entry.quantization
        }
        view = model_view(entry, {name: f"../{place}" for name, place in items.items()}, registry.rules)
        model = f"models/{entry.id}.html"
        samples = f"samples/{entry.id}.html"
        pages[model] = linked_page(
            "model.html", root="../", view=view, updated=updated, samples=samples if samples in sampled else ""
        )
        for name, place in items.items():
            back = f"../../{model}"
            pages[place] = linked_page("items.html", root="../../", view=items_view(entry, name), back=back)
    if address:
        pages["sitemap.xml"] = sitemap(
            [name for name in pages if name.endswith(".html") and name != "404.html"], address
        )
    own = {f"static/{name}": static(name) for name in STATIC}
    return {**pages, **own, MARKER: "Made by pytest-slm; 'pytest-slm site build' replaces this folder.\n"}

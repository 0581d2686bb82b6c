"""The folder of pages, made beside its place and put there in one step."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

import jinja2

from pytest_slm.errors import ReportError, UsageError
from pytest_slm.files import inside
from pytest_slm.handbook.facts import HubModels, HubStats
from pytest_slm.handbook.featured import FeaturedList, load_featured
from pytest_slm.handbook.pages.directories import list_pages
from pytest_slm.handbook.pages.markdown import Md, md
from pytest_slm.handbook.pages.measured import rows_by_repo
from pytest_slm.handbook.pages.model import Surroundings, model_page, page_of
from pytest_slm.handbook.storing import MODELS, read_models, read_stats
from pytest_slm.registry import read_registry
from pytest_slm.registry.entry import Registry
from pytest_slm.replacing import replaced

MARKER = ".pytest-slm-hub"
"""Lies in every folder that was made here: no other folder is ever replaced."""
SOURCE = (".md", ".ipynb")


def build_pages(data: Path, output: Path, *, registry: Path | None = None, repository: str = "", site: str = "") -> int:
    """Replace ``output`` by the pages of the models in ``data``, with what a ``registry`` has measured of them; returns
    how many there are. The same files give the same bytes.

    Guides and notebooks are looked for beside ``output``. ``repository`` is the address of the code on GitHub, ``site``
    the way from a model's page to the registry's pages. Raises UsageError, ReportError, and leaves the old pages as
    they were.
    """
    models, stats = read_models(data), read_stats(data)
    if not models.models:
        raise UsageError(f"{data / MODELS}: no models in it; run `pytest-slm hub sync` first", slug="hub-no-models")
    featured = load_featured(data / "featured.yaml")
    found = read_registry(registry) if registry else None
    if output.exists() and not (output / MARKER).exists() and (not output.is_dir() or any(output.iterdir())):
        raise ReportError(
            f"{output}: is not empty and no folder made by 'hub pages', so it is not replaced. Name a new folder",
            slug="hub-foreign",
        )
    pages = all_pages(models, stats, featured, found, _source(output), _repository(repository), _site(site))
    _put(output, {**pages, MARKER: "Made by pytest-slm; 'pytest-slm hub pages' replaces this folder.\n"})
    return len(pages)


def all_pages(
    models: HubModels,
    stats: HubStats,
    featured: FeaturedList,
    registry: Registry | None = None,
    source: frozenset[str] = frozenset(),
    repository: str = "",
    site: str = "",
) -> Mapping[str, str]:
    """The text of every page by its place below the folder of models."""
    known = {model.repo.lower(): model for model in models.models}
    around = Surroundings(featured=featured, models=known, pages=source, repository=repository, site=site)
    rows = rows_by_repo(registry)
    templates = environment()
    pages = {}
    for key, model in known.items():
        view = model_page(model, rows.get(key, ()), around)
        pages[page_of(model.repo)] = templates.get_template("model.md").render(page=view)
    for place, listed in list_pages(around, rows, stats).items():
        pages[place] = templates.get_template("list.md").render(page=listed)
    return {place: re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n" for place, text in pages.items()}


@functools.cache
def environment() -> jinja2.Environment:
    """The templates. What they print is escaped for Markdown, unless it is Markdown of ours."""
    found = jinja2.Environment(  # noqa: S701 (no HTML is made here; finalize escapes everything)
        loader=jinja2.PackageLoader("pytest_slm.handbook.pages"),
        finalize=md,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.globals["ours"] = Md  # for what a macro has printed, which was escaped in it
    return found


def _source(output: Path) -> frozenset[str]:
    """The pages and notebooks of the hub beside the folder of models."""
    root = output.parent
    found = (path.relative_to(root) for kind in SOURCE for path in root.rglob(f"*{kind}"))
    return frozenset(path.as_posix() for path in found if path.parts[0] != output.name)


def _repository(address: str) -> str:
    if address and not re.fullmatch(r"https://github\.com/[\w-]+/[\w.-]+", address, re.ASCII):
        raise UsageError(
            f"--repository={address}: give its address on GitHub, https://github.com/OWNER/NAME", slug="site-address"
        )
    return address


def _site(way: str) -> str:
    if way == "site:":  # what `docs build` puts the place for
        return way
    if way and not re.fullmatch(r"(https?://[A-Za-z0-9.:-]+/)?[A-Za-z0-9._~/-]*", way):
        raise UsageError(
            f"--site={way}: give a way such as ../../registry/, site: below guides, or an address that begins with https://",
            slug="site-address",
        )
    return way if not way or way.endswith("/") else f"{way}/"


def _put(output: Path, files: Mapping[str, str]) -> None:
    with replaced(output) as fresh:
        for name, text in files.items():
            path = inside(fresh, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not synced to the disk one by one, which takes longer than all the rest: they can be made again.
            path.write_text(text, "utf-8", errors="backslashreplace", newline="\n")

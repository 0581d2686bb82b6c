"""The site: a folder of pages from one registry file. It is made beside its place and put there in one step."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.errors import ReportError, UsageError, writing_failed
from pytest_slm.registry.entry import Registry
from pytest_slm.registry.folder import Index, read_index
from pytest_slm.registry.folder.index import Standing
from pytest_slm.registry.folder.reading import places_of
from pytest_slm.registry.rows import rows
from pytest_slm.registry.rows.ranking import with_places
from pytest_slm.site.compare import compare_page, index_script, listed
from pytest_slm.site.guide import guide_pages
from pytest_slm.site.guide.news import sitemap
from pytest_slm.site.home import home_pages
from pytest_slm.site.home.view import scales
from pytest_slm.site.kept import keeping
from pytest_slm.site.kept.carrying import carried_over
from pytest_slm.site.kept.digest import entry_of
from pytest_slm.site.kept.slots import places_in
from pytest_slm.site.models import model_files, write_page
from pytest_slm.site.render import beside, single_page, static
from pytest_slm.site.tools import tools_pages
from pytest_slm.site.tools.data import tool_row
from pytest_slm.workers import spread, uncollected

STATIC = ("style.css", "home.js")
FEW = 100
"""Files whose pages take less time than it takes to start a process for them."""
MARKER = ".pytest-slm-site"
"""Lies in every folder that was made here: no other folder is ever replaced."""


def build_site(
    registry_path: Path,
    out_dir: Path,
    address: str = "",
    samples: Iterable[tuple[str, str]] = (),
    guides: str = "",
    jobs: int | None = None,
) -> tuple[str, ...]:
    """Replace ``out_dir`` by the pages of a registry, and by those of ``samples`` (path and text); returns the paths of
    the former in it. ``address`` is where they will be, ``guides`` where those are, seen from the first page, ``jobs``
    how many processes share the work (None: as many as there are cores, if it is much).

    The same registry gives the same bytes. Raises ReportError, and leaves the old site as it was, where the registry
    cannot be read, a folder cannot be written, or ``out_dir`` holds something that is no site.
    """
    index, address = read_index(registry_path), _checked(address)
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
            _write(fresh, name, text)
            sampled.add(name)
        work = _Work(registry_path, index, fresh, sampled, Places(address, guides), jobs)
        known = work.carried_over(out_dir)
        try:
            models, pages = work.pages(known)
        except (ArithmeticError, AttributeError, LookupError, ValueError, TypeError):
            for path in (path for one in known.values() for path in one.hashes):
                (fresh / path).unlink(missing_ok=True)
            with _told(registry_path):  # what was kept may be at fault
                models, pages = work.pages({})
        for name, text in pages.items():
            _write(fresh, name, text)
        if out_dir.exists():
            out_dir.rename(old)
        try:
            fresh.rename(out_dir)
        except OSError:
            if old.exists():
                old.rename(out_dir)
            raise
        keeping.write(out_dir, models)
    except OSError as error:
        raise writing_failed(out_dir, error) from error
    finally:
        for leftover in (fresh, old):
            with contextlib.suppress(OSError):
                shutil.rmtree(leftover)
    every = (*pages, *(path for one in models.values() for path in one.hashes))
    return tuple(sorted(name for name in every if name.endswith(".html")))


@dataclass(frozen=True)
class Places:
    """Where the site will be, and where its guides are, seen from its first page; empty where nobody knows."""

    address: str = ""
    guides: str = ""


class _Work:
    """One build: from which registry and to which folder, and how."""

    def __init__(
        self, registry: Path, index: Index, fresh: Path, sampled: Collection[str], places: Places, jobs: int | None
    ) -> None:
        self.index, self.places, self.jobs = index, places, jobs
        rules, guides = index.rules.to_json(), places.guides
        self.about = {"registry": str(registry), "fresh": str(fresh), "rules": rules, "guides": guides}
        self.fresh = fresh
        self.standings: dict[str, list[tuple[str, Standing]]] = {model.id: [] for model in index.models}
        for profile, found in index.ranking.items():
            for one in found:
                self.standings.setdefault(one.model, []).append((profile, one))
        # Of its place a model's own pages tell no more than what can be put into them again.
        self.orders = {
            model.id: {"model": model.to_json(), "sampled": f"samples/{model.id}.html" in sampled}
            for model in index.models
        }
        self.keys = {name: keeping.key_of(rules, guides, order) for name, order in self.orders.items()}

    def carried_over(self, site: Path) -> dict[str, keeping.Kept]:
        """The models whose pages would be the same: theirs are in the new folder already."""
        known = {name: one for name, one in keeping.read(site).items() if self.keys.get(name) == one.key}
        return carried_over(site, self.fresh, known, {name: places_in(self.standings[name]) for name in known})

    def pages(self, known: Mapping[str, keeping.Kept]) -> tuple[dict[str, keeping.Kept], Mapping[str, str]]:
        """All models, with the pages of those that are not ``known`` in the new folder; and the text of all others."""
        todo = [name for name in self.orders if name not in known]
        files = sum(model.files for model in self.index.models if model.id not in known)
        jobs = 1 if self.jobs is None and files < FEW else self.jobs
        answers = spread("pages", self.about, [self._order(name) for name in todo], jobs)
        made = {name: keeping.Kept(key=self.keys[name], **one) for name, one in zip(todo, answers, strict=True)}
        models = {name: made.get(name) or known[name] for name in self.orders}
        places = places_of((profile, one) for profile, found in self.index.ranking.items() for one in found)
        paths = [path for one in models.values() for path in one.hashes]
        with uncollected():
            entries = tuple(with_places(entry_of(one.digest), places) for one in models.values())
            registry = Registry(metadata=self.index.metadata, rules=self.index.rules, models=entries)
            return models, wide_pages(registry, self.places, paths, [one.listed for one in models.values()])

    def _order(self, name: str) -> dict[str, Any]:
        return {**self.orders[name], "standings": [[profile, one.to_json()] for profile, one in self.standings[name]]}


def _write(folder: Path, name: str, text: str) -> None:
    write_page(folder, name, text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
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
    models: dict[str, str] = {}
    with beside(guides):
        for entry in registry.models:
            models |= model_files(entry, registry.rules, f"samples/{entry.id}.html" in sampled)
    return {**models, **wide_pages(registry, Places(address, guides), models, map(listed, registry.models))}


def wide_pages(
    registry: Registry, places: Places, models: Iterable[str], compared: Iterable[list[Any] | None]
) -> Mapping[str, str]:
    """The pages about many models; ``models`` are the paths of those about one, ``compared`` what of each can be."""
    with beside(places.guides):
        return _wide_pages(registry, places, models, list(compared))


def _wide_pages(
    registry: Registry, places: Places, models: Iterable[str], compared: list[list[Any] | None]
) -> Mapping[str, str]:
    files, address = rows(registry), places.address
    found = scales(registry, files)
    pages = {
        **home_pages(registry, files, found, compared),
        **guide_pages(registry, files, found, address),
        # A host shows it for any path, where neither a relative style sheet nor a relative link would be found.
        "404.html": single_page("404.html", home=address),
        "compare.html": compare_page(),
        "compare/index.js": index_script(compared),
        **tools_pages(filter(None, map(tool_row, files)), places.guides),
    }
    if address:
        every = (*pages, *models)
        pages["sitemap.xml"] = sitemap([one for one in every if one.endswith(".html") and one != "404.html"], address)
    own = {f"static/{name}": static(name) for name in STATIC}
    return {**pages, **own, MARKER: "Made by pytest-slm; 'pytest-slm site build' replaces this folder.\n"}

"""The site: a folder of pages from one registry file. It is made beside its place and put there in one step."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_slm.errors import ReportError, UsageError, writing_failed
from pytest_slm.registry.entry import Registry
from pytest_slm.registry.folder import Index, read_index
from pytest_slm.registry.folder.index import Standing
from pytest_slm.registry.folder.reading import places_of, read_placed
from pytest_slm.replacing import place_of
from pytest_slm.site.compare import compare_page, index_script
from pytest_slm.site.facts.files import ModelFacts
from pytest_slm.site.facts.shards import FactsShard, kept_shard, kept_shards, models_of, summary_of_all
from pytest_slm.site.facts.summary import Summary, merged
from pytest_slm.site.facts.wide import Wide, day_of, wide_of
from pytest_slm.site.guide import guide_pages
from pytest_slm.site.guide.news import sitemap
from pytest_slm.site.home.pages import home_pages
from pytest_slm.site.home.scores import scales
from pytest_slm.site.kept import keeping
from pytest_slm.site.kept.keeping import KeptModel, SiteState
from pytest_slm.site.kept.slots import carried, places_in
from pytest_slm.site.kept.tree import SiteFile, SiteTree
from pytest_slm.site.left_out import ODD, left_out, odd_ones, samples_of, why
from pytest_slm.site.models import facts_of, model_files
from pytest_slm.site.render import beside, single_page, static
from pytest_slm.site.tools import tools_pages
from pytest_slm.workers import spread, uncollected

STATIC = ("style.css", "home.js")
FEW = 100
"""Files whose pages take less time than it takes to start a process for them."""
MARKER = ".pytest-slm-site"
"""Lies in every folder that was made here: no other folder is ever replaced."""


@dataclass(frozen=True)
class BuiltSite:
    """What was made: the paths of the pages, and of models of which none can be made a line each, by their id."""

    pages: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


def build_site(
    registry_path: Path,
    out_dir: Path,
    address: str = "",
    samples: Iterable[tuple[str, str]] = (),
    guides: str = "",
    jobs: int | None = None,
) -> BuiltSite:
    """Replace ``out_dir`` by the pages of a registry, and by those of ``samples`` (path and text); returns the paths of
    the former in it, and what it is without. ``address`` is where they will be, ``guides`` where those are, seen from
    the first page, ``jobs`` how many processes share the work (None: as many as there are cores, if it is much).

    The same registry gives the same bytes. Raises ReportError, and leaves the old site as it was, where the registry
    cannot be read, no page can be made of any of its models, a folder cannot be written, or ``out_dir`` holds something
    that is no site.
    """
    address = _checked(address)
    if out_dir.exists() and not (out_dir / MARKER).exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise ReportError(
            f"{out_dir}: is not empty and no site made by pytest-slm, so it is not replaced. Name a new folder",
            slug="site-foreign",
        )
    place = place_of(out_dir)
    known, state = keeping.read(place), keeping.state_of(registry_path, address, guides)
    index = None if state and state == known.state else read_index(registry_path)
    if not known.pages:
        keeping.forget(place)  # of other code, or damaged
    try:
        lasting = (index is None or len(index.models) >= keeping.ENOUGH) and keeping.prepared(place)
    except OSError as error:
        raise writing_failed(out_dir, error) from error
    tree = SiteTree(place, known.pages, keeping.before_of(place) if lasting else None)
    try:
        sampled = set()  # samples come one by one: those of all models together would fill the memory
        for name, text in samples:
            tree.put(name, _bytes(text))
            sampled.add(name)
        if index is None and keeping.stays(tree, known, sampled):
            return BuiltSite(_pages(known.pages, sampled))
        index = index or read_index(registry_path)
        work = _Work(registry_path, index, tree, sampled, Places(address, guides), jobs)
        work.cache = keeping.folder_of(place) if lasting else None
        new = work.done(known)
        # What a site is without is told each time.
        same = not work.left_out and state == keeping.state_of(registry_path, address, guides)
        new = replace(new, pages=tree.swap(), state=state if same else "")
        if lasting:
            keeping.write(place, new)
    except OSError as error:
        raise writing_failed(out_dir, error) from error
    finally:
        tree.close()
        if not lasting or not (keeping.folder_of(place) / keeping.NAME).exists():  # nothing came of it
            keeping.forget(place)
    return BuiltSite(_pages(new.pages, sampled), work.left_out)


def _pages(every: Iterable[str], sampled: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in every if name.endswith(".html") and name not in sampled))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Places:
    """Where the site will be, and where its guides are, seen from its first page; empty where nobody knows."""

    address: str = ""
    guides: str = ""


class _Work:
    """One build: from which registry and to which tree, and how."""

    def __init__(
        self, registry: Path, index: Index, tree: SiteTree, sampled: Collection[str], places: Places, jobs: int | None
    ) -> None:
        self.registry, self.index, self.tree, self.sampled = registry, index, tree, sampled
        self.places, self.jobs = places, jobs
        self.cache: Path | None = None
        """Where the facts of models are kept; None where they are not."""
        self.models = {model.id: model for model in index.models}
        """All that there will be pages of."""
        self.left_out: dict[str, str] = {}
        self.standings: dict[str, list[tuple[str, Standing]]] = {name: [] for name in self.models}
        for profile, found in index.ranking.items():
            for one in found:
                self.standings.setdefault(one.model, []).append((profile, one))
        common = keeping.key_of(index.rules.to_json(), places.guides)
        # Of its place a model's own pages tell no more than what can be put into them again.
        self.keys = {name: f"{common} {one.sha256} {self._sampled(name)}" for name, one in self.models.items()}

    def _sampled(self, name: str) -> bool:
        return f"samples/{name}.html" in self.sampled

    def done(self, known: SiteState) -> SiteState:
        """Put all pages into the tree; returns what is to be known. Raises ReportError where none can be made."""
        with uncollected():  # all that is made here is kept to the end
            if known.models or known.shards:
                with contextlib.suppress(*ODD):  # what was kept may be at fault
                    return self._done(known)
                self.tree.forget(self.sampled)
            try:
                return self._done(SiteState())
            except ODD as error:
                problem = f"no page can be made of it ({why(error)}); make the registry again"
                raise ReportError(f"{self.registry}: {problem}", slug="registry-odd") from error

    def _done(self, known: SiteState) -> SiteState:
        self.models, self.left_out = {model.id: model for model in self.index.models}, {}
        shards, asked = kept_shards(self.cache, known.shards), dict(known.shards)
        there = {name for shard in shards.values() for name in shard.facts}
        models = {}
        for name, one in known.models.items():
            # Pages that would be the same, but for their places.
            if name in there and self.keys.get(name) == one.key:
                places = places_in(self.standings[name])
                if kept := carried(one, f"models/{name}.html", places, self.tree):
                    models[name] = kept
        wide = None
        while wide is None:
            self._complete(shards, models, asked)
            try:
                facts, pages = models_of(shards.values()), [path for one in models.values() for path in one.paths]
                wide = self._wide([facts[name] for name in self.models], summary_of_all(shards.values()), pages)
            except ODD:
                if known.models or known.shards or not (odd := self._odd_ones()):
                    raise
                for name, reason in odd.items():
                    self._leave_out(name, reason)
                    self.tree.drop(models.pop(name).paths)
                if self.cache is None:  # facts are kept nowhere: those of all others are found out again
                    models.clear()
        for path, text in wide.items():
            self.tree.put(path, _bytes(text))
        self.tree.drop(samples_of(self.left_out, self.sampled))
        samples = sorted(path for path in self.sampled if path in self.tree.pages)
        return SiteState(models=models, samples=tuple(samples), shards=asked)

    def _complete(self, shards: dict[str, FactsShard], models: dict[str, KeptModel], asked: dict[str, str]) -> None:
        """Make all pages and facts of models that are not there."""
        names: dict[str, list[str]] = {}
        for name in self.models:
            names.setdefault(keeping.shard_of(name), []).append(name)
        for found in (shards, asked):
            for gone in found.keys() - names.keys():
                del found[gone]
        unmade = {
            shard: [name for name in mine if name not in models]
            for shard, mine in names.items()
            if shard not in shards or set(mine) != set(shards[shard].facts) or not models.keys() >= set(mine)
        }
        for shard, answer in zip(unmade, self._made(unmade, names, models, asked), strict=True):
            for name, one in answer["models"].items():
                pages = {
                    path: SiteFile(digest, stamp and tuple(stamp)) for path, (digest, stamp) in one["pages"].items()
                }
                self.tree.pages |= pages
                models[name] = KeptModel(key=self.keys[name], paths=tuple(pages), slots=one["slots"])
            for name, reason in answer["left_out"].items():
                self._leave_out(name, reason)
            asked[shard], made = answer["asked"], answer["shard"]
            shards[shard] = FactsShard(*made) if self.cache is None else kept_shard(self.cache, shard, asked[shard])

    def _leave_out(self, name: str, reason: str) -> None:
        """Go on without a model. Raises ReportError where it was the last one."""
        error = left_out(self.registry, self.models.pop(name), reason)
        if not self.models:
            raise error
        self.left_out[name] = str(error)

    def _odd_ones(self) -> dict[str, str]:
        """The models of which alone no pages about many can be made, and why."""
        facts = {
            name: facts_of(read_placed(self.registry, model, self.standings[name]))
            for name, model in self.models.items()
        }
        return odd_ones(
            list(facts), lambda some: self._wide([facts[one][0] for one in some], merged(facts[one][1] for one in some))
        )

    def _wide(self, models: Sequence[ModelFacts], summary: Summary, pages: Sequence[str] = ()) -> Mapping[str, str]:
        wide = Wide(
            rules=self.index.rules,
            updated=day_of(self.index.metadata.last_updated),
            models=tuple(models),
            summary=summary,
            places=places_of((profile, one) for name in self.models for profile, one in self.standings[name]),
        )
        return wide_pages(wide, self.places, pages)

    def _made(
        self,
        unmade: Mapping[str, list[str]],
        names: Mapping[str, list[str]],
        models: Mapping[str, KeptModel],
        asked: Mapping[str, str],
    ) -> Iterator[Any]:
        """What ``models.answer`` says of each shard."""
        if not unmade:
            return iter(())
        self.tree.begin()
        twin, rules = self.tree.twin, self.index.rules.to_json()
        about = {
            "registry": str(self.registry),
            "fresh": str(self.tree.fresh),
            "twin": str(twin) if twin else "",
            "cache": str(self.cache) if self.cache else "",
            "rules": rules,
            "guides": self.places.guides,
        }
        orders = [
            {
                "shard": shard,
                "asked": asked.get(shard, ""),
                "models": [self._order(name) for name in mine],
                "kept": [name for name in names[shard] if name in models],
            }
            for shard, mine in unmade.items()
        ]
        few = sum(self.models[name].files for mine in unmade.values() for name in mine) < FEW
        return spread("pages", about, orders, 1 if self.jobs is None and few else self.jobs)

    def _order(self, name: str) -> dict[str, Any]:
        standings = [[profile, one.to_json()] for profile, one in self.standings[name]]
        return {"model": self.models[name].to_json(), "sampled": self._sampled(name), "standings": standings}


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
    return {**models, **wide_pages(wide_of(registry), Places(address, guides), models)}


def wide_pages(wide: Wide, places: Places, models: Iterable[str]) -> Mapping[str, str]:
    """The pages about many models; ``models`` are the paths of those about one."""
    with beside(places.guides):
        return _wide_pages(wide, places, models)


def _wide_pages(wide: Wide, places: Places, models: Iterable[str]) -> Mapping[str, str]:
    found, address = scales(wide), places.address
    pages = {
        **home_pages(wide, found),
        **guide_pages(wide, found, address),
        # A host shows it for any path, where neither a relative style sheet nor a relative link would be found.
        "404.html": single_page("404.html", home=address),
        "compare.html": compare_page(),
        "compare/index.js": index_script(model.listed for model in wide.models),
        **tools_pages([file.tool for file in wide.files if file.tool is not None], places.guides),
    }
    if address:
        every = (*pages, *models)
        pages["sitemap.xml"] = sitemap([one for one in every if one.endswith(".html") and one != "404.html"], address)
    own = {f"static/{name}": static(name) for name in STATIC}
    return {**pages, **own, MARKER: "Made by pytest-slm; 'pytest-slm site build' replaces this folder.\n"}

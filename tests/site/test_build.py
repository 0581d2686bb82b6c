"""The site is a pure function of the registry, replaced in one step, small, and linked relatively."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from pytest_slm.errors import ReportError, UsageError
from pytest_slm.models.naming import as_file_name
from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.build import build_site, site_pages
from pytest_slm.site.render import static
from pytest_slm.site.tools.prices import price_table
from pytest_slm.site.views import hub_address, relative_address

MOST_BYTES = 150_000
"""Of a page with its style."""
ICON = f"data:image/svg+xml,{quote(static('favicon.svg').strip())}"
"""The picture that a page in one file carries: no address."""


def weight(page: str) -> int:
    """Bytes of a page and of the style that it asks for."""
    return len(page.encode()) + len(static("style.css").encode()) * page.count('rel="stylesheet"')


class Links(HTMLParser):
    """All addresses and ids of a page, and the tags that may not be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src", "action") and value != ICON:
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(f"{tag} {name}")


def parsed(path: Path) -> Links:
    links = Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


@pytest.fixture(scope="module")
def site(tmp_path_factory, registry_file, runs):
    """A built site."""
    folder = tmp_path_factory.mktemp("site") / "deep" / "public"
    build_site(registry_file(runs), folder)
    return folder


def pages(site: Path) -> list[Path]:
    """All pages of a site: the home page, one for each model, and more."""
    found = sorted(site.rglob("*.html"))
    assert len(found) > 3
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_building_twice_gives_the_same_bytes(tmp_path, site, registry_file, runs):
    build_site(registry_file(runs), tmp_path / "again")
    assert content(tmp_path / "again") == content(site)


SOURCES = {address for one in price_table() for address in (one.source, one.list) if address}
"""Of the prices on the page about costs."""


def test_every_model_has_a_page(site):
    assert sorted(path.stem for path in (site / "models").iterdir()) == [
        *("google--gemma-3-270m", "huggingfacetb--smollm2-135m-instruct", "qwen--qwen3-0.6b")
    ]


def test_every_link_is_relative_and_leads_somewhere(site):
    for page in pages(site):
        for link in parsed(page).links:
            parts = urlsplit(link)
            if parts.scheme:
                assert link.startswith("https://huggingface.co/") or link in SOURCES
                continue
            assert not parts.path.startswith("/")
            target = (page.parent / parts.path).resolve() if parts.path else page
            assert target.is_file(), f"{page.name}: {link}"
            if parts.fragment and "=" not in parts.fragment:  # what is chosen on the home page stands there
                assert parts.fragment in parsed(target).ids, f"{page.name}: {link}"


def test_ids_are_unique(site):
    for page in pages(site):
        ids = parsed(page).ids
        assert len(ids) == len(set(ids)), page.name


def test_no_page_has_inline_style_or_handlers(site):
    for page in pages(site):
        assert parsed(page).handlers == []


def test_every_page_forbids_inline_scripts(site):
    for page in pages(site):
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page.read_text())
        assert policy
        assert "unsafe" not in policy[1]
        assert "default-src &#39;none&#39;" in policy[1]


def test_a_large_model_has_a_small_page(factory, registry_file, tmp_path):
    quantizations = ("FP16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0")
    wide = {f"suite_{n}": tuple((f"task_{t}", ("",), "accuracy", True) for t in range(4)) for n in range(10)}
    runs = []
    for quantization in quantizations:
        results = [
            factory.scored(suite, task, "", quantization, "full", factory.share(metric, 200, 400))
            for suite, tasks in wide.items()
            for task, _, metric, _ in tasks
        ]
        runs.append(factory.make_run(quantization, results=results))
    build_site(registry_file(runs), tmp_path / "site")
    for page in (tmp_path / "site").rglob("*.html"):
        assert weight(page.read_text("utf-8")) <= MOST_BYTES, page.name


def test_plots_of_many_quantizations_fit_on_a_page(factory, registry_file, tmp_path):
    names = ("FP16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K")
    build_site(registry_file([factory.make_run(name, modern=True) for name in names]), tmp_path / "site")
    for page in (tmp_path / "site").rglob("*.html"):
        assert weight(page.read_text("utf-8")) <= MOST_BYTES, page.name


def test_hostile_names_stay_text_in_plots_and_device_tables(factory, registry_file, tmp_path, hostile):
    runs = []
    for name in (as_file_name(hostile), as_file_name(f"{hostile[:50]}2")):
        run = factory.make_run(modern=True)
        told = {"verdict": "noisy", "reason": hostile, "energy": hostile}
        results = tuple(
            replace(result, quantization=name, timing=result.timing and replace(result.timing, **told))
            for result in run.results
        )
        planned = tuple(replace(item, quantization=name) for item in run.planned)
        runs.append(replace(run, quantization=name, planned=planned, results=results))
    build_site(registry_file(runs), tmp_path / "site")
    (page,) = (tmp_path / "site" / "models").glob("*.html")
    text = page.read_text()
    assert parsed(page).handlers == []
    assert text.count("<script") == 1  # ours, which closes the parts of the page
    assert text.count("<svg") > 10
    assert "best trade-off" in text


def test_sixty_models_fit_on_the_home_page(factory):
    runs = [factory.make_run(slug=f"m{n}", name=f"Model {n}", hf_repo=f"org/model-{n}") for n in range(60)]
    found = [StoredReport(path=str(n), sha256="a" * 64, run=run) for n, run in enumerate(runs)]
    pages = site_pages(build_registry(found))
    assert weight(pages["index.html"]) <= MOST_BYTES
    assert "files/2.html" in pages


def test_an_empty_registry_is_a_site_too(tmp_path, registry_file):
    build_site(registry_file([]), tmp_path / "site")
    assert "No model has been measured yet" in (tmp_path / "site" / "index.html").read_text()


def test_a_model_that_is_gone_loses_its_page(tmp_path, registry_file, runs):
    build_site(registry_file(runs), tmp_path / "site")
    build_site(registry_file(runs[:1]), tmp_path / "site")
    assert len(list((tmp_path / "site" / "models").iterdir())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_models_page_leads_to_its_samples_where_the_site_has_them(tmp_path, registry_file, runs):
    samples = "samples/huggingfacetb--smollm2-135m-instruct.html"
    build_site(registry_file(runs), tmp_path / "site", samples=[(samples, "text")])
    assert (tmp_path / "site" / samples).read_text() == "text"
    pages = {path.stem: parsed(path).links for path in (tmp_path / "site" / "models").iterdir()}
    leading = {name for name, links in pages.items() if any("samples/" in link for link in links)}
    assert len(pages) > 1
    assert leading == {"huggingfacetb--smollm2-135m-instruct"}
    assert f"../{samples}" in pages["huggingfacetb--smollm2-135m-instruct"]


def test_a_folder_that_is_no_site_is_never_replaced(tmp_path, registry_file, runs):
    (tmp_path / "thesis.tex").write_text("three years of work")
    with pytest.raises(ReportError, match="site-foreign"):
        build_site(registry_file(runs), tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "three years of work"


def test_a_site_behind_a_link_is_replaced_where_it_is(tmp_path, registry_file, runs):
    served, link = tmp_path / "served", tmp_path / "public"
    served.mkdir()
    link.symlink_to(served)
    for some in (runs[:1], runs):
        build_site(registry_file(some), link)
        build_site(registry_file(some), tmp_path / "anew")
        assert link.readlink() == served
        assert content(served) == content(tmp_path / "anew")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["anew", "public", "served"]


def test_a_site_in_the_place_where_somebody_is_is_told_not_made(tmp_path, registry_file, runs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReportError, match="you are in it"):
        build_site(registry_file(runs[:1]), Path())
    assert list(tmp_path.iterdir()) == []


def test_a_broken_registry_leaves_the_old_site(tmp_path, registry_file, runs):
    build_site(registry_file(runs), tmp_path / "site")
    before = content(tmp_path / "site")
    registry = registry_file(runs[:1])
    (registry / "index.json").write_text('{"metadata": {"schema_version": "3.0.0"}, "models": NaN}')
    with pytest.raises(ReportError, match="report-broken"):
        build_site(registry, tmp_path / "site")
    assert content(tmp_path / "site") == before


def test_a_failed_swap_puts_the_old_site_back(tmp_path, registry_file, runs, monkeypatch):
    build_site(registry_file(runs), tmp_path / "site")
    before = content(tmp_path / "site")
    rename = Path.rename

    def fails(self, target):
        if self.name.endswith(".new"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(ReportError, match="disk-full"):
        build_site(registry_file(runs[:1]), tmp_path / "site")
    assert content(tmp_path / "site") == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_page_that_a_host_shows_anywhere_has_no_links(site):
    # From /models/gone.html a link to index.html leads to /models/index.html.
    assert parsed(site / "404.html").links == ["#main"]


def test_a_site_that_knows_its_address_leads_home_from_anywhere_and_has_a_sitemap(tmp_path, registry_file, runs):
    build_site(registry_file(runs), tmp_path / "site", "https://me.example/slm")
    assert parsed(tmp_path / "site" / "404.html").links == [
        "#main",
        "https://me.example/slm/",
        "https://me.example/slm/",
    ]
    places = re.findall(r"<loc>https://me.example/slm/(.*?)</loc>", (tmp_path / "site" / "sitemap.xml").read_text())
    found = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    assert set(places) == found - {"404.html"}


@pytest.mark.parametrize("address", ["me.example", "javascript:alert(1)", "https://me.example/?a=1", 'https://a"b'])
def test_an_address_that_is_none_is_refused(tmp_path, registry_file, runs, address):
    with pytest.raises(UsageError, match="site-address"):
        build_site(registry_file(runs), tmp_path / "site", address)
    assert not (tmp_path / "site").exists()


def test_hostile_names_stay_text_on_every_page(poisoned_pair, tmp_path, registry_file):
    build_site(registry_file(poisoned_pair), tmp_path / "site")
    assert len(list((tmp_path / "site" / "items").rglob("*.html"))) == 1
    for page in (tmp_path / "site").rglob("*.html"):
        found = parsed(page)
        assert found.handlers == []
        place = page.relative_to(tmp_path / "site").as_posix()
        tool = place.startswith("tools/") and place != "tools/index.html"
        scripts = 2 if place in ("index.html", "compare.html") else int(tool or place.startswith("models/"))
        assert page.read_text().count("<script") == scripts
        for link in found.links:
            assert not urlsplit(link).scheme or link.startswith("https://huggingface.co/") or link in SOURCES
    # A name with dots and slashes must not choose the folder that its page lies in.
    assert {path.parent.relative_to(tmp_path / "site").parts[0] for path in (tmp_path / "site").rglob("*/*.html")} <= {
        *("models", "items", "use", "tasks", "hardware", "tools"),
    }
    assert {path.name for path in tmp_path.iterdir()} == {"site"}


def test_only_a_plain_repository_becomes_a_link(hostile):
    assert hub_address(hostile) == ""
    assert hub_address("org/model/../../x") == ""
    assert hub_address("org/model-1.7B") == "https://huggingface.co/org/model-1.7B"


def test_only_a_plain_path_becomes_a_link():
    assert relative_address("samples/rag.niah.4096.jsonl") == "samples/rag.niah.4096.jsonl"
    for path in ("/etc/passwd", "../x", "//evil.example/x", "https://evil.example", "javascript:alert(1)", "a b"):
        assert relative_address(path) == ""


@pytest.mark.parametrize("name", ["../../out", "/tmp/out", "a/b", "..", "a\0b", "C:\\out", "x" * 5_000, ""])
def test_ids_and_names_of_a_registry_cannot_choose_where_a_page_lies(tmp_path, factory, registry_file, runs, name):
    registry = registry_file(runs[:2])
    (path,) = (registry / "models").iterdir()
    document = json.loads(path.read_text("utf-8"))
    entry = document["model"]
    first = next(iter(entry["quantizations"]))
    places = (
        {**entry, "id": name},
        {**entry, "quantization": name},
        {**entry, "quantizations": {**entry["quantizations"], name: entry["quantizations"][first]}},
    )
    folder = tmp_path / "deep" / "site"
    for changed in places:
        factory.change_model(registry, json.dumps({**document, "model": changed}))
        with pytest.raises(ReportError, match="registry-invalid"):
            build_site(registry, folder)
    assert list(tmp_path.iterdir()) == []


def test_a_page_outside_of_the_site_is_never_written(tmp_path, registry_file, runs, monkeypatch):
    # the second line, should a name get through
    monkeypatch.setattr("pytest_slm.site.build.wide_pages", lambda *_: {"../../out.html": "x"})
    with pytest.raises(ReportError, match=r"cannot be written.*outside of its folder"):
        build_site(registry_file(runs[:1]), tmp_path / "deep" / "site")
    assert not list(tmp_path.rglob("*.html"))

"""A site that is built again is the one that would be built anew, whoever does the work and whatever lies there."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from pytest_slm.errors import ReportError
from pytest_slm.registry import build_registry, read_registry, write_registry
from pytest_slm.site import build, models
from pytest_slm.site.build import build_site, site_pages
from pytest_slm.site.kept import keeping, slots, tree


def stored(factory, runs):
    return [factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(runs)]


def test_a_site_is_that_of_the_registry_read_as_a_whole(tmp_path, registry, content):
    build_site(registry, tmp_path / "site")
    pages = site_pages(read_registry(registry))
    assert {path: text.encode() for path, text in pages.items()} == content(tmp_path / "site")


def test_the_bytes_do_not_depend_on_who_makes_them(tmp_path, registry, content):
    build_site(registry, tmp_path / "alone", "https://me.example/", jobs=1)
    build_site(registry, tmp_path / "shared", "https://me.example/", jobs=2)
    assert content(tmp_path / "shared") == content(tmp_path / "alone")


def test_only_the_pages_of_a_model_that_changed_are_made_again(tmp_path, registry, factory, runs, made, content):
    build_site(registry, tmp_path / "site")
    assert len(made) == 3
    build_site(registry, tmp_path / "site")
    assert len(made) == 3
    before = content(tmp_path / "site")
    quick = [run for run in runs if run.submission.slug == "gemma"]
    newer = [replace(run, finished="2026-11-09T10:00:00Z") for run in quick]
    others = [run for run in runs if run.submission.slug != "gemma"]
    write_registry(registry, build_registry(stored(factory, [*others, *newer])))
    build_site(registry, tmp_path / "site")
    assert made[3:] == ["google--gemma-3-270m"]
    after = content(tmp_path / "site")
    assert before != after
    shutil.rmtree(tmp_path / ".site.cache")
    build_site(registry, tmp_path / "anew")
    assert content(tmp_path / "anew") == after


def test_a_rank_that_changed_changes_the_page_that_shows_it(tmp_path, registry, factory, runs, made, content):
    build_site(registry, tmp_path / "site")
    better = factory.make_run("F16", slug="best", name="Best", hf_repo="org/best", quality=0.95)
    write_registry(registry, build_registry(stored(factory, [*runs, better])))
    made.clear()
    build_site(registry, tmp_path / "site")
    assert made == ["org--best"]
    assert "of 5 on this machine" in (tmp_path / "site" / "models" / "qwen--qwen3-0.6b.html").read_text()
    build_site(registry, tmp_path / "anew")
    assert content(tmp_path / "anew") == content(tmp_path / "site")
    # And back, from pages into which places were put.
    write_registry(registry, build_registry(stored(factory, runs)))
    made.clear()
    build_site(registry, tmp_path / "site")
    assert made == []
    shutil.rmtree(tmp_path / ".anew.cache")
    build_site(registry, tmp_path / "anew")
    assert content(tmp_path / "anew") == content(tmp_path / "site")


def test_a_page_that_is_not_alone_is_made_again_for_another_rank(tmp_path, registry, factory, runs, made, monkeypatch):
    monkeypatch.setattr(slots, "MOST_BYTES", 1_000)
    build_site(registry, tmp_path / "site")
    better = factory.make_run("F16", slug="best", name="Best", hf_repo="org/best", quality=0.95)
    write_registry(registry, build_registry(stored(factory, [*runs, better])))
    made.clear()
    build_site(registry, tmp_path / "site")
    assert sorted(made) == ["huggingfacetb--smollm2-135m-instruct", "org--best", "qwen--qwen3-0.6b"]


@pytest.mark.parametrize("how", ["offset", "text", "shape", "none"])
def test_places_that_are_not_where_they_were_said_to_be_are_made_again(
    tmp_path, registry, factory, runs, made, how, content
):
    build_site(registry, tmp_path / "site")
    better = factory.make_run("F16", slug="best", name="Best", hf_repo="org/best", quality=0.95)
    write_registry(registry, build_registry(stored(factory, [*runs, better])))
    broken = {
        "offset": lambda found: [[key, at + 1, text] for key, at, text in found],
        "text": lambda found: [[key, at, "x"] for key, at, text in found],
        "shape": lambda found: [[1] for _ in found],
        "none": lambda found: None,
    }[how]
    known = keeping.read(tmp_path / "site")
    models = {name: replace(one, slots=broken(one.slots)) for name, one in known.models.items()}
    keeping.write(tmp_path / "site", replace(known, models=models))
    build_site(registry, tmp_path / "site")
    assert len(made) > 4
    build_site(registry, tmp_path / "anew")
    assert content(tmp_path / "anew") == content(tmp_path / "site")


def test_a_number_that_changes_no_rank_of_others_changes_no_page_of_theirs(
    tmp_path, registry, factory, runs, made, content
):
    build_site(registry, tmp_path / "site")
    (last,) = [run for run in runs if run.submission.slug == "qwen3"]
    worse = factory.make_run(slug="qwen3", name="Qwen3 0.6B", hf_repo="Qwen/Qwen3-0.6B", quality=0.79)
    assert worse.results != last.results
    write_registry(registry, build_registry(stored(factory, [worse if run is last else run for run in runs])))
    made.clear()
    build_site(registry, tmp_path / "site")
    assert made == ["qwen--qwen3-0.6b"]
    build_site(registry, tmp_path / "anew")
    assert content(tmp_path / "anew") == content(tmp_path / "site")


def full_at(monkeypatch, part):
    """The disk is full when a page with this in its path is to be written."""
    write = tree.put_file

    def full(folder, path, *rest):
        if part in path:
            raise OSError(28, "No space left on device")
        return write(folder, path, *rest)

    monkeypatch.setattr(models, "put_file", full)
    monkeypatch.setattr(tree, "put_file", full)


def test_a_full_disk_leaves_the_old_site_and_nothing_else(tmp_path, registry, monkeypatch, content):
    build_site(registry, tmp_path / "site")
    before = content(tmp_path / "site")
    shutil.rmtree(tmp_path / ".site.cache")
    full_at(monkeypatch, "qwen")
    with pytest.raises(ReportError, match="disk-full"):
        build_site(registry, tmp_path / "site")
    assert content(tmp_path / "site") == before
    assert {path.name for path in tmp_path.iterdir()} == {"site", "registry"}


@pytest.mark.parametrize("part", ["gemma", "index.html", "feed.xml"])
def test_a_disk_that_is_full_where_one_model_changed_leaves_the_old_site(
    tmp_path, registry, factory, runs, monkeypatch, part, content
):
    build_site(registry, tmp_path / "site")
    build_site(registry, tmp_path / "site", "https://me.example/")  # behind this there is one before the present one
    before = content(tmp_path / "site")
    newer = [replace(run, finished="2026-11-09T10:00:00Z", seed=1) for run in runs]
    write_registry(registry, build_registry(stored(factory, newer)))
    with monkeypatch.context() as patched:
        full_at(patched, part)
        with pytest.raises(ReportError, match="disk-full"):
            build_site(registry, tmp_path / "site", "https://me.example/new/")
    assert content(tmp_path / "site") == before
    assert {path.name for path in tmp_path.iterdir()} == {"site", "registry", ".site.cache"}
    build_site(registry, tmp_path / "site", "https://me.example/new/")
    build_site(registry, tmp_path / "anew", "https://me.example/new/")
    assert content(tmp_path / "anew") == content(tmp_path / "site")


def test_what_is_known_of_a_site_behind_a_link_lies_beside_the_site(tmp_path, registry, monkeypatch):
    (tmp_path / "www").mkdir()
    (tmp_path / "public").symlink_to(tmp_path / "www" / "site")
    for address in ("", "https://me.example/", ""):
        build_site(registry, tmp_path / "public", address)
    assert {path.name for path in tmp_path.iterdir()} == {"www", "public", "registry"}
    assert {path.name for path in (tmp_path / "www").iterdir()} == {"site", ".site.cache"}
    monkeypatch.setattr(build, "read_index", lambda *_: pytest.fail("the registry was read"))
    build_site(registry, tmp_path / "www" / "site")
    build_site(registry, tmp_path / "public")


def test_a_file_system_without_hard_links_has_copies(tmp_path, registry, monkeypatch, content):
    build_site(registry, tmp_path / "site")
    before = content(tmp_path / "site")

    def refused(self, target):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refused)
    shutil.rmtree(keeping.before_of(tmp_path / "site"))
    for address in ("https://me.example/", ""):
        build_site(registry, tmp_path / "site", address)
    assert content(tmp_path / "site") == before


def test_where_nothing_changed_nothing_is_looked_at_but_the_files(tmp_path, registry, monkeypatch, content):
    site, samples = tmp_path / "site", [("samples/a.html", "<p>one</p>"), ("samples/a.js", "one")]
    pages = build_site(registry, site, samples=samples).pages
    before = content(site)
    monkeypatch.setattr(build, "read_index", lambda *_: pytest.fail("the registry was read"))
    assert build_site(registry, site, samples=samples).pages == pages
    assert content(site) == before
    assert "samples/a.html" not in pages
    assert "index.html" in pages


@pytest.mark.parametrize(
    "samples", [[], [("samples/a.html", "<p>two</p>")], [("samples/a.html", "<p>one</p>"), ("samples/b.html", "")]]
)
def test_other_samples_are_another_site(tmp_path, registry, samples, content):
    build_site(registry, tmp_path / "site", samples=[("samples/a.html", "<p>one</p>")])
    build_site(registry, tmp_path / "site", samples=samples)
    build_site(registry, tmp_path / "anew", samples=samples)
    assert content(tmp_path / "site") == content(tmp_path / "anew")


def test_a_file_that_somebody_put_into_a_site_is_gone_again(tmp_path, registry, content):
    build_site(registry, tmp_path / "site")
    before = content(tmp_path / "site")
    (tmp_path / "site" / "models" / "mine.html").write_text("mine")
    build_site(registry, tmp_path / "site")
    assert content(tmp_path / "site") == before


def test_a_model_that_is_gone_leaves_no_page(tmp_path, registry, factory, runs, made, content):
    build_site(registry, tmp_path / "site")
    left = [one for one in stored(factory, runs) if one.run.submission.slug != "qwen3"]
    write_registry(registry, build_registry(left))
    made.clear()
    build_site(registry, tmp_path / "site")
    assert made == []
    build_site(registry, tmp_path / "anew")
    assert content(tmp_path / "site") == content(tmp_path / "anew")
    assert not list((tmp_path / "site").rglob("*qwen*"))


def test_a_suite_that_changed_is_other_code(tmp_path, monkeypatch):
    shutil.copytree(keeping.suites_folder(), tmp_path / "suites")
    monkeypatch.setattr(keeping, "suites_folder", lambda: tmp_path / "suites")
    before = keeping.code_hash.__wrapped__()
    assert keeping.code_hash.__wrapped__() == before
    (tmp_path / "suites" / "rag" / "niah.yaml").write_text("title: Another one")
    assert keeping.code_hash.__wrapped__() != before


def test_a_small_site_keeps_nothing_beside_it(tmp_path, registry, monkeypatch):
    monkeypatch.setattr(keeping, "ENOUGH", 50)
    build_site(registry, tmp_path / "out" / "site")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["site"]


@pytest.mark.parametrize("few", [False, True])
def test_a_folder_of_that_name_that_is_not_ours_is_left_alone(tmp_path, registry, monkeypatch, few, content):
    (tmp_path / ".site.cache" / "pages").mkdir(parents=True)
    (tmp_path / ".site.cache" / "pages" / "mine.txt").write_text("mine")
    monkeypatch.setattr(keeping, "ENOUGH", 50 if few else 1)
    for address in ("", "https://me.example/"):
        build_site(registry, tmp_path / "site", address)
    assert content(tmp_path / ".site.cache") == {"pages/mine.txt": b"mine"}
    assert (tmp_path / "site" / "sitemap.xml").is_file()
    assert not (tmp_path / "site" / "mine.txt").exists()


def test_what_another_version_kept_is_no_hindrance(tmp_path, registry):
    (tmp_path / ".site.cache").write_text("a file")
    build_site(registry, tmp_path / "site")
    assert keeping.read(tmp_path / "site").models
    assert (tmp_path / ".site.cache" / ".gitignore").read_text() == "*\n"

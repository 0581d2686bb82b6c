"""A site that is built again is the one that would be built anew, whoever does the work and whatever lies there."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_slm.errors import ReportError
from pytest_slm.registry import build_registry, read_registry, write_registry
from pytest_slm.site import models
from pytest_slm.site.build import Places, build_site, site_pages, wide_pages
from pytest_slm.site.kept import keeping, slots
from pytest_slm.site.kept.digest import digest, entry_of


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def made(monkeypatch):
    """The models whose pages were made."""
    found, files = [], models.model_files
    monkeypatch.setattr(models, "model_files", lambda entry, *a, **k: found.append(entry.id) or files(entry, *a, **k))
    return found


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch):
    """What is known of models is kept, however few they are."""
    monkeypatch.setattr(keeping, "ENOUGH", 1)


@pytest.fixture
def registry(tmp_path, factory, runs):
    """A registry of three models."""
    write_registry(tmp_path / "registry", build_registry(stored(factory, runs)))
    return tmp_path / "registry"


def stored(factory, runs):
    return [factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(runs)]


def test_a_site_is_that_of_the_registry_read_as_a_whole(tmp_path, registry):
    build_site(registry, tmp_path / "site")
    pages = site_pages(read_registry(registry))
    assert {path: text.encode() for path, text in pages.items()} == content(tmp_path / "site")


def test_the_bytes_do_not_depend_on_who_makes_them(tmp_path, registry):
    build_site(registry, tmp_path / "alone", "https://me.example/", jobs=1)
    build_site(registry, tmp_path / "shared", "https://me.example/", jobs=2)
    assert content(tmp_path / "shared") == content(tmp_path / "alone")


def test_only_the_pages_of_a_model_that_changed_are_made_again(tmp_path, registry, factory, runs, made):
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
    (tmp_path / ".site.cache").unlink()
    build_site(registry, tmp_path / "anew")
    assert content(tmp_path / "anew") == after


def test_a_rank_that_changed_changes_the_page_that_shows_it(tmp_path, registry, factory, runs, made):
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
    (tmp_path / ".anew.cache").unlink()
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
def test_places_that_are_not_where_they_were_said_to_be_are_made_again(tmp_path, registry, factory, runs, made, how):
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
    keeping.write(tmp_path / "site", {name: replace(one, slots=broken(one.slots)) for name, one in known.items()})
    build_site(registry, tmp_path / "site")
    assert len(made) > 4
    build_site(registry, tmp_path / "anew")
    assert content(tmp_path / "anew") == content(tmp_path / "site")


def test_a_number_that_changes_no_rank_of_others_changes_no_page_of_theirs(tmp_path, registry, factory, runs, made):
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


@pytest.mark.parametrize(
    "name", ["models/qwen--qwen3-0.6b.html", "items/huggingfacetb--smollm2-135m-instruct/Q8_0.html"]
)
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_page_that_somebody_has_touched_is_made_again(tmp_path, registry, name, how):
    build_site(registry, tmp_path / "site")
    before = content(tmp_path / "site")
    page = tmp_path / "site" / name
    page.unlink()
    if how == "changed":
        page.write_text("<script>alert(1)</script>")
    build_site(registry, tmp_path / "site")
    assert content(tmp_path / "site") == before


@pytest.mark.parametrize("broken", ["", "x", "{}\n{}", "cut", "of other code", "no digest"])
def test_what_is_kept_is_never_believed_blindly(tmp_path, registry, made, broken, monkeypatch):
    build_site(registry, tmp_path / "site")
    before, cache = content(tmp_path / "site"), tmp_path / ".site.cache"
    text = cache.read_text()
    if broken == "of other code":
        monkeypatch.setattr(keeping, "code_hash", lambda: "other")
    elif broken == "no digest":
        keeping.write(
            tmp_path / "site", {n: replace(one, digest=[]) for n, one in keeping.read(tmp_path / "site").items()}
        )
    else:
        cache.write_text(text[:-50] if broken == "cut" else broken)
    made.clear()
    build_site(registry, tmp_path / "site")
    assert len(made) == 3
    assert content(tmp_path / "site") == before


@pytest.mark.parametrize("hashes", [{"../../out.html": ""}, {"/etc/hostname": ""}, {"models": 1}, [], None, "x"])
def test_what_is_kept_cannot_choose_what_is_put_into_a_site(tmp_path, registry, made, hashes):
    folder = tmp_path / "deep" / "er" / "site"
    build_site(registry, folder)
    before = content(folder)
    keeping.write(folder, {name: replace(one, hashes=hashes) for name, one in keeping.read(folder).items()})
    made.clear()
    build_site(registry, folder)
    assert len(made) == 3
    assert content(folder) == before
    assert {path.name for path in tmp_path.iterdir()} == {"deep", "registry"}


def test_a_full_disk_leaves_the_old_site_and_nothing_else(tmp_path, registry, monkeypatch):
    build_site(registry, tmp_path / "site")
    before = content(tmp_path / "site")
    (tmp_path / ".site.cache").unlink()
    write = models.write_new

    def full(path, data):
        if "qwen" in path.name:
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(models, "write_new", full)
    with pytest.raises(ReportError, match="disk-full"):
        build_site(registry, tmp_path / "site")
    assert content(tmp_path / "site") == before
    assert {path.name for path in tmp_path.iterdir()} == {"site", "registry"}


def test_a_file_system_without_hard_links_has_copies(tmp_path, registry, monkeypatch):
    build_site(registry, tmp_path / "site")
    before = content(tmp_path / "site")

    def refused(self, target):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refused)
    build_site(registry, tmp_path / "site")
    assert content(tmp_path / "site") == before


def test_pages_about_many_models_are_the_same_of_digests(registry):
    whole = read_registry(registry)
    small = replace(whole, models=tuple(entry_of(json.loads(json.dumps(digest(entry)))) for entry in whole.models))
    assert wide_pages(small, Places(), [], []) == wide_pages(whole, Places(), [], [])


def test_a_small_site_keeps_nothing_beside_it(tmp_path, registry, monkeypatch):
    monkeypatch.setattr(keeping, "ENOUGH", 50)
    build_site(registry, tmp_path / "out" / "site")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["site"]

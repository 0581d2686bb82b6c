"""Pages that stay are not read, but nobody changes one without its being noticed, and the old site is whole until the
next one is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time

import pytest

from pytest_slm import files
from pytest_slm.site.kept import tree
from pytest_slm.site.kept.tree import SiteFile, SiteTree

TEXT, OTHER = b"<p>was made</p>", b"<p>was forged</p"[: len(b"<p>was made</p>")]


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(tmp_path):
    """Where a site is, and the one before it."""
    return tmp_path / "site", tmp_path / ".site.cache" / "pages"


def built(place, pages, known=None):
    """A site of these pages; what is known of it then."""
    site, before = place
    made = SiteTree(site, known or {}, before)
    for path, text in pages.items():
        made.put(path, text)
    found = made.swap()
    made.close()
    return found


@pytest.fixture
def old_enough(monkeypatch):
    """The clock's step is a hundredth of a second, as that of the disks that tests run on, and no page is younger."""
    monkeypatch.setattr(tree, "CALM_NS", 10_000_000)

    def wait():
        time.sleep(0.05)

    return wait


@pytest.fixture
def known(place, old_enough, monkeypatch):
    """A site with three pages that are known by their stamps."""
    pages = {"index.html": TEXT, "models/a.html": TEXT, "models/deep/b.html": TEXT}
    found = built(place, pages)
    old_enough()
    looked = SiteTree(place[0], found, place[1])
    for path in pages:
        looked.keep(path)
    assert all(page.stamp for page in looked.pages.values())
    return looked.pages


def test_what_is_known_is_not_read(place, known, monkeypatch):
    monkeypatch.setattr(files, "read_bytes", lambda *_: pytest.fail("it was read"))
    assert SiteTree(place[0], known, place[1]).whole()


def in_place(page):
    page.write_bytes(OTHER)


def in_its_place(page):
    page.with_suffix(".new").write_bytes(OTHER)
    page.with_suffix(".new").replace(page)


def a_link(page):
    page.with_suffix(".txt").write_bytes(TEXT)
    page.unlink()
    page.symlink_to(page.with_suffix(".txt"))


@pytest.mark.parametrize("how", [in_place, in_its_place, a_link])
@pytest.mark.parametrize("restored", [False, True])
def test_a_page_that_somebody_has_changed_is_made_again(place, known, how, restored):
    page = place[0] / "models" / "a.html"
    times = page.stat()
    how(page)
    if restored:
        os.utime(page, ns=(times.st_atime_ns, times.st_mtime_ns), follow_symlinks=False)
        assert page.lstat().st_mtime_ns == times.st_mtime_ns
    found = SiteTree(place[0], known, place[1])
    assert "models/a.html" not in found.same
    assert not found.whole()
    built(place, dict.fromkeys(known, TEXT), known)
    assert content(place[0]) == dict.fromkeys(known, TEXT)
    assert not page.is_symlink()


def test_a_page_that_was_just_made_is_read_since_its_times_say_nothing(place):
    found = built(place, {"index.html": TEXT})
    assert found["index.html"].stamp is None
    page = place[0] / "index.html"
    times = page.stat()
    page.write_bytes(OTHER)
    os.utime(page, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not SiteTree(place[0], found, place[1]).whole()
    page.write_bytes(TEXT)
    assert SiteTree(place[0], found, place[1]).whole()


def test_where_times_can_be_put_back_every_page_is_read(place, known, monkeypatch):
    monkeypatch.setattr(tree, "TOLD", False)
    read = []
    reading = files.read_bytes
    monkeypatch.setattr(files, "read_bytes", lambda path, *rest: read.append(path) or reading(path, *rest))
    assert SiteTree(place[0], known, place[1]).whole()
    assert len(read) == 3


def test_a_copy_of_a_site_is_known_by_its_bytes(place, known):
    site, before = place
    shutil.copytree(site, site.with_name("copy"))
    shutil.rmtree(site)
    site.with_name("copy").rename(site)
    assert SiteTree(site, known, before).whole()


@pytest.mark.parametrize("what", ["another file", "a link", "one less"])
def test_a_site_with_other_files_is_not_whole(place, known, what):
    site, before = place
    if what == "another file":
        (site / "mine.html").write_bytes(TEXT)
    elif what == "a link":
        (site / "mine").symlink_to(before)
    else:
        (site / "index.html").unlink()
    assert not SiteTree(site, known, before).whole()
    built(place, dict.fromkeys(known, TEXT), known)
    assert content(site) == dict.fromkeys(known, TEXT)
    assert before.is_dir()
    assert not (site / "mine").is_symlink()


def test_sites_share_their_pages_and_what_changed_is_a_file_of_its_own(place, known):
    site, before = place
    found = built(place, {**dict.fromkeys(known, TEXT), "index.html": b"new"}, known)
    assert (site / "models" / "a.html").samefile(before / "models" / "a.html")
    assert (site / "index.html").read_bytes() == b"new"
    assert (before / "index.html").read_bytes() == TEXT
    third = built(place, {**dict.fromkeys(known, TEXT), "index.html": b"newer"}, found)
    assert (site / "index.html").read_bytes() == b"newer"
    assert (before / "index.html").read_bytes() == b"new"
    built(place, {"index.html": b"newer", "models/a.html": TEXT}, third)
    assert content(site) == {"index.html": b"newer", "models/a.html": TEXT}
    assert not (site / "models" / "deep").exists()


def test_whatever_lies_in_the_site_before_is_never_written_to_nor_followed(place, known, tmp_path):
    site, before = place
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.html").write_bytes(b"mine")
    shutil.rmtree(before / "models")
    (before / "models").symlink_to(outside)
    (before / "index.html").unlink()
    (before / "index.html").mkdir()
    (before / "index.html" / "x").write_bytes(b"x")
    built(place, {**dict.fromkeys(known, TEXT), "models/a.html": b"new"}, known)
    assert content(site) == {**dict.fromkeys(known, TEXT), "models/a.html": b"new"}
    assert content(outside) == {"a.html": b"mine"}


def test_the_site_before_may_be_anything(place, known):
    site, before = place
    for make in (lambda: before.write_bytes(b""), lambda: before.symlink_to(site), lambda: None):
        shutil.rmtree(before, ignore_errors=True)
        before.unlink(missing_ok=True)
        make()
        built(place, {**dict.fromkeys(known, TEXT), "index.html": b"new"}, known)
        assert content(site) == {**dict.fromkeys(known, TEXT), "index.html": b"new"}
        built(place, dict.fromkeys(known, TEXT))
        assert content(site) == dict.fromkeys(known, TEXT)


def test_a_page_that_changed_since_it_was_looked_at_is_not_taken(place, known):
    found = SiteTree(place[0], known, place[1])
    (place[0] / "index.html").write_bytes(OTHER)
    with pytest.raises(LookupError):
        found.content("index.html")


def test_a_place_outside_is_refused(place):
    made = SiteTree(place[0], {"../../x": SiteFile("", None)}, place[1])
    with pytest.raises(OSError, match="outside of its folder"):
        made.put("../../x", TEXT)
    assert made.same == {}


@pytest.mark.subprocess
@pytest.mark.parametrize("at", ["put_file", "rename", "write"])
def test_a_build_that_is_killed_leaves_the_old_site_whole(tmp_path, factory, registry_file, runs, at):
    from pytest_slm.site.build import build_site

    registry = registry_file(runs)
    script = tmp_path / "build.py"
    script.write_text(
        textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        from pytest_slm.site import models
        from pytest_slm.site.build import build_site
        from pytest_slm.site.kept import keeping, tree

        keeping.ENOUGH = 1
        site, address, at = Path({str(tmp_path / "site")!r}), sys.argv[1], sys.argv[2]
        def kill(*_):
            os.kill(os.getpid(), signal.SIGKILL)
        if at == "put_file":
            put, tree.put_file = tree.put_file, lambda folder, path, *rest: (
                kill() if path == "feed.xml" else put(folder, path, *rest))
        if at == "rename":
            tree._moment = kill
        if at == "write":
            keeping.write = kill
        build_site(Path({str(registry)!r}), site, address)
        """)
    )

    def run(address, where):
        done = subprocess.run([sys.executable, script, address, where], env={**os.environ}, capture_output=True)
        return done.returncode

    assert run("", "") == 0
    assert run("https://one.example/", "") == 0
    before = content(tmp_path / "site")
    assert run("https://two.example/", at) == -9
    after = content(tmp_path / "site")
    build_site(registry, tmp_path / "anew", "https://two.example/")
    # What is kept is written when the next site is in its place.
    assert after == (content(tmp_path / "anew") if at == "write" else before)
    assert run("https://two.example/", "") == 0
    assert content(tmp_path / "site") == content(tmp_path / "anew")


def test_a_link_in_the_place_of_a_site_is_not_left_behind(place, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    place[0].symlink_to(tmp_path / "elsewhere")
    built((place[0], None), {"index.html": TEXT})
    assert {path.name for path in tmp_path.iterdir()} == {"site", "elsewhere"}

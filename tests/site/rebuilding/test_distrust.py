"""What is kept of a site may have been touched, damaged or forged: it is found out, and made again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from pytest_slm.registry import build_registry, write_registry
from pytest_slm.site.build import build_site
from pytest_slm.site.kept import keeping
from pytest_slm.site.kept.tree import SiteFile


@pytest.mark.parametrize(
    "name", ["models/qwen--qwen3-0.6b.html", "items/huggingfacetb--smollm2-135m-instruct/Q8_0.html"]
)
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_page_that_somebody_has_touched_is_made_again(tmp_path, registry, name, how, content):
    build_site(registry, tmp_path / "site")
    before = content(tmp_path / "site")
    page = tmp_path / "site" / name
    page.unlink()
    if how == "changed":
        page.write_text("<script>alert(1)</script>")
    build_site(registry, tmp_path / "site")
    assert content(tmp_path / "site") == before


@pytest.mark.parametrize("broken", ["", "x", "{}\n{}", "cut", "of other code"])
def test_what_is_kept_is_never_believed_blindly(tmp_path, registry, made, broken, monkeypatch, content):
    build_site(registry, tmp_path / "site")
    before, known = content(tmp_path / "site"), tmp_path / ".site.cache" / keeping.NAME
    text = known.read_text()
    if broken == "of other code":
        monkeypatch.setattr(keeping, "code_hash", lambda: "other")
    else:
        known.write_text(text[:-50] if broken == "cut" else broken)
    made.clear()
    build_site(registry, tmp_path / "site")
    assert len(made) == 3
    assert content(tmp_path / "site") == before


def with_others(path, change):
    """Kept facts with other values in them, and their right hash in what is known."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document, separators=(",", ":")))
    return hashlib.sha256(path.read_bytes()).hexdigest()


FORGED = {
    ("", "empty"): lambda data: data[0].clear(),
    ("", "odd"): lambda data: data.__setitem__(1, []),
    (".parts", "empty"): lambda data: data.clear(),
    (".parts", "odd"): lambda data: data.update(dict.fromkeys(data)),
}


def damaged(site, which, how):
    """The facts of all models, damaged; those that are ``forged`` are said to be what was kept."""
    known, asked = keeping.read(site), {}
    for name, digest in known.shards.items():
        first, parts = digest.split()
        path = keeping.folder_of(site) / f"{name}{which}.json"
        if how == "gone":
            path.unlink()
        elif how == "cut":
            path.write_bytes(path.read_bytes()[:-20])
        else:
            other = with_others(path, FORGED[which, how])
            first, parts = (first, other) if which else (other, parts)
        asked[name] = f"{first} {parts}"
    keeping.write(site, replace(known, shards=asked, state=""))


@pytest.mark.parametrize("how", ["gone", "cut", "empty", "odd"])
@pytest.mark.parametrize("which", ["", ".parts"])
def test_facts_that_are_not_those_that_were_kept_are_found_out_again(
    tmp_path, registry, factory, runs, which, how, monkeypatch, content
):
    monkeypatch.setattr(keeping, "SHARDS", 1)
    build_site(registry, tmp_path / "site")
    damaged(tmp_path / "site", which, how)
    newer = [replace(run, finished="2026-11-09T10:00:00Z") if run.submission.slug == "gemma" else run for run in runs]
    write_registry(
        registry,
        build_registry(factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(newer)),
    )
    build_site(registry, tmp_path / "site")
    build_site(registry, tmp_path / "anew")
    assert content(tmp_path / "anew") == content(tmp_path / "site")


@pytest.mark.parametrize("paths", [["../../out.html"], ["/etc/hostname"], ["models"], [1], [None]])
def test_what_is_kept_cannot_choose_what_is_put_into_a_site(tmp_path, registry, made, paths, content):
    folder = tmp_path / "deep" / "er" / "site"
    build_site(registry, folder)
    before, known = content(folder), keeping.read(folder)
    models = {name: replace(one, paths=paths) for name, one in known.models.items()}
    pages = {**known.pages, **{path: SiteFile("0" * 64, (1, 1, 1, 1)) for path in paths if isinstance(path, str)}}
    keeping.write(folder, replace(known, models=models, pages=pages, state=""))
    made.clear()
    build_site(registry, folder)
    assert len(made) == 3
    assert content(folder) == before
    assert {path.name for path in tmp_path.iterdir()} == {"deep", "registry"}

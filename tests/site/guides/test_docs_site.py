"""The site of a folder of documentation: what the generator gets, and what is looked at when it is made."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from pytest_slm.docs_checks.links import check_links
from pytest_slm.docs_checks.measured import RegistryNumbers
from pytest_slm.docs_checks.showcase import with_showcase
from pytest_slm.docs_checks.tree import Tree
from pytest_slm.docs_site import build_docs
from pytest_slm.docs_site.pages import faults, finish
from pytest_slm.docs_site.staging import last_changed, prepared, stage
from pytest_slm.errors import ReportError, SlmError, UsageError
from pytest_slm.site.build import build_site
from pytest_slm.site.render import beside, linked_page

pytest.importorskip("markdown_it", reason="needs pytest-slm[docs]")

DOCS = Path(__file__).parents[3] / "docs-site"
PAGE = """---
title: Page
---

# Page

[compare](site:compare.html#x) and [home](../index.md)

```sh not-run="needs <b>a Pi</b>"
ls
```

```python needs="torch"
x = 1
```

```yaml file="a/b.yaml"
a: 1
```
"""


@pytest.fixture
def tree(tmp_path):
    """A folder with a page in a folder of it."""
    files = {
        "docs.toml": "",
        "index.md": "# Home\n\n[page](sub/page.md)\n",
        "sub/page.md": PAGE,
        "sub/dot.svg": "<svg/>",
    }
    for name, text in files.items():
        (tmp_path / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "docs" / name).write_text(text, "utf-8")
    return Tree(tmp_path / "docs", tmp_path)


def test_the_generator_gets_plain_markdown(tree):
    text = prepared(tree.pages["sub/page.md"], "../", RegistryNumbers(None), "2026-11-30")
    assert "[compare](../../compare.html#x)" in text
    assert '```sh\nls\n```\n\n<p class="not-run">Not run in our checks: needs ba Pi/b.</p>' in text
    assert "```python\nx = 1\n```" in text
    assert "`a/b.yaml`:\n\n```yaml\na: 1\n```" in text
    assert "Last changed on 2026-11-30." in text
    elsewhere = prepared(tree.pages["sub/page.md"], "https://example.org/slm/", RegistryNumbers(None))
    assert "[compare](https://example.org/slm/compare.html#x)" in elsewhere
    assert "Last changed" not in elsewhere


def test_what_pages_show_is_copied_and_settings_are_not(tree, tmp_path):
    assert stage(tree, tmp_path / "out", "../", RegistryNumbers(None)) == 2
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert found == ["index.md", "sub/dot.svg", "sub/page.md"]


def test_a_number_that_nobody_has_stops_the_site(tree, tmp_path):
    (tree.root / "index.md").write_text("{{ measured a Q4_0 file_size }}\n[page](sub/page.md)\n", "utf-8")
    with pytest.raises(SlmError, match=r"docs/index.md:1: docs.toml names no registry"):
        stage(Tree(tree.root, tmp_path), tmp_path / "out", "../", RegistryNumbers(None))


def test_numbers_are_those_of_the_registry(registry_file, modern_runs):
    known = RegistryNumbers(registry_file(modern_runs))
    model = "huggingfacetb--smollm2-135m-instruct"
    for what in ("file_size", "peak_memory", "generation", "memory:weights", "parameters", "machine"):
        value, problem = known.value(f"{model} Q8_0 {what}")
        assert (bool(value), problem) == (True, ""), what
    assert "GB" in known.value(f"{model} Q8_0 peak_memory")[0] or "MB" in known.value(f"{model} Q8_0 peak_memory")[0]
    wrong = {
        "": "write {{ measured",
        f"{model} Q8_0 file_size more": "write {{ measured",
        "smollm Q8_0 file_size": "no model 'smollm'",
        f"{model} Q9 file_size": "no 'Q9' of it",
        f"{model} Q8_0 speeed": "nothing is called 'speeed'",
        f"{model} Q8_0 score:nothing": "score:nothing of Q8_0 was not measured",
    }
    for words, problem in wrong.items():
        value, said = known.value(words)
        assert value == ""
        assert problem in said


def test_a_day_is_gits_and_only_where_git_knows(tree, tmp_path):
    assert last_changed(tree.root) == {}
    day = {"GIT_COMMITTER_DATE": "2026-11-05T12:00:00Z", "GIT_AUTHOR_DATE": "2020-01-01T12:00:00Z"}
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x"]):
        subprocess.run(
            ["git", "-C", str(tmp_path), *words], check=True, env={**day, "PATH": "/usr/bin:/bin", "HOME": "/"}
        )
    assert last_changed(tree.root)["sub/page.md"] == "2026-11-05"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{tmp_path}", str(tmp_path / "cut")], check=True)
    assert last_changed(tmp_path / "cut" / "docs") == {}


def entries(tree, text):
    (tree.root / "showcase.json").write_text(text, "utf-8")
    return with_showcase(tree, tree.pages["index.md"], "{{ showcase }}")


def test_the_showcase_is_its_file(tree):
    page = tree.pages["index.md"]
    page.__dict__["text"] = "{{ showcase }}"
    assert entries(tree, '{"entries": []}') == "There is no entry yet."
    hostile = "<script>x</script> | [a](javascript:b) `c`"
    entry = (
        f'{{"title": "{hostile}", "address": "https://example.org/a", "model": "m", "by": "b", "measured": "1 of 2"}}'
    )
    (line,) = entries(tree, f'{{"entries": [{entry}]}}').splitlines()[2:]
    assert "<script" not in line
    assert "[a](java" not in line
    assert line.count(" | ") == 3
    for wrong in ('{"entries": 1}', "{", f'{{"entries": [{entry.replace("https", "javascript")}]}}'):
        with pytest.raises(SlmError, match=r"showcase.json:1: "):
            entries(tree, wrong)


def test_faults_of_a_finished_site_are_told(tmp_path):
    page = '<!doctype html><html><head><meta charset="utf-8"><script>let x = 1</script></head><body>{}</body></html>'
    links = '<a href="b.html">b</a><a href="#no">c</a><a href="a.html#here">d</a><a href="../x.html">e</a>'
    more = '<p id="here"></p><img src="https://example.org/a.png"><link rel="stylesheet" href="//fonts.example/x.css">'
    (tmp_path / "a.html").write_text(page.format(links + more), "utf-8")
    finish(tmp_path)
    text = (tmp_path / "a.html").read_text("utf-8")
    assert "script-src 'self' 'sha256-" in text
    assert faults(tmp_path) == [
        "a.html: leads to #no, and that page has no such place",
        "a.html: leads to b.html, which is not there",
        "a.html: loads //fonts.example/x.css",
        "a.html: loads https://example.org/a.png",
    ]


def test_navigations_have_names_of_their_own(tmp_path):
    navigations = '<nav class="md-path" aria-label="Navigation"></nav><nav aria-labelledby="__nav_2_7_label"></nav>'
    known = '<label id="__nav_3_label">Deploy</label><nav aria-labelledby="__nav_3_label"></nav>'
    known += '<label id="__nav_4_label"><span> </span></label><nav aria-labelledby="__nav_4_label"></nav>'
    (tmp_path / "a.html").write_text(f'<meta charset="utf-8">{navigations}{known}', "utf-8")
    finish(tmp_path)
    text = (tmp_path / "a.html").read_text("utf-8")
    assert 'aria-label="Breadcrumbs"' in text
    assert '<nav aria-label="Section 2.7">' in text
    assert '<nav aria-labelledby="__nav_3_label">' in text
    assert '<nav aria-label="Section 4">' in text


def test_a_folder_that_is_none_of_documentation_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no docs\.toml in it"):
        build_docs(tmp_path, tmp_path / "out")


def with_models(tree, **pages):
    """The same folder, whose first page leads to one that a program makes."""
    (tree.root / "docs.toml").write_text('read_only = ["models/*"]\n', "utf-8")
    (tree.root / "index.md").write_text("# Home\n\n[page](sub/page.md), [Models](models/index.md), here\n", "utf-8")
    for name, text in pages.items():
        (tree.root / "models" / f"{name}.md").parent.mkdir(exist_ok=True)
        (tree.root / "models" / f"{name}.md").write_text(text, "utf-8")
    return Tree(tree.root, tree.root.parent)


def test_a_page_that_a_program_has_not_made_is_named_and_not_linked(tree, tmp_path):
    without = with_models(tree)
    assert list(check_links(without, without.pages["index.md"])) == []
    stage(without, tmp_path / "out", "../", RegistryNumbers(None))
    assert "), Models, here" in (tmp_path / "out" / "index.md").read_text("utf-8")
    made = with_models(tree, index="# Models\n")
    stage(made, tmp_path / "made", "../", RegistryNumbers(None))
    assert "[Models](models/index.md), here" in (tmp_path / "made" / "index.md").read_text("utf-8")
    (tree.root / "models" / "index.md").rename(tree.root / "models" / "other.md")
    some = Tree(tree.root, tmp_path)
    assert [one.problem for one in check_links(some, some.pages["index.md"])] == ["'models/index.md': no such page"]


def test_nobody_is_asked_to_edit_what_a_program_has_written(tmp_path):
    edit = '<a href="https://example.org/me/project/edit/main/docs/{}.md" rel="edit"><svg></svg></a>'
    for name in ("mine", "made"):
        text = f'<head><meta charset="utf-8"></head><header class="md-header"></header>{edit.format(name)}<p>x</p>'
        (tmp_path / f"{name}.html").write_text(text, "utf-8")
    finish(tmp_path, "../", {"made.md"})
    assert "edit/main" in (tmp_path / "mine.html").read_text("utf-8")
    assert "edit/main" not in (tmp_path / "made.html").read_text("utf-8")
    assert "<p>x</p>" in (tmp_path / "made.html").read_text("utf-8")


@pytest.mark.parametrize(("site", "kept"), [("../", False), ("https://example.org/slm/", True)])
def test_a_page_for_wrong_addresses_belongs_to_the_top_of_a_host(tmp_path, site, kept):
    (tmp_path / "404.html").write_text('<head><meta charset="utf-8"></head>', "utf-8")
    finish(tmp_path, site)
    assert (tmp_path / "404.html").exists() is kept


def header_of(text, up):
    """Words and targets of the navigation of the site, seen from its first page."""
    (found,) = re.findall(r'<nav[^>]*aria-label="Site">(.*?)</nav>', text, re.DOTALL)
    links = re.findall(r'<a href="([^"]*)"[^>]*>(?:<span[^>]*>[^<]*</span>)?([^<]*)</a>', found)
    return [(words.strip(), re.sub(rf"^{re.escape(up)}", "", place)) for place, words in links]


def test_both_sites_have_one_header(tmp_path):
    (tmp_path / "sub").mkdir()
    page = '<head><meta charset="utf-8"></head><header class="md-header"></header>'
    (tmp_path / "sub" / "a.html").write_text(page, "utf-8")
    finish(tmp_path)
    ours = header_of((tmp_path / "sub" / "a.html").read_text("utf-8"), "../../")
    with beside("guides/"):
        theirs = header_of(linked_page("submit.html", root="", ranked=()), "")
    assert len(ours) > 5
    assert ours[:-1] == theirs[:-1]
    assert (ours[-1], theirs[-1]) == (("Guides", "../index.html"), ("Guides", "guides/index.html"))
    assert "Guides" not in linked_page("submit.html", root="", ranked=())


def test_the_registrys_pages_lead_to_the_guides(registry_file, modern_runs, tmp_path):
    build_site(registry_file(modern_runs), tmp_path / "site", guides="guides/")
    for path in (tmp_path / "site").rglob("*.html"):
        text = path.read_text("utf-8")
        if 'aria-label="Site"' in text and path.name != "404.html":
            up = "../" * (len(path.relative_to(tmp_path / "site").parts) - 1)
            assert f'<a href="{up}guides/index.html">Guides</a>' in text, path.name


# -- our own guides ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guides(tmp_path_factory):
    """The site of our own guides."""
    pytest.importorskip("zensical", reason="needs pytest-slm[docs-site]")
    out = tmp_path_factory.mktemp("guides") / "guides"
    built = build_docs(DOCS, out)
    return out, built


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_our_guides_are_light_and_the_same_twice(guides, tmp_path):
    out, built = guides
    assert built.largest <= 100_000
    assert (out / "learn" / "first-run.html").is_file()
    icon = resources.files("pytest_slm.site").joinpath("static", "favicon.svg").read_bytes()
    assert (out / "assets" / "favicon.svg").read_bytes() == icon
    (tmp_path / "again").symlink_to(tmp_path / "served")  # a link to where it is served from stays
    build_docs(DOCS, tmp_path / "again")
    assert (tmp_path / "again").is_symlink()
    assert files(tmp_path / "served") == files(out)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(ReportError, match="no site made by pytest-slm"):
        build_docs(DOCS, tmp_path / "other")


def test_our_guides_ask_nobody_else_and_can_be_searched_from_a_folder(guides, show):
    out, _ = guides
    with show(out / "learn" / "quantization.html") as seen:
        assert [url for url in seen.requests if not url.startswith("file:")] == []
        assert seen.messages == []
        page = seen.page
        assert page.locator("nav.md-path").count() == 1
        names = page.locator("nav:visible").evaluate_all(
            "all => all.map(one => one.getAttribute('aria-label') || one.textContent)"
        )
        assert len(set(names)) == len(names)
        page.keyboard.press("/")
        page.wait_for_function("() => document.activeElement !== document.body")
        page.keyboard.type("perplexity")
        page.get_by_text("1 result").wait_for()


def test_guides_outside_of_the_checkout_are_the_same(guides, tmp_path, show):
    shutil.copytree(DOCS, tmp_path / "docs-site")
    with pytest.raises(UsageError, match="begin it with https://"):
        build_docs(tmp_path / "docs-site", tmp_path / "out", repository="javascript:x")
    build_docs(tmp_path / "docs-site", tmp_path / "out", repository="https://example.org/me/project")
    text = (tmp_path / "out" / "learn" / "rag.html").read_text("utf-8")
    assert "Last changed" not in text
    assert "https://example.org/me/project/edit/main/docs-site/learn/rag.md" in text
    github = "https://github.com/me/project"  # the generator's script would ask it for stars
    build_docs(tmp_path / "docs-site", tmp_path / "out", repository=github)
    with show(tmp_path / "out" / "learn" / "rag.html") as seen:
        assert f'href="{github}"' in (tmp_path / "out" / "learn" / "rag.html").read_text("utf-8")
        assert [url for url in seen.requests if not url.startswith("file:")] == []
        assert seen.messages == []

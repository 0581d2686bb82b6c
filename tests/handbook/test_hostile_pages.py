"""Names and cards that try to be more than text, read by a Markdown parser: no link, no HTML, no block of their own."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_slm.handbook.facts import (
    FactChange,
    HubFile,
    HubQuantization,
    HubStats,
    Relative,
    ReportedScore,
    SkippedModel,
)
from pytest_slm.handbook.pages.markdown import Md, code, fence, front_matter, link, md, say
from pytest_slm.models.naming import as_file_name, as_name

HOSTILE = (
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "[a]: https://evil.example",
    "https://evil.example/x www.evil.example me@evil.example",
    "<https://evil.example>",
    "x | y | z",
    "# heading",
    "---",
    "- item\n\n    code",
    "```\nfence",
    "`code` ``more``",
    "*a* _b_ **c** __d__ ~~e~~ ==f== ^g^ $h$",
    "\\[x\\](y) \\<b\\> \\",
    "&lt;script&gt; &#60;b&#62; &amp;",
    "{{ 7 * 7 }}{% raw %} {: onclick=alert(1) .x } {#id}",
    "\u202egnp.exe\u2066 \u200b \x1b[31m \u2028 \ud83d",
    "\u05d0\u05d1\u05d2 \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "../../../etc/passwd",
    '" onmouseover="alert(1)',
    ":smile: !!! warning \"x\"\n    y",
    "*[HTML]: x [^1] [^1]: y [[wiki]] [TOC]",
    "title: x\n---\nscript: y",
    "!!python/object/apply:os.system ['id']",
    "W" * 500,
)  # fmt: skip
MARKDOWN = MarkdownIt("commonmark").enable("table")
OURS = re.compile(r"(\.\./)?[A-Za-z0-9./_-]+\.md|https://huggingface\.co/[\w.-]+/[\w.-]+")


def tokens(text):
    for token in MARKDOWN.parse(text):
        yield token
        yield from token.children or ()


def poisoned(model, text):
    name, file = as_name(text), as_file_name(text)
    told = HubFile(name="x-" + re.sub(r"[/\\\x00-\x1f\x7f]", "", name)[:100].strip(), size=1)
    return model(
        **dict.fromkeys(("license", "license_name", "library", "architecture"), name),
        languages=(name,),
        tags=(name, f"{name[:100]}2"),
        tasks=("chat", name),
        dtypes={name: 1},
        files=(told,),
        quantizations=(HubQuantization(name=file, file=told.name, size=1),),
        reported=(ReportedScore(benchmark=name, metric=name, value=1e9),),
        bases=(Relative(repo="org/base", relation=name),),
        derived=(Relative(repo="org/derived", relation=name),),
    )


def checked(pages):
    """Every page parsed: nothing but our own links, and no HTML."""
    for place, text in pages.items():
        _, head, body = text.split("---\n", 2)
        assert set(yaml.safe_load(head)) - {"search"} == {"title", "description", "generated"}
        assert not re.search(r"[<>&\"]", yaml.safe_load(head)["title"]), place
        for token in tokens(body):
            assert token.type not in ("html_block", "html_inline", "image", "code_block"), (place, token.content)
            if token.type == "link_open":
                assert OURS.fullmatch(str(token.attrs["href"])), (place, token.attrs)
        for cells in _rows(body):
            assert len(cells) == 1, (place, cells)


def _rows(body):
    """Of each table how many cells its lines have: a stranger's bar would make one more."""
    counts: set[int] = set()
    n = 0
    for token in MARKDOWN.parse(body):
        if token.type == "table_open":
            counts = set()
        elif token.type == "tr_open":
            n = 0
        elif token.type in ("td_open", "th_open"):
            n += 1
        elif token.type == "tr_close":
            counts.add(n)
        elif token.type == "table_close":
            yield counts


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_strangers_are_nothing_but_text(pages, model, text):
    changes = tuple(
        FactChange(day="2026-11-30", repo="org/tiny", kind=kind, old=text, new=text) for kind in ("license", "gated")
    )
    stats = HubStats(synced="2026-11-30", changes=changes, left_out=(SkippedModel(name=as_name(text), reason="x"),))
    found = pages(poisoned(model, text), model("org/other"), stats=stats)
    checked(found)
    assert all(place.isascii() and ".." not in place for place in found)
    headings = [line for page in found.values() for line in page.splitlines() if line.startswith("#")]
    assert "# heading" not in headings


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_reader_sees_is_what_was_written(text):
    shown = "".join(token.content for token in tokens(f"x {md(text)} x") if token.type in ("text", "text_special"))
    wanted = "".join(letter if ord(letter) > 31 else "?" for letter in text)
    plain = re.sub(" +", " ", re.sub("[\u202e\u2066\u200b\u2028\ud83d\x1b]", "?", wanted))[:100]
    assert f"x {plain}" in f"{shown}"


@given(st.text(max_size=60))
def test_any_text_is_one_line_without_a_mark(text):
    found = md(text)
    assert "\n" not in found
    kinds = {token.type for token in tokens(f"x {found} x")}
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}


@given(st.text(max_size=60))
def test_any_text_in_a_cell_is_one_cell(text):
    (counts,) = _rows(f"| a | b |\n| --- | --- |\n| {md(text)} | {code(text)} |\n")
    assert counts == {2}


def test_what_is_ours_is_not_escaped_twice():
    assert md(Md("**x**")) == "**x**"
    assert say("**{who}**: {how}", who="*", how=Md("*y*")) == "**&#42;**: *y*"


@pytest.mark.parametrize(
    "target", ["javascript:alert(1)", "http://x", "https://evil.example/x", "//x", "a b", "x)(y", "https://huggingface.co.evil/x"]
)  # fmt: skip
def test_links_lead_nowhere_else(target):
    if target == "//x":
        target = "//x?y"
    with pytest.raises(ValueError, match="no target"):
        link("x", target)


@pytest.mark.parametrize("line", ["```", "a\nb ``` c", "x\x1b[31m", "x\u202ey"])
def test_no_line_ends_a_block_of_code(line):
    with pytest.raises(ValueError, match="no code"):
        fence("sh", [line])


def test_the_head_holds_what_it_is_given():
    text = front_matter(title="x: [y] # z", description="---\n---", generated=True)
    assert yaml.safe_load(text.split("---\n", 1)[1].rpartition("---")[0]) == {
        "title": "x: [y] # z",
        "description": "---\n---",
        "generated": True,
    }

"""Foreign text in GitHub's Markdown is shown, and does nothing."""

from __future__ import annotations

import html
import re

import pytest

from pytest_slm.errors import shown
from pytest_slm.markdown import escaped, table

FOREIGN = (
    "a|b`<script>*x*</script>\n# h @mallory [l](http://e.vil) www.e.vil \x1b[31m",
    "x www.evil.example\n\n# Heading\n| a | b",
    "![x](http://evil.example/p.png) | q",
    "~~struck~~ ~once~ **bold** __bold__ _a_",
    "mail@evil.example, mailto:a@evil.example and xmpp:a@evil.example",
    "(ftp://evil.example) https://evil.example/?a=b&amp;c WWW.evil.example",
    "as @octocat and @org/team say, see #12, org/repo#3, GH-4 and gh-5",
    "1. one",
    "12. twelve",
    "3) three",
    "- a point",
    "+ a point",
    "> a quotation",
    "    code",
    "---",
    "===",
    "```",
    "$x$ [^1] {x} \\| \\",
    "<!-- pytest-slm:results -->",
    "&#64;octocat &lt;b&gt; &copy;",
)
GITHUB = {
    "a mention": r"(?<![\w`])@[a-z0-9]",
    "an address of mail": r"\w@\w",
    "an issue": r"#\d",
    "an older way to name one": r"(?i)\bgh-\d",
}
"""What GitHub looks for in the finished text of a comment, where entities are letters again."""
RAW = {"a link": r"\w://", "a link without a scheme": r"www\.", "a mark": r"[\\`*_{}\[\]()+!|~$^=<>\n]|^\d+[.]|-"}
"""What it looks for in the text as it was written."""


@pytest.mark.parametrize("text", FOREIGN)
def test_nothing_foreign_is_live(text):
    made = escaped(text)
    assert [what for what, found in GITHUB.items() if re.search(found, html.unescape(made))] == []
    assert [what for what, found in RAW.items() if re.search(found, made)] == []


@pytest.mark.parametrize("text", FOREIGN)
def test_it_is_shown_as_it_is(text):
    assert html.unescape(escaped(text)).replace("\u200b", "") == shown(text).strip()


@pytest.mark.parametrize("text", FOREIGN)
@pytest.mark.parametrize(
    ("place", "tags"),
    [
        ("{}", ["p"]),
        ("- {}", ["ul", "li"]),
        ("### {}", ["h3"]),
        ("| head |\n|---|\n| {} |", ["table", "thead", "tr", "th", "tbody", "tr", "td"]),
    ],
)
def test_it_changes_nothing_around_it(text, place, tags):
    parser = pytest.importorskip("markdown_it", reason="needs markdown-it-py: pip install 'pytest-slm[docs]'")
    page = parser.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    assert re.findall(r"<([a-z0-9]+)", page.render(place.format(escaped(text)))) == tags


def test_plain_words_stay_readable():
    assert escaped("Llama 3.2 1B, 2 cores: 41.5 % at 8.1.2026") == "Llama 3.2 1B, 2 cores: 41.5 % at 8.1.2026"


def test_a_table_has_a_line_for_each_row_whatever_is_in_it():
    lines = list(table(("a", "b"), [(text, 1) for text in FOREIGN]))
    assert len(lines) == 2 + len(FOREIGN)
    assert {line.count("|") for line in lines} == {3}

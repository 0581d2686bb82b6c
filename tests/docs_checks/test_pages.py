"""What is looked at in every page, and how each of it fails: with file and line."""

import json

import pytest

pytest.importorskip("pymarkdown", reason="needs pytest-slm[docs]")
pytest.importorskip("codespell_lib", reason="needs pytest-slm[docs]")

LINES = 4
"""Lines of the front matter that the fixture puts before a page."""


def test_a_page_in_order_passes_and_is_collected_with_the_option_only(docs, look, session):
    docs("# Other\n\nA page, and [a place](index.md#first).\n\n![A dot](dot.svg)\n", files={"dot.svg": "<svg/>"})
    result = look()
    result.assert_outcomes(passed=12)
    result.stdout.no_fnmatch_line("*docs-page*")
    without = session("site", "-p", "no:cacheprovider")
    without.stdout.fnmatch_lines(["*no tests ran*"])


@pytest.mark.parametrize(
    ("body", "line", "problem"),
    [
        ("[a](nowhere.md)", 3, "'nowhere.md': no such page"),
        ("words\nand [a](index.md#no)", 4, "'index.md#no': no such place on that page. Known: first."),
        ("[a](#othr)", 3, "'#othr': no such place on that page. Did you mean 'other'?"),
        ("[a](ftp://example.org/x)", 3, "a link with the scheme 'ftp': only pages, https: and site: are linked"),
        ("[a](//example.org)", 3, "a link with the scheme '//': only pages, https: and site: are linked"),
        ("[a](javascript:alert)", 3, "a link with the scheme 'javascript': only pages, https: and site: are linked"),
        ("[a](site:comparx.html)", 3, "the registry's site has no page 'comparx.html'. Did you mean 'compare.html'?"),
        ("[a](../secret.txt)", 3, "'../secret.txt': outside of the pages; name it by its address"),
        ("| a |\n|---|\n| [b](gone.md) |", 5, "'gone.md': no such page"),
        ('<a href="gone.html">a</a>', 3, "'gone.html': no such page"),
        ("![](dot.svg)", 3, "the picture 'dot.svg' has no alternative text: say what it shows"),
        ("![a](gone.svg)", 3, "there is no picture 'gone.svg'"),
        ("![a](https://example.org/x.png)", 3, "the picture 'https://example.org/x.png' is fetched from elsewhere:*"),
        ("<p>\n<img src=dot.svg>\n</p>", 4, "the picture 'dot.svg' has no alternative text: say what it shows"),
        ("One.\n\n\n\nTwo.", 6, "Multiple consecutive blank lines*[[]md012]"),
        ("Here is teh word.", 3, "teh: did you mean the?"),
        ("On Github.", 3, "Github: did you mean GitHub?"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(docs, look, pytester, body, line, problem):
    (pytester.path / "secret.txt").write_text("x")
    config = 'site_pages = ["compare.html", "index.html"]\ncorrections = "corrections.txt"\n'
    docs(f"# Other\n\n{body}\n", files={"dot.svg": "<svg/>", "corrections.txt": "Github->GitHub\n"}, config=config)
    result = look("--tb=short")
    result.assert_outcomes(passed=11, failed=1)
    result.stdout.fnmatch_lines([f"site/other.md:{LINES + line}: {problem}  [[]docs-page]"])


def test_words_that_only_look_wrong_are_named_in_a_file(docs, look):
    docs("# Other\n\nteh\n", files={"words.txt": "teh\n"}, config='words = "words.txt"\n')
    look().assert_outcomes(passed=12)


def test_links_that_are_fine(docs, look):
    more = "[a](https://example.org) [b](mailto:me@example.org) [c](/index.md) [d](sub/) [e](#two_1) [f](#mine)"
    more += " [g](site:compare.html?m=a#x) [h](site:models/a.html)"
    page = f'# Other\n\n## Two\n\n### Two\n\n<a id="mine"></a>\n\n{more}\n'
    files = {"sub/index.md": "---\ntitle: a\n---\n\n# Sub\n\n[up](../other.md#other)\n"}
    docs(page, files=files, config='site_pages = ["compare.html", "models/*"]\n')
    look("-k", "links or reachable").assert_outcomes(passed=6, deselected=12)


def test_a_page_that_no_way_leads_to(docs, look):
    files = {"lost.md": "---\ntitle: Lost\n---\n\n# Lost\n\n[home](index.md)\n"}
    docs(files=files)
    result = look("-k", "reachable", "--tb=short")
    result.assert_outcomes(passed=2, failed=1, deselected=15)
    result.stdout.fnmatch_lines(["site/lost.md:1: no way leads here from index.md: *  [[]docs-page]"])
    docs(files=files, config='unlinked = ["l*.md"]\n')
    look("-k", "reachable").assert_outcomes(passed=3, deselected=15)


SCHEMA = {
    "type": "object",
    "required": ["title"],
    "additionalProperties": False,
    "properties": {"title": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
}


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("title: a\ntags: [b, 1]", "3: tags[[]1[]]: 1 is not of type 'string'"),
        ("tags: []", "1: 'title' is a required property"),
        ("title: a\nupdated: 2026-11-30", "1: Additional properties are not allowed ('updated' was unexpected)"),
        ("title: a\ntitle: b", "3: *title*"),
        ("title: [", "*: no valid YAML: *"),
    ],
)
def test_the_front_matter_has_a_schema(docs, look, head, said):
    files = {"schema.json": json.dumps(SCHEMA)}
    docs(f"---\n{head}\n---\n\n# Other\n", files=files, config='schemas = {"*.md" = "schema.json"}\n')
    result = look("-k", "front-matter", "--tb=short")
    result.assert_outcomes(passed=1, failed=1, deselected=10)
    result.stdout.fnmatch_lines([f"site/other.md:{said}  [[]docs-page]"])


def test_a_page_without_front_matter_where_a_schema_wants_some(docs, look, pytester):
    docs(files={"schema.json": json.dumps(SCHEMA)}, config='schemas = {"*.md" = "schema.json"}\n')
    (pytester.path / "site" / "other.md").write_text("# Other\n")
    result = look("-k", "front-matter", "--tb=short")
    result.stdout.fnmatch_lines(["site/other.md:1: no front matter: *"])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("lint = 1", "*docs.toml: *lint*docs-config*"),
        ("words = 3", "*docs.toml: *words*docs-config*"),
        ('corrections = "gone.txt"', "*gone.txt: cannot be read*docs-config*"),
        ("[", "*docs.toml: *docs-config*"),
        ('schemas = {"*" = "gone.json"}', "*gone.json: no JSON Schema*docs-config*"),
    ],
)
def test_a_wrong_docs_toml_is_an_error_that_names_it(docs, look, pytester, config, said):
    docs(config=config)
    look().stdout.fnmatch_lines([said])


def test_numbers_that_nobody_has_measured(docs, look):
    page = "# Other\n\nIt takes {{ measured a--b Q4_0 peak_memory }}.\n"
    docs(page)
    result = look("-k", "measured", "--tb=short")
    result.assert_outcomes(failed=1, deselected=12)
    result.stdout.fnmatch_lines(["site/other.md:7: docs.toml names no registry  [[]docs-page]"])

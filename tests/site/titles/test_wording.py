"""What people read instead of keys: on every page, and from one place."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest

from pytest_slm.site.titles.definitions import definitions, item_title, suite_title, task_title, twins
from pytest_slm.site.titles.wording import coded, metric_title, part_title, profile_title, variant_title
from pytest_slm.site.views import split_reason

CODE = ("code", "pre", "script", "style")
KEY = re.compile(r"[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+")
QUANTIZATION = re.compile(r"I?Q\d_[A-Z0-9_]+")
"""Those are called so by everybody."""
VOID = {"meta", "link", "input", "br", "hr", "col", "img"}


class Keys(HTMLParser):
    """The identifiers of a page that stand outside of code."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.found = set()

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append((tag, tag in CODE or "code" in (dict(attrs).get("class") or "").split()))

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, text):
        if not any(code for _, code in self.open):
            self.found |= {key for key in KEY.findall(text) if not QUANTIZATION.fullmatch(key)}


def keys(page):
    """The identifiers that a reader of the page would see as words."""
    read = Keys()
    read.feed(page)
    return read.found


def test_no_page_of_any_kind_shows_a_key_as_a_word(pages):
    folder = pages["home"].parents[1]
    every = {
        path for name in ("site", "timed", "empty", "run", "timed run") for path in (folder / name).rglob("*.html")
    }
    assert len(every) > 150
    assert {path.name: found for path in every if (found := keys(path.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("<td class='metric'>attack_success_rate</td>", {"attack_success_rate"}),
        ("<p>of <code>acc_norm</code> and acc_norm</p>", {"acc_norm"}),
        ("<p class='x code'>a_b</p><pre>c_d</pre><b>Q4_K_M IQ4_XS</b>", set()),
        ("<p>a<br>b<input>c_d</p>", {"c_d"}),
    ],
)
def test_a_key_is_found_where_it_stands_as_a_word(page, found):
    assert keys(page) == found


def test_every_metric_that_a_suite_declares_has_words():
    for name, one in definitions().items():
        declared = [spec.name for task in one.tasks.values() for spec in task.metrics]
        for metric in [*declared, *one.suite.facts.rates, *one.suite.facts.composites]:
            title = metric_title(metric)
            assert "_" not in title, (name, metric)
            assert title[:1] == title[:1].upper() or title.startswith("pass@"), (name, metric)
            # Nobody reads these at first sight.
            assert not re.search(r"\b(acc|norm|pct|amb|dis|inst|ses|diff)\b", title), (name, metric)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("acc_norm", "Accuracy, length-normalized"),
        ("over_refusal_rate", "Over-refusal rate"),
        ("accuracy[category=live_simple]", "Accuracy, category live simple"),
        ("exact_match[prompts cut]", "Exact match, prompts cut"),
        ("s_amb_race_x_ses", "Bias in ambiguous contexts, race and socio-economic status"),
        ("expected_maximum_toxicity_nontoxic_prompts", "Expected maximum toxicity, non-toxic prompts"),
        ("my_own_metric", "My own metric"),
        ("accuracy_", "Accuracy "),
        ("[x]", "[x]"),
        ("", ""),
    ],
)
def test_a_metric_is_called_what_people_call_it(name, title):
    assert metric_title(name) == title


def test_variants_parts_profiles_and_items():
    assert variant_title("16384") == "16\u202f384"
    assert variant_title("007") == "007"
    assert variant_title("9" * 5000) == "9" * 5000
    assert variant_title("miss_func") == "missing functions"
    assert part_title("group=African_Americans") == "group African Americans"
    assert (profile_title("marketplace"), profile_title("my_own")) == ("Overall", "My own")
    assert item_title("rag", "niah", "1024") == "Retrieval and grounding · Needle in a haystack · 1\u202f024"
    assert item_title("theirs", "some_task", "") == "Theirs · Some task"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lm-eval's arc_challenge (a)", "lm-eval&#39;s <code>arc_challenge</code> (a)"),
        ("put it below --slm-data=DIR now", "put it below <code>--slm-data=DIR</code> now"),
        ("run `pytest-slm data pull DIR` first", "run <code>pytest-slm data pull DIR</code> first"),
        ("https://example.org/a_b/c_d", "https://example.org/a_b/c_d"),
        ("well-known -- and so", "well-known -- and so"),
        ("<b>x_y</b>", "&lt;b&gt;<code>x_y</code>&lt;/b&gt;"),
        ("`<img src=x onerror=a_b>`", "<code>&lt;img src=x onerror=a_b&gt;</code>"),
        ("_ __ a_ _b", "_ __ a_ _b"),
    ],
)
def test_identifiers_are_code_and_everything_is_escaped(text, shown):
    assert str(coded(text)) == shown


def test_a_long_text_is_read_in_one_go():
    # A pattern that tries all ways would not end.
    assert len(str(coded("a/" * 50_000))) == 100_000
    assert str(coded("x_" * 20_000 + "y")).startswith("<code>")


@pytest.mark.parametrize(
    ("reason", "parts"),
    [
        ("", ("", "")),
        ("it fell  [data-missing]", ("it fell", "data-missing")),
        ("  [a] of\nlines [b] \n[c2]  ", ("[a] of\nlines [b]", "c2")),
        ("[data-missing]", ("", "data-missing")),
        ("no slug]", ("no slug]", "")),
        ("none [A] ", ("none [A]", "")),
        ("none [a]]", ("none [a]]", "")),
        ("none [a] here", ("none [a] here", "")),
    ],
)
def test_the_slug_of_a_reason_stands_at_its_end(reason, parts):
    assert split_reason(reason) == parts


LONG = {
    "assignments": "a=",
    "back ticks": "`",
    "code": "`a`",
    "dashes": "-",
    "identifiers": "a_b ",
    "lines": "`a\n",
    "options": "--a",
    "options behind a sign": "=--a-",
    "paths": "a/",
    "spaces": " ",
    "brackets": "[a",
    "slugs": " [a]",
    "underlines": "_",
}


def slowest(function, texts):
    """Seconds of this process for each text, of the best of five tries: others use the machine, too."""

    def once(text):
        began = time.process_time()
        function(text)
        return time.process_time() - began

    return [min(once(text) for _ in range(5)) for text in texts]


@pytest.mark.parametrize("function", [coded, split_reason])
@pytest.mark.parametrize("part", LONG.values(), ids=LONG)
def test_twice_the_text_is_twice_the_work(function, part):
    # Anybody writes reasons of any length into a report.
    few, many = (f"a{part * (length // len(part))}a_" for length in (3_000, 24_000))
    small, large = slowest(function, [few, many])
    assert large < 24 * max(small, 1e-4)  # eight times the text; 64 times the work where each sign reads all others


def test_tasks_of_suites_in_no_score_have_their_titles_too():
    assert task_title("long_context", "perplexity") == "Perplexity by context length"
    assert metric_title("token_probability") == "Probability of a token (1 ÷ perplexity)"
    assert suite_title("long_context") == "Long contexts"
    assert suite_title("my_own") == "My own"


def test_every_task_of_ours_declares_a_title():
    tasks = [task for one in definitions().values() for task in one.tasks.values()]
    assert len(tasks) > 50
    assert [f"{task.suite}/{task.name}" for task in tasks if not task.title] == []


def test_tasks_of_one_title_in_two_suites_are_twins():
    assert twins("reasoning", "truthfulqa_mc2") == (("safety", "truthfulness_mc2"),)
    assert twins("reasoning", "mmlu") == ()

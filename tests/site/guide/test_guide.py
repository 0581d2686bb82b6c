"""Tasks, use cases, machines, news: each number with its source, and nothing that is not ours or hurts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from pytest_slm.models.naming import as_name
from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.build import site_pages
from pytest_slm.site.facts.measured import task_facts
from pytest_slm.site.guide.hardware import size_plot
from pytest_slm.site.guide.tasks import strip
from pytest_slm.site.names import page_name
from pytest_slm.site.titles.definitions import EXAMPLES, OURS, definitions, examples


def registry(*runs):
    """The registry of some runs."""
    return build_registry(
        [StoredReport(path=f"{n}/report.json", sha256="a" * 64, run=run) for n, run in enumerate(runs)]
    )


@pytest.fixture(scope="module")
def pages(runs):
    """All pages of a registry."""
    return site_pages(registry(*runs))


def test_every_built_in_task_and_use_case_has_a_page(pages):
    for name, definition in definitions().items():
        for task in definition.tasks:
            assert f"tasks/{name}/{task}.html" in pages
        assert f"use/{definition.suite.facts.use_case}.html" in pages


def test_examples_are_our_own_and_hurt_nobody():
    told = 0
    for suite, definition in definitions().items():
        for name, task in definition.tasks.items():
            found = examples(suite, name)
            if task.harmful or not task.source.startswith(OURS):
                assert found == ()
            elif "tokens" not in task.requires:
                assert len(found) == EXAMPLES, f"{suite}/{name}"
                assert all(example.question and len(example.question) < 1000 for example in found)
                told += 1
    assert told >= 6


def test_a_task_page_has_every_file_and_chance(factory):
    metric = replace(factory.share("acc", 60, 100), chance=0.25)
    results = [factory.scored("reasoning", "mmlu", "", q, "full", metric) for q in ("Q8_0", "Q4_0")]
    runs = [factory.make_run(result.quantization, results=[result]) for result in results]
    text = site_pages(registry(*runs))["tasks/reasoning/mmlu.html"]
    assert "2 files, all 60.0 %; chance 25 %" in text
    assert text.count('class="chance"') == 3
    assert re.search(r'<path d="M600 \d+h0M600 [\d.]+h0"/>', text), "equal ones stand above each other"
    assert "MIT" in text


def test_a_task_where_less_is_better_lists_the_least_first(factory):
    runs = []
    for name, right in (("bad", 90), ("good", 10)):
        metric = factory.share("attack_success_rate", right, 100, higher=False)
        result = factory.scored("safety", "jailbreak", "", "Q8_0", "full", metric)
        runs.append(factory.make_run(slug=name, name=name, hf_repo=f"org/{name}", results=[result]))
    text = site_pages(registry(*runs))["tasks/safety/jailbreak.html"]
    assert text.index("org--good") < text.index("org--bad")
    assert "lower is better" in text


def test_a_task_of_a_suite_of_ones_own_has_a_page(factory):
    result = factory.scored("mine", "quiz", "", "Q8_0", "full", factory.share("acc", 60, 100))
    pages = site_pages(registry(factory.make_run(results=[result])))
    assert "does not come with pytest-slm" in pages["tasks/mine/quiz.html"]
    assert "Quiz" in pages["use/mine.html"]


def test_a_machine_has_its_facts_and_files(pages, words):
    text = words(pages["hardware/m-3f9a1c.html"])
    assert "AMD EPYC 9R14" in text
    assert "5 files measured on it" in text
    assert "pytest --slm-model=my-model.gguf --slm-suite=performance" in words(pages["hardware/index.html"])


def test_fewer_than_two_files_are_no_plot():
    assert size_plot([]) is None


def test_the_methodology_is_made_from_the_suites_and_a_real_score(pages, words):
    text = words(pages["methodology.html"])
    for definition in definitions().values():
        assert definition.suite.description.replace("  ", " ") in text
    assert "no score of" not in text


def test_a_worked_example_is_the_mean_of_its_tasks(factory):
    results = [
        factory.scored("reasoning", task, "", "Q8_0", "full", replace(factory.share(name, right, 100), chance=0.25))
        for task, name, right in (("hellaswag", "acc_norm", 40), ("mmlu", "acc", 60))
    ]
    text = site_pages(registry(factory.make_run(results=results)))["methodology.html"]
    assert "One score, worked out" in text
    assert "Chance is 25.0 points" in text
    assert "above chance it has 33.3 of 100" in text


def test_the_feed_is_well_formed_and_has_the_newest_run_first(factory, hostile):
    runs = [factory.make_run(day=1), factory.make_run(day=9, name=as_name(hostile))]
    text = site_pages(registry(*runs), "https://me.example/")["feed.xml"]
    feed = ElementTree.fromstring(text)
    atom = "{http://www.w3.org/2005/Atom}"
    stamps = [one.text for one in feed.iter(f"{atom}updated")]
    assert stamps == ["2026-11-09T11:20:00Z", "2026-11-09T11:20:00Z", "2026-11-01T11:20:00Z"]
    ids = [one.text for one in feed.iter(f"{atom}id")]
    assert len(set(ids)) == 3
    assert all(one.startswith("urn:uuid:") for one in ids)
    assert all(one.get("href").startswith("https://me.example/") for one in feed.iter(f"{atom}link"))


def test_a_run_keeps_its_id_in_the_feed_whatever_its_model_is_called_later(factory):
    def ids(*runs, sha256="a" * 64):
        stored = [StoredReport(path=f"{n}/report.json", sha256=sha256, run=run) for n, run in enumerate(runs)]
        feed = ElementTree.fromstring(site_pages(build_registry(stored))["feed.xml"])
        return [one.findtext("{*}id") for one in feed.iter("{http://www.w3.org/2005/Atom}entry")]

    before = ids(factory.make_run(day=1))
    assert ids(factory.make_run(day=1), factory.make_run(day=2, name="Another name"))[1:] == before
    # Nobody has read the bytes of these; two runs are two entries all the same.
    assert len(set(ids(factory.make_run(), factory.make_run(slug="b", hf_repo="org/b"), sha256=""))) == 2


def test_the_history_of_a_file_counts_its_runs(factory, words):
    text = words(site_pages(registry(factory.make_run(day=1), factory.make_run(day=9)))["new.html"])
    assert text.index("9 November 2026") < text.index("1 November 2026")
    assert "run 2 of this file" in text


def test_a_run_says_which_suites_it_measured(factory, words):
    few, many = factory.make_run("Q8_0", suites=("coding", "rag")), factory.make_run("Q4_0", "quick")
    pages = site_pages(registry(few, many))
    text = words(pages["new.html"])
    assert "first run of this file full: Coding, Performance, Retrieval and grounding · " in text
    assert re.search(r"first run of this file quick: \d+ suites · ", text)
    assert "<summary>full: Coding, Performance, Retrieval and grounding · " in pages["feed.xml"]


def test_a_suite_whose_numbers_another_run_has_since_is_still_one_that_a_run_measured(factory, words):
    runs = [factory.make_run("Q8_0", suites=("coding", "rag"), day=1), factory.make_run("Q8_0", suites=("rag",), day=2)]
    made = registry(*runs)
    # A registry of before says of no report what it measured.
    (entry,) = made.models
    known = {one.path: one.suites for one in entry.provenance.reports}
    assert sorted(known.values()) == [("coding", "performance", "rag"), ("performance", "rag")]
    text = words(site_pages(made)["new.html"])
    assert "first run of this file full: Coding, Performance, Retrieval and grounding · " in text


def test_an_empty_registry_has_all_pages(words):
    pages = site_pages(registry())
    assert "Nothing was measured yet" in words(pages["new.html"])
    assert "No file was measured" in words(pages["use/rag.html"])


ODD = ["CON", "nul.x", "index", "unknown", "a/b", "..", "x" * 99, "COM1", "ü", "\ud800", "\\ud800"]


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_is_no_plain_one_becomes_a_hash(name):
    assert re.fullmatch(r"name-[0-9a-f]{16}", page_name(name))


def test_no_two_names_have_one_page():
    """Whoever writes a report chooses names: of a machine, say, that of the page of another one."""
    names = ["", "Q4_K_M", *ODD]
    names += [page_name(name) for name in names if page_name(name) not in names]
    assert len({page_name(name) for name in names}) == len(set(names))


@pytest.mark.parametrize("name", ["unknown", page_name("a machine")])
def test_a_machine_of_any_name_has_a_page_of_its_own(factory, words, name):
    runs = [
        factory.make_run(slug=slug, name=slug, hf_repo=None, machine={"fingerprint": fingerprint, "cpu": f"CPU {slug}"})
        for slug, fingerprint in (("first", name), ("second", None), ("third", "a machine"))
    ]
    pages = site_pages(registry(*runs))
    found = [words(text) for path, text in pages.items() if re.fullmatch(r"hardware/(?!index\.).*", path)]
    told = [[slug for slug in ("first", "second", "third") if f"{slug} Q8_0" in text] for text in found]
    assert sorted(told) == [["first"], ["second"], ["third"]]


def test_a_plain_name_stays():
    assert page_name("Q4_K_M") == "Q4_K_M"


def test_the_dots_of_thousands_of_files_are_lines(factory):
    (entry,) = registry(factory.make_run()).models
    dots = task_facts(entry)["coding"]["humaneval"].variants["\x1f"]
    assert strip("", dots._replace(n=3, stacks={"120": 3})).path.count("h0") == 3
    many = dots._replace(n=10_000, least=0.0, most=99.9, stacks={str(place): 50 for place in range(200)})
    drawn = strip("", many)
    assert drawn.text.startswith("10000 files, from 0.0 to 99.9 %")
    assert "h0" not in drawn.path
    assert len(drawn.path) < 5_000

"""Tasks that are ``harmful``: their texts stand in the file of samples, on the page of a report behind a click and only
by the user's word, in the registry and on the site never."""

from __future__ import annotations

import json

import pytest

from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport, read_report, to_text
from pytest_slm.site.build import site_pages

QUESTION, ANSWER = "ask-what-hurts", "say-what-hurts"
RAISES = """
def pytest_slm_register_scorers(register):
    def quoting(sample, generation):
        raise ValueError(generation.text)
    register("quoting", quoting)
"""


@pytest.fixture
def harmful(suite):
    """Writes a suite of one such task: ``harmful(scorer="contains")``."""

    def write(scorer="contains"):
        folder = suite(more="harmful: true", one=[(QUESTION, ANSWER), (f"{QUESTION} again", "something else")])
        task = folder / "one.yaml"
        task.write_text(task.read_text("utf-8").replace("contains", scorer), "utf-8")

    return write


@pytest.fixture
def written(pytester, run):
    """Measures, makes registry and site, and returns the texts of all by name: ``written("--slm-show-harmful")``."""

    def measure(*arguments):
        run("suites", *arguments, text=ANSWER)
        (folder,) = pytester.path.glob("reports/*/*/*")
        # The command leaves scripted models out, which are no models.
        report = read_report(folder / "report.json")
        registry = build_registry([StoredReport(path="report.json", sha256="a" * 64, run=report)])
        site = "".join(site_pages(registry).values())
        (lines,) = folder.glob("samples/*.jsonl")
        return {
            "page": (folder / "report.html").read_text("utf-8"),
            "report": (folder / "report.json").read_text("utf-8"),
            "samples": lines.read_text("utf-8"),
            "public": to_text(registry) + site,
        }

    return measure


def test_pages_have_hashes_of_what_may_hurt(harmful, written):
    harmful()
    texts = written()
    for name in ("page", "report", "public"):
        assert "hurts" not in texts[name], name
    assert '"harmful": true' in texts["report"]
    assert ANSWER in texts["samples"], "else the run could not be scored again"
    assert QUESTION in texts["samples"], "else nobody could see what was asked"
    assert "here are their hashes" in texts["page"]


def test_whoever_wants_to_sees_it_behind_a_click(harmful, written):
    harmful()
    texts = written("--slm-show-harmful")
    before, *articles = texts["page"].split('<details class="harmful">')
    assert len(articles) == 2
    assert "hurts" not in before
    assert all(QUESTION in one and ANSWER in one for one in articles)
    assert "hurts" not in texts["public"]
    asked = [json.loads(line)["prompt"] for line in texts["samples"].splitlines()]
    assert asked == [[{"role": "user", "content": text}] for text in (QUESTION, f"{QUESTION} again")]


def test_whoever_hands_a_run_on_keeps_hashes_only(harmful, written):
    harmful()
    texts = written("--slm-keep-prompts=no", "--slm-show-harmful")
    lines = [json.loads(line) for line in texts["samples"].splitlines()]
    assert all(line["prompt"] == [] and line["target"] is None for line in lines)
    assert QUESTION not in "".join(texts.values())
    assert len({line["prompt_sha256"] for line in lines}) == 2


def test_the_reason_of_an_item_that_fails_quotes_no_answer(pytester, harmful, written):
    pytester.makeconftest(RAISES)
    harmful("quoting")
    texts = written()
    assert "cannot be scored: ValueError" in texts["report"]
    for name in ("page", "report", "public"):
        assert "hurts" not in texts[name], name


def test_other_tasks_show_question_and_answer_and_what_was_expected(suite, written):
    suite(one=[(QUESTION, f"{ANSWER} or else")])
    texts = written()
    for text in (QUESTION, ANSWER, f"{ANSWER} or else"):
        assert f">{text}<" in texts["page"]
    assert "harmful" not in texts["page"].partition("</style>")[2]

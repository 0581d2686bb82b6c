"""Use cases: the best of those that can be compared, and what each task weighs."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.build import site_pages
from pytest_slm.site.titles.definitions import definitions, weights


@pytest.fixture
def pages_of(factory):
    """The pages of files with an accuracy in MMLU: (quantization, mode, right of 100)."""

    def make(*found, chance=0.25):
        stored = []
        for n, (quantization, mode, right) in enumerate(found):
            metric = replace(factory.share("acc", right, 100), chance=chance)
            result = factory.scored("reasoning", "mmlu", "", quantization, mode, metric)
            run = factory.make_run(quantization, mode, results=[result])
            stored.append(StoredReport(path=f"{n}/report.json", sha256="a" * 64, run=run))
        return site_pages(build_registry(stored))

    return make


def best(pages, words):
    """What the list of use cases says of Reasoning."""
    return (
        re.search(r"(\d+ files? measured\..*?) Retrieval", words(pages["use/index.html"]))[1]
        .replace(" ;", ";")
        .replace(" .", ".")
    )


def test_the_best_is_that_of_its_kind_of_runs_and_says_so(pages_of, words):
    pages = pages_of(("Q8_0", "full", 36), ("Q4_0", "quick", 60), ("F16", "quick", 50))
    told = best(pages, words)
    assert told.startswith("3 files measured. Highest of 1 file in full runs: SmolLM2 135M Instruct Q8_0, 36.0 (")
    assert told.endswith("; 2 measured otherwise are not compared with these.")


def test_where_none_is_above_chance_there_is_no_best(pages_of, words):
    pages = pages_of(("Q8_0", "full", 25), ("Q4_0", "full", 12))
    assert (
        best(pages, words)
        == "2 files measured. None of the 2 files in full runs is shown to be above chance (25.0 points)."
    )
    assert "None of the 2 files in full runs is shown to be above chance (25.0 points)." in words(
        pages["use/reasoning.html"]
    )
    # 29 of 100 are more than a quarter, but not for sure.
    assert "The only file in full runs is not shown to be above chance" in best(pages_of(("Q8_0", "full", 29)), words)
    zero = pages_of(("Q8_0", "full", 0), ("Q4_0", "full", 0), chance=0.0)
    assert (
        best(zero, words)
        == "2 files measured. None of the 2 files in full runs is shown to be above chance (0.0 points)."
    )


def test_files_with_the_same_score_are_best_together(pages_of, words):
    told = best(pages_of(("Q8_0", "full", 40), ("Q4_0", "full", 40)), words)
    assert "SmolLM2 135M Instruct Q4_0 and SmolLM2 135M Instruct Q8_0, 40.0" in told


def test_a_page_of_a_use_case_praises_nobody(pages_of):
    assert "<title>Reasoning: small models, measured" in pages_of(("Q8_0", "full", 1))["use/reasoning.html"]


def test_weights_of_tasks_are_those_of_the_score():
    for one in definitions().values():
        assert sum(weights(one).values()) == pytest.approx(1)
    safety = weights(definitions()["safety"])
    assert (safety["bbq"], safety["truthfulness"], safety["truthfulness_mc2"]) == (1 / 4, 1 / 8, 1 / 8)


def test_weights_stand_beside_the_tasks(pages_of, words):
    pages = pages_of()
    text = words(pages["use/rag.html"])
    assert "FRAMES 17 %" in text
    assert "RULER, common words 1 % The ten words that come most often in a numbered list. One of 13 tasks" in text
    assert "with the articles not in the score" in text
    told = words(pages["methodology.html"])
    assert "13 tasks of Retrieval and grounding (RULER) and 2 tasks of Safety (TruthfulQA)" in told
    # As on the pages of use cases: shares of the whole, not the numbers of the file, which add up to 110.
    general = re.search(r"General : (.*?)\.", told)[1].split(", ")
    assert sorted(general) == ["Coding 18 %", "Language 18 %", "Mathematics 14 %", "Reasoning 32 %", "Safety 18 %"]
    assert "Weight in General 32 %" in words(pages["use/reasoning.html"])

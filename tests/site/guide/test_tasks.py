"""Pages of tasks: what a number is of, which numbers can be compared, and what chance is."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_slm.core.types import Declaration, Result
from pytest_slm.registry import build_registry
from pytest_slm.registry.questions import question_scores
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.build import site_pages

WHY = "partial: no data for 20 of the 57 subtasks of mmlu (mmlu_astronomy), so this is no score  [data-partial]"


@pytest.fixture
def pages_of():
    """The pages of some runs, or of reports as they were found."""

    def make(*runs):
        stored = [
            run if isinstance(run, StoredReport) else StoredReport(path=f"{n}/report.json", sha256="a" * 64, run=run)
            for n, run in enumerate(runs)
        ]
        return site_pages(build_registry(stored))

    return make


@pytest.fixture
def asked(factory):
    """A report of WinoGrande in a mode, with so many questions of which so many were right."""

    def make(quantization, mode, right, n, first=0):
        item = factory.scored("language", "winogrande", "", quantization, mode, factory.share("acc", right, n))
        lines = [
            {
                "task": "winogrande",
                "doc_id": str(first + number),
                "target_sha256": "b" * 64,
                "score": float(number < right),
            }
            for number in range(n)
        ]
        run = factory.make_run(quantization, mode, results=[item], day=1 if mode == "full" else 2)
        questions = {item.samples: question_scores(item, lines)}
        return StoredReport(path=f"{quantization}-{mode}.json", sha256="a" * 64, run=run, questions=questions)

    return make


def test_a_quick_run_beneath_a_full_one_is_said_not_to_be_comparable_and_shared_questions_are(asked, pages_of, words):
    runs = [
        asked("Q8_0", "full", 200, 400),
        asked("Q8_0", "quick", 26, 40),
        asked("Q4_0", "full", 220, 400),
        asked("F16", "quick", 28, 40),
    ]
    text = words(pages_of(*runs)["tasks/language/winogrande.html"])
    full, quick = text.index("Full runs; not comparable"), text.index("Quick runs; not comparable")
    assert full < text.index("Q8_0", full) < quick < text.index("F16", quick)
    # 50 % of all, and 65 % of the forty that F16 was asked.
    shared = re.findall(r"By the same questions (\S+)( n 40)?", text[full:])
    assert shared == [("–", ""), ("65.0", " n 40"), ("70.0", " n 40")], "of Q4_0 the registry does not have it"


def test_full_and_quick_runs_of_a_small_set_asked_the_same(asked, pages_of, words):
    runs = [asked("Q8_0", "full", 26, 40), asked("F16", "quick", 28, 40)]
    text = words(pages_of(*runs)["tasks/language/winogrande.html"])
    assert "Full runs; all were asked the same questions" in text
    assert "Quick runs; all were asked the same questions" in text
    assert "By the same questions" not in text
    # Beside a full run of more questions they are what is shared.
    text = words(pages_of(*runs, asked("Q4_0", "full", 200, 400))["tasks/language/winogrande.html"])
    assert "Full runs; not comparable with other groups" in text
    shared = re.findall(r"By the same questions (\S+)( n 40)?", text[text.index("Full runs; not") :])
    assert sorted(shared) == [("65.0", " n 40"), ("70.0", " n 40"), ("–", "")]


def test_questions_that_were_asked_with_own_settings_are_not_the_same(asked, pages_of, words):
    other = asked("F16", "quick", 28, 40)
    warm = replace(other.run.generation, temperature=0.7)
    other = replace(other, run=replace(other.run, generation=warm))
    text = words(pages_of(asked("Q8_0", "full", 26, 40), other)["tasks/language/winogrande.html"])
    assert "the same questions" not in text


def test_another_sample_is_not_the_same_questions(asked, pages_of, words):
    runs = [asked("Q8_0", "full", 200, 400), asked("Q8_0", "quick", 26, 40), asked("F16", "quick", 28, 40, first=40)]
    assert "By the same questions" not in words(pages_of(*runs)["tasks/language/winogrande.html"])


def test_runs_of_one_kind_need_no_lines_between_them(asked, pages_of, words):
    text = words(pages_of(asked("Q8_0", "full", 200, 400))["tasks/language/winogrande.html"])
    assert "not comparable" not in text


def partly(quantization="Q8_0"):
    """MMLU, answered without the data of a third of its subjects."""
    return Result(
        suite="reasoning", task="mmlu", variant="", quantization=quantization, mode="quick", outcome="passed",
        reason=WHY,
    )  # fmt: skip


def test_what_was_answered_without_a_number_has_one_name_on_all_pages(factory, pages_of, words):
    other = factory.scored("reasoning", "hellaswag", "", "Q8_0", "quick", factory.share("acc_norm", 40, 100))
    pages = pages_of(factory.make_run(mode="quick", results=[partly(), other]))
    text = words(pages["tasks/reasoning/mmlu.html"])
    assert "partial 1 file was asked only a part of it, and so has no number: no data for 20 of the 57" in text
    assert "not run" not in text
    model = words(pages["models/huggingfacetb--smollm2-135m-instruct.html"])
    assert "MMLU partial no data for 20 of the 57" in model
    assert "partial it was answered, but gave no number" in words(pages["methodology.html"])


def test_what_was_tried_and_skipped_is_no_task_that_nobody_ran(factory, pages_of, words):
    tried = [
        Result(
            suite="rag", task="frames_oracle", variant=variant, quantization="Q8_0", mode="quick", outcome="skipped",
            reason="no articles in the mirror  [data-missing]",
        )
        for variant in ("4096", "8192")
    ]  # fmt: skip
    pages = pages_of(factory.make_run(mode="quick", results=tried))
    text = words(pages["tasks/rag/frames_oracle.html"])
    assert "skipped 1 file: no articles in the mirror" in text
    assert "not run" not in text
    assert "not run No file was measured on this task" in words(pages["tasks/rag/frames.html"])


def test_a_file_with_a_number_and_one_without_stand_on_one_page(factory, pages_of, words):
    whole = factory.scored("reasoning", "mmlu", "", "Q4_0", "quick", factory.share("acc", 40, 100))
    runs = [factory.make_run(result.quantization, mode="quick", results=[result]) for result in (partly(), whole)]
    text = words(pages_of(*runs)["tasks/reasoning/mmlu.html"])
    assert "1 file, 40.0 %" in text
    assert "partial 1 file was asked" in text


def test_chance_is_told_once_with_the_way_to_it(factory, pages_of, words):
    # Worked out of the questions, it differs in the fourth digit between a quick and a full run.
    results = [
        factory.scored("reasoning", "truthfulqa_mc2", "", q, "full", replace(factory.share("acc", 4, 9), chance=level))
        for q, level in (("Q8_0", 0.44783), ("Q4_0", 0.44781))
    ]
    pages = pages_of(*(factory.make_run(one.quantization, results=[one]) for one in results))
    text = words(pages["tasks/reasoning/truthfulqa_mc2.html"])
    assert "Chance 44.8 %, the mean share of true answers among the choices of the questions asked" in text
    assert "Chance, in points 44.8 Weight" in words(pages["use/reasoning.html"])
    assert "Chance 44.3 %, by always giving the commonest answer" in words(pages["tasks/finance/phrasebank.html"])
    assert "not one number: guessing is right in 50 %" in words(pages["tasks/safety/toxigen.html"])
    assert "Chance 0 % Quick" in words(pages["tasks/math/gsm8k.html"])


def test_tasks_of_one_title_name_each_other(pages_of, words):
    pages = pages_of()
    text = pages["tasks/reasoning/truthfulqa_mc2.html"]
    assert "Safety, with a sample of its own: their scores need not agree" in words(text)
    assert 'href="../../tasks/safety/truthfulness_mc2.html"' in text
    assert "A task of the same title is in Reasoning" in words(pages["use/safety.html"])
    assert "Another of this title" not in words(pages["tasks/reasoning/mmlu.html"])


def test_a_full_run_is_said_to_ask_what_the_data_folder_has(factory, asked, pages_of, words):
    squad = factory.scored("rag", "ragtruth_detection", "", "Q8_0", "full", factory.share("acc", 200, 500))
    pages = pages_of(
        asked("Q8_0", "full", 200, 400), asked("F16", "quick", 28, 40), factory.make_run(results=[squad], day=3)
    )
    page = words(pages["tasks/language/winogrande.html"])
    told = "Full run all 1 267 questions, or the part that the data folder has: 400 in the runs shown here"
    assert told in page.replace("\u202f", " ").replace("\xa0", " ")
    assert "all questions that the data folder has: 500 in the runs" in words(
        pages["tasks/rag/ragtruth_detection.html"]
    )
    assert "or the part that the data folder has License" in words(pages["tasks/language/boolq.html"])
    assert "Full run all questions License" in words(pages["tasks/core/language.html"])


def test_a_full_run_that_had_a_part_of_a_data_set_says_so_beside_its_score(factory, pages_of, words):
    results = [
        replace(
            factory.scored("language", task, "", "Q8_0", "full", factory.share("acc", n // 2, n)),
            declared=Declaration(suite_tasks=("boolq", "winogrande")),
        )
        for task, n in (("winogrande", 400), ("boolq", 3270))
    ]
    pages = pages_of(factory.make_run(results=results))
    page = words(pages["models/huggingfacetb--smollm2-135m-instruct.html"]).replace("\u202f", " ")
    assert "; part of the questions: WinoGrande 400 of 1 267 " in page
    assert "400 of the 1 267 questions of a full run" in page
    assert "of 3 270" not in page
    assert "Full run all 3 270 questions License" in words(pages["tasks/language/boolq.html"]).replace("\u202f", " ")


def test_a_description_names_other_tasks_as_people_do(pages_of, words):
    pages = pages_of()
    text = words(pages["tasks/core/position_bias.html"])
    assert "The questions of English with" in text
    assert "Source original, the questions of English" in text
    assert "The questions of TruthfulQA MC1;" in words(pages["tasks/safety/truthfulness_mc2.html"])


def test_a_secret_is_no_right_answer(pages_of, words):
    text = words(pages_of()["tasks/guardrails/leakage.html"])
    assert "Must not appear: brammok" in text
    assert "Right:" not in text


def test_full_and_quick_runs_are_dots_of_two_plots(asked, pages_of, words):
    pages = pages_of(asked("Q8_0", "full", 200, 400), asked("F16", "quick", 28, 40), asked("Q4_0", "quick", 20, 40))
    told = words(pages["tasks/language/winogrande.html"])
    assert "Full runs 1 file, 50.0 %" in told
    assert "Quick runs 2 files, from 50.0 to 70.0 %" in told
    assert told.index("Full runs 1 file") < told.index("Quick runs 2 files")
    assert "All files" not in told
    alone = words(pages_of(asked("F16", "quick", 28, 40))["tasks/language/winogrande.html"])
    assert "All files 1 file, 70.0 %" in alone


def test_each_variant_has_its_dots(factory, pages_of, words):
    runs = [
        factory.make_run(mode=mode, day=day, quantization=quantization, results=[
            factory.scored("rag", "niah", variant, quantization, mode, factory.share("acc", 20, 40))
            for variant in ("1024", "4096")
        ])
        for day, (mode, quantization) in enumerate([("full", "Q8_0"), ("quick", "Q4_0")], 1)
    ]  # fmt: skip
    told = words(pages_of(*runs)["tasks/rag/niah.html"]).replace("\u202f", " ")
    places = [told.index(f"Variant {n}, {kind} runs 1 file") for n in ("1 024", "4 096") for kind in ("full", "quick")]
    assert places == sorted(places)

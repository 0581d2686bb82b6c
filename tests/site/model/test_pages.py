"""A model has as many pages as its files need, none larger than it may be; earlier runs of a file stand in a table."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_slm.core.types import Declaration
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport
from pytest_slm.site import models
from pytest_slm.site.model.card import Card
from pytest_slm.site.model.history import history
from pytest_slm.site.model.profiles import profile_row
from pytest_slm.site.model.reference import reference_of
from pytest_slm.site.model_view import model_view
from pytest_slm.site.models import model_files, portions_of
from pytest_slm.site.render import static
from pytest_slm.site.views import title_of


def pages_of(entry):
    found = model_files(entry, score_rules(), sampled=False)
    return {path: text for path, text in found.items() if path.startswith("models/")}


@pytest.fixture(scope="module")
def forty(factory):
    """A model with forty quantizations of which all was measured."""
    runs = [factory.make_run(f"Q{number}_K", modern=True, quality=0.4 + number / 100) for number in range(40)]
    (entry,) = build_registry([factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(runs)]).models
    return entry


def test_forty_quantizations_stand_on_pages_of_150_kb(forty, words):
    pages = pages_of(forty)
    assert 1 < len(pages) < 15
    shown = []
    for path, text in pages.items():
        assert len(text.encode()) + len(static("style.css").encode()) <= 150_000, path
        shown.append(set(re.findall(r'<th scope="row">(Q\d+_K)</th>\n<td><span class="key">Speed', text)))
    assert set.union(*shown) == set(forty.quantizations)
    # The headline, which others are compared with, is on each.
    assert all(forty.quantization in one for one in shown)
    assert sum(map(len, shown)) == 40 + len(pages) - 1
    first = f"models/{forty.id}.html"
    assert f'href="../models/{forty.id}/2.html"' in pages[first]
    assert f'href="../../{first}"' in pages[f"models/{forty.id}/2.html"]
    assert f"The files of this model stand on {len(pages)} pages" in words(pages[first])


def test_scores_of_a_file_do_not_stand_on_a_page_of_others(forty, words):
    first, *others = pages_of(forty).items()
    assert f"These are the scores of {forty.quantization} , the file that was measured most completely." in words(
        first[1]
    )
    assert "Score of each use case" in first[1]
    for _, text in others:
        assert "Score of each use case" not in text
        assert "Safety rates" not in text
        assert "is not good for" not in text
        assert f'href="../../models/{forty.id}.html#scores"' in text


def test_scores_are_marked_cell_by_cell_where_they_are_of_a_sample(factory, words):
    runs = [factory.make_run("Q8_0", suites=("rag", "core")), factory.make_run("Q4_0", "quick", suites=("rag", "core"))]
    runs.append(factory.make_run("Q4_0", suites=("core",)))
    (entry,) = build_registry([factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(runs)]).models
    view = model_view(entry, {}, score_rules())
    kinds = {row.name: {name: kind for name, _, _, kind in row.scores} for row in view.quantizations}
    assert set(kinds["Q8_0"].values()) == {""}
    rag, core = (title_of(entry, name) for name in ("rag", "core"))
    assert (kinds["Q4_0"][rag], kinds["Q4_0"][core]) == ("quick", "")
    (page,) = pages_of(entry).values()
    table = page.partition("Scores by quantization")[2].partition("</table>")[0]
    assert table.count('<i class="kind">quick</i>') == sum(kind == "quick" for kind in kinds["Q4_0"].values())


def test_a_model_with_one_file_speaks_of_no_others(factory, words):
    (entry,) = build_registry([factory.with_questions(factory.make_run())]).models
    (page,) = pages_of(entry).values()
    assert f"These are the scores of {entry.quantization} . Points" in words(page)
    assert "most completely" not in page
    assert "most precise" not in page


def test_what_a_file_is_good_for_names_the_file(factory, words):
    (entry,) = build_registry([factory.with_questions(factory.make_run(quality=0.02))]).models
    (page,) = pages_of(replace(entry, best_for=("rag",), not_for=("core",))).values()
    assert f"{entry.quantization} is good for" in words(page)
    assert f"{entry.quantization} is not good for" in words(page)


def test_what_the_tester_made_says_from_what(factory, words):
    runs = [factory.make_run("Q8_0"), factory.make_run("Q4_0")]
    (entry,) = build_registry([factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(runs)]).models
    made = replace(entry.quantizations["Q4_0"], made_from="Q8_0", published=None)
    (page,) = pages_of(replace(entry, quantizations={**entry.quantizations, "Q4_0": made})).values()
    assert "Requantized by the tester from" in words(page)


def test_a_model_with_few_files_has_one_page_and_no_way_to_others(factory):
    (entry,) = build_registry([factory.with_questions(factory.make_run())]).models
    pages = pages_of(entry)
    assert list(pages) == [f"models/{entry.id}.html"]
    assert "Files of this model" not in pages[f"models/{entry.id}.html"]


def test_a_profile_of_quick_runs_says_so_beside_full_scores(factory):
    # What stands above it are full runs: whoever works the mean out of these comes to another number.
    quick = factory.make_run("Q8_0", "quick", suites=("reasoning", "coding", "rag"))
    full = factory.make_run("Q8_0", "full", suites=("coding",), day=2)
    found = [StoredReport(path=f"{n}/report.json", sha256="a" * 64, run=run) for n, run in enumerate((quick, full))]
    (entry,) = build_registry(found).models
    row = profile_row(entry, "marketplace")
    inside = entry.aggregates["marketplace"].use_cases["coding"]
    assert inside != entry.use_cases["coding"].score
    assert row.note.endswith(f"made of other scores than those above: Coding {inside:.1f} (quick runs)")
    (entry,) = build_registry(found[:1]).models
    assert "other scores" not in profile_row(entry, "marketplace").note


def test_the_overall_score_stands_before_those_of_other_profiles(factory, words):
    (entry,) = build_registry([factory.with_questions(factory.make_run())]).models
    (page,) = pages_of(entry).values()
    table = words(page.partition("Score of each profile")[2].partition("</table>")[0])
    assert 0 < table.index("Overall") < table.index("General")


def test_a_file_that_is_too_large_by_itself_has_a_page_all_the_same(factory, monkeypatch):
    runs = [factory.make_run(name) for name in ("Q8_0", "Q4_0", "Q2_K")]
    (entry,) = build_registry([factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(runs)]).models
    monkeypatch.setattr(models, "MOST_BYTES", 1_000)
    assert len(pages_of(entry)) == 3


def test_the_items_that_are_shown_first_leave_a_page_that_has_no_room_for_them(factory, monkeypatch):
    """Rather than that one model's files are torn apart."""
    runs = [factory.make_run(name) for name in ("Q8_0", "Q4_0")]
    (entry,) = build_registry([factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(runs)]).models
    (page,) = pages_of(entry).values()
    own = f"items/{entry.id}/{entry.quantization}.html"
    assert f"Items of {entry.quantization}" in page
    assert own not in page
    monkeypatch.setattr(models, "MOST_BYTES", len(page.encode()) - 1)
    (page,) = pages_of(entry).values()
    assert f"Items of {entry.quantization}" not in page
    assert f'href="../{own}"' in page
    assert f"Items of {entry.quantization}" in model_files(entry, score_rules(), sampled=False)[own]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_every_name_is_on_one_page_and_the_reference_on_all(count):
    names = list("cabdefgh")
    found = portions_of(names, "a", count)
    assert sorted(name for one in found for name in one if name != "a") == sorted("bcdefgh")
    assert all("a" in one for one in found)
    assert len(found[0]) <= count
    assert all(len(one) <= count + 1 for one in found[1:])


@pytest.fixture
def twice(factory):
    """A file that was measured twice, the second time with another engine and a newer task."""
    first = factory.make_run(day=1, suites=("rag", "core"))
    second = factory.make_run(day=2, suites=("rag", "core"), quality=0.9, backend={"engine_version": "0.4"})
    newer = tuple(replace(one, version=2) if one.task == "niah" else one for one in second.results)
    (entry,) = build_registry(
        [factory.with_questions(first, "a"), factory.with_questions(replace(second, results=newer), "b")]
    ).models
    return entry


def test_a_table_has_the_earlier_runs_the_newest_first(twice, words):
    (file,) = history(twice, ["Q8_0"]).files
    assert [run.when for run in file.runs] == ["2 November 2026, 11:20 UTC", "1 November 2026, 11:20 UTC"]
    assert [run.engine for run in file.runs] == ["llamacpp 0.4", "llamacpp 0.3.36"]
    rag = [line for run in file.runs for line in run.lines if line.what == "RAG"]
    assert rag[0].note == "niah version 1 to 2; engine was llamacpp 0.3.36"
    assert rag[1].note == ""
    assert rag[0].interval
    (page,) = pages_of(twice).values()
    assert "Earlier runs" in words(page)
    assert "niah version 1 to 2" in words(page)


def test_of_two_runs_with_other_tasks_the_later_says_which_it_had_and_which_it_had_not(factory):
    def run(day, **right):
        results = [
            replace(
                factory.scored("math", task, "", "Q8_0", "full", factory.share("acc", n, 100)),
                declared=Declaration(suite_tasks=("gsm8k", "mathqa")),
            )
            for task, n in right.items()
        ]
        return factory.with_questions(factory.make_run(results=results, day=day), f"{day}/report.json")

    (entry,) = build_registry([run(1, gsm8k=5), run(2, mathqa=30), run(3, gsm8k=6, mathqa=31)]).models
    (file,) = history(entry, ["Q8_0"]).files
    assert [line.note for run in file.runs for line in run.lines] == ["also gsm8k", "also mathqa; without gsm8k", ""]


def test_of_a_long_history_the_oldest_lines_are_counted(twice, monkeypatch, words):
    monkeypatch.setattr("pytest_slm.site.model.history.MOST", 3)
    found = history(twice, ["Q8_0"])
    assert sum(len(run.lines) for file in found.files for run in file.runs) == 3
    assert found.left_out > 0
    (page,) = pages_of(twice).values()
    assert f"{found.left_out} older numbers stand in the registry only" in words(page)


def test_a_file_that_was_measured_once_has_no_table(factory):
    (entry,) = build_registry([factory.with_questions(factory.make_run())]).models
    assert history(entry, ["Q8_0"]) is None
    assert "Earlier runs" not in pages_of(entry)[f"models/{entry.id}.html"]


def test_each_safety_rate_names_the_task_that_it_is_from(factory, words):
    (entry,) = build_registry([factory.with_questions(factory.make_run(suites=("safety",)))]).models
    text = words(pages_of(entry)["models/huggingfacetb--smollm2-135m-instruct.html"])
    assert re.search(r"Attack success rate Jailbreak \(Guardrails\); lower is better", text)


def test_the_runs_of_the_reference_stand_on_the_first_page_only(factory, monkeypatch):
    runs = [factory.make_run(name, day=day) for name in ("Q8_0", "Q4_0", "Q2_K") for day in (1, 2)]
    (entry,) = build_registry([factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(runs)]).models
    monkeypatch.setattr(models, "MOST_BYTES", 1_000)
    first, *others = pages_of(entry).values()
    reports = [re.findall(r'<p class="code">(\d)/report.json</p>', page) for page in (first, *others)]
    assert sorted(number for found in reports for number in found) == list("012345")  # each of them once
    mark = f"<b>{reference_of(entry)}</b>"
    assert mark in first.partition("Earlier runs")[2]
    assert all(mark not in page.partition("Earlier runs")[2] for page in others)


def test_what_has_a_rank_stands_on_the_first_page(factory, monkeypatch):
    # The quick runs cover as much, and F16 and Q6_K are more precise.
    runs = [factory.make_run(name, mode="quick") for name in ("F16", "Q6_K", "Q4_0")]
    runs += [factory.make_run(name, day=2) for name in ("Q4_0", "Q3_K_M")]
    (entry,) = build_registry([factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(runs)]).models
    assert {name for name, one in entry.quantizations.items() if one.aggregates["marketplace"].rank} == {
        "Q4_0",
        "Q3_K_M",
    }
    order = models.useful_first(entry, Card(choices=(), devices=(), rule="", before="", missing=""))
    assert order.index("Q3_K_M") < order.index("Q6_K")

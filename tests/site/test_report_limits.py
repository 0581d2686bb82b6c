"""What a report page says of what is missing: cut answers and prompts, limits, samples that were left out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from pytest_slm.core.types import CutPrompts, Cuts, ThinkingCounts
from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.report import render_report
from pytest_slm.site.report_view import report_view
from pytest_slm.site.views import score_row


def test_samples_show_answers_and_count_what_is_left_out(factory, page):
    run = factory.make_run(suites=("core",))
    text = page(samples=factory.make_samples(run, 30), suites=("core",))
    assert "20 of 30 answers, evenly spaced" in text
    assert "The answer is 7. Because 7 follows 6." in text
    assert "samples/core.reasoning.jsonl" in text


def test_the_samples_shown_are_from_the_whole_file(factory):
    # Lines are in the order in which answers were finished: the first twenty are the shortest.
    run = factory.make_run(suites=("core",))
    lines = [{"doc_id": str(n), "response": "x", "score": float(n < 20)} for n in range(100)]
    (group,) = report_view(run, {run.results[0].samples: lines}).samples
    names = [int(sample.name) for sample in group.samples]
    assert (len(names), names[0], names[-1]) == (20, 0, 99)
    assert {two - one for one, two in pairwise(names)} == {5, 6}
    assert sum(sample.verdict == "right" for sample in group.samples) == 4


def test_long_answers_leave_fewer_of_them_and_still_from_the_whole_file(factory):
    run = factory.make_run(suites=("core",))
    lines = [{"doc_id": str(n), "response": "&" * 2000, **{f"k{k}": "&" * 2000 for k in range(30)}} for n in range(100)]
    (group,) = report_view(run, {run.results[0].samples: lines}).samples
    names = [int(sample.name) for sample in group.samples]
    assert 1 < len(names) < 20
    assert (names[0], names[-1]) == (0, 99)


def test_answers_that_were_cut_off_are_told(factory):
    run = factory.make_run(suites=("core",))
    first, *rest = run.results
    cut = replace(first, answers_cut=59)
    found = report_view(replace(run, results=(cut, *rest)), {}).suites[0][1]
    assert [row.note for row in found] == ["59 cut off", ""]


def test_what_cut_answers_leave_open_is_told_of_items_of_other_metrics_and_of_scores(factory):
    run = factory.make_run(suites=("core",))
    first, *rest = run.results
    (metric,) = first.metrics
    cuts = Cuts(cut=0.12, censored=0.04, lower=metric.value - 0.1, upper=metric.value + 0.05)
    metric = replace(metric, cuts=cuts)
    other = replace(metric, name="strict")
    thinking = ThinkingCounts(answers=30, tokens=1200, censored=4)
    first = replace(first, answers_cut=12, thinking=thinking, metrics=(metric, other))
    view = report_view(replace(run, results=(first, *rest)), {})
    low, high = (f"{100 * bound:.1f}" for bound in cuts.bounds)
    told = f"from {low}\xa0% to {high}\xa0%, depending on how those would have gone on"
    assert view.suites[0][1][0].note == f"12 cut off (12\xa0%); 4 cut off while thinking (4\xa0%); {told}"
    assert (
        view.metrics[0][1][0].note
        == f"12\xa0% of the answers cut off; 4\xa0% of the answers cut off while thinking; {told}"
    )
    assert view.scores[0].note.endswith(" if every one was right")
    fact = next(fact for fact in view.facts if fact.label == "Thinking")
    assert fact.value.endswith("before 30 answers, 1\u202f200 tokens, 4 cut off before their answer")


@pytest.mark.parametrize("lost", [(968,), (3, 968, 0, 51), (1,) * 60])
def test_prompts_that_were_cut_are_told_of_the_item_and_of_each_sample(factory, lost):
    run = factory.make_run(suites=("core",))
    first, *rest = run.results
    of = [n for n in lost if n]
    cut = CutPrompts(samples=len(of), asked=len(lost), tokens=sum(of), most=max(of))
    run = replace(run, results=(replace(first, prompts_cut=cut), *rest))
    lines = [{"doc_id": f"q{k}", "n_prompt": 44, "n_unshown": n, "response": "x"} for k, n in enumerate(lost)]
    view = report_view(run, {first.samples: lines})
    (row,) = view.cut_prompts
    assert row.told == f"{cut}, {100 * sum(of) / (44 * len(of) + sum(of)):.0f}\xa0% of what those prompts have"
    assert len(row.lost) + row.left_out == len(of)
    shown = [fact.value for fact in row.lost]
    assert shown == [f"{n} of {44 + n} tokens".replace("1012", "1\u202f012") for n in sorted(of)[::-1]][:50]
    assert "Prompts that were cut" in render_report(run, {first.samples: lines})
    told = {sample.name: sample.prompt_tokens for sample in view.samples[0].samples}
    for k, n in enumerate(lost):
        if f"q{k}" in told:
            assert told[f"q{k}"] == (f"44; cut: {n} more before them were not shown" if n else "44")
    assert view.samples[0].summary.endswith(", prompts of 44 tokens")


def test_cut_prompts_without_their_samples_are_told_of_the_item(factory):
    run = factory.make_run(suites=("core",))
    first, *rest = run.results
    run = replace(
        run, results=(replace(first, prompts_cut=CutPrompts(samples=2, asked=9, tokens=7, most=5), samples=None), *rest)
    )
    assert [row.told for row in report_view(run, {}).cut_prompts] == [
        "2 of 9 prompts lost their beginning (7 tokens, at most 5)"
    ]
    assert "Prompts that were cut" not in render_report(factory.make_run(), {})


@pytest.mark.parametrize("count", [None, "7", -1, 1.5, True, [3], 10**400, {"n": 1}])
def test_counts_of_a_damaged_line_are_no_counts(factory, count):
    run = factory.make_run(suites=("core",))
    first, *rest = run.results
    run = replace(run, results=(replace(first, prompts_cut=CutPrompts(samples=1, asked=1, tokens=2, most=2)), *rest))
    for line in ({"n_prompt": count, "n_unshown": 3}, {"n_prompt": count, "n_unshown": count}):
        view = report_view(run, {first.samples: [{"doc_id": "1", **line}]})
        assert (view.cut_prompts[0].lost, view.samples[0].samples[0].prompt_tokens) == ((), "")


def test_a_limited_run_is_called_limited_everywhere(factory, words):
    run = factory.make_run(limit=400)
    view = report_view(run, {})
    rows = [*view.scores, *view.aggregates, *(row for _, rows in view.suites for row in rows)]
    assert {row.quick for row in rows} == {"limited"}
    text = words(render_report(run, {}))
    assert "hollow dots are limited results" in text
    assert "quick" not in text


def test_a_sample_that_could_not_be_scored_is_not_wrong(factory):
    run = factory.make_run(suites=("core",))
    view = report_view(run, factory.make_samples(run, 6))
    assert [sample.verdict for sample in view.samples[0].samples] == [
        *("wrong", "right", "right", "wrong", "right", "unscored")
    ]


def test_blank_lines_of_an_answer_stay(factory):
    run = factory.make_run(suites=("core",))
    line = {"doc_id": "1", "response": "one\n\n\n   two", "score": 1.0}
    assert "one\n\n\n   two" in render_report(run, {run.results[0].samples: [line]})


def test_sample_lines_may_lack_keys_or_have_more(factory, words):
    run = factory.make_run(suites=("core",))
    text = words(render_report(run, {run.results[0].samples: [{}, {"depth": 50, "score": "high", "response": None}]}))
    assert "Depth 50" in text


def test_huge_answers_do_not_make_a_huge_page(factory):
    run = factory.make_run()
    samples = {
        result.samples: [{"doc_id": str(n), "response": "<&\"'" * 5_000, "score": 0.0} for n in range(500)]
        for result in run.results
        if result.samples
    }
    page = render_report(run, samples)
    assert len(page.encode()) < 1_000_000
    assert "more characters in the file" in page


@pytest.mark.parametrize(
    ("chance", "interval", "told"),
    [
        (25.0, (30.0, 40.0), "; above chance (25.0)"),
        (25.0, (25.0, 40.0), "; not shown to differ from chance (25.0)"),
        (25.0, None, "; not shown to differ from chance (25.0)"),
        (50.0, (30.0, 40.0), "; below chance (50.0)"),
        (None, (30.0, 40.0), ""),
    ],
)
def test_a_score_says_whether_it_is_better_than_guessing(factory, chance, interval, told):
    (entry,) = build_registry([StoredReport(path="a", sha256="", run=factory.make_run(suites=("rag",)))]).models
    case = replace(entry.use_cases["rag"], chance=chance, interval=interval)
    assert score_row("RAG", case).note == f"1 task, 3 items{told}"


def test_that_every_answer_was_cut_off_is_said_as_such(factory):
    run = factory.make_run(suites=("core",))
    first, *rest = run.results
    (metric,) = first.metrics
    whole = replace(metric, cuts=Cuts(cut=1.0, censored=0.0, lower=0.0, upper=1.0))
    found = report_view(replace(run, results=(replace(first, metrics=(whole,)), *rest)), {}).suites[0][1]
    assert found[0].note.startswith("every answer was cut off; ")
    assert "100" not in found[0].note.split(";")[0]


def test_an_item_without_a_number_of_its_own_is_counted_as_answered_in_part(factory):
    run = factory.make_run(suites=("core",))
    first, *rest = run.results
    part = replace(first, metrics=(), primary=None, reason="partial: half of it is not there")
    view = report_view(replace(run, results=(part, *rest)), {})
    assert ("partial", "answered in part", 1) in view.counts
    assert (view.suites[0][1][0].state, view.suites[0][1][0].note) == ("partial", "half of it is not there")
    measured = sum(n for state, _, n in view.counts if state == "passed")
    assert measured == sum(n for state, _, n in report_view(run, {}).counts if state == "passed") - 1

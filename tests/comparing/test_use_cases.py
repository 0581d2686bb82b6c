"""Quantizations of one model, use case by use case, from what the registry keeps of their questions."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pytest_slm.comparing import compare
from pytest_slm.comparing.use_cases import Comparisons, Refusal, compare_use_cases, paired, together
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
    why = Refusal(suite="core", task="math", variant="", why="its questions or their expected answers are not the same")
    assert differences(model)["Q4_0"] == Comparisons(overall=None, use_cases={}, absent={"core": (why,)})


def test_what_only_one_was_asked_is_told(entry):
    model = entry(Q8_0={"math": "1100" * 9, "reasoning": "10"}, Q4_0={"math": "1000" * 9})
    found = differences(model)["Q4_0"].use_cases["core"]
    assert (found.tasks, found.of) == (1, 2)
    (absent,) = differences(model)["Q4_0"].absent["core"]
    assert (absent.task, absent.why) == ("reasoning", "not measured in both")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 7}, "two versions of it"),
        ({"metric": "f1"}, "two versions of it"),
        ({"outcome": "error"}, "not measured in both"),
        ({"questions": None}, "its metric is no mean over questions, or their scores are not in the registry"),
    ],
)
def test_why_an_item_is_not_compared_is_told(entry, changes, why):
    model = entry(Q8_0={"math": "1100"}, Q4_0={"math": "1000"})
    one = model.quantizations["Q4_0"]
    other = replace(one, items=tuple(replace(item, **changes) for item in one.items))
    found = compare_use_cases(model.quantizations["Q8_0"], {"Q4_0": other}, {})["Q4_0"]
    assert found.use_cases == {}
    assert [absent.why for absent in found.absent["core"]] == [why]


def test_without_a_question_that_both_have_a_score_of_there_is_nothing_to_compare(entry):
    found = differences(entry(Q8_0={"math": "11??"}, Q4_0={"math": "??10"}))["Q4_0"]
    assert found.overall is None
    assert [absent.why for absent in found.absent["core"]] == ["no question was scored in both"]


def test_a_verdict_does_not_depend_on_which_other_files_there_are(entry):
    reference, better = {"math": "1" * 60 + "0" * 40}, {"math": "1" * 67 + "0" * 33}
    alone = differences(entry(Q8_0=reference, Q4_0=better))["Q4_0"]
    assert alone.use_cases["core"].verdict == "better"
    more = {f"Q{bits}_K": reference for bits in (2, 3, 5, 6, 7)}
    assert differences(entry(Q8_0=reference, Q4_0=better, **more))["Q4_0"] == alone


@pytest.fixture
def two_cases(entry):
    """Two files with a use case of one task, and another one made of the same task under another name."""

    def make(one, other, second=None):
        model = entry(Q8_0={"math": one}, Q4_0={"math": other})
        both = {}
        for name, file in model.quantizations.items():
            case, (item,) = file.use_cases["core"], file.items
            tasks = tuple(replace(task, task="more") for task in case.benchmarks)
            also = replace(item, task="more", **(second or {}))
            both[name] = replace(
                file, use_cases={"core": case, "extra": replace(case, benchmarks=tasks)}, items=(item, also)
            )
        return both

    return make


def test_verdicts_of_a_pair_are_corrected_for_its_use_cases_and_the_total_is_one_test(two_cases):
    files = two_cases("1" * 60 + "0" * 40, "1" * 67 + "0" * 33)
    found = compare_use_cases(files["Q8_0"], {"Q4_0": files["Q4_0"]}, {})["Q4_0"]
    assert [one.p_corrected for one in found.use_cases.values()] == [2 * one.p for one in found.use_cases.values()]
    assert found.overall.p_corrected == found.overall.p


def test_the_total_counts_what_has_a_weight_in_it_and_nothing_else(two_cases):
    files = two_cases("1" * 60 + "0" * 40, "1" * 67 + "0" * 33)
    others = {"Q4_0": files["Q4_0"]}
    found = compare_use_cases(files["Q8_0"], others, {"core": 0.5})["Q4_0"]
    assert (found.counted, found.of, found.weighed) == (("core",), 1, True)
    whole = found.overall
    assert (whole.n, whole.tasks, whole.of, whole.only_a, whole.only_b) == (100, 1, 1, 0, 7)
    found = compare_use_cases(files["Q8_0"], others, {"rag": 0.5})["Q4_0"]
    assert (found.counted, found.of, found.weighed) == (("core", "extra"), 2, False)
    assert (found.overall.n, found.overall.tasks, found.overall.of) == (200, 2, 2)
    # One that has a weight and cannot be compared is missing from the total, and not left out of the count.
    files = two_cases("1" * 60 + "0" * 40, "1" * 67 + "0" * 33, second={"questions": None})
    found = compare_use_cases(files["Q8_0"], {"Q4_0": files["Q4_0"]}, {"core": 0.5, "extra": 0.5})["Q4_0"]
    assert (found.counted, found.of, found.overall.tasks, found.overall.of) == (("core",), 2, 1, 2)


def test_what_is_partly_right_is_not_counted_as_right_or_wrong(two_cases):
    partly = {"questions": None}
    files = two_cases("1100", "1001", second=partly)
    for name, marks in (("Q8_0", (0.25, 0.5)), ("Q4_0", (0.5, 0.75))):
        item, also = files[name].items
        scores = replace(item.questions, levels=tuple(marks))
        files[name] = replace(files[name], items=(item, replace(also, questions=scores)))
    found = compare_use_cases(files["Q8_0"], {"Q4_0": files["Q4_0"]}, {})["Q4_0"]
    counts = {name: (one.only_a, one.only_b, one.lower, one.higher) for name, one in found.use_cases.items()}
    assert counts["core"] == (1, 1, 0, 0)
    assert counts["extra"][:2] == (0, 0)
    assert sum(counts["extra"]) > 0
    whole = found.overall
    assert (whole.only_a, whole.only_b, whole.lower + whole.higher) == (1, 1, sum(counts["extra"]))


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
    # Without a quick run beside the full one its questions or their expected answers are not the same.
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

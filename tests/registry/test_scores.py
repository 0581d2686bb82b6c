"""What may be put into one score, and what may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.core.types import (
    CutPrompts,
    Cuts,
    Declaration,
    ItemId,
    Metric,
    MetricPart,
    Result,
    SuiteFacts,
    ThinkingCounts,
)
from pytest_slm.registry.scores import aggregates, named, run_scores, strata, use_cases
from pytest_slm.registry.store import StoredReport
from pytest_slm.run.unshown import without_rank


@pytest.fixture
def score(factory):
    """Makes a measured result of one task."""

    def make(task: str, right: int, n: int = 100, *, suite: str = "rag", variant: str = "", **changes) -> Result:
        result = factory.scored(suite, task, variant, "Q8_0", "full", factory.share("accuracy", right, n))
        return replace(result, declared=Declaration(), **changes)

    return make


def scores(results, planned=None, suites=None):
    ids = [result.id for result in results]
    return run_scores(results, planned if planned is not None else ids, "Q8_0", "full", None, suites or {})


def stored(run, path="a/report.json"):
    return StoredReport(path=path, sha256="0" * 64, run=run)


def test_a_task_with_many_variants_counts_once(score):
    # Averaging raw rows would give (80 + 20 + 20) / 3 = 40.
    results = [score("niah", 20, variant="1024"), score("niah", 20, variant="2048"), score("frames", 80)]
    assert scores(results)["rag"].score == pytest.approx(50)


def test_what_was_not_measured_lowers_coverage_and_not_the_score(score):
    skipped = Result(suite="rag", task="frames", variant="", quantization="Q8_0", mode="full", outcome="skipped")
    case = scores([score("niah", 80), skipped])["rag"]
    assert (case.score, case.coverage) == (pytest.approx(80), 0.5)


def test_half_of_the_variants_is_half_of_the_task(score):
    planned = [ItemId(suite="rag", task="niah", variant=v, quantization="Q8_0") for v in ("1024", "2048")]
    assert scores([score("niah", 80, variant="1024")], planned)["rag"].coverage == 0.5


def test_the_suite_says_which_tasks_belong_to_it(score):
    # A run of one task only (-k niah) planned one item; the suite has three tasks all the same.
    one = replace(score("niah", 80), declared=Declaration(suite_tasks=("niah", "ruler", "frames")))
    case = scores([one])["rag"]
    assert case.declared == ("frames", "niah", "ruler")
    assert case.coverage == pytest.approx(1 / 3)


OWN = {"law": SuiteFacts(title="Law", use_case="law", families={"courts": ("a", "b", "c")})}


@pytest.mark.parametrize(
    ("suite", "suites", "tasks", "family"),
    [
        ("law", OWN, ("x", "a", "b", "c"), ""),  # as the report says of its suite
        ("rag", {}, ("niah", "ruler_cwe", "ruler_vt", "ruler_qa_1"), "ruler"),  # an older report of a built-in suite
    ],
)
def test_tasks_of_a_family_that_were_not_run_weigh_no_more_than_those_that_were(score, suite, suites, tasks, family):
    # One of three counts for a third of the half that they have together: 1/2 + 1/2 * 1/3, not 2 of 4.
    said = Declaration(suite_tasks=tasks)
    results = [
        replace(score(tasks[0], 80, suite=suite), declared=said),
        replace(score(tasks[1], 20, suite=suite), declared=replace(said, family=family or None)),
    ]
    case = scores(results, suites=suites)[suite]
    assert case.coverage == pytest.approx(2 / 3)
    assert case.score == pytest.approx(50)


def test_a_suite_of_which_nothing_was_measured_has_no_score():
    error = Result(suite="rag", task="niah", variant="", quantization="Q8_0", mode="full", outcome="error")
    assert scores([error]) == {}


def test_a_total_over_several_tasks_stands_beside_the_score_and_enters_none(score):
    parts = (
        MetricPart(task="niah", metric="accuracy", weight=1),
        MetricPart(task="frames", metric="accuracy", weight=3),
    )
    suites = {"rag": SuiteFacts(title="RAG", composites={"total": parts})}
    results = [score("niah", 20), score("frames", 80)]
    case = scores(results, suites=suites)["rag"]
    assert case.score == pytest.approx(50)
    assert (case.composites["total"].value, case.composites["total"].n) == (pytest.approx(0.65), 200)
    low, high = case.composites["total"].interval
    assert low < 0.65 < high
    # Of a part that was not measured nothing is made up.
    assert scores(results[:1], suites=suites)["rag"].composites == {}


def test_speed_never_becomes_a_score(factory):
    assert scores(factory.make_run(suites=()).results) == {}


def test_a_perplexity_is_left_out_of_the_mean(score):
    metric = Metric(name="perplexity", value=12.0, n=50, unit="nats", higher_is_better=False)
    other = replace(score("perplexity", 1), primary="perplexity", metrics=(metric,))
    case = scores([score("niah", 80), other])["rag"]
    assert (case.score, case.coverage, case.declared) == (pytest.approx(80), 1.0, ("niah",))


def test_a_suite_that_is_not_scored_has_no_score(score):
    assert scores([score("niah", 80)], suites={"rag": SuiteFacts(title="RAG", scored=False)}) == {}


def test_a_score_stands_under_the_name_of_its_use_case(score):
    cases = scores([score("a", 80), score("b", 60, suite="law"), score("c", 40, suite="notes")])
    facts = {"law": SuiteFacts(title="Law", use_case="contracts"), "notes": SuiteFacts(title="Notes")}
    assert {name: case.suite for name, case in named(cases, facts).items()} == {"contracts": "law", "rag": "rag"}


def test_two_suites_of_one_use_case_do_not_hide_each_other(score):
    cases = scores([score("a", 80, suite="law"), score("b", 60, suite="tax")])
    facts = {suite: SuiteFacts(title=suite, use_case="contracts") for suite in cases}
    assert {name: case.suite for name, case in named(cases, facts).items()} == {"contracts": "law", "tax": "tax"}


def test_a_chance_level_stands_beside_a_score_in_the_same_points(score):
    def with_chance(result, chance):
        return replace(result, metrics=tuple(replace(metric, chance=chance) for metric in result.metrics))

    choices, rate = with_chance(score("a", 30), 0.25), with_chance(score("b", 30), 0.9)
    lower = replace(rate, metrics=tuple(replace(metric, higher_is_better=False) for metric in rate.metrics))
    case = scores([choices, lower])["rag"]
    assert [task.chance for task in case.benchmarks] == [25, pytest.approx(10)]
    assert case.chance == pytest.approx(17.5)
    assert scores([choices, score("c", 30)])["rag"].chance is None  # nobody knows that of c


def test_a_rate_that_should_be_low_counts_from_above(factory):
    result = factory.scored(
        "safety", "jailbreak", "", "Q8_0", "full", factory.share("attack_success_rate", 30, 100, higher=False)
    )
    case = scores([result])["safety"]
    assert case.score == pytest.approx(70)
    assert case.interval[0] < 70 < case.interval[1]


def test_one_sample_has_no_interval_and_neither_has_the_score(score):
    single = replace(score("niah", 1), metrics=(Metric(name="accuracy", value=1.0, n=1),))
    assert scores([single, score("frames", 50)])["rag"].interval is None


@pytest.mark.parametrize(("mode", "limit"), [("quick", None), ("full", 10)])
def test_quick_and_limited_scores_are_not_judged(score, mode, limit):
    result = score("niah", 90)
    assert run_scores([result], [result.id], "Q8_0", mode, limit, {})["rag"].recommended is None


def test_seventy_points_are_recommended(score):
    assert scores([score("niah", 70)])["rag"].recommended is True
    assert scores([score("niah", 69)])["rag"].recommended is False


def test_coverage_of_a_profile_counts_a_half_measured_suite_half(factory, score):
    planned = [ItemId(suite="rag", task=task, variant="", quantization="Q8_0") for task in ("niah", "frames")]
    run = replace(factory.make_run(results=[score("niah", 80)]), planned=tuple(planned))
    (stratum,) = strata([stored(run)])
    # rag weighs 0.25 of marketplace, and one of its two tasks was measured.
    assert aggregates(stratum, use_cases(stratum))["marketplace"].coverage == pytest.approx(0.125)


def test_an_aggregate_says_what_it_is_the_mean_of(factory, score):
    results = [
        score("niah", 80, variant="1024"),
        score("niah", 60, variant="2048"),
        score("bbh", 40, suite="elsewhere"),
    ]
    (stratum,) = strata([stored(factory.make_run(results=results))])
    total = aggregates(stratum, use_cases(stratum))["marketplace"]
    assert total.use_cases == {"rag": pytest.approx(70)}
    assert total.tasks == {"rag/niah": (1, 2)}  # what is in no profile is not part of it


def test_the_arithmetic_check_of_the_profile(factory):
    values = {"rag": 822, "function_calling": 668, "coding": 718, "reasoning": 756, "safety": 812}
    results = [
        factory.scored(suite, "task", "", "Q8_0", "full", factory.share("accuracy", right, 1000))
        for suite, right in values.items()
    ]
    (stratum,) = strata([stored(factory.make_run(results=results))])
    assert aggregates(stratum, use_cases(stratum))["marketplace"].score == pytest.approx(75.76)


def test_bounds_of_a_score_are_in_points_where_more_is_better(score, factory):
    right = score("niah", 80)
    cut = Cuts(cut=0.1, censored=0.1, lower=0.7, upper=0.9)
    bad = replace(
        right.metrics[0], higher_is_better=False, value=0.1, interval=None, cuts=replace(cut, lower=0.1, upper=0.4)
    )
    good = replace(right.metrics[0], value=0.8, cuts=cut)
    results = [
        replace(right, metrics=(good,)),
        replace(right, task="rate", metrics=(bad,)),
        replace(right, task="choice"),  # nothing was written for it
    ]
    # what a model without any skill gets may well be outside of the bounds
    results[0] = replace(results[0], metrics=(replace(good, chance=0.25),))
    case = scores(results)["rag"]
    assert {task.task: task.chance for task in case.benchmarks}["niah"] == 25
    # a rate of 10 to 40 % is 60 to 90 points; what was not written stays at its 80
    bounds = {task.task: task.bounds for task in case.benchmarks}
    assert bounds["choice"] is None
    assert (bounds["niah"], bounds["rate"]) == (pytest.approx((70, 90)), pytest.approx((60, 90)))
    assert case.bounds == pytest.approx(((70 + 60 + 80) / 3, (90 + 90 + 80) / 3))
    assert scores([replace(right, task="choice")])["rag"].bounds is None


def test_a_task_whose_prompts_were_cut_has_no_score(score):
    cut = CutPrompts(samples=1, asked=100, tokens=7, most=7)
    case = scores([score("frames", 80), without_rank(score("niah", 20), cut)])["rag"]
    assert (case.score, case.coverage) == (pytest.approx(80), 0.5)


OPEN = Cuts(cut=0.1, censored=0.1, lower=0.7, upper=0.9)
WHOLE = Cuts(cut=0, censored=0, lower=0.8, upper=0.8)
UNKNOWN = Cuts(cut=0.1, censored=0.0)
THOUGHT = ThinkingCounts(answers=9, tokens=None, censored=2)


@pytest.mark.parametrize(
    ("cuts", "counts", "bounds", "unbounded"),
    [
        (OPEN, {}, (70, 90), False),
        (WHOLE, {}, (80, 80), False),
        (Cuts(cut=0, censored=0), {}, None, False),  # a corpus metric of which nothing was cut
        (None, {}, None, False),  # nothing was written
        (None, {"answers_cut": 0}, None, False),
        (UNKNOWN, {}, None, True),
        (Cuts(cut=0, censored=0.2), {}, None, True),
        (None, {"answers_cut": 3}, None, True),  # a kind of task that looked at no ending
        (None, {"thinking": THOUGHT}, None, True),
    ],
)
def test_whether_cut_answers_leave_a_task_open(score, cuts, counts, bounds, unbounded):
    one = score("niah", 80, **counts)
    (task,) = scores([replace(one, metrics=(replace(one.metrics[0], cuts=cuts),))])["rag"].benchmarks
    assert (task.bounds, task.unbounded) == (bounds and pytest.approx(bounds), unbounded)


@pytest.mark.parametrize(
    ("rag", "coding", "bounds", "unbounded"),
    [
        (OPEN, OPEN, (70, 90), ()),
        (OPEN, WHOLE, ((25 * 70 + 15 * 80) / 40, (25 * 90 + 15 * 80) / 40), ()),
        (OPEN, None, ((25 * 70 + 15 * 80) / 40, (25 * 90 + 15 * 80) / 40), ()),
        (None, None, None, ()),
        (OPEN, UNKNOWN, None, ("coding",)),
        (UNKNOWN, UNKNOWN, None, ("coding", "rag")),
        (None, UNKNOWN, None, ("coding",)),
    ],
)
def test_an_aggregate_has_bounds_where_all_of_its_use_cases_can(score, factory, rag, coding, bounds, unbounded):
    """Weights of marketplace: rag .25, coding .15."""
    results = []
    for suite, cuts in {"rag": rag, "coding": coding}.items():
        one = score("a", 80, suite=suite)
        results += [replace(one, metrics=(replace(one.metrics[0], cuts=cuts),)), score("choice", 80, suite=suite)]
    run = factory.make_run(results=results)
    (stratum,) = strata([stored(run)])
    cases = use_cases(stratum)
    assert {name for name, case in cases.items() if case.unbounded == ("a",)} == set(unbounded)
    total = aggregates(stratum, cases)["marketplace"]
    assert set(total.unbounded) == set(unbounded)
    # each use case is the mean of a task that was written and one that was not
    half = bounds and tuple((end + 80) / 2 for end in bounds)
    assert total.bounds == (half and pytest.approx(half))

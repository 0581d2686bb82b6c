"""Scores of suites and aggregates: normalised, monotone, and honest about what was not measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.aggregation import Profile, aggregate, goodness, ranks, suite_score
from pytest_slm.core.types import Metric, Result


def _result(task, value, *, suite="s", variant="", n=100, outcome="passed", better=True, unit="share"):
    metric = Metric(name="m", value=value, n=n, interval=(value, value), higher_is_better=better, unit=unit)
    return Result(
        suite=suite, task=task, variant=variant, quantization="Q", mode="full", outcome=outcome, primary="m",
        metrics=(metric,) if outcome in ("passed", "failed") else (),
    )  # fmt: skip


WEIGHTS = {"rag": 0.25, "function_calling": 0.20, "coding": 0.15, "reasoning": 0.25, "guardrails": 0.15}
MARKETPLACE = Profile(name="marketplace", weights=WEIGHTS)
# These sum to 1.10: without normalising a perfect model would have 110.
CORE = Profile(
    name="core", weights={"reasoning": 0.35, "coding": 0.20, "math": 0.15, "language": 0.20, "guardrails": 0.20}
)
PROFILES = (MARKETPLACE, CORE)
KEYS = ("rag", "function_calling", "coding", "reasoning", "guardrails")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((82.2, 66.8, 71.8, 75.6, 81.2), 75.76),
        ((83.73, 70.25, 65.3, 68.2, 78.5), 73.6),
        ((79.07, 73.05, 62.1, 70.3, 76.8), 72.79),
        ((71.2, 74.65, 58.4, 62.1, 72.3), 67.86),
    ],
)
def test_known_aggregates(parts, expected):
    total = aggregate(MARKETPLACE, {key: (part, None) for key, part in zip(KEYS, parts, strict=True)})
    assert total.score == pytest.approx(expected, abs=0.005)
    assert total.coverage == 1


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_perfect_model_has_100(profile):
    assert aggregate(profile, dict.fromkeys(profile.weights, (100.0, None))).score == 100


points = st.floats(0, 100)


@given(st.sampled_from(PROFILES), st.data())
def test_an_aggregate_is_between_its_parts(profile, data):
    parts = data.draw(st.dictionaries(st.sampled_from(sorted(profile.weights)), points, min_size=1))
    total = aggregate(profile, {key: (value, (value, value)) for key, value in parts.items()})
    assert min(parts.values()) - 1e-9 <= total.score <= max(parts.values()) + 1e-9
    assert 0 <= total.interval[0] <= total.interval[1] <= 100
    assert 0 < total.coverage <= 1


@given(st.sampled_from(PROFILES), st.data())
def test_a_better_part_never_lowers_the_aggregate(profile, data):
    keys = sorted(profile.weights)
    parts = {key: (data.draw(points), None) for key in keys}
    better = dict(parts)
    key = data.draw(st.sampled_from(keys))
    better[key] = (data.draw(st.floats(parts[key][0], 100)), None)
    assert aggregate(profile, better).score >= aggregate(profile, parts).score - 1e-9


def test_not_run_is_not_zero():
    # a model fell from 83.1 to 33.3 because three of five suites were not run
    total = aggregate(MARKETPLACE, {"rag": (83.0, None), "reasoning": (83.0, None)})
    assert total.score == pytest.approx(83.0)
    assert total.coverage == pytest.approx(0.5)


def test_nothing_measured_gives_no_aggregate():
    assert aggregate(MARKETPLACE, {}) is None
    assert aggregate(MARKETPLACE, {"performance": (100.0, None)}) is None


def test_a_suite_averages_exactly_the_declared_tasks():
    results = [_result("a", 0.2), _result("b", 0.4), _result("undeclared", 1.0), _result("a", 1.0, suite="other")]
    score = suite_score("s", ("a", "b"), results)
    assert score.score == pytest.approx(30)
    assert score.n == 200


def test_a_task_counts_once_however_many_variants_it_has():
    # 62 of 65 "reasoning" rows were subtasks of MMLU
    results = [_result("mmlu", 0.0, variant=str(i)) for i in range(57)] + [_result("arc", 1.0)]
    assert suite_score("s", ("mmlu", "arc"), results).score == pytest.approx(50)


@pytest.mark.parametrize("outcome", ["skipped", "error", "not_run"])
def test_what_was_not_measured_is_left_out_and_seen(outcome):
    score = suite_score("s", ("a", "b"), [_result("a", 0.8), _result("b", 0.0, outcome=outcome)])
    assert score.score == pytest.approx(80)
    assert (score.measured, score.declared) == (("a",), ("a", "b"))


def test_an_item_below_its_gate_was_measured():
    assert suite_score("s", ("a",), [_result("a", 0.1, outcome="failed")]).score == pytest.approx(10)


def test_a_suite_of_which_nothing_was_measured_has_no_score():
    assert suite_score("s", ("a",), [_result("a", 0.0, outcome="error")]) is None


def test_times_are_never_averaged_into_a_score():
    with pytest.raises(ValueError, match="tok/s"):
        suite_score("s", ("a",), [_result("a", 0.5, unit="tok/s")])


def test_lower_is_better_turns_the_value_and_its_interval():
    metric = Metric(name="attack_success_rate", value=0.1, n=10, interval=(0.0, 0.4), higher_is_better=False)
    value, interval = goodness(metric)
    assert value == pytest.approx(90)
    assert interval == pytest.approx((60, 100))


def test_ties_share_a_rank():
    assert ranks({"c": 3.0, "a": 9.0, "d": 1.0, "b": 3.0}) == {"a": 1, "b": 2, "c": 2, "d": 4}


@given(st.dictionaries(st.text(max_size=3), points))
def test_ranks_follow_scores(scores):
    places = ranks(scores)
    for one in scores:
        assert places[one] == 1 + sum(scores[other] > scores[one] for other in scores)

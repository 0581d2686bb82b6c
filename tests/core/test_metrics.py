"""From the scores of samples to metrics with intervals."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.metrics import AGGREGATES, NothingScoredError, mean_metric, task_metrics
from pytest_slm.core.record import RecordError
from pytest_slm.core.statistics import mean_interval, wilson
from pytest_slm.core.task import PARAMETERS
from pytest_slm.core.types import JudgedSample, MetricSpec, Sample, Task, Verdict

SHARES = st.floats(0, 1)
GRADED = st.lists(SHARES, min_size=1, max_size=40)
BINARY = st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=40)


def task(*metrics):
    return Task(name="task", suite="suite", kind="checks", description="", primary=metrics[0].name, metrics=metrics)


def samples(**groups):
    """``samples(call=[1, 0])`` are two of one group; None is a sample without a score."""
    rows = [(group, score) for group, scores in groups.items() for score in scores]
    return [
        JudgedSample(
            sample=Sample(id=str(place), input="", groups=(group,)),
            verdict=Verdict(value=None if score is None else float(score), answer="", explanation=""),
        )
        for place, (group, score) in enumerate(rows)
    ]


BALANCED = MetricSpec(name="balanced", balance=("harmful", "benign"))


# -- one mean -----------------------------------------------------------------------------------------------------


def test_right_or_wrong_has_wilsons_interval():
    metric = mean_metric("acc", [1, 1, 1, 0])
    assert (metric.value, metric.n, metric.interval) == (0.75, 4, wilson(3, 4))
    assert metric.higher_is_better


def test_one_right_answer_is_no_certainty():
    metric = mean_metric("acc", [1])
    assert metric.value == 1
    assert metric.interval[0] < 0.3


def test_graded_scores_have_students_interval():
    scores = [0.4, 0.5, 0.6, 0.7]
    assert mean_metric("grade", scores).interval == pytest.approx(mean_interval(scores))


def test_one_graded_score_says_nothing_about_its_doubt():
    assert mean_metric("grade", [0.4]).interval is None


@given(st.integers(2, 40), st.floats(0.01, 0.99))
def test_grades_that_are_all_alike_are_no_certainty(n, grade):
    # Two answers that are a third right: nothing shows how the next one will be.
    metric = mean_metric("grade", [grade] * n)
    assert metric.interval == pytest.approx(wilson(metric.value * n, n))
    assert metric.interval[1] - metric.interval[0] > 0.05
    # Grades that vary the least are not known less well than those that vary the most.
    assert mean_metric("grade", [grade] * n, clusters=[0] * n).interval is None
    two = mean_metric("grade", [grade] * n, clusters=[0] * (n - 1) + [1]).interval
    assert two == pytest.approx(wilson(metric.value * 2, 2))


def test_an_interval_of_grades_ends_at_0_and_1():
    # Student's t knows no bounds: 1, 1, 0.5 would reach beyond 1
    metric = mean_metric("grade", [1, 1, 0.5])
    assert metric.interval[1] == 1
    assert 0 <= metric.interval[0] < metric.value


def test_a_complement_turns_value_interval_and_direction():
    refused = mean_metric("refusals", [1, 1, 1, 0])
    attacks = mean_metric("attack_success_rate", [1, 1, 1, 0], complement=True)
    assert attacks.value == 0.25
    assert attacks.interval == pytest.approx((1 - refused.interval[1], 1 - refused.interval[0]))
    assert not attacks.higher_is_better


@given(GRADED | BINARY, st.booleans())
def test_the_value_is_in_its_interval_and_both_are_shares(scores, complement):
    metric = mean_metric("any", scores, complement=complement)
    assert 0 <= metric.value <= 1
    if metric.interval is not None:
        assert 0 <= metric.interval[0] <= metric.value <= metric.interval[1] <= 1


@given(BINARY, st.randoms())
def test_the_order_of_the_samples_does_not_matter(scores, random):
    shuffled = random.sample(scores, len(scores))
    assert mean_metric("any", scores) == mean_metric("any", shuffled)


@given(BINARY)
def test_a_complement_of_a_complement_is_the_thing_itself(scores):
    once = mean_metric("any", scores, complement=True)
    again = mean_metric("any", [1 - score for score in scores])
    assert once.value == pytest.approx(again.value)
    assert once.interval == pytest.approx(again.interval)


# -- groups -------------------------------------------------------------------------------------------------------


def test_a_group_takes_its_own_samples_only():
    spec = MetricSpec(name="call_accuracy", group="call")
    (metric,) = task_metrics(task(spec), samples(call=[1, 0], irrelevance=[1, 1, 1]))
    assert (metric.value, metric.n) == (0.5, 2)


def test_a_model_that_always_does_the_same_is_half_right():
    # 3 calls and 9 irrelevant questions: a plain mean would give 0.75 to a model that never calls anything
    (metric,) = task_metrics(task(BALANCED), samples(harmful=[0] * 3, benign=[1] * 9))
    assert (metric.value, metric.n) == (0.5, 12)


@given(BINARY, BINARY)
def test_groups_weigh_the_same_whatever_their_size(harmful, benign):
    (metric,) = task_metrics(task(BALANCED), samples(harmful=harmful, benign=benign))
    assert metric.value == pytest.approx((statistics.fmean(harmful) + statistics.fmean(benign)) / 2)
    assert 0 <= metric.interval[0] <= metric.value <= metric.interval[1] <= 1


@given(st.integers(2, 60), st.sampled_from([0.0, 1.0]))
def test_many_perfect_groups_stay_a_share(n, score):
    # nine times a ninth is 1.0000000000000002
    names = tuple(f"g{i}" for i in range(n))
    spec = MetricSpec(name="balanced", balance=names)
    (metric,) = task_metrics(task(spec), samples(**{name: [score] for name in names}))
    assert 0 <= metric.interval[0] <= metric.value <= metric.interval[1] <= 1


def test_a_balanced_complement_is_turned_too():
    spec = MetricSpec(name="failures", balance=("harmful", "benign"), complement=True)
    (metric,) = task_metrics(task(spec), samples(harmful=[1, 1], benign=[1, 0]))
    assert (metric.value, metric.higher_is_better) == (0.25, False)
    assert metric.interval[0] <= 0.25 <= metric.interval[1]


def test_a_group_without_a_scored_sample_has_no_metric():
    metrics = task_metrics(
        task(MetricSpec(name="acc"), MetricSpec(name="calls", group="call"), BALANCED), samples(benign=[1, 0])
    )
    assert [metric.name for metric in metrics] == ["acc"]


@pytest.mark.parametrize("scored", [[], samples(benign=[1, 1])], ids=["no sample", "one group only"])
def test_without_its_primary_metric_a_task_was_not_measured(scored):
    with pytest.raises(
        NothingScoredError, match=r"task: no sample .* 'balanced', which needs samples of harmful and of"
    ):
        task_metrics(task(BALANCED, MetricSpec(name="acc")), scored)


# -- breakdowns ---------------------------------------------------------------------------------------------------


# -- samples that belong together or could not be scored ------------------------------------------------------------


def twin_groups(pairs):
    """One harmful and one benign sample a pair."""
    return [
        JudgedSample(
            sample=Sample(id=f"{pair}{group}", input="", groups=(group,), cluster=str(pair)),
            verdict=Verdict(value=value, answer="", explanation=""),
        )
        for pair, values in enumerate(pairs)
        for group, value in zip(("harmful", "benign"), values, strict=True)
    ]


def test_a_sample_that_could_not_be_scored_is_left_out():
    (metric,) = task_metrics(task(MetricSpec(name="acc")), samples(call=[1, None]))
    assert (metric.value, metric.n) == (1.0, 1)


def test_clusters_widen_the_interval_of_a_mean():
    alone = samples(a=[1, 1, 1, 0, 0, 0])
    together = [
        JudgedSample(sample=Sample(id=one.sample.id, input="", cluster=str(place // 3)), verdict=one.verdict)
        for place, one in enumerate(alone)
    ]
    (narrow,), (wide,) = (task_metrics(task(MetricSpec(name="acc")), scored) for scored in (alone, together))
    assert narrow.value == wide.value == 0.5
    assert wide.interval[0] < narrow.interval[0]
    assert wide.stderr > narrow.stderr


def test_twins_in_two_groups_are_not_taken_for_independent():
    # right and wrong together: the balanced mean of n pairs is known as well as the mean of n samples, not of 2 n
    (metric,) = task_metrics(task(BALANCED), twin_groups([(1, 1)] * 20 + [(0, 0)] * 20))
    assert metric.interval == pytest.approx(wilson(20, 40))
    assert metric.stderr == pytest.approx(math.sqrt(0.25 / 39))


def test_twins_whose_scores_differ_little_move_together_all_the_same():
    (large,) = task_metrics(task(BALANCED), twin_groups([(1, 1), (0, 0)] * 4))
    (small,) = task_metrics(task(BALANCED), twin_groups([(0.6, 0.6), (0.5, 0.5)] * 4))
    assert small.stderr == pytest.approx(0.1 * large.stderr)


def test_twins_that_are_right_in_turn_are_no_certainty():
    # the variance of 20 times 0.5 is 0
    (twins,) = task_metrics(task(BALANCED), twin_groups([(1, 0), (0, 1)] * 10))
    (alone,) = task_metrics(task(BALANCED), samples(harmful=[1, 0] * 10, benign=[1, 0] * 10))
    assert twins == alone


def test_a_metric_may_be_made_of_another_value_of_the_verdict():
    one, other = (
        Verdict(value=1.0, answer="", explanation="", values=values) for values in ({"f1": 0.5}, {"f1": None})
    )
    scored = [JudgedSample(sample=Sample(id=v.explanation, input=""), verdict=v) for v in (one, other)]
    (metric,) = task_metrics(task(MetricSpec(name="F1", key="f1")), scored)
    assert (metric.value, metric.n) == (0.5, 1)


@pytest.mark.parametrize("value", [1.5, -1, "1", float("nan")])
def test_a_value_that_is_no_share_is_refused(value):
    verdict = Verdict(value=1.0, answer="", explanation="", values={"f1": value})
    with pytest.raises(RecordError, match=r"F1: sample '7' has .*, no number in \[0, 1\]"):
        task_metrics(
            task(MetricSpec(name="F1", key="f1")), [JudgedSample(sample=Sample(id="7", input=""), verdict=verdict)]
        )


# -- declarations ---------------------------------------------------------------------------------------------------


def test_every_aggregate_that_can_be_declared_can_be_made():
    assert list(AGGREGATES) == list(PARAMETERS)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"aggregate": "twin"}, "'twin' is no aggregate; known: mean, twins"),
        ({"aggregate": "twins", "parameters": {"k": 2}}, "twins has no parameter 'k'"),
        ({"aggregate": "expected_maximum", "parameters": {"k": 0}}, "k must be at least 1, not 0"),
        ({"aggregate": "auroc", "complement": True}, "complement and balance are for means, not for auroc"),
        ({"aggregate": "twins", "balance": ("a", "b")}, "complement and balance are for means, not for twins"),
    ],
)
def test_what_cannot_be_made_cannot_be_declared(declared, words):
    with pytest.raises(RecordError, match=words):
        MetricSpec(name="m", **declared)


def test_parameters_have_defaults_and_come_back_from_json():
    spec = MetricSpec(name="m", aggregate="calibration_error")
    assert spec.parameters == {"bins": 10}
    assert MetricSpec.from_json(spec.to_json()) == spec
    assert not spec.higher_is_better

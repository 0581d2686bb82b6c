"""Metrics made of metrics: weighted, with the doubt of their parts, and only where every part is there."""

import math

import pytest

from pytest_slm.core.metrics import NothingScoredError, task_metrics
from pytest_slm.core.metrics.composites import composite, suite_composites
from pytest_slm.core.record import RecordError
from pytest_slm.core.types import (
    Cuts,
    Declaration,
    ItemId,
    JudgedSample,
    Metric,
    MetricPart,
    MetricSpec,
    Result,
    Sample,
    SuiteFacts,
    Task,
    Verdict,
)

A, B = MetricSpec(name="a", group="a"), MetricSpec(name="b", group="b")
TOTAL = MetricSpec(name="total", parts={"a": 3, "b": 1})


def task(*specs, primary=None):
    primary = primary or specs[0].name
    return Task(name="t", suite="s", kind="checks", description="", primary=primary, metrics=specs)


def judged(**values):
    return [
        JudgedSample(
            sample=Sample(id=f"{group}{n}", input="", groups=(group,)),
            verdict=Verdict(value=value, answer="", explanation=""),
            ending="whole",
        )
        for group, scores in values.items()
        for n, value in enumerate(scores)
    ]


def test_parts_count_by_their_weights_and_not_by_their_samples():
    found = {metric.name: metric for metric in task_metrics(task(A, B, TOTAL), judged(a=[1.0], b=[0.0] * 9))}
    assert found["total"].value == 0.75
    assert found["total"].n == 10
    assert found["total"].interval[0] < 0.75 < found["total"].interval[1] <= 1
    assert found["total"].cuts == Cuts(cut=0, censored=0, lower=0.75, upper=0.75)


def test_a_composite_may_be_part_of_another():
    outer = MetricSpec(name="outer", parts={"total": 1, "b": 1})
    found = {metric.name: metric.value for metric in task_metrics(task(A, B, TOTAL, outer), judged(a=[1.0], b=[0.0]))}
    assert found["outer"] == 0.375


def test_without_one_of_its_parts_there_is_none():
    assert [metric.name for metric in task_metrics(task(A, B, TOTAL), judged(a=[1.0]))] == ["a"]
    with pytest.raises(NothingScoredError, match="needs samples of a and of b"):
        task_metrics(task(A, B, TOTAL, primary="total"), judged(a=[1.0]))


def test_errors_and_bounds_are_those_of_independent_parts():
    parts = {
        "a": Metric(name="a", value=0.5, n=10, stderr=0.3, cuts=Cuts(cut=0.2, censored=0.0, lower=0.4, upper=0.6)),
        "b": Metric(name="b", value=1.0, n=30, stderr=0.4, cuts=Cuts(cut=0.0, censored=0.4, lower=0.6, upper=1.0)),
    }
    made = composite("m", {"a": 1, "b": 1}, parts)
    assert made.stderr == pytest.approx(0.25)
    assert made.interval is None  # theirs are not known
    assert (made.cuts.cut, made.cuts.censored) == pytest.approx((0.05, 0.3))
    assert made.cuts.bounds == pytest.approx((0.5, 0.8))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (MetricSpec(name="m", parts={"c": 1}), "no share that is declared before it"),
        (MetricSpec(name="m", parts={"m": 1}), "no share that is declared before it"),
        (MetricSpec(name="m", parts={"tokens": 1}), "no share"),
        (MetricSpec(name="m", parts={"bad": 1}), "better when it is smaller"),
    ],
)
def test_parts_are_shares_that_stand_before_it(spec, told):
    others = (A, MetricSpec(name="tokens", unit="tokens"), MetricSpec(name="bad", complement=True))
    with pytest.raises(RecordError, match=told):
        task(*others, spec)


@pytest.mark.parametrize("more", [{"group": "a"}, {"key": "k"}, {"balance": ("a",)}, {"complement": True}])
def test_a_metric_with_parts_is_made_of_nothing_else(more):
    with pytest.raises(RecordError, match="made of its parts"):
        MetricSpec(name="m", parts={"a": 1}, **more)


@pytest.mark.parametrize("weight", [0, -1, math.inf, math.nan])
def test_weights_are_above_0(weight):
    with pytest.raises(RecordError, match="above 0"):
        MetricSpec(name="m", parts={"a": weight})
    with pytest.raises(RecordError, match="above 0"):
        MetricPart(task="t", metric="m", weight=weight)


def result(name, variant="", value=1.0, outcome="passed", variants=()):
    made = Result.of(
        ItemId(suite="s", task=name, variant=variant, quantization="Q"), mode="full", outcome=outcome, reason=""
    )
    metrics = (Metric(name="m", value=value, n=4, interval=(value / 2, value)),) if outcome == "passed" else ()
    return Result(**{**vars(made), "metrics": metrics, "declared": Declaration(task_variants=variants)})


FACTS = SuiteFacts(
    title="S",
    composites={"total": (MetricPart(task="x", metric="m", weight=1), MetricPart(task="y", metric="m", weight=3))},
)


def test_a_suite_makes_a_metric_of_several_tasks():
    (total,) = suite_composites("s", FACTS, [result("x", value=0.4), result("y", value=0.8), result("z")])
    assert (total.name, total.n) == ("total", 8)
    assert total.value == pytest.approx(0.7)


def test_it_is_not_made_where_a_task_or_a_variant_was_not_measured():
    assert suite_composites("s", FACTS, [result("x")]) == ()
    assert suite_composites("s", FACTS, [result("x"), result("y", outcome="skipped")]) == ()
    assert suite_composites("other", FACTS, [result("x"), result("y")]) == ()
    some = result("y", "one", 0.0, variants=("one", "two"))
    assert suite_composites("s", FACTS, [result("x"), some]) == ()
    (total,) = suite_composites("s", FACTS, [result("x"), some, result("y", "two", 0.5, variants=("one", "two"))])
    assert total.value == pytest.approx((1 + 3 * 0.25) / 4)


def test_variants_may_be_the_same_questions_so_their_doubts_add_up():
    facts = SuiteFacts(title="S", composites={"total": (MetricPart(task="y", metric="m", weight=1),)})
    both = [result("y", name, 0.5, variants=("one", "two")) for name in ("one", "two")]
    (total,) = suite_composites("s", facts, both)
    assert (total.value, total.n) == (0.5, 8)
    assert total.interval == pytest.approx(both[0].metric("m").interval)  # as wide as that of one of them

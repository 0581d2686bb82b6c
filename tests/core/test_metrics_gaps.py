"""How far scores lean to one side, and how far groups are apart: by hand, at their ends, and by chance."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import pytest

from pytest_slm.core.metrics import AGGREGATES, task_metrics
from pytest_slm.core.record import RecordError
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec, Sample, Task, Verdict


def judged(values: Sequence[float | None], group: str = "", cluster: str | None = None) -> list[JudgedSample]:
    return [
        JudgedSample(
            sample=Sample(id=f"{group}{n}", input="", groups=(group,), cluster=cluster and f"{cluster}{n // 2}"),
            verdict=Verdict(value=1.0, answer="", explanation="", values={"lean": value}),
        )
        for n, value in enumerate(values)
    ]


def bias(values: Sequence[float | None], **more: str) -> Metric | None:
    spec = MetricSpec(name="bias", aggregate="bias", key="lean", unit="bias")
    return AGGREGATES["bias"](spec, judged(values, **more))


def gap(**groups: Sequence[float | None]) -> Metric | None:
    spec = MetricSpec(name="gap", aggregate="gap", key="lean", balance=tuple(groups))
    return AGGREGATES["gap"](spec, [one for name, values in groups.items() for one in judged(values, name)])


@pytest.mark.parametrize(
    ("values", "by_hand"),
    [
        ([1] * 8, 1.0),
        ([0] * 8, -1.0),
        ([0.5] * 8, 0.0),
        ([1, 0] * 4, 0.0),
        # s_AMB of 6 biased, 2 against and 2 "unknown" answers, of which those are right: (1 - 2/10) * (2 * 6/8 - 1)
        ([1] * 6 + [0] * 2 + [0.5] * 2, 0.4),
        # s_DIS of the same: 2 * 6/8 - 1
        ([1] * 6 + [0] * 2 + [None] * 2, 0.5),
    ],
)
@pytest.mark.parametrize("cluster", [None, "c"])
def test_the_bias_score_is_that_of_the_paper(values, by_hand, cluster):
    made = bias(values, cluster=cluster)
    assert made.value == pytest.approx(by_hand)
    assert made.n == sum(value is not None for value in values)
    low, high = made.interval
    assert -1 <= low <= made.value <= high <= 1
    assert high - low > 0.1, "answers that all agree are no certainty"
    assert (made.unit, made.higher_is_better) == ("bias", False)


def test_what_is_unscored_has_no_bias():
    assert bias([None, None]) is None
    assert bias([]) is None
    assert bias([1.0]).interval is not None, "a share of one has Wilson's interval"


def test_the_gap_is_between_the_groups_that_are_farthest_apart():
    made = gap(a=[0.2, 0.4], b=[0.6, 0.8], c=[0.5, 0.5])
    assert made.value == pytest.approx(0.4)
    assert made.n == 6
    low, high = made.interval
    assert 0 <= low <= made.value <= high <= 1
    assert made.higher_is_better is False


def test_groups_that_are_surely_apart_have_a_gap_above_0():
    made = gap(a=[1.0] * 60 + [0.0] * 4, b=[0.0] * 60 + [1.0] * 4)
    assert made.interval[0] > 0.5
    assert gap(a=[0.0] * 9, b=[0.0] * 9).interval[1] > 0.2, "nine of nine are no certainty"


def test_a_group_of_one_is_left_out_and_one_group_is_no_gap():
    assert gap(a=[0.1, 0.2], b=[0.9]) is None
    assert gap(a=[0.1, 0.2], b=[0.9, None], c=[0.1, 0.3]).n == 4
    assert gap(a=[], b=[]) is None


def test_without_a_difference_the_interval_reaches_to_0():
    # Of five groups the greatest gap is never 0; its interval has to hold the truth all the same.
    draw = random.Random(7)
    missed = 0
    for _ in range(60):
        made = gap(**{name: [float(draw.random() < 0.3) for _ in range(40)] for name in "abcde"})
        assert made.value > 0
        missed += made.interval[0] > 0
    assert missed <= 7, "about 1 of 20"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"aggregate": "gap"}, "two or more"),
        ({"aggregate": "gap", "balance": ("a",)}, "two or more"),
        ({"aggregate": "bias", "balance": ("a", "b")}, "are for means"),
        ({"aggregate": "gap", "balance": ("a", "b"), "complement": True}, "are for means"),
    ],
)
def test_metrics_that_cannot_be_meant(spec, told):
    with pytest.raises(RecordError, match=told):
        MetricSpec(name="wrong", **spec)


def test_what_cut_answers_did_to_a_gap_is_not_known():
    cut = [dataclasses.replace(one, ending="cut") for one in judged([0.2, 0.4], "a")]
    whole = [dataclasses.replace(one, ending="whole") for one in judged([0.6, 0.8], "b")]
    spec = MetricSpec(name="gap", aggregate="gap", key="lean", balance=("a", "b"))
    task = Task(name="t", suite="s", kind="checks", description="", primary="gap", metrics=(spec,))
    (made,) = task_metrics(task, [*cut, *whole])
    assert (made.cuts.cut, made.cuts.bounds) == (0.5, None)


def test_the_interval_of_a_bias_is_that_of_a_difference_of_two_shares_of_one_sample():
    # By hand: Wilson's intervals of 6 and of 2 of 10 are 0.3127 to 0.8318 and 0.0567 to 0.5098; the correlation of the
    # two counts of a multinomial is -sqrt(0.6 * 0.2 / (0.4 * 0.8)) = -0.6124; MOVER puts the four distances together.
    made = bias([1] * 6 + [0] * 2 + [0.5] * 2)
    assert made.interval == pytest.approx((-0.1362, 0.7390), abs=2e-4)
    # where all that is not the one is the other, the two move against each other entirely
    made = bias([1] * 6 + [0] * 4)
    assert made.interval == pytest.approx((2 * 0.31267 - 1, 2 * 0.83182 - 1), abs=2e-4)


def test_a_bias_of_scores_between_has_the_interval_of_their_mean():
    from pytest_slm.core.metrics.means import mean_metric

    values = [0.2, 0.4, 0.9, 0.7, 0.4]
    mean, made = mean_metric("bias", values), bias(values)
    assert made.value == pytest.approx(2 * mean.value - 1)
    assert made.interval == pytest.approx(tuple(2 * end - 1 for end in mean.interval))
    assert made.stderr == pytest.approx(2 * mean.stderr)

"""How far the means of places are apart: known values, samples that lack a place, intervals that hold the truth."""

import random

import pytest

from pytest_slm.core.metrics import AGGREGATES
from pytest_slm.core.types import JudgedSample, MetricSpec, Sample, Verdict

SPEC = MetricSpec(name="spread", key="places", aggregate="spread")


def spread(lists, clusters=None):
    judged = [
        JudgedSample(
            sample=Sample(id=str(n), input="", cluster=clusters and clusters[n]),
            verdict=Verdict(value=0.0, answer="", explanation="", values={"places": scores}),
        )
        for n, scores in enumerate(lists)
    ]
    return AGGREGATES["spread"](SPEC, judged)


def test_it_is_the_greatest_mean_less_the_least():
    metric = spread([[1, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]])  # means 3/4, 1/4, 1/4
    assert (metric.value, metric.n, metric.higher_is_better) == (0.5, 4, False)
    assert metric.interval[0] == 0


def test_a_place_that_a_sample_lacks_is_left_out():
    assert spread([[1, 0, None], [1, 1], [0, 0, 1]]).value == pytest.approx(1 - 1 / 3)
    assert spread([[1], [0]]) is None  # one place is apart from nothing
    assert spread([]) is None


def test_one_sample_leaves_the_interval_unknown():
    assert spread([[1, 0]]).interval is None


def test_a_difference_without_any_variance_is_no_certainty():
    metric = spread([[1, 0]] * 20)
    assert (metric.value, metric.interval[1]) == (1, 1)
    assert 0.6 < metric.interval[0] < 1


def test_questions_of_one_passage_say_less():
    lists = [[1, 0], [1, 0], [0, 1], [1, 0], [1, 1], [0, 0]] * 4
    alone, together = spread(lists), spread(lists, [f"p{n // 8}" for n in range(24)])
    assert alone.value == together.value
    assert together.interval[1] - together.interval[0] != alone.interval[1] - alone.interval[0]


def test_the_interval_holds_the_truth_of_a_model_without_and_of_one_with_a_bias():
    generator = random.Random(5)
    for rates in ((0.25,) * 4, (0.6, 0.3, 0.3, 0.2)):
        held = 0
        for _ in range(200):
            metric = spread([[float(generator.random() < rate) for rate in rates] for _ in range(60)])
            held += metric.interval[0] <= max(rates) - min(rates) <= metric.interval[1]
        assert held >= 182  # 95 % of 200, and what chance does to that

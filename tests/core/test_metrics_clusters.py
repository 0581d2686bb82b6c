"""Metrics of whole clusters: twins that are all right, and the best of several draws."""

import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.metrics import AGGREGATES
from pytest_slm.core.statistics import mean_interval, wilson
from pytest_slm.core.types import JudgedSample, MetricSpec, Sample, Verdict

TWINS = MetricSpec(name="pairs", aggregate="twins")
BINARY = st.sampled_from([0.0, 1.0])


def clusters_of(elements, *, size):
    return st.lists(st.lists(elements, min_size=size, max_size=size), min_size=1, max_size=12)


def judged(clusters):
    return [
        JudgedSample(
            sample=Sample(id=f"{cluster}-{place}", input="", cluster=str(cluster)),
            verdict=Verdict(value=value, answer="", explanation=""),
        )
        for cluster, values in enumerate(clusters)
        for place, value in enumerate(values)
    ]


def make(spec, samples):
    return AGGREGATES[spec.aggregate](spec, samples)


def best_of(k):
    return MetricSpec(name=f"best_of_{k}", aggregate="expected_maximum", parameters={"k": k})


def test_a_pair_is_right_if_both_are():
    metric = make(TWINS, judged([(1, 1), (1, 0), (0, 0), (1, 1)]))
    assert (metric.value, metric.n, metric.interval) == (0.5, 4, wilson(2, 4))


def test_a_pair_that_is_partly_right_is_not_right():
    assert make(TWINS, judged([(1, 0.9), (1, 1)])).value == 0.5


def test_a_lone_sample_and_a_pair_that_was_scored_in_part_are_no_pairs():
    metric = make(TWINS, judged([(1,), (0, None), (1, None), (1, 1)]))
    assert (metric.value, metric.n) == (1.0, 1)
    assert make(TWINS, judged([(1,), (1, None)])) is None


def test_samples_without_a_cluster_are_no_twins_of_each_other():
    alone = [
        JudgedSample(sample=Sample(id=str(place), input=""), verdict=Verdict(value=1.0, answer="", explanation=""))
        for place in range(3)
    ]
    assert make(TWINS, alone) is None


@given(clusters_of(BINARY, size=2), st.randoms())
def test_twins_are_never_better_than_the_mean_and_have_no_order(clusters, random):
    samples = judged(clusters)
    metric = make(TWINS, samples)
    assert metric.value <= statistics.fmean(value for values in clusters for value in values)
    assert 0 <= metric.interval[0] <= metric.value <= metric.interval[1] <= 1
    assert make(TWINS, random.sample(samples, len(samples))) == metric


def test_the_best_of_two_by_hand():
    # of 0, 0.5, 1 there are three pairs, with the maxima 0.5, 1, 1
    metric = make(best_of(2), judged([(0, 0.5, 1)]))
    assert (metric.value, metric.n, metric.interval) == (pytest.approx(2.5 / 3), 1, None)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.integers(1, 7))
def test_it_is_the_mean_over_all_draws(values, k):
    metric = make(best_of(k), judged([values]))
    if k > len(values):
        assert metric is None
    else:
        draws = [max(chosen) for chosen in itertools.combinations(values, k)]
        assert metric.value == pytest.approx(statistics.fmean(draws), abs=1e-12)


@given(clusters_of(BINARY, size=6), st.integers(1, 6))
def test_right_or_wrong_it_is_pass_at_k(clusters, k):
    def unbiased(n, c):  # as in the paper: 1 - C(n - c, k) / C(n, k), in its form of a product
        product = 1.0
        for i in range(n - c + 1, n + 1):
            product *= 1 - k / i
        return 1.0 if n - c < k else 1 - product

    expected = statistics.fmean(unbiased(6, int(sum(values))) for values in clusters)
    assert make(best_of(k), judged(clusters)).value == pytest.approx(expected, abs=1e-12)


@given(clusters_of(st.floats(0, 1), size=5))
def test_more_draws_are_never_worse_and_one_is_the_mean(clusters):
    samples = judged(clusters)
    values = [make(best_of(k), samples).value for k in range(1, 6)]
    assert all(one <= other + 1e-12 for one, other in itertools.pairwise(values))
    assert values[0] == pytest.approx(statistics.fmean(map(statistics.fmean, clusters)), abs=1e-12)
    assert values[-1] == pytest.approx(statistics.fmean(map(max, clusters)), abs=1e-12)


@given(clusters_of(st.floats(0, 1), size=4), st.randoms())
def test_the_best_is_in_its_interval_whatever_the_order(clusters, random):
    samples = judged(clusters)
    metric = make(best_of(2), samples)
    if metric.interval is not None:
        assert 0 <= metric.interval[0] <= metric.value <= metric.interval[1] <= 1
    again = make(best_of(2), random.sample(samples, len(samples)))
    assert again.value == pytest.approx(metric.value, abs=1e-12)


def test_the_doubt_of_the_best_is_that_between_clusters():
    clusters = [(0, 1), (0.5, 0.5), (0.2, 0.1)]
    metric = make(best_of(2), judged(clusters))
    assert metric.interval == pytest.approx((max(0, mean_interval([1, 0.5, 0.2])[0]), 1))
    assert metric.n == 3

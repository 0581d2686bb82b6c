"""How sure a model was beside whether it was right: area under the curve, Brier score, calibration error."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.metrics import AGGREGATES
from pytest_slm.core.types import JudgedSample, MetricSpec, Sample, Verdict

# few different confidences: many ties
ROWS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]) | st.floats(0, 1), st.booleans()), min_size=1)


def judged(rows, clusters=None):
    """(confidence, right) as samples with their verdicts."""
    return [
        JudgedSample(
            sample=Sample(id=str(place), input="", cluster=clusters and clusters[place]),
            verdict=Verdict(value=float(right), answer="", explanation="", confidence=confidence),
        )
        for place, (confidence, right) in enumerate(rows)
    ]


def make(aggregate, samples, **parameters):
    return AGGREGATES[aggregate](MetricSpec(name=aggregate, aggregate=aggregate, parameters=parameters), samples)


@pytest.mark.parametrize("aggregate", ["auroc", "brier", "calibration_error"])
def test_what_has_no_score_or_no_confidence_is_left_out(aggregate):
    rows = [(0.2, False), (0.9, True), (0.4, True), (0.5, False)]
    missing = [
        JudgedSample(
            sample=Sample(id=f"x{place}", input=""),
            verdict=Verdict(value=value, answer="", explanation="", confidence=confidence),
        )
        for place, (value, confidence) in enumerate([(None, 0.5), (1.0, None), (None, None)])
    ]
    assert make(aggregate, judged(rows) + missing) == make(aggregate, judged(rows))
    assert make(aggregate, missing) is None


@pytest.mark.parametrize("aggregate", ["auroc", "brier", "calibration_error"])
@given(rows=ROWS, random=st.randoms())
def test_the_value_is_in_its_interval_and_has_no_order(aggregate, rows, random):
    metric = make(aggregate, judged(rows))
    again = make(aggregate, judged(random.sample(rows, len(rows))))
    if metric is None:
        assert again is None
        return
    assert again.value == pytest.approx(metric.value, abs=1e-12)
    assert metric.higher_is_better == (aggregate == "auroc")
    if metric.interval is not None:
        assert 0 <= metric.interval[0] <= metric.value <= metric.interval[1] <= 1
        assert again.interval == pytest.approx(metric.interval, abs=1e-9)


# -- the area under the curve ---------------------------------------------------------------------------------------


@given(ROWS)
def test_the_area_is_what_counting_all_pairs_gives(rows):
    right, wrong = [c for c, r in rows if r], [c for c, r in rows if not r]
    metric = make("auroc", judged(rows))
    if not right or not wrong:
        assert metric is None
    else:
        pairs = [(one > other) + (one == other) / 2 for one in right for other in wrong]
        assert metric.value == pytest.approx(statistics.fmean(pairs), abs=1e-12)


@given(ROWS)
def test_turned_confidence_is_the_turned_area(rows):
    metric, turned = (make("auroc", judged(r)) for r in (rows, [(1 - confidence, right) for confidence, right in rows]))
    if metric is not None and len({c for c, _ in rows}) == len({1 - c for c, _ in rows}):
        assert turned.value == pytest.approx(1 - metric.value, abs=1e-12)
        assert turned.interval == pytest.approx((1 - metric.interval[1], 1 - metric.interval[0]), abs=1e-9)


def test_the_error_is_that_of_delong_by_hand():
    # right: 0.9, 0.6, 0.4; wrong: 0.5, 0.3
    metric = make("auroc", judged([(0.9, True), (0.6, True), (0.4, True), (0.5, False), (0.3, False)]))
    assert metric.value == pytest.approx(5 / 6)
    of_right, of_wrong = [1, 1, 0.5], [2 / 3, 1]
    variance = statistics.variance(of_right) / 3 + statistics.variance(of_wrong) / 2
    assert metric.stderr == pytest.approx(math.sqrt(variance))


def test_the_bounds_are_1_96_errors_of_hanley_and_mcneil_away():
    metric = make("auroc", judged([(0.9, True), (0.6, True), (0.4, True), (0.5, False), (0.3, False)]))
    for bound in metric.interval:
        shape = 1 + 1.5 * (1 - bound) / (2 - bound) + 1.5 * bound / (1 + bound)
        error = math.sqrt(bound * (1 - bound) * shape / 6)
        assert abs(bound - 5 / 6) == pytest.approx(1.959964 * error, abs=1e-6)


def test_all_right_answers_surer_is_no_certainty():
    metric = make("auroc", judged([(0.9, True)] * 5 + [(0.1, False)] * 5))
    assert metric.value == 1
    assert metric.interval[0] < 0.85
    assert metric.interval[1] == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=4, max_size=20), st.integers(2, 3))
def test_copies_of_an_answer_bring_no_certainty(rows, times):
    once = make("auroc", judged(rows))
    clusters = [str(place) for place in range(len(rows)) for _ in range(times)]
    again = make("auroc", judged([row for row in rows for _ in range(times)], clusters))
    assert (once is None) == (again is None)
    if once is not None and once.stderr is not None:
        assert again.stderr == pytest.approx(once.stderr, abs=1e-9)
        assert again.interval[1] - again.interval[0] > 0


def test_the_interval_of_copies_is_no_narrower_than_that_of_the_answers():
    rows = [(0.9, True), (0.6, True), (0.4, True), (0.7, True), (0.5, False), (0.3, False), (0.65, False)]
    once = make("auroc", judged(rows))
    clusters = [str(place) for place in range(len(rows)) for _ in range(4)]
    again = make("auroc", judged([row for row in rows for _ in range(4)], clusters))
    alone = make("auroc", judged([row for row in rows for _ in range(4)]))
    widths = [one.interval[1] - one.interval[0] for one in (once, again, alone)]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)
    assert widths[2] < 0.7 * widths[1]


def test_one_cluster_has_no_interval():
    rows = [(0.9, True), (0.1, False)]
    assert make("auroc", judged(rows, ["a", "a"])).interval is None


# -- calibration ----------------------------------------------------------------------------------------------------


def test_the_brier_score_by_hand():
    metric = make("brier", judged([(0.8, True), (0.6, False), (1.0, True), (0.0, True)]))
    assert metric.value == pytest.approx((0.04 + 0.36 + 0 + 1) / 4)
    assert metric.n == 4


def test_half_sure_of_everything_is_a_quarter():
    assert make("brier", judged([(0.5, True), (0.5, False), (0.5, True)])).value == 0.25


def test_the_calibration_error_by_hand():
    # the bin up to 0.5: sure of 0.3 on average, right in 0 of 2; the bin beyond: sure of 0.8, right in 1 of 2
    rows = [(0.2, False), (0.4, False), (0.7, True), (0.9, False)]
    assert make("calibration_error", judged(rows), bins=2).value == pytest.approx((0.3 + 0.3) / 2)
    # in one bin the two are far apart too: sure of 0.55, right in 1 of 4
    assert make("calibration_error", judged(rows), bins=1).value == pytest.approx(0.3)


@given(ROWS, st.integers(1, 20))
def test_it_is_the_mean_over_bins_weighted_by_samples(rows, bins):
    metric = make("calibration_error", judged(rows), bins=bins)
    if len(rows) < 2:
        assert metric is None
        return
    inside = {}
    for confidence, right in rows:
        inside.setdefault(min(bins - 1, int(confidence * bins)), []).append((confidence, right))
    expected = sum(
        len(part) / len(rows) * abs(statistics.fmean(c for c, _ in part) - statistics.fmean(r for _, r in part))
        for part in inside.values()
    )
    assert metric.value == pytest.approx(expected, abs=1e-9)


def test_sure_and_right_is_in_the_last_bin_and_still_in_doubt():
    metric = make("calibration_error", judged([(1.0, True)] * 5))
    assert metric.value == 0
    assert metric.interval[0] == 0
    assert metric.interval[1] > 0.2


def test_a_calibrated_model_with_few_answers_looks_worse_than_it_is_and_its_interval_says_so():
    rng = random.Random(1)
    rows = [(confidence, rng.random() < confidence) for confidence in (rng.random() for _ in range(100))]
    metric = make("calibration_error", judged(rows))
    assert metric.value > 0.05
    assert metric.interval[0] == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=20))
def test_clusters_make_the_calibration_error_no_surer(rows):
    alone = make("calibration_error", judged(rows))
    pairs = make("calibration_error", judged(rows, [str(place // 2) for place in range(len(rows))]))
    if pairs is not None:
        assert pairs.value == alone.value
        assert pairs.interval[0] <= alone.interval[0]
        assert pairs.interval[1] >= alone.interval[1]

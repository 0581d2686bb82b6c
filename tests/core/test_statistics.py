"""Intervals against known numbers, and what must hold for all inputs."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core import statistics as ours

values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50)


@st.composite
def counts(draw):
    n = draw(st.integers(1, 10_000))
    return draw(st.integers(0, n)), n


def test_wilson_known_number():
    # Newcombe 1998, table I: 81 of 263
    low, high = ours.wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


@given(counts())
def test_wilson_holds_the_share_and_stays_within_0_and_1(pair):
    successes, n = pair
    low, high = ours.wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high  # also at 0 % and 100 %: never sure


def test_wilson_of_nothing_is_unknown():
    assert ours.wilson(0, 0) is None


def test_wilson_refuses_more_successes_than_trials():
    with pytest.raises(ValueError, match="3 successes out of 2"):
        ours.wilson(3, 2)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 10, 30, 99, 1000])
@pytest.mark.parametrize("p", [0.6, 0.9, 0.975, 0.995, 0.9999, 0.025])
def test_t_quantile_is_scipys(df, p):
    scipy_stats = pytest.importorskip("scipy.stats")
    assert ours.t_quantile(p, df) == pytest.approx(scipy_stats.t.ppf(p, df), rel=1e-9)


def test_t_quantile_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match="no t quantile"):
        ours.t_quantile(1.0, 3)


def test_one_value_says_nothing_about_its_spread():
    assert ours.mean_interval([3.0]) is None
    assert ours.median_interval([3.0]) is None
    assert ours.coefficient_of_variation([3.0]) is None


@given(values)
def test_the_mean_is_in_its_interval(data):
    low, high = ours.mean_interval(data)
    centre = statistics.fmean(data)
    assert low <= centre <= high or math.isclose(low, high, abs_tol=1e-6)


@given(values, st.floats(0.5, 10))
def test_scaling_the_values_scales_the_interval(data, factor):
    low, high = ours.mean_interval(data)
    scaled = ours.mean_interval([value * factor for value in data])
    assert scaled == pytest.approx((low * factor, high * factor), rel=1e-6, abs=1e-6)


@given(st.permutations([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]))
def test_order_does_not_matter(data):
    assert ours.median_interval(data) == ours.median_interval(sorted(data))
    assert ours.percentile(data, 0.5) == 8.0


def test_median_interval_needs_six_values():
    # the range of five covers 93.75 %, of six 96.9 %
    assert ours.median_interval([1, 2, 3, 4, 5]) is None
    assert ours.median_interval([1, 2, 3, 4, 5, 6]) == (1, 6)


def test_median_interval_narrows_with_n():
    # Conover 1999: for n = 20 the 95 % interval is from the 6th to the 15th value
    assert ours.median_interval(list(range(1, 21))) == (6, 15)


@given(values)
def test_percentile_is_numpys(data):
    numpy = pytest.importorskip("numpy")
    for q in (0.0, 0.5, 0.95, 1.0):
        assert ours.percentile(data, q) == pytest.approx(float(numpy.quantile(data, q)), rel=1e-9, abs=1e-9)


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5))
def test_combining_one_part_changes_nothing(value, below, above):
    got, interval = ours.combine([(1.0, value, (value - below, value + above))])
    assert got == pytest.approx(value)
    assert interval == pytest.approx((value - below, value + above))


def test_averaging_halves_the_doubt_of_four_equal_parts():
    _, interval = ours.combine([(0.25, 0.5, (0.4, 0.6))] * 4)
    assert interval == pytest.approx((0.45, 0.55))


def test_an_unknown_part_makes_the_whole_unknown():
    assert ours.combine([(0.5, 1.0, (0.9, 1.0)), (0.5, 1.0, None)]) == (1.0, None)


def test_a_part_without_weight_does_not_matter():
    assert ours.combine([(1.0, 0.5, (0.4, 0.6)), (0.0, 9.0, None)])[1] == pytest.approx((0.4, 0.6))


def test_spread_of_known_values():
    assert ours.coefficient_of_variation([1.0, 2.0, 3.0]) == pytest.approx(0.5)
    assert ours.coefficient_of_variation([-1.0, 1.0]) is None
    assert ours.median([3.0, 1.0, 2.0]) == 2.0


# -- clusters -----------------------------------------------------------------------------------------------------


@st.composite
def clustered(draw, elements=None):
    """Values and the cluster of each."""
    elements = st.floats(-1e3, 1e3) if elements is None else elements
    pairs = draw(st.lists(st.tuples(elements, st.integers(0, 8)), min_size=2, max_size=40))
    return [value for value, _ in pairs], [cluster for _, cluster in pairs]


SHARES = clustered(st.sampled_from([0.0, 1.0]))


@given(values)
def test_clusters_of_one_give_the_usual_standard_error(data):
    usual = statistics.stdev(data) / math.sqrt(len(data))
    rounding = 1e-9 * max(1e-100, *map(abs, data))
    assert ours.standard_error(data, range(len(data))) == pytest.approx(usual, abs=rounding)


@given(clustered())
def test_the_clustered_standard_error_is_that_of_numpys_sums(pair):
    data, clusters = pair
    names = sorted(set(clusters))
    if len(names) < 2:
        assert ours.standard_error(data, clusters) is None
        return
    residuals = np.asarray(data) - np.mean(data)
    sums = np.array([residuals[np.asarray(clusters) == name].sum() for name in names])
    expected = np.sqrt((sums**2).sum() * len(names) / (len(names) - 1)) / len(data)
    assert ours.standard_error(data, clusters) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=20), st.integers(2, 5))
def test_copies_of_a_value_bring_no_certainty(data, copies):
    # n questions asked k times over each know as much as n questions.
    many = [value for value in data for _ in range(copies)]
    clusters = [place for place in range(len(data)) for _ in range(copies)]
    once = ours.standard_error(data, range(len(data)))
    assert ours.standard_error(many, clusters) == pytest.approx(once, abs=1e-12)


@given(SHARES)
def test_the_clustered_interval_holds_the_share_and_is_never_sure(pair):
    data, clusters = pair
    interval = ours.clustered_wilson(data, clusters)
    if len(set(clusters)) == 1:
        assert interval is None
    else:
        assert 0 <= interval[0] <= statistics.fmean(data) <= interval[1] <= 1
        assert interval[0] < interval[1]


@given(SHARES)
def test_the_clustered_interval_is_never_narrower_than_that_of_independent_values(pair):
    data, clusters = pair
    interval, independent = ours.clustered_wilson(data, clusters), ours.wilson(sum(data), len(data))
    if interval is not None:
        assert interval[1] - interval[0] >= (independent[1] - independent[0]) * (1 - 1e-12)


@given(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=50))
def test_without_clusters_it_is_wilsons_interval(data):
    assert ours.clustered_wilson(data, range(len(data))) == ours.wilson(sum(data), len(data))


def test_a_known_design_effect():
    # Four clusters of five equal values, half of them 1: the effect is (0.25 / 3) / (0.25 / 19) = 19 / 3.
    data, clusters = [1] * 10 + [0] * 10, [place // 5 for place in range(20)]
    assert ours.standard_error(data, clusters) == pytest.approx(math.sqrt(0.25 / 3))
    z, n = ours.t_quantile(0.975, 3), 20 * 3 / 19
    half = z / (1 + z * z / n) * math.sqrt(0.25 / n + z * z / (4 * n * n))
    assert ours.clustered_wilson(data, clusters) == pytest.approx((0.5 - half, 0.5 + half))


def test_clusters_must_fit_their_values():
    with pytest.raises(ValueError, match="2 values, but 1 clusters"):
        ours.standard_error([1, 0], ["a"])
    with pytest.raises(ValueError, match="0 or 1"):
        ours.clustered_wilson([0.5, 1], ["a", "b"])


@pytest.mark.parametrize("factor", [2.0**-1070, 2.0**1020])
def test_variation_has_no_unit_however_large_or_small_it_is(factor):
    assert ours.coefficient_of_variation([factor * n for n in (1, 2, 3, 8)]) == ours.coefficient_of_variation(
        [1, 2, 3, 8]
    )


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (998.2, 3, "998"), (999.7, 3, "1000"), (1234.5, 3, "1234"), (12.345, 3, "12.3"), (0.0, 3, "0"),
        (12_345.6, 4, "12346"), (-1_234_567.0, 4, "-1234567"), (0.00001234, 3, "0.0000123"), (math.inf, 3, "inf"),
        (1.5e300, 3, "1.5e+300"), (5e-324, 3, "4.94e-324"),
    ],
)  # fmt: skip
def test_a_number_for_people_has_no_exponent(value, digits, text):
    assert ours.figures(value, digits) == text


@given(st.floats(1e-9, 1e14) | st.floats(-1e14, -1e-9), st.integers(1, 6))
def test_so_many_digits_of_a_number_are_its_own(value, digits):
    text = ours.figures(value, digits)
    assert "e" not in text
    assert float(text) == pytest.approx(value, rel=0.501 * 10 ** (1 - digits))

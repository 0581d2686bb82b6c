"""Numbers worked out by hand, where a property holds for wrong formulas too."""

import math

import pytest

from pytest_slm.core.comparison import ratio_interval
from pytest_slm.core.rounds import RoundRule
from pytest_slm.core.statistics import t_quantile


def test_the_interval_of_large_samples_is_made_of_the_right_two_ratios():
    # k = 40 * 30 / 2 - 1.95996 * sqrt(40 * 30 * 71 / 12) = 600 - 165.1 = 434.9, rounded down; with another 1 than the
    # one of n + m + 1 it is 433
    a, b = [2.0**n for n in range(40)], [2.0 ** (n / 50) for n in range(30)]
    ratios = sorted(y / x for x in a for y in b)
    _, interval = ratio_interval(a, b)
    assert interval == pytest.approx((ratios[433], ratios[1200 - 434]))


@pytest.mark.parametrize(("half", "enough"), [(1.9, True), (2.1, False)])
def test_precise_is_a_share_of_the_median_and_no_amount(half, enough):
    values = [100 - half, 100 - half, 100, 100, 100, 100 + half, 100 + half]
    assert RoundRule(budget_s=10).precise(values) is enough


@pytest.mark.parametrize(("p", "df"), [(-0.1, 3), (0.0, 3), (1.0, 3), (1.1, 3), (0.5, 0)])
def test_no_quantile_of_what_is_no_probability(p, df):
    with pytest.raises(ValueError, match="no t quantile"):
        t_quantile(p, df)


def test_the_median_is_at_0_whatever_the_degrees_of_freedom():
    assert [t_quantile(0.5, df) for df in (1, 7)] == [0.0, 0.0]
    assert t_quantile(0.75, 1) == pytest.approx(math.tan(math.pi / 4))

"""Tests and intervals: against scipy where there is one, against published numbers, and by what must hold for all."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_slm.core.comparison import holm, mann_whitney, mcnemar, paired_difference, ratio_interval, smallest_p

# Hollander and Wolfe 1999, p. 69f: permeability of the membrane at term and at 12 to 26 weeks.
TERM = (0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46)
EARLY = (1.15, 0.88, 0.90, 0.74, 1.21)

few = st.lists(st.integers(0, 12).map(float), min_size=1, max_size=7)  # few different values: many ties
speeds = st.lists(st.floats(0.01, 1000), min_size=4, max_size=9, unique=True)


def by_hand(a, b):
    """Every way to deal the values out, counted one by one."""
    both = sorted((*a, *b))
    ranks = {value: both.index(value) + (both.count(value) - 1) / 2 for value in both}
    mine = sum(ranks[value] for value in a)
    sums = [sum(ranks[value] for value in chosen) for chosen in itertools.combinations((*a, *b), len(a))]
    below, above = sum(one <= mine + 1e-9 for one in sums), sum(one >= mine - 1e-9 for one in sums)
    return min(1.0, 2 * min(below, above) / len(sums))


def test_the_published_example_has_the_published_p():
    assert mann_whitney(TERM, EARLY) == pytest.approx(0.2544, abs=5e-5)


def test_the_published_example_has_the_published_shift_and_interval():
    ratio, interval = ratio_interval([math.exp(x) for x in EARLY], [math.exp(x) for x in TERM])
    assert math.log(ratio) == pytest.approx(0.305)
    assert [math.log(bound) for bound in interval] == pytest.approx([-0.15, 0.76])


@given(few, few)
def test_p_is_what_counting_every_deal_gives_ties_included(a, b):
    assert mann_whitney(a, b) == pytest.approx(by_hand(a, b))


@given(few, few)
def test_p_does_not_depend_on_which_is_first_or_on_the_unit(a, b):
    assert mann_whitney(a, b) == mann_whitney(b, a)
    assert mann_whitney(a, b) == mann_whitney([8 * x + 1 for x in a], [8 * x + 1 for x in b])


@pytest.mark.parametrize(("n", "m"), [(6, 6), (3, 40), (30, 30)])
def test_exact_p_agrees_with_scipy(n, m):
    stats = pytest.importorskip("scipy.stats")
    rng = random.Random(n)
    a, b = [rng.gauss(0, 1) for _ in range(n)], [rng.gauss(0.5, 1) for _ in range(m)]
    assert mann_whitney(a, b) == pytest.approx(stats.mannwhitneyu(a, b, method="exact").pvalue)


@pytest.mark.parametrize("most", [9, 10_000])
def test_large_samples_agree_with_scipy_with_and_without_ties(most):
    stats = pytest.importorskip("scipy.stats")
    rng = random.Random(most)
    a, b = [rng.randint(0, most) for _ in range(50)], [rng.randint(most // 9, most) for _ in range(40)]
    assert mann_whitney(a, b) == pytest.approx(stats.mannwhitneyu(a, b, method="asymptotic").pvalue)


def test_nothing_can_be_said_of_no_rounds_and_of_equal_ones():
    assert mann_whitney([], [1.0]) == 1
    assert mann_whitney([2.0] * 50, [2.0] * 50) == 1


@given(st.integers(1, 8), st.integers(1, 8))
def test_the_least_p_is_that_of_samples_far_apart(n, m):
    assert mann_whitney(range(n), range(100, 100 + m)) == pytest.approx(smallest_p(n, m))


@given(speeds, speeds)
def test_the_interval_holds_1_unless_the_test_finds_a_difference(a, b):
    assume(not set(a) & set(b))
    # Two ratios may be equal but for rounding, or be 1 but for rounding.
    assume(min(abs(math.log(y / x)) for x in a for y in b) > 1e-9)
    _, (low, high) = ratio_interval(a, b)
    assert (low <= 1 <= high) == (mann_whitney(a, b) > 0.05)


@given(speeds, speeds, st.floats(0.01, 100))
def test_twice_as_fast_is_twice_the_ratio(a, b, factor):
    ratio, interval = ratio_interval(a, b)
    scaled, wide = ratio_interval(a, [factor * y for y in b])
    assert scaled == pytest.approx(factor * ratio)
    assert wide == pytest.approx([factor * bound for bound in interval])
    assert interval[0] <= ratio <= interval[1]


def test_three_rounds_of_each_are_too_few_for_an_interval():
    # 2 / C(6, 3) is 10 %
    assert ratio_interval((1, 2, 3), (4, 5, 6)) == (pytest.approx(2.5), None)
    assert ratio_interval((1, 2, 3, 4), (4, 5, 6, 7))[1] is not None


@pytest.mark.parametrize(("n", "truth"), [(6, 1.0), (6, 1.3), (40, 1.02)])  # 40 and 40: by the normal distribution
def test_the_interval_holds_the_true_ratio_in_95_of_100_runs(n, truth):
    rng = random.Random(n)
    held = 0
    for _ in range(400):
        a, b = ([factor * rng.lognormvariate(0, 0.1) for _ in range(n)] for factor in (1, truth))
        _, (low, high) = ratio_interval(a, b)
        held += low <= truth <= high
    assert held / 400 >= 0.92  # 3 standard errors


def test_mcnemar_is_the_binomial_test():
    stats = pytest.importorskip("scipy.stats")
    for one, other in ((59, 16), (5, 15), (1, 0), (7, 7)):
        assert mcnemar(one, other) == pytest.approx(stats.binomtest(one, one + other).pvalue)
    assert mcnemar(0, 0) == 1
    assert 0 <= mcnemar(3000, 2000) < 1e-40  # larger than any float on the way


def test_equal_answers_everywhere_still_leave_doubt():
    low, high = paired_difference(0, 0, 50)
    assert low < 0 < high


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_the_paired_interval_holds_the_difference_and_turns_with_the_sides(only_a, only_b, both):
    n = only_a + only_b + both
    assume(n)
    low, high = paired_difference(only_a, only_b, n)
    # half a question in each cell pulls towards 0, by less than the interval is wide
    assert -1 <= low <= (only_b - only_a) / n <= high <= 1
    assert paired_difference(only_b, only_a, n) == pytest.approx((-high, -low))


def test_more_discordant_questions_than_questions_is_a_mistake():
    with pytest.raises(ValueError, match="3 and 2 of 4"):
        paired_difference(3, 2, 4)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_makes_p_smaller_or_turns_the_order(p_values):
    corrected = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    assert [corrected[place] for place in order] == sorted(corrected)

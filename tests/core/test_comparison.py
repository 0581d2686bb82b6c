"""Tests and intervals: against scipy where there is one, against published numbers, and by what must hold for all."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_slm.core.comparison import (
    FLIPS,
    holm,
    mann_whitney,
    mcnemar,
    p_equivalent,
    ratio_interval,
    score_difference,
    sign_flips,
    smallest_p,
)

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


@pytest.mark.parametrize("n", [6, 12])
def test_ratios_at_the_margin_are_called_equivalent_in_5_of_100_runs_at_most(n):
    rng = random.Random(n)
    said = 0
    for _ in range(400):
        a, b = ([factor * rng.lognormvariate(0, 0.02) for _ in range(n)] for factor in (1, 1.03))
        said += p_equivalent(a, b, 0.03) <= 0.05
    assert said / 400 <= 0.08  # 3 standard errors
    assert p_equivalent([100.0, 101.0, 102.0, 103.0], [100.5, 101.5, 102.5, 103.5], 0.05) <= 0.05


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


differences = st.lists(st.integers(-8, 8).map(lambda eighths: eighths / 8), min_size=1, max_size=9)


def every_flip(values, clusters):
    """All ways to set the signs of the clusters, one by one."""
    sums = [sum(v for v, c in zip(values, clusters, strict=True) if c == name) for name in sorted(set(clusters))]
    flipped = [
        sum(s * part for s, part in zip(signs, sums, strict=True))
        for signs in itertools.product((1, -1), repeat=len(sums))
    ]
    return sum(abs(one) >= abs(sum(sums)) - 1e-9 for one in flipped) / len(flipped)


@given(differences, st.integers(1, 3))
def test_p_is_what_flipping_every_sign_gives_clusters_together(values, size):
    clusters = [place // size for place in range(len(values))]
    assert sign_flips(values, clusters) == pytest.approx(every_flip(values, clusters))


@given(st.integers(0, FLIPS // 2), st.integers(0, FLIPS // 2), st.integers(0, 20))
def test_right_or_wrong_it_is_mcnemars_test(only_a, only_b, both):
    values = [-1.0] * only_a + [1.0] * only_b + [0.0] * both
    assert sign_flips(values, range(len(values))) == pytest.approx(mcnemar(only_a, only_b))


@pytest.mark.parametrize(("only_a", "only_b"), [(6, 9), (3, 17), (20, 31), (200, 260), (900, 1100)])
def test_beyond_it_is_the_mid_p_value_of_mcnemars_test(only_a, only_b):
    n = only_a + only_b
    mid = mcnemar(only_a, only_b) - math.comb(n, only_a) / 2**n
    p = sign_flips([-1.0] * only_a + [1.0] * only_b, range(n))
    assert mid == pytest.approx(p, rel=0.2, abs=0.01)
    assert p < mcnemar(only_a, only_b)


def test_the_approximation_takes_over_where_the_exact_test_ends():
    # 13 differences: all 8,192 ways against the formula, in the middle and in the tail
    rng = random.Random(3)
    for shift in (0.0, 0.2, 0.4, 0.6):
        values = [rng.uniform(-1, 1) + shift for _ in range(FLIPS + 1)]
        exact = every_flip(values, range(len(values)))
        assert sign_flips(values, range(len(values))) == pytest.approx(exact, rel=0.15)


def test_all_on_one_side_is_one_way_in_many():
    assert sign_flips([0.25] * 40, range(40)) == 2.0**-39
    assert sign_flips([0.25] * 5000, range(5000)) == 0.0  # less than a float can say


def test_no_difference_and_differences_that_cancel_are_no_evidence():
    assert sign_flips([0.0] * 9, range(9)) == 1
    assert sign_flips([0.1, 0.2, -0.3], range(3)) == 1  # 0.1 + 0.2 - 0.3 is 5.6e-17
    assert sign_flips([1.0, -1.0] * 30, ["one"] * 60) == 1


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40), st.integers(1, 3), st.randoms())
def test_p_is_a_chance_and_has_no_side_no_order_and_no_unit(values, size, rng):
    clusters = [place // size for place in range(len(values))]
    p = sign_flips(values, clusters)
    assert 0 < p <= 1
    assert sign_flips([-value for value in values], clusters) == pytest.approx(p, abs=1e-9)
    order = rng.sample(range(len(values)), len(values))
    assert sign_flips([values[i] for i in order], [clusters[i] for i in order]) == pytest.approx(p, abs=1e-6)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_right_or_wrong_it_is_bonett_and_prices_formula(only_a, only_b, both):
    n = only_a + only_b + both
    assume(n)
    share_a, share_b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    error = math.sqrt((share_a + share_b - (share_b - share_a) ** 2) / (n + 2))
    values = [-1.0] * only_a + [1.0] * only_b + [0.0] * both
    assert score_difference(values, range(n)) == (
        pytest.approx(share_b - share_a, abs=1e-12),
        pytest.approx(error),
        None,
    )


def test_clusters_that_agree_everywhere_count_as_many_as_they_are():
    (_, alone, _), (_, together, df) = (
        score_difference([0.0] * 40, [place // size for place in range(40)]) for size in (1, 4)
    )
    assert (together, df) == (pytest.approx(2 * alone), 9)


def scores_of_equals(rng, n, size):
    """Differences of two models that are equally good, question by question or passage by passage."""
    found = []
    for _ in range(n // size):
        hard = rng.gauss(0, 0.2) if size > 1 else 0.0
        for _ in range(size):
            share = rng.random()
            one, other = (min(1.0, max(0.0, share + rng.gauss(side * hard, 0.2))) for side in (0, 1))
            found.append(other - one)
    return found, [place // size for place in range(n)]


@pytest.mark.parametrize(("n", "size"), [(10, 1), (60, 1), (40, 4), (120, 4)])
def test_equal_models_differ_at_5_percent_in_5_of_100_runs(n, size):
    rng = random.Random(n)
    p_values = [sign_flips(*scores_of_equals(rng, n, size)) for _ in range(400)]
    for level in (0.05, 0.1, 0.5, 0.9):
        error = math.sqrt(level * (1 - level) / 400)
        assert sum(p <= level for p in p_values) / 400 == pytest.approx(level, abs=3.5 * error)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_makes_p_smaller_or_turns_the_order(p_values):
    corrected = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    assert [corrected[place] for place in order] == sorted(corrected)

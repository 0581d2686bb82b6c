"""What pairs can show: by what must hold for all, against known formulas, and how often each verdict is wrong."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.comparing.pairs import EXACT, Pairs

counts = st.integers(0, 40)


def binary(only_a, only_b, n):
    return Pairs(
        differences=(-1.0,) * only_a + (1.0,) * only_b + (0.0,) * (n - only_a - only_b), clusters=tuple(range(n))
    )


def tango(only_a, only_b, n, limit):
    """The score statistic of Tango 1998 for B less A above ``limit``, with the constrained estimate in closed form."""
    delta = -limit  # his difference is A less B
    b = -only_b - only_a + (2 * n - only_b + only_a) * -delta
    c = -only_a * -delta * (1 + delta)
    q = (math.sqrt(b * b - 8 * n * c) - b) / (4 * n)
    variance = n * (2 * q + -delta * (1 + delta))
    return (only_b - only_a + n * delta) / math.sqrt(variance)


@pytest.mark.parametrize(
    ("only_a", "only_b", "limit"), [(40, 60, 0.0), (40, 60, -0.05), (90, 60, -0.05), (30, 60, 0.1)]
)
def test_right_or_wrong_the_score_test_is_near_tangos(only_a, only_b, limit):
    z = tango(only_a, only_b, 1000, limit)
    p = 0.5 * math.erfc(z / math.sqrt(2))
    assert binary(only_a, only_b, 1000).beyond(limit) == pytest.approx(p, rel=0.25, abs=0.003)


@given(counts, counts, counts.filter(bool), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_wider_margin_is_easier_to_keep_and_no_worse_is_one_half_of_equivalent(only_a, only_b, both, one, other):
    pairs = binary(only_a, only_b, only_a + only_b + both)
    small, large = sorted((one, other))
    assert pairs.equivalent(large) <= pairs.equivalent(small) + 1e-6
    assert pairs.equivalent(small) == max(pairs.no_worse(small), binary(only_b, only_a, pairs.n).no_worse(small))
    assert 0 <= pairs.equivalent(small) <= 1


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.integers(1, 3))
def test_what_is_said_does_not_depend_on_which_is_called_b(differences, size):
    clusters = tuple(place // size for place in range(len(differences)))
    one = Pairs(differences=tuple(differences), clusters=clusters)
    other = Pairs(differences=tuple(-value for value in differences), clusters=clusters)
    assert one.p == pytest.approx(other.p, abs=1e-6)
    assert one.equivalent(0.1) == pytest.approx(other.equivalent(0.1), abs=1e-6)
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert one.detectable(0.05) == other.detectable(0.05)


def test_one_passage_says_nothing_about_others():
    pairs = Pairs(differences=(0.5,) * 9, clusters=("one",) * 9)
    assert (pairs.interval, pairs.equivalent(0.9), pairs.detectable(0.05)) == ((-1, 1), 1, None)


def test_clusters_make_less_sure():
    values = tuple(random.Random(1).choice((0.0, 0.0, 0.0, 1.0, -1.0)) for _ in range(200))
    alone, together = (Pairs(differences=values, clusters=tuple(p // s for p in range(200))) for s in (1, 10))
    repeated = Pairs(differences=tuple(value for value in values[:20] for _ in range(10)), clusters=together.clusters)
    assert alone.equivalent(0.2) < repeated.equivalent(0.2)
    assert alone.detectable(0.05) < repeated.detectable(0.05)


def test_five_questions_show_nothing_and_six_only_the_most():
    # 2 / 2^5 is 6 %
    assert binary(0, 0, 5).detectable(0.05) is None
    assert binary(0, 0, 6).detectable(0.05) > 0.9
    assert binary(0, 0, 6).detectable(0.05 / 10) is None


@pytest.mark.parametrize(("only_a", "only_b", "n"), [(0, 0, 50), (3, 1, 60), (8, 8, 100), (40, 20, 300), (0, 30, 400)])
def test_more_questions_and_fewer_tests_show_smaller_differences(only_a, only_b, n):
    few, many = (binary(k * only_a, k * only_b, k * n) for k in (1, 4))
    assert many.detectable(0.05) <= few.detectable(0.05) + 1e-3
    assert few.detectable(0.05) <= few.detectable(0.005)


def drawn(rng, n, apart, difference):
    """Answers of two models that differ in a share ``apart`` of the questions, B less A by ``difference``."""
    weights = ((apart - difference) / 2, (apart + difference) / 2, 1 - apart)
    marks = rng.choices((-1.0, 1.0, 0.0), weights, k=n)
    return binary(marks.count(-1.0), marks.count(1.0), n)


@pytest.mark.parametrize(("n", "apart"), [(20, 0.0), (100, 0.2), (100, 0.02), (300, 0.3), (1000, 0.1)])
def test_a_detectable_difference_is_found_in_four_of_five_cases(n, apart):
    assert (n * apart > EXACT) == (n >= 300)
    half = round(n * apart / 2)
    detectable = binary(half, half, n).detectable(0.05)
    rng = random.Random(n)
    found = sum(drawn(rng, n, max(apart, detectable), detectable).p <= 0.05 for _ in range(600))
    assert found / 600 == pytest.approx(0.8, abs=0.06)


def skewed(rng, n, rare):
    """A is a little better nearly always, and B much better now and then: the means are equal."""
    return [1 - rare if rng.random() < rare else -rare for _ in range(n)]


def partly(rng, n):
    return [rng.betavariate(2, 5) - rng.betavariate(2, 5) for _ in range(n)]


def passages(rng, n):
    hard = [rng.gauss(0, 0.15) for _ in range(n // 5)]
    return [max(-1.0, min(1.0, hard[place // 5] + rng.gauss(0, 0.2))) for place in range(n)]


NULLS = {
    "sharp": lambda rng, n: rng.choices((-1.0, 1.0, 0.0), (0.1, 0.1, 0.8), k=n),
    "halves": lambda rng, n: rng.choices((-0.5, 0.5, 0.0), (0.15, 0.15, 0.7), k=n),
    "partly": partly,
    "skewed": lambda rng, n: skewed(rng, n, 0.05),
    "other side": lambda rng, n: [-value for value in skewed(rng, n, 0.05)],
    "rare": lambda rng, n: skewed(rng, n, 0.02),
    "passages": passages,
}


def wrong(name, n, margin, runs):
    """How often each verdict is wrong: of equal models that they differ, and that their interval leaves out 0; of
    models that are ``margin`` apart that they are equivalent, and that the worse one is no worse."""
    rng = random.Random(f"{name} {n} {margin}")
    size = 5 if name == "passages" else 1
    clusters = tuple(place // size for place in range(n))
    counted = dict.fromkeys(("differ", "interval", "equivalent", "no worse"), 0)
    for _ in range(runs):
        equal = Pairs(differences=tuple(NULLS[name](rng, n)), clusters=clusters)
        low, high = equal.interval
        worse = Pairs(differences=tuple(value - margin for value in equal.differences), clusters=clusters, most=1.0)
        if name == "sharp":  # a shifted answer is no answer: draw anew
            marks = rng.choices((-1.0, 1.0, 0.0), (0.1 + margin / 2, 0.1 - margin / 2, 0.8), k=n)
            worse = Pairs(differences=tuple(marks), clusters=clusters)
        counted["differ"] += equal.p <= 0.05
        counted["interval"] += not low <= 0 <= high
        counted["equivalent"] += worse.equivalent(margin) <= 0.05
        counted["no worse"] += worse.no_worse(margin) <= 0.05
    return {what: number / runs for what, number in counted.items()}


def most(runs):
    """5 %, and three standard errors of so many runs."""
    return 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("name", NULLS)
def test_a_verdict_is_wrong_in_5_of_100_cases_at_most(name):
    found = wrong(name, 100, 0.1, runs=150)
    assert all(share <= most(150) for share in found.values()), found


@pytest.mark.nightly
@pytest.mark.parametrize("n", [10, 20, 50, 200, 500])
@pytest.mark.parametrize("name", NULLS)
def test_no_verdict_is_wrong_too_often_whatever_n_and_margin(name, n):
    for margin in (0.02, 0.05, 0.1):
        found = wrong(name, n, margin, runs=1500)
        # Bonett and Price's interval of skewed scores leaves out the truth in up to 7 of 100 cases.
        assert found.pop("interval") <= 0.07 + most(1500) - 0.05
        assert all(share <= most(1500) for share in found.values()), (margin, found)


@pytest.mark.nightly
@pytest.mark.parametrize("n", [30, 100, 400, 1500])
@pytest.mark.parametrize("spare", [1.0, 1.2, 2.0, 5.0])
@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05, 0.1])
def test_answers_that_are_right_or_wrong_are_called_equivalent_wrongly_in_5_of_100_cases(n, spare, margin):
    rng = random.Random(f"{n} {spare} {margin}")
    said = sum(drawn(rng, n, spare * margin, margin).equivalent(margin) <= 0.05 for _ in range(2000))
    assert said / 2000 <= most(2000)

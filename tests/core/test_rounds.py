"""When rounds are enough: arithmetic that holds whatever the values are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.record import RecordError
from pytest_slm.core.rounds import ROUND_LIMIT, TIME_LIMIT, RoundRule, Timing
from pytest_slm.core.statistics import median, median_interval

RULE = RoundRule(budget_s=10)
VALUES = st.lists(st.floats(0.1, 1e5), min_size=1, max_size=60)


def stops_after(rule, series, seconds):
    """(rounds, reason) when rounds with these values and times are played one by one."""
    for n in range(1, len(seconds) + 1):
        if reason := rule.stop([values[:n] for values in series], seconds[:n]):
            return n, reason
    raise AssertionError("never")


def test_equal_rounds_end_after_the_least():
    assert stops_after(RULE, [[5.0] * 40], [0.1] * 40) == (RULE.least, "interval within 2 %")


def test_rounds_that_disagree_go_on_to_the_round_limit():
    assert stops_after(RULE, [[1.0, 2.0] * 20], [0.01] * 40) == (RULE.most, ROUND_LIMIT)


def test_or_to_the_time_limit_which_the_next_round_would_pass():
    # 9 rounds of 1.1 s take 9.9 s; a tenth would end after 11 s
    assert stops_after(RULE, [[1.0, 2.0] * 20], [1.1] * 40) == (9, TIME_LIMIT)


def test_warming_up_is_part_of_the_time():
    calm_enough = [1.0, 2.0] * 4
    assert RULE.stop([calm_enough], [1.0] * 8) == ""
    assert RULE.stop([calm_enough], [1.0] * 8, 2.0) == TIME_LIMIT


def test_the_least_are_made_even_if_they_take_longer():
    assert stops_after(RULE, [[1.0, 2.0] * 20], [5.0] * 40) == (6, TIME_LIMIT)


def test_but_not_without_end():
    # four times the budget is 40 s: the third of 15 s would end after 45
    assert stops_after(RULE, [[1.0, 2.0] * 20], [15.0] * 40) == (2, TIME_LIMIT)


def test_one_round_is_always_made():
    assert RULE.stop([[]], []) == ""
    assert stops_after(RULE, [[1.0]], [1e6]) == (1, TIME_LIMIT)


def test_every_series_must_agree():
    calm, wild = [1.0] * 40, [1.0, 2.0] * 20
    assert stops_after(RULE, [calm, wild], [0.01] * 40)[1] == ROUND_LIMIT
    assert RULE.verdict([calm, wild], "")[0] == "noisy"


@given(VALUES, st.floats(1e-3, 1e3))
def test_a_scale_changes_nothing(values, factor):
    scaled = [value * factor for value in values]
    # next to the limit rounding may decide
    interval = median_interval(values)
    if interval is not None:
        centre = median(values)
        reach = max(centre - interval[0], interval[1] - centre) / centre
        if math.isclose(reach, RULE.precision, rel_tol=1e-6):
            return
    assert RULE.precise(values) == RULE.precise(scaled)


@given(VALUES, st.floats(0.001, 20))
def test_there_are_never_more_rounds_than_the_limit_and_never_none(values, seconds):
    endless = values * 30
    n, reason = stops_after(RULE, [endless], [seconds] * len(endless))
    assert 1 <= n <= RULE.most
    assert reason in ("interval within 2 %", ROUND_LIMIT, TIME_LIMIT)
    assert n * seconds <= max(RULE.patience * RULE.budget_s, seconds) + 1e-6
    if reason == "interval within 2 %":
        assert n >= RULE.least


@given(VALUES)
def test_stable_means_that_the_interval_is_narrow(values):
    verdict, reason = RULE.verdict([values], "")
    interval = median_interval(values)
    if verdict == "stable":
        assert reason == ""
        centre = median(values)
        assert centre * 0.98 - 1e-9 <= interval[0] <= interval[1] <= centre * 1.02 + 1e-9
    else:
        assert reason


@given(VALUES)
def test_what_disturbed_the_rounds_is_told_even_if_they_agree(values):
    assert RULE.verdict([values], "other programs took 1.0 cores (load)")[0] == "noisy"


@pytest.mark.parametrize(
    ("values", "disturbance", "reason"),
    [
        ([1.0] * 6, "", ""),
        ([1.0, 2.0] * 3, "", "the rounds disagree"),
        ([1.0, 2.0] * 3, "steal", "steal"),
        ([1.0] * 5, "", "5 rounds are too few to tell how far they agree"),
        ([1.0], "", "1 round is too few to tell how far it agrees with others"),
        ([1.0] * 5, "steal", "steal; 5 rounds are too few to tell how far they agree"),
    ],
)
def test_a_verdict_has_its_reason(values, disturbance, reason):
    assert RULE.verdict([values], disturbance) == ("noisy" if reason else "stable", reason)


# -- warming up ---------------------------------------------------------------------------------------------------


def test_two_windows_must_agree():
    # rounds of 2 s are windows of their own
    assert not RULE.warm([[100.0]], [2.0])
    assert not RULE.warm([[100.0, 110.0]], [2.0] * 2)
    assert RULE.warm([[100.0, 110.0, 111.0]], [2.0] * 3)


def test_short_rounds_make_windows_together():
    assert RULE.window([0.5]) == 2
    assert RULE.window([0.001]) == RULE.most_in_window
    assert RULE.window([5.0]) == RULE.window([]) == 1
    assert RULE.window([5.0, 0.5]) == 2  # the first may have been slow only because it was the first
    assert RULE.window([0.0]) == RULE.most_in_window


def test_warming_up_ends_without_agreement():
    wild = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]
    assert not RULE.warm_enough([wild[:4]], [0.1] * 4)
    assert RULE.warm_enough([wild], [0.1] * 8)  # so many rounds
    assert RULE.warm_enough([wild[:1]], [5.0])  # half of the time


@given(st.lists(st.floats(0.1, 1e3), min_size=1, max_size=20), st.floats(1e-4, 20))
def test_warming_up_takes_a_few_rounds_at_most(values, seconds):
    n = next(n for n in range(1, 21) if RULE.warm_enough([(values * 20)[:n]], [seconds] * n))
    assert 1 <= n <= RULE.most_warmups


# -- bad rules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"least": 0},
        {"least": 7, "most": 6},
        {"precision": 0.0},
        {"precision": 1.0},
        {"agreement": 0.0},
        {"budget_s": 0.0},
        {"patience": 0.5},
        {"most_in_window": 0},
        {"most_warmups": 5},
    ],
)
def test_a_rule_without_rounds_or_limits_is_refused(wrong):
    with pytest.raises(RecordError):
        RoundRule(**{"budget_s": 10.0, **wrong})


@pytest.mark.parametrize(
    ("verdict", "reason", "noise"),
    [("stable", "", ""), ("noisy", "steal", "steal"), ("noisy", "", "the rounds differ too much")],
)
def test_noise_always_has_words(verdict, reason, noise):
    timing = Timing(
        profile="user", verdict=verdict, reason=reason, rounds_reason="", warmups_agree=None, rule=RoundRule(budget_s=1)
    )
    assert timing.noise == noise
    assert Timing.from_json(timing.to_json()) == timing

"""A time budget becomes samples: everything fits, nobody gets more than others without need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.errors import UsageError
from pytest_slm.planning.allocate import Demand, allocate, total

demands = st.lists(
    st.builds(
        lambda number, fixed, sample, least, more: Demand(
            item=str(number), fixed_s=fixed, sample_s=sample, least=least, most=least + more
        ),
        st.uuids(),
        st.floats(0, 30),
        st.floats(0, 5),
        st.integers(1, 3),
        st.integers(0, 200),
    ),
    min_size=1,
    max_size=8,
)


@given(demands, st.floats(0, 2_000))
def test_what_is_chosen_fits_and_one_more_would_not(wanted, seconds):
    try:
        chosen, taken = allocate(wanted, seconds)
    except UsageError:
        assert total(wanted, 0) > seconds
        return
    assert taken <= seconds
    assert taken == pytest.approx(sum(d.fixed_s + chosen[d.item] * d.sample_s for d in wanted))
    for demand in wanted:
        assert demand.least <= chosen[demand.item] <= demand.most
    most = max(chosen.values())
    if any(chosen[d.item] < d.most for d in wanted):
        open_ = [chosen[d.item] for d in wanted if chosen[d.item] < d.most and chosen[d.item] > d.least]
        assert len(set(open_)) <= 1  # all that could have more have the same
        assert total(wanted, most + 1) > seconds or most < max(d.least for d in wanted)


@given(demands, st.floats(0, 1_000), st.floats(0, 1_000))
def test_more_time_is_never_fewer_samples(wanted, seconds, more):
    try:
        chosen, _ = allocate(wanted, seconds)
    except UsageError:
        return
    richer, _ = allocate(wanted, seconds + more)
    assert all(richer[item] >= chosen[item] for item in chosen)


def test_cheap_items_do_not_get_the_time_of_expensive_ones():
    chosen, _ = allocate(
        [Demand(item="cheap", fixed_s=0, sample_s=0.1, most=100), Demand(item="dear", fixed_s=0, sample_s=1, most=100)],
        55.0,
    )
    assert chosen == {"cheap": 50, "dear": 50}


def test_an_item_that_has_no_more_leaves_its_time_to_others():
    chosen, _ = allocate(
        [Demand(item="small", fixed_s=0, sample_s=1, most=5), Demand(item="large", fixed_s=0, sample_s=1, most=100)],
        45.0,
    )
    assert chosen == {"small": 5, "large": 40}


def test_too_little_time_names_what_would_do():
    with pytest.raises(
        UsageError, match=r"least samples of each of 2 items take about 30 s, and 10 s are left.*budget-sm"
    ):
        allocate([Demand(item="a", fixed_s=20), Demand(item="b", fixed_s=8, sample_s=1, least=2, most=9)], 10.0)


def test_items_without_samples_get_no_number():
    assert allocate([Demand(item="speed", fixed_s=3)], 10.0) == ({}, 3.0)

"""A limit is a total, shared by groups in proportion to their sizes."""

from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.kinds.questions import apportion

SIZES = st.dictionaries(st.text(max_size=3), st.integers(0, 2000), min_size=1, max_size=60)


@given(sizes=SIZES, limit=st.integers(1, 500))
def test_shares_add_up_to_the_limit_and_none_is_greater_than_its_group(sizes, limit):
    share = apportion(sizes, limit)
    assert share.keys() == sizes.keys()
    assert sum(share.values()) == min(limit, sum(sizes.values()))
    assert all(0 <= share[name] <= sizes[name] for name in sizes)


@given(sizes=SIZES, limit=st.integers(1, 500))
def test_every_group_that_has_something_gets_something_where_the_limit_allows(sizes, limit):
    share = apportion(sizes, limit)
    if limit >= len(sizes):
        assert all(share[name] >= 1 for name in sizes if sizes[name])


def test_shares_are_in_proportion():
    assert apportion({"a": 1000, "b": 3000}, 100) == {"a": 25, "b": 75}


def test_nothing_has_no_share():
    assert apportion({"a": 0}, 5) == {"a": 0}

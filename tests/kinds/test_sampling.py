"""A limit is a total, shared by groups in proportion to their sizes; what belongs together stays together."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import ModePlan
from pytest_slm.kinds.questions import apportion, stratified

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


RECORDS = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 9).map(str)), min_size=1, max_size=60)


@given(records=RECORDS, limit=st.integers(1, 70), seed=st.integers(0, 3))
def test_a_cluster_comes_whole_or_not_at_all(records, limit, seed):
    numbered = [(place, *record) for place, record in enumerate(records)]
    chosen = stratified(numbered, limit, seed, lambda one: one[1], lambda one: one[2])
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= limit
    sizes = Counter(cluster for _, _, cluster in numbered if cluster is not None)
    mine = Counter(cluster for _, _, cluster in chosen if cluster is not None)
    smallest = min([*sizes.values(), *(1 for *_, cluster in numbered if cluster is None)])
    if limit >= smallest:
        assert all(mine[cluster] == sizes[cluster] for cluster in mine)
    assert chosen  # a limit below the smallest cluster takes a part of one
    # no room is left for another one
    left = [size for cluster, size in sizes.items() if cluster not in mine]
    assert limit < smallest or all(size > limit - len(chosen) for size in left)


def test_twins_of_two_groups_are_drawn_together_and_both_groups_stay_equal():
    pairs = [(f"{number}{side}", group, str(number)) for number in range(24) for side, group in ("ah", "bx")]
    for limit in (2, 9, 20, 47):
        chosen = stratified(pairs, limit, 1234, lambda one: one[1], lambda one: one[2])
        assert Counter(group for _, group, _ in chosen) == {"h": limit // 2, "x": limit // 2}


def test_passages_of_all_sorts_and_single_questions_have_their_share():
    records = [(f"p{n}", "reading", f"p{n // 4}") for n in range(80)] + [(f"s{n}", "idiom", None) for n in range(20)]
    chosen = stratified(records, 50, 1, lambda one: one[1], lambda one: one[2])
    assert Counter(group for _, group, _ in chosen) == {"reading": 40, "idiom": 10}


@pytest.mark.parametrize(("asked", "of_the_mode", "limit"), [(20, 10, 10), (5, 10, 5), (None, 10, 10), (20, None, 20)])
def test_a_limit_lowers_what_the_mode_says_and_never_raises_it(context, checks_task, asked, of_the_mode, limit):
    task = checks_task(modes={"quick": ModePlan(limit=of_the_mode)})
    assert context(limit=asked).limit(task) == limit

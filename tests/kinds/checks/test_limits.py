"""Which samples a limit takes: so many, of every group in proportion, the same for a seed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Sample
from pytest_slm.kinds.questions import stratified
from pytest_slm.run.drive import measure


def by_group(samples, limit, seed):
    return stratified(samples, limit, seed, lambda sample: sample.parts[0])


def grouped(**sizes):
    return [
        Sample(id=f"{name}{number}", input="?", metadata={"group": name})
        for name, size in sizes.items()
        for number in range(size)
    ]


SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 40), min_size=1)


@given(SIZES, st.integers(1, 250), st.integers())
def test_a_limit_is_a_total(sizes, limit, seed):
    samples = grouped(**sizes)
    assert len(by_group(samples, limit, seed)) == min(limit, len(samples))


@given(SIZES, st.integers(1, 250), st.integers())
def test_a_choice_is_in_the_order_of_the_file_and_takes_nothing_twice(sizes, limit, seed):
    samples = grouped(**sizes)
    places = {sample.id: place for place, sample in enumerate(samples)}
    chosen = [places[sample.id] for sample in by_group(samples, limit, seed)]
    assert chosen == sorted(set(chosen))


@given(SIZES, st.integers(1, 250), st.integers())
def test_groups_are_taken_in_proportion(sizes, limit, seed):
    samples = grouped(**sizes)
    limit = min(limit, len(samples))
    exact = {name: limit * size / len(samples) for name, size in sizes.items()}
    taken = Counter(sample.metadata["group"] for sample in by_group(samples, limit, seed))
    for name, share in exact.items():
        # never more than one off, except where small groups were given their one sample at the cost of larger ones
        assert share - 1 - len(sizes) < taken[name] < share + 1 or taken[name] == 1
    if all(share >= 1 for share in exact.values()):
        assert all(abs(taken[name] - share) < 1 for name, share in exact.items())


@given(SIZES, st.integers(1, 250), st.integers())
def test_no_group_is_lost_where_the_limit_has_room_for_all(sizes, limit, seed):
    # a balanced metric without one of its groups does not exist
    taken = {sample.metadata["group"] for sample in by_group(grouped(**sizes), limit, seed)}
    assert len(taken) == len(sizes) if limit >= len(sizes) else len(taken) <= limit


@given(SIZES, st.integers(1, 250), st.integers())
def test_a_seed_decides(sizes, limit, seed):
    samples = grouped(**sizes)
    assert by_group(samples, limit, seed) == by_group(samples, limit, seed)


def test_another_seed_takes_others():
    samples = grouped(a=50, b=50)
    assert by_group(samples, 20, 1) != by_group(samples, 20, 2)


@pytest.mark.parametrize("limit", [None, 7, 100])
def test_without_a_limit_or_with_a_great_one_all_are_taken(limit):
    samples = grouped(a=4, b=3)
    assert by_group(samples, limit, 1) == samples


def test_the_users_limit_comes_before_the_tasks(checks_task, context, fake, records, capitals):
    from pytest_slm.core.types import ModePlan

    task = checks_task(capitals, modes={"quick": ModePlan(limit=5), "full": ModePlan()})
    for settings, n in (({}, 5), ({"limit": 3}, 3), ({"mode": "full"}, 20)):
        records.clear()
        assert measure(task, "", context(fake(), **settings)).n_scored == n == len(records)

"""Shards: every cell in one of them, the same for everybody, of nearly equal length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.cells.shards import UNEVEN, Shard, split
from pytest_slm.errors import UsageError

costs = st.lists(st.integers(1, 1000), min_size=1, max_size=40)


@given(costs, st.integers(1, 9), st.integers(1, 4), st.integers(0, 500))
def test_every_cell_is_in_one_shard_longest_first_whatever_the_order(values, n, models, load):
    cells = {f"c{place}": float(value) for place, value in enumerate(values)}
    groups = {cell: place % models for place, cell in enumerate(cells)}
    shards = split(cells, groups, n, load=load)
    assert len(shards) == n
    assert sorted(cell for shard in shards for cell in shard) == sorted(cells)
    assert all([cells[c] for c in shard] == sorted((cells[c] for c in shard), reverse=True) for shard in shards)
    assert split(cells, groups, n, load=load) == shards


def test_cells_of_one_model_stay_together_where_that_balances():
    cells = {(model, item): 10.0 for model in "abcd" for item in range(5)}
    shards = split(cells, {cell: cell[0] for cell in cells}, 4, load=100)
    assert [len({model for model, _ in shard}) for shard in shards] == [1, 1, 1, 1]


def test_a_long_model_is_shared_where_it_would_make_the_others_wait():
    cells = {("long", item): 10.0 for item in range(30)} | {("short", 0): 10.0}
    shards = split(cells, {cell: cell[0] for cell in cells}, 4, load=5)
    lengths = [sum(cells[cell] for cell in shard) for shard in shards]
    assert max(lengths) <= 90


def test_3_000_cells_on_20_machines_are_even_and_load_each_model_seldom():
    cells = {
        (model, q, item): 1.0 + (7 * item + model) % 50 for model in range(25) for q in range(6) for item in range(20)
    }
    groups = {cell: cell[:2] for cell in cells}
    shards = split(cells, groups, 20, load=20)
    lengths = [sum(cells[cell] for cell in shard) + 20 * len({groups[c] for c in shard}) for shard in shards]
    assert sum(lengths) / len(lengths) / max(lengths) >= 0.85
    loads = sum(len({groups[cell] for cell in shard}) for shard in shards)
    assert loads <= UNEVEN * len(set(groups.values()))


def test_more_machines_than_cells_have_nothing_to_do():
    assert sorted(map(len, split({"a": 1.0, "b": 2.0}, {"a": 0, "b": 0}, 5))) == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("2/8", {}, (1, 8)),
        ("1/1", {}, (0, 1)),
        ("env", {"SLM_SHARD_INDEX": "0", "SLM_SHARD_COUNT": "3"}, (0, 3)),
        ("env", {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "9"}, (6, 9)),
        (
            "env",
            {"SLURM_ARRAY_TASK_ID": "6", "SLURM_ARRAY_TASK_MIN": "2", "SLURM_ARRAY_TASK_STEP": "2",
             "SLURM_ARRAY_TASK_COUNT": "4"},
            (2, 4),
        ),
        ("env", {"JOB_COMPLETION_INDEX": "4", "SLM_SHARD_COUNT": "5"}, (4, 5)),
        # ours goes before that of the job that it runs in
        ("env", {"JOB_COMPLETION_INDEX": "4", "SLM_SHARD_INDEX": "1", "SLM_SHARD_COUNT": "5"}, (1, 5)),
    ],
)  # fmt: skip
def test_which_shard_it_is(text, environment, expected):
    shard = Shard.of(text, environment)
    assert (shard.index, shard.count) == expected


@pytest.mark.parametrize(
    ("text", "environment", "why"),
    [
        ("0/8", {}, "shards 1 to 8"),
        ("9/8", {}, "shards 1 to 8"),
        ("1/0", {}, "from 1 to"),
        ("2", {}, "expected I/N"),
        ("-1/3", {}, "expected I/N"),
        ("²/3", {}, "expected I/N"),
        ("env", {}, "no SLM_SHARD_INDEX"),
        ("env", {"JOB_COMPLETION_INDEX": "1"}, "does not say of how many"),
        ("env", {"SLM_SHARD_INDEX": "3", "SLM_SHARD_COUNT": "3"}, "shards 0 to 2"),
        ("env", {"SLM_SHARD_INDEX": "x", "SLM_SHARD_COUNT": "3"}, "whole number"),
        ("env", {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "3"}, "0 to 2"),
    ],
)
def test_a_shard_that_is_not_there_is_refused(text, environment, why):
    with pytest.raises(UsageError, match=why) as refused:
        Shard.of(text, environment)
    assert refused.value.slug == "shard"

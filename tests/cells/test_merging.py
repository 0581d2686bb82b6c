"""Merging is a set union that names what contradicts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.cells.merging import merge, problem_of
from pytest_slm.cells.store import read_all
from pytest_slm.core.types import Measurement
from pytest_slm.errors import ReportError


def test_a_union_whatever_the_order_and_however_often(store, stored, tmp_path):
    one, two, three = (stored(seed=seed) for seed in (1, 2, 3))
    a, b = store("a", one, two).folder, store("b", two, three).folder
    merged = merge([a, b], tmp_path / "all")
    assert (merged.cells, merged.added, merged.contradictions, problem_of(merged)) == (3, 3, [], None)
    merge([b, a], tmp_path / "other")
    files = [sorted((p.name, p.read_bytes()) for p in (tmp_path / name).rglob("*.json")) for name in ("all", "other")]
    assert files[0] == files[1]
    again = merge([a, b, tmp_path / "all"], tmp_path / "all")
    assert (again.cells, again.added) == (3, 0)


def test_one_cell_with_two_scores_is_named_with_both(store, stored, tmp_path):
    a, b = store("a", stored(0.5, "m1")).folder, store("b", stored(0.6, "m2")).folder
    merged = merge([a, b], tmp_path / "all")
    (line,) = merged.contradictions
    assert "smol core/math[Q4_0]: acc is 0.5 in" in line
    assert "(machine m1) and 0.6 in" in line
    assert problem_of(merged).slug == "cell-contradiction"


def test_times_are_no_contradiction(store, stored, tmp_path):
    def timed(value):
        one = stored(value)
        rounds = Measurement(name="acc", unit="tok/s", values=(value,))
        return replace(one, result=replace(one.result, measurements=(rounds,)))

    merged = merge([store("a", timed(0.5)).folder, store("b", timed(0.6)).folder], tmp_path / "all")
    assert merged.contradictions == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"suite_files": "c" * 64}, "suite_files"), ({"version": 2}, "version"), ({"versions": {"x": "2"}}, "versions")],
)
def test_shards_of_two_versions_are_told(store, stored, tmp_path, changes, what):
    merged = merge([store("a", stored()).folder, store("b", stored(**changes)).folder], tmp_path / "all")
    (line,) = merged.versions
    assert f"with another {what}:" in line
    assert merged.cells == 2


def test_broken_files_are_left_out_and_named(store, stored, tmp_path):
    made = store("a", stored(), stored(seed=8))
    next(iter(made)).write_text("{")
    merged = merge([made.folder], tmp_path / "all")
    assert (merged.cells, len(merged.broken)) == (1, 1)
    assert len(read_all(tmp_path / "all")[0]) == 1


def test_a_store_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ReportError, match="no such folder"):
        merge([tmp_path / "nowhere"], tmp_path / "all")

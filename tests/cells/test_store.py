"""A store gives back what was measured, and nothing else."""

from __future__ import annotations

import errno
import os
from dataclasses import fields, replace

import pytest

from pytest_slm.cells.cell import Cell, digest_of_folder
from pytest_slm.cells.store import CellStore, read_all, text_of
from pytest_slm.core.record import RecordError
from pytest_slm.errors import ReportError

OTHERS = {
    "weights": "c" * 64, "quantization": "Q8_0", "suite": "rag", "task": "niah", "variant": "4096", "version": 2,
    "suite_files": "d" * 64, "data": "e" * 64, "template": "f" * 64, "mode": "full", "limit": 3, "seed": 8,
    "backend": "hf", "settings": {"exact": True}, "versions": {"pytest-slm": "2"}, "schema": 2,
    "machine": "0123",
}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(Cell)])
def test_all_that_a_result_depends_on_is_in_its_hash(cell, name):
    if name == "model":  # a name: the weights say which model it is
        assert cell(model="other").key == cell().key
    else:
        assert cell(**{name: OTHERS[name]}).key != cell().key


def test_what_is_put_is_got_and_nothing_is_where_nothing_was_put(store, stored, cell):
    one = stored()
    made = store("s", one)
    assert made.get(one.cell.key) == one
    assert made.get(cell(seed=8).key) is None
    assert [path.name for path in made] == [f"{one.cell.key}.json"]


def test_errors_are_never_kept(stored):
    one = stored()
    for outcome in ("error", "skipped", "not_run"):
        with pytest.raises(RecordError, match="is not kept"):
            replace(one, result=replace(one.result, outcome=outcome, metrics=()))


def test_a_result_of_another_item_is_no_result_of_this_cell(stored):
    one = stored()
    with pytest.raises(RecordError, match="another task"):
        replace(one, result=replace(one.result, task="other"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99, 0.9999])
def test_half_a_file_is_no_result(store, stored, share):
    one = stored()
    made = store("s", one)
    path = made.path(one.cell.key)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * (len(content) - 2))])
    with pytest.raises(ReportError, match="cut or damaged"):
        made.get(one.cell.key)
    made.put(one)
    assert made.get(one.cell.key) == one


def test_a_file_that_somebody_has_changed_is_no_result(store, stored):
    one = stored()
    made = store("s", one)
    path = made.path(one.cell.key)
    path.write_text(path.read_text().replace('"value": 0.5', '"value": 0.9'))
    with pytest.raises(ReportError, match="not what was written"):
        made.get(one.cell.key)


def test_a_file_under_another_name_is_no_result(store, stored, cell):
    one, other = stored(), cell(seed=8)
    made = store("s", one)
    wrong = made.path(other.key)
    wrong.parent.mkdir(exist_ok=True)
    made.path(one.cell.key).rename(wrong)
    with pytest.raises(ReportError, match="has another hash"):
        made.get(other.key)


def test_a_file_of_another_version_is_left_alone(store, stored):
    one = stored()
    made = store("s", one)
    path = made.path(one.cell.key)
    path.write_text(path.read_text().replace('"schema": 1}', '"schema": 99}'))
    with pytest.raises(ReportError, match="another version of pytest-slm"):
        made.get(one.cell.key)


def test_a_full_disk_is_told_and_leaves_nothing_behind(stored, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "no space left")

    made = CellStore(tmp_path / "s")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportError, match="the disk is full"):
        made.put(stored())
    assert [path for path in (tmp_path / "s").rglob("*") if path.is_file()] == []


def test_all_cells_and_an_error_for_each_file_that_is_none(store, stored):
    made = store("s", stored(), stored(seed=8))
    broken = made.path("00" * 32)
    broken.parent.mkdir(exist_ok=True)
    broken.write_text("{")
    cells, errors = read_all(made.folder)
    assert (len(cells), len(errors)) == (2, 1)
    with pytest.raises(ReportError, match="no such folder"):
        read_all(made.folder / "nowhere")


def test_nothing_in_a_file_is_a_time_of_the_machine(stored):
    # so that clocks that differ by a day cannot matter, and the same result has the same bytes
    assert text_of(stored()) == text_of(stored())
    assert "2026" not in text_of(stored())


def test_a_folder_is_known_by_names_and_bytes(tmp_path):
    def digest(**files):
        folder = tmp_path / "f"
        for name, text in files.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return digest_of_folder(folder)

    first = digest(a="1", b__c="2")
    assert digest(**{".hidden": "x"}) == first
    assert digest(a="9") != first

"""Folders that are replaced as a whole: where they are, in one step, and never the one that somebody is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_slm.errors import ReportError
from pytest_slm.replacing import place_of, remove, replaced


@pytest.fixture
def served(tmp_path):
    """A folder that is served, with a page, and the link that leads there."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "index.html").write_text("old")
    (tmp_path / "public").symlink_to(folder)
    return folder


def put(place, text="new"):
    with replaced(place) as fresh:
        fresh.mkdir()
        (fresh / "index.html").write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_behind_a_link_the_folder_is_replaced_and_the_link_stays(tmp_path, served):
    put(tmp_path / "public")
    assert (served / "index.html").read_text() == "new"
    assert (tmp_path / "public").readlink() == served
    assert names(tmp_path) == ["public", "served"]


def test_a_link_to_what_is_not_there_yet_leads_to_it_then(tmp_path):
    (tmp_path / "public").symlink_to("later")
    put(tmp_path / "public")
    assert (tmp_path / "later" / "index.html").read_text() == "new"
    assert (tmp_path / "public").is_symlink()


def test_a_link_in_a_circle_is_told(tmp_path):
    (tmp_path / "public").symlink_to("public")
    with pytest.raises(ReportError, match=r"public: cannot be written"):
        put(tmp_path / "public")
    assert names(tmp_path) == ["public"]


@pytest.mark.parametrize("inside", [".", "deeper/..", "deeper/../../served", "../public", ".."])
def test_nobody_is_left_in_a_folder_that_is_gone(tmp_path, served, monkeypatch, inside):
    (served / "deeper").mkdir()
    monkeypatch.chdir(served)
    with pytest.raises(ReportError, match=r"is replaced as a whole, and you are in it.*report-write"):
        put(Path(inside))
    assert (served / "index.html").read_text() == "old"
    assert names(tmp_path) == ["public", "served"]


def test_what_is_below_or_beside_the_working_directory_is_replaced(tmp_path, served, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place_of(Path("served/.")) == place_of(Path("public")) == served
    monkeypatch.chdir(served)
    assert place_of(Path("../other")) == tmp_path / "other"


def test_a_swap_that_fails_leaves_the_old_folder(tmp_path, served):
    told = r"served: cannot be written \(No such file or directory\)"
    with pytest.raises(ReportError, match=told), replaced(served):
        pass  # nothing was made
    assert (served / "index.html").read_text() == "old"
    assert names(tmp_path) == ["public", "served"]


def test_of_what_is_left_over_a_link_goes_and_what_it_leads_to_stays(tmp_path, served):
    remove(tmp_path / "public")
    remove(tmp_path / "gone")
    assert names(tmp_path) == ["served"]
    remove(served)
    assert names(tmp_path) == []

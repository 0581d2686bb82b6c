"""Benchmark data in a folder laid out like the Hub."""

import json
import os

import pytest

from pytest_slm.errors import UsageError
from pytest_slm.runners import mirror

README = "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: test\n    path: main/test.jsonl\n---\n"


@pytest.fixture
def small(tmp_path):
    """``small("a", ["x", "y"])``: the mirror ./a with the data set org/set, whose rows are these."""

    def write(name, rows, config="main"):
        folder = tmp_path / name / "org" / "set"
        (folder / config).mkdir(parents=True, exist_ok=True)
        (folder / "README.md").write_text(README)
        (folder / config / "test.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
        return tmp_path / name

    return write


def test_a_data_set_is_found_by_its_hub_name(small):
    root = small("a", ["x"])
    found = mirror.locate(str(root), "org/set", "main")
    assert found.folder == (root / "org" / "set").resolve()
    assert len(found.sha256) == 64


def test_what_is_not_there_is_none(small):
    root = small("a", ["x"])
    assert mirror.locate(str(root), "org/other", None) is None
    assert mirror.locate(str(root), "org/set/README.md", None) is None  # a file is no data set


def test_without_a_mirror_nothing_is_found():
    assert mirror.locate(None, "org/set", None) is None


def test_a_mirror_that_does_not_exist_is_the_users_mistake(tmp_path):
    with pytest.raises(UsageError, match=r"--slm-data=.*nowhere: no such folder") as caught:
        mirror.locate(str(tmp_path / "nowhere"), "org/set", None)
    assert caught.value.slug == "data-missing"


@pytest.mark.parametrize("name", ["../b/org/set", "org/../../b/org/set", "{absolute}"])
def test_a_name_cannot_leave_the_mirror(small, name):
    root, outside = small("a", ["x"]), small("b", ["secret"])
    assert mirror.locate(str(root), name.format(absolute=outside / "org" / "set"), None) is None


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_cannot_leave_the_mirror(small):
    root, outside = small("a", ["x"]), small("b", ["secret"])
    (root / "org" / "link").symlink_to(outside / "org" / "set")
    assert mirror.locate(str(root), "org/link", None) is None


def test_the_hash_is_of_the_content(small):
    one = mirror.locate(str(small("a", ["x"])), "org/set", "main")
    same = mirror.locate(str(small("b", ["x"])), "org/set", "main")
    other = mirror.locate(str(small("c", ["y"])), "org/set", "main")
    assert one.sha256 == same.sha256 != other.sha256


def test_the_hash_changes_with_a_files_name(small):
    root = small("a", ["x"])
    before = mirror.locate(str(root), "org/set", "main").sha256
    (root / "org/set/main/test.jsonl").rename(root / "org/set/main/train.jsonl")
    assert mirror.locate(str(root), "org/set", "main").sha256 != before


def test_another_configuration_is_not_in_the_hash(small):
    root = small("a", ["x"])
    before = mirror.locate(str(root), "org/set", "main").sha256
    small("a", ["y"], config="other")
    assert mirror.locate(str(root), "org/set", "main").sha256 == before
    assert mirror.locate(str(root), "org/set", "other").sha256 != before


def test_the_card_is_in_the_hash(small):
    # README.md says which files are which split
    root = small("a", ["x"])
    before = mirror.locate(str(root), "org/set", "main").sha256
    (root / "org/set/README.md").write_text(README.replace("split: test", "split: train"))
    assert mirror.locate(str(root), "org/set", "main").sha256 != before


def test_locating_writes_nothing(small, tmp_path, monkeypatch):
    monkeypatch.setattr(mirror.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    found = mirror.locate(str(small("a", ["x"])), "org/set", "main")
    assert found.cache.is_relative_to(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_two_mirrors_of_one_layout_are_served_their_own_rows(small, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[lm-eval]'")
    monkeypatch.setattr(mirror.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    datasets.disable_progress_bars()

    def rows(root):
        found = mirror.locate(str(root), "org/set", "main")
        loaded = datasets.load_dataset(str(found.folder), "main", cache_dir=str(found.cache))
        return loaded["test"]["text"][:]

    one, other = small("a", ["x"]), small("b", ["y"])
    # datasets keys its cache by the folder's name and layout: in one cache, b would be served the rows of a
    assert rows(one) == ["x"]
    assert rows(other) == ["y"]
    assert rows(one) == ["x"]

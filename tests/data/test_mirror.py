"""Benchmark data in a folder laid out like the Hub."""

import json
import os

import pytest

from pytest_slm.core.config import RunConfig
from pytest_slm.data import mirror
from pytest_slm.data import rows as rows_of
from pytest_slm.errors import BackendError, UsageError

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


# -- the files that a card lists ------------------------------------------------------------------------------------


@pytest.fixture
def listed(tmp_path):
    """``listed("main/test-*", "test-1.parquet")``: what a card with that path lists, where main has these files."""
    pytest.importorskip("huggingface_hub", reason="needs pip install 'pytest-slm[hub]'")

    def list_files(pattern, *names):
        (tmp_path / "main").mkdir()
        (tmp_path / "README.md").write_text(README.replace("main/test.jsonl", pattern))
        for name in names:
            (tmp_path / "main" / name).touch()
        return rows_of.data_files(tmp_path, "main")["test"]

    return list_files


@pytest.mark.parametrize(
    ("pattern", "names", "missing"),
    [
        ("main/test-*", ["test-00000-of-00002.parquet", "test-00001-of-00002.parquet"], ()),
        ("main/test-*", ["test-00000-of-00002.parquet"], ("main/test-00001-of-00002.parquet",)),
        ("main/test-*", ["test-00001-of-00002.parquet"], ("main/test-00000-of-00002.parquet",)),
        ("main/**", ["test-00000-of-00002.parquet"], ("main/test-00001-of-00002.parquet",)),
        ("main/test-*", ["train-00000-of-00002.parquet"], ("main/test-*",)),
        ("[main/a.parquet, main/b.parquet]", ["a.parquet"], ("main/b.parquet",)),
        # a configuration of the first file only, as cards have for samples
        ("main/test-00000-of-00002.parquet", ["test-00000-of-00002.parquet"], ()),
        ("main/test-0000[01]-of-00003.parquet", [f"test-0000{n}-of-00003.parquet" for n in (0, 1)], ()),
    ],
)
def test_files_that_a_card_lists_and_that_are_not_there_are_known(listed, pattern, names, missing):
    found = listed(pattern, *names)
    assert found.missing == missing
    assert len(found.there) == (0 if missing == ("main/test-*",) else len(names))


@pytest.mark.parametrize("place", ["../outside.parquet", "{absolute}"])
def test_a_file_outside_of_the_folder_is_not_there(listed, tmp_path, place):
    outside = tmp_path.parent / "outside.parquet"
    outside.touch()
    pattern = place.format(absolute=outside)
    assert listed(pattern) == rows_of.SplitFiles(there=(), missing=(pattern,))


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_a_split_of_which_a_file_is_missing_is_an_error_that_names_it(tmp_path, ending):
    pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[lm-eval]'")
    folder = tmp_path / "org" / "set"
    (folder / "main").mkdir(parents=True)
    (folder / "README.md").write_text(README.replace("main/test.jsonl", "main/test-*"))
    rows = '{"text": "a"}\n'
    (folder / "main" / f"test-00000-of-00002.{ending}").write_text(rows)
    with pytest.raises(BackendError, match=rf"main/test-00001-of-00002\.{ending} .*not there.*data pull") as caught:
        rows_of.load("org/set", "main", ["test"], RunConfig(model="fake", data=str(tmp_path)), {})
    assert caught.value.slug == "data-broken"
    assert str(folder) in str(caught.value)


def test_another_splits_missing_file_is_no_error(tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[lm-eval]'")
    folder = tmp_path / "org" / "set"
    (folder / "main").mkdir(parents=True)
    more = "main/test.parquet\n  - split: train\n    path: main/train-*"
    (folder / "README.md").write_text(README.replace("main/test.jsonl", more))
    datasets.Dataset.from_dict({"text": ["a", "b"]}).to_parquet(folder / "main" / "test.parquet")
    rows, about = rows_of.load("org/set", "main", ["test"], RunConfig(model="fake", data=str(tmp_path)), {})
    assert rows["test"]["text"][:] == ["a", "b"]
    assert about["data_from"] == "mirror"


@pytest.mark.parametrize("head", ["configs: [", "configs: 3", "configs: [main]", "- a list"])
def test_a_card_that_cannot_be_read_is_an_error_that_names_it(tmp_path, head):
    pytest.importorskip("huggingface_hub", reason="needs pip install 'pytest-slm[hub]'")
    (tmp_path / "README.md").write_text(f"---\n{head}\n---\n")
    with pytest.raises(BackendError, match=r"README\.md: this card") as caught:
        rows_of.data_files(tmp_path, "main")
    assert caught.value.slug == "data-broken"


def test_every_data_set_of_the_mirror_is_whole(mirror):
    # its cards say of some that the Hub has more rows, or other configurations: what they list is what counts
    cards = sorted(mirror.glob("*/*/README.md"))
    found = {
        (card.parent.name, part, split): listed
        for card in cards
        for part in rows_of.configurations(card)
        for split, listed in (rows_of.data_files(card.parent, part) or {}).items()
    }
    assert len(found) >= len(cards)
    assert [name for name, listed in found.items() if listed.missing or not listed.there] == []

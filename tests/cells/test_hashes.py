"""A file that was hashed before is read again as soon as anything about it differs."""

from __future__ import annotations

import hashlib
import os

import pytest

from pytest_slm import files
from pytest_slm.cells.cell import digest_of_folder
from pytest_slm.cells.hashes import FileHashes


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror"
    (folder / "sub").mkdir(parents=True)
    for name in ("a", "sub/b"):
        (folder / name).write_text(name)
        os.utime(folder / name, (1_000, 1_000))
    return folder


@pytest.fixture
def read(mirror, tmp_path, monkeypatch):
    """The digest of the folder, and the names of the files that were read for it."""

    def digest():
        opened = []
        with monkeypatch.context() as patched:
            known = FileHashes(mirror, tmp_path / "cache")
            open_ = files.open_regular
            patched.setattr(files, "open_regular", lambda path: opened.append(path.name) or open_(path))
            found = digest_of_folder(mirror, known.sha256)
        known.save()
        return found, opened

    return digest


def test_files_are_read_once(mirror, read):
    first, opened = read()
    assert (first, opened) == (digest_of_folder(mirror), ["a", "b"])
    assert read() == (first, [])


@pytest.mark.parametrize("change", ["content", "size", "time", "inode"])
def test_whatever_differs_is_read_again(mirror, read, change):
    first, _ = read()
    path = mirror / "a"
    if change == "content":  # of the same length, and its time set back: the time of the inode tells
        path.write_text("x")
        os.utime(path, (1_000, 1_000))
    elif change == "size":
        path.write_text("xx")
    elif change == "time":
        os.utime(path, (2_000, 2_000))
    else:
        other = mirror.parent / "other"
        other.write_text("a")
        os.utime(other, (1_000, 1_000))
        other.replace(path)
    now, opened = read()
    assert opened == ["a"]
    assert now == digest_of_folder(mirror)
    assert (now == first) == (change in ("time", "inode"))


def test_what_was_just_written_is_read_again(mirror, read):
    (mirror / "a").write_text("new")  # now: it may change once more within the clock's resolution
    assert read()[1] == ["a", "b"]
    assert read()[1] == ["a"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1, "folder": 2}', '{"schema": 1}', "deep"])
def test_a_broken_cache_is_none(mirror, read, tmp_path, content):
    first, _ = read()
    (place,) = (tmp_path / "cache").iterdir()
    place.write_text("[" * 100_000 if content == "deep" else content)
    assert read() == (first, ["a", "b"])


def test_a_cache_of_another_folder_is_none(mirror, read, tmp_path):
    first, _ = read()
    (place,) = (tmp_path / "cache").iterdir()
    known = hashlib.sha256(b"other").hexdigest()
    text = place.read_text().replace(str(mirror), "/elsewhere")
    place.write_text(text.replace(hashlib.sha256(b"a").hexdigest(), known))
    assert read() == (first, ["a", "b"])


def test_a_cache_that_cannot_be_written_costs_only_time(mirror, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    known = FileHashes(mirror, tmp_path / "cache")
    assert digest_of_folder(mirror, known.sha256) == digest_of_folder(mirror)
    known.save()

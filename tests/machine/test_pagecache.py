"""Files that come from the disk again; where the file system cannot do that, it is said."""

import os

import pytest

from pytest_slm.errors import NotAvailableError
from pytest_slm.machine import pagecache


def test_what_was_dropped_is_not_in_memory(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(os.urandom(2**20))
    path.read_bytes()
    try:
        pagecache.drop(path)
    except NotAvailableError as error:
        pytest.skip(str(error))
    with path.open("rb") as file:
        assert pagecache.cached_share(file.fileno()) == 0
    path.read_bytes()
    with path.open("rb") as file:
        assert pagecache.cached_share(file.fileno()) == 1


def test_a_file_that_stays_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(pagecache, "cached_share", lambda handle: 0.5)
    path = tmp_path / "weights"
    path.write_bytes(b"x" * 10_000)
    with pytest.raises(NotAvailableError, match="50% of it stay in memory") as caught:
        pagecache.drop(path)
    assert caught.value.slug == "no-cold"


def test_a_file_system_that_does_not_tell_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(pagecache, "cached_share", lambda handle: None)
    path = tmp_path / "weights"
    path.write_bytes(b"x")
    with pytest.raises(NotAvailableError, match="does not say what is in memory"):
        pagecache.drop(path)


def test_a_system_without_the_call_is_told(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    path = tmp_path / "weights"
    path.write_bytes(b"x")
    with pytest.raises(NotAvailableError, match="this system drops no file"):
        pagecache.drop(path)

"""Files that anybody may have written: never waited for, never read beyond a limit, never followed out of a folder."""

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from pytest_slm.files import MAX_DEPTH, inside, open_regular, parse_json, read_bytes, read_json, read_text

posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices in folders are POSIX")


@pytest.fixture(autouse=True)
def _impatience():
    """A read that waits is an error, and does not hold up all other tests."""

    def waited(*_):
        raise RuntimeError("waited for a file")

    if sys.platform == "win32":
        yield
        return
    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def special(tmp_path, monkeypatch):
    """What may lie under a file's name and is none, with the word for it."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # names of sockets are short
        listening.bind("socket")
        words = {"pipe": "a pipe", "folder": "a folder", "link": "a pipe", "endless": "a device", "socket": "a socket"}
        yield {**{tmp_path / name: word for name, word in words.items()}, tmp_path / "circle": "symbolic links"}


@posix
def test_what_is_no_file_is_refused_at_once_by_its_kind(special):
    for path, word in special.items():
        with pytest.raises(OSError, match=word):
            open_regular(path)


@posix
def test_a_file_that_becomes_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    before = (tmp_path / "file").stat()
    monkeypatch.setattr(Path, "stat", lambda _path: before)
    with pytest.raises(OSError, match="a pipe"):
        open_regular(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 5_000, "", "missing"])
def test_names_that_no_file_has_are_errors_of_the_system(tmp_path, name):
    with pytest.raises(OSError, match=r"no name that|No such file|too long|a folder"):
        open_regular(f"{tmp_path}/{name}")


def test_limits_hold_by_what_is_there_and_by_what_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(OSError, match="5 bytes, and at most 4 are read"):
        read_bytes(path, 4)
    with path.open("wb") as giant:
        giant.truncate(1 << 40)  # a terabyte that takes no room
    with pytest.raises(OSError, match="at most"):
        read_bytes(path)
    with open_regular(path) as file:  # weights are large: without a limit, what is read is the reader's choice
        assert file.read(2) == b"\0\0"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="files without a size are Linux'")
def test_files_that_do_not_tell_their_size_have_a_limit_too():
    assert b"Name:" in read_bytes("/proc/self/status")
    with pytest.raises(OSError, match="at most 10"):
        read_bytes("/proc/self/status", 10)


@posix
def test_links_to_ordinary_files_are_followed(tmp_path):
    (tmp_path / "blob").write_text("é\r\n", "utf-8", newline="")
    (tmp_path / "link").symlink_to("blob")
    assert read_text(tmp_path / "link") == "é\r\n"


@posix
def test_names_stay_inside_of_their_folder(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "within").symlink_to(folder)
    for name in ("..", "../x", "a/../../x", "/etc/passwd", "out", "out/x", "a\0", "", ".", "circle/x"):
        with pytest.raises(OSError, match=r"outside of its folder|no name that"):
            inside(folder, name)
    assert inside(folder, "a/b") == folder / "a/b"
    assert inside(folder, "within/b") == folder / "within/b"
    assert inside(folder / "within", "b") == folder / "within" / "b"


# -- JSON -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested deeper"),
        ("[" * 100_000 + "]" * 100_000, "nested deeper"),
        ('{"a":' * 101 + "1" + "}" * 101, "nested deeper"),
        ("[" * 990 + "]" * 990, "nested deeper"),
        ('["\\"[", ' + "[" * 200 + "]" * 201, "nested deeper"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' stands there twice"),
        ("[NaN]", "NaN"),
        ("-Infinity", "Infinity"),
        ("1e400", "too large"),
        ("-1e99999", "too large"),
        ("9" * 400, "400 digits"),
        ("9" * 100_000, "digits"),
        ("", "Expecting value"),
        ('"' + "\\" * 3, "Invalid|Unterminated"),
        ('"' * 100_001, "Extra data"),
        (b"\xff", "utf-8"),
        ("{'a': 1}", "property name"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_json_that_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


@pytest.mark.parametrize(
    "value",
    [
        *(5e-324, 1e308, 10**307, -(2**63), True, None, "[" * 1_000, '"[' * 500 + "\\", "\u2028\x00é\ud800"),
        [[]] * 5_000,
        {"a" * 5_000: [{"b": [1.5, {"c": {}}]}] * 300},
    ],
    ids=lambda value: repr(value)[:20],
)
def test_json_that_is_extreme_and_valid_is_read_as_it_is(value):
    # what stands in strings opens nothing, and wide is not deep
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False)) == value


def test_the_greatest_depth_is_read():
    value = parse_json("[" * 50 + '{"[":' * 50 + "1" + "}" * 50 + "]" * 50)
    assert json.dumps(value).count("{") == 50
    assert MAX_DEPTH == 100


@posix
def test_documents_are_read_from_ordinary_files(tmp_path):
    (tmp_path / "file.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "file.json") == {"a": 1}
    os.mkfifo(tmp_path / "pipe.json")
    writer = threading.Thread(target=lambda: os.close(os.open(tmp_path / "pipe.json", os.O_RDWR)))
    writer.start()  # even one that is written to
    with pytest.raises(OSError, match="a pipe"):
        read_json(tmp_path / "pipe.json")
    writer.join()

"""What is kept is what was written, whole batches of it, or nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_slm.answers.store import AnswerStore, digest

KEY = "k" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers" / "core.arithmetic.jsonl"


def filled(path, *batches, key=KEY):
    store = AnswerStore(path, key, resume=False)
    for batch in batches:
        store.add(batch, {0: f"answer to {batch}"})
    return path


def again(path, key=KEY):
    return AnswerStore(path, key, resume=True)


def test_answers_come_back(path):
    store = again(filled(path, "a", "b"))
    assert store.get("a") == {0: "answer to a"}
    assert store.get("c") == {}
    assert store.notes == []


def test_without_resume_nothing_is_taken_over_and_the_old_file_goes(path):
    filled(path, "a", "b")
    fresh = AnswerStore(path, KEY, resume=False)
    assert fresh.get("a") == {}
    fresh.add("c", {0: "new"})
    assert len(path.read_bytes().splitlines()) == 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 2_000))
def test_a_file_that_was_cut_anywhere_gives_its_whole_batches(path, cut):
    path.unlink(missing_ok=True)
    content = filled(path, "a", "b", "c").read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    store = again(path)
    kept = [name for name in "abc" if store.get(name)]
    assert kept == list("abc")[: content[: max(0, len(content) - cut)].count(b"\n")]
    assert store.notes == []
    # half a line must not become the beginning of the next
    store.add("d", {0: "later"})
    assert [name for name in "abcd" if again(path).get(name)] == [*kept, "d"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_file_is_not_believed(path, data):
    path.unlink(missing_ok=True)
    content = bytearray(filled(path, "a", "b").read_bytes())
    place = data.draw(st.integers(content.index(b'"answers"') + 12, content.index(b'"check"') - 5))
    content[place] ^= 1
    path.write_bytes(content)
    store = again(path)
    assert store.get("a") == store.get("b") == {}
    assert "nothing in this file is believed" in store.notes[0]
    assert path.with_suffix(".broken").read_bytes() == bytes(content)


@pytest.mark.parametrize("line", [b"nonsense", b"[1]", b"{}", b'{"schema": 2}', b"\xff\xfe", b"[" * 100_000])
def test_a_line_that_is_none_of_ours_is_not_believed(path, line):
    filled(path, "a")
    path.write_bytes(path.read_bytes() + line + b"\n")
    store = again(path)
    assert store.get("a") == {}
    assert f"{path}:2" in store.notes[0]


def test_lines_of_another_schema_are_told_and_asked_again(path):
    filled(path, "a")
    with path.open("a") as file:
        file.write(json.dumps({"schema": 1, "batch": "b", "something": "else"}) + "\n")
    store = again(path)
    assert store.get("a") == {0: "answer to a"}
    assert store.get("b") == {}
    assert "1 lines were written by another version" in store.notes[0]


def test_another_key_gets_nothing_and_loses_nothing(path):
    filled(path, "a")
    other = again(path, "other")
    assert other.get("a") == {}
    assert "other weights" in other.notes[0]
    other.add("a", {0: "of the other"})
    assert again(path).get("a") == {0: "answer to a"}
    assert again(path, "other").get("a") == {0: "of the other"}


def test_a_batch_may_come_in_parts(path):
    store = AnswerStore(path, KEY, resume=False)
    store.add("a", {4: "four", 1: "one"})
    store.add("b", {0: "another"})
    store.add("a", {0: "zero"})
    assert again(path).get("a") == {0: "zero", 1: "one", 4: "four"}
    assert len(path.read_bytes().splitlines()) == 3


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


FULL_DISK = """
import resource, sys
from pathlib import Path
from pytest_slm.answers.store import AnswerStore
from pytest_slm.errors import ReportError
path = Path(sys.argv[1])
store = AnswerStore(path, "k" * 64, resume=False)
store.add("a", {0: "x" * 500})
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 300, resource.RLIM_INFINITY))
try:
    store.add("b", {0: "x" * 500})
except ReportError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.add("c", {0: "x" * 500})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are a thing of POSIX")
def test_a_disk_that_is_full_in_mid_line_leaves_whole_lines(path):
    path.parent.mkdir()
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{path}: cannot be written" in done.stdout
    assert "[report-write]" in done.stdout
    store = again(path)
    assert [name for name in "abc" if store.get(name)] == ["a", "c"]
    assert store.notes == []

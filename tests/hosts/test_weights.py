"""Weights that change while a model is open: nothing that was measured since then is a result."""

import json
import os
import shutil
from pathlib import Path

import pytest

from pytest_slm.core.types import Message, Request
from pytest_slm.errors import BackendError
from pytest_slm.hosts.weights import WeightFiles, WeightsInUse


def ask(text):
    return Request(messages=(Message(role="user", content=text),))


def overwritten(path):
    with path.open("r+b") as file:
        file.write(b"x")


def with_the_same_times(path):
    before = path.stat()
    overwritten(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path):
    other = path.with_suffix(".new")
    other.write_bytes(b"y" * path.stat().st_size)
    other.replace(path)


def longer(path):
    with path.open("ab") as file:
        file.write(b" ")


CHANGES = [overwritten, with_the_same_times, replaced, longer, lambda path: path.unlink()]


@pytest.fixture
def files(tmp_path):
    """Two files of weights that are open, and where they are."""
    import hashlib

    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).write_bytes(name.encode() * 10)
    hashes = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in tmp_path.iterdir())
    found = WeightFiles(str(tmp_path))
    found.opened(None, hashlib.sha256("\n".join(hashes).encode()).hexdigest())
    return found, tmp_path / "b.safetensors"


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_and_never_forgotten(files, change):
    found, path = files
    found.check()
    backup = shutil.copy(path, path.with_suffix(".bak"))
    change(path)
    with pytest.raises(BackendError, match=r"b\.safetensors was .* in this run") as caught:
        found.check()
    assert caught.value.slug == "weights-changed"
    shutil.copy(backup, path)  # what was measured in between stays unknown
    with pytest.raises(BackendError):
        found.check()


@pytest.mark.parametrize(
    "touch", [lambda path: os.link(path, path.with_suffix(".too")), lambda path: path.chmod(0o600)]
)
def test_what_writes_nothing_is_no_change(files, touch):
    found, path = files
    touch(path)
    found.check()


def put_back(path):
    content = path.read_bytes()
    overwritten(path)
    path.write_bytes(content)


@pytest.mark.parametrize("write", [put_back, lambda path: path.touch()], ids=["put back", "touched"])
def test_the_same_content_again_says_nothing_of_what_stood_there_between_two_answers(files, write):
    found, path = files
    write(path)  # a touch looks the same, and costs a run
    with pytest.raises(
        BackendError, match=r"b\.safetensors was written to in this run, and what stood in it"
    ) as caught:
        found.check()
    assert caught.value.slug == "weights-changed"


def test_a_copy_of_the_same_content_is_no_change(files):
    found, path = files
    shutil.copy(path, path.with_suffix(".new")).replace(path)
    found.check()


def test_nothing_is_read_while_nothing_changes(files, monkeypatch):
    found, path = files
    monkeypatch.setattr("pytest_slm.hosts.weights.sha256_of", lambda _: pytest.fail("read again"))
    found.check()
    path.with_name("README.md").write_text("no weights", "utf-8")
    found.check()


def test_a_change_while_they_are_opened_is_one_too(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"before")
    found = WeightFiles(str(path))
    overwritten(path)
    with pytest.raises(BackendError, match="changed while it was opened"):
        found.opened([path], "0" * 64)


def test_without_a_known_hash_size_time_and_inode_decide(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"before")
    found = WeightFiles(str(path))
    found.opened(None, None)
    os.link(path, tmp_path / "too.gguf")
    found.check()
    path.touch()
    with pytest.raises(BackendError, match="replaced or overwritten"):
        found.check()


def test_a_model_without_files_does_not_change():
    WeightFiles(None).check()


def test_answers_that_came_since_are_not_handed_over(fake_hosts):
    hosts = fake_hosts(Q={"rules": [{"contains": "slow", "action": "pause"}]})
    backend = hosts.open("Q")
    path = Path(hosts._openings["Q"]()[1].path)
    found = {}

    def progress(done, _total):
        if done:  # the first answer was computed before
            longer(path)

    with pytest.raises(BackendError) as caught:
        backend.generate([ask("a"), ask("slow"), ask("slow")], progress, found.__setitem__)
    assert caught.value.slug == "weights-changed"
    assert len(found) < 3
    with pytest.raises(BackendError):
        backend.generate([ask("a")])
    hosts.end("Q")
    with pytest.raises(BackendError, match="damaged or replaced"):  # a run has one model, in whatever processes
        hosts.open("Q").generate([ask("a")])


def test_items_that_were_measured_since_are_errors(pytester):
    script = pytester.path / "m.json"
    script.write_text(json.dumps({"text": "1"}), "utf-8")

    class Overwriting:
        """Changes the file between the first item and the second."""

        def pytest_runtest_teardown(self, item, nextitem):
            script.write_text(json.dumps({"text": "2"}), "utf-8")

    done = pytester.runpytest_inprocess(
        f"--slm-model=fake:{script}",
        "--slm-suite=core/arithmetic,core/reasoning",
        "--slm-limit=2",
        plugins=[Overwriting()],
    )
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*m.json was replaced or overwritten in this run*weights-changed*"])


def test_weights_are_read_when_their_process_is_needed_no_more(fake_hosts):
    hosts = fake_hosts(A={"text": "a"}, B={"text": "b"})
    hosts.open("A").generate([ask("x")])
    path = Path(hosts._openings["A"]()[1].path)
    content = path.read_bytes()
    overwritten(path)
    hosts.open("B")  # ends the process of A
    path.write_bytes(content)
    assert {name: problem.slug for name, problem in hosts.weights.problems().items()} == {"A": "weights-changed"}


def test_weights_of_a_process_that_died_are_read_too(fake_hosts):
    hosts = fake_hosts(Q={"rules": [{"contains": "boom", "action": "crash"}]})
    hosts.open("Q").generate([ask("x")])
    overwritten(Path(hosts._openings["Q"]()[1].path))
    with pytest.raises(BackendError):
        hosts.open("Q").generate([ask("boom")])
    assert list(hosts.weights.problems()) == ["Q"]


def test_what_nobody_has_read_is_not_known(files):
    class Interrupted(WeightFiles):
        def others(self):
            raise KeyboardInterrupt

    found, _ = files
    run = WeightsInUse()
    run.add("A", found)
    run.read("A")
    run.add("B", Interrupted(None))
    assert {name: problem.slug for name, problem in run.problems().items()} == {"B": "weights-unknown"}


def test_without_a_list_of_its_files_a_backend_s_hash_may_be_of_anything(tmp_path):
    path = tmp_path / "m.bin"
    path.write_bytes(b"before")
    found = WeightFiles(str(path))
    found.opened(None, "0" * 64)
    assert found.others() is None

"""Weights that are others at the end of a run than those that its report names: nothing of them stands as a number."""

import json
import mmap
import os
import shutil

import pytest

ONE = [("capital of France", "Paris"), ("and now", "Paris")]


class Between:
    """Does something to the model's file when an item is done: ``after`` the first, or the last."""

    def __init__(self, change, after):
        self._change, self._after, self.done = change, after, 0

    def pytest_runtest_teardown(self, item):
        self.done += 1
        if self.done == self._after:
            self._change()


@pytest.fixture
def path(pytester):
    return pytester.path / "model.json"


@pytest.fixture
def changes(path):
    """Kinds of changes; each is a call without arguments."""
    path.write_text(json.dumps({"text": "Paris"}), "utf-8")
    file = path.open("r+b")
    page = mmap.mmap(file.fileno(), 0)
    page[:1] = page[:1]  # a page that was written to before is written to again without a trace

    def mapped():
        page[:] = page[:].replace(b"Paris", b"Rome!")

    def with_its_times():
        before = path.stat()
        path.write_bytes(path.read_bytes().replace(b"Paris", b"Rome!"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def put_back():
        content = path.read_bytes()
        with_its_times()
        path.write_bytes(content)

    def replaced():
        other = path.with_suffix(".new")
        other.write_text('{"text": "Oslo!"}', "utf-8")
        other.replace(path)

    yield {
        "mapped": mapped,
        "with_its_times": with_its_times,
        "put_back": put_back,
        "replaced": replaced,
        "deleted": path.unlink,
        "touched": path.touch,
        "copied": lambda: shutil.copy(shutil.move(path, path.with_suffix(".old")), path),
    }
    page.close()
    file.close()


@pytest.fixture
def measured(session, suite, path, changes):
    """A session of two items; the outcomes in its report come back with it."""

    def run(change, after, *arguments):
        if not (path.parent / "suites").exists():
            suite(a=ONE, b=ONE)
        again = Between(changes.get(change, lambda: None), after)
        cache = ("-p", "no:cacheprovider")
        return session(f"--slm-model=fake:{path}", *cache, "--slm-run-id=r", "suites", *arguments, plugins=[again])

    return run


@pytest.mark.parametrize(
    ("change", "after"), [("mapped", 1), ("mapped", 2), ("with_its_times", 1), ("with_its_times", 2)]
)
def test_no_number_is_of_other_weights(measured, report, results, pytester, change, after):
    done = measured(change, after)
    assert done.ret != 0
    done.stdout.fnmatch_lines(["slm: *model.json was overwritten in this run*weights-changed*"])
    document = report()
    for result in results(document).values():
        assert result["outcome"] == "error"
        assert "weights-changed" in result["reason"]
        assert (result["metrics"], result["samples"]) == ([], None)  # nothing that could be scored again
    assert {test["outcome"] for test in document["tests"]} == {"error"}
    assert document["summary"]["error"] == document["summary"]["total"] == 2
    (journal,) = pytester.path.glob("reports/*/*/r/results.jsonl")
    last = {line["task"]: line["outcome"] for line in map(json.loads, journal.read_text().splitlines())}
    assert last == {"a": "error", "b": "error"}


@pytest.mark.parametrize("change", ["put_back", "replaced", "deleted", "touched", "copied", "nothing"])
def test_numbers_of_the_weights_that_were_opened_stand(measured, report, results, change):
    """An engine keeps a file that was replaced; what is asked later is refused."""
    assert measured(change, 2).ret == 0
    assert [result["outcome"] for result in results(report()).values()] == ["passed", "passed"]
    assert 0 <= report()["slm"]["harness"]["weights_s"] < report()["slm"]["harness"]["wall_s"]


def test_what_was_put_back_between_two_items_is_seen(measured, report, results):
    assert measured("put_back", 1).ret != 0
    (first, second) = results(report()).values()
    assert (first["outcome"], second["outcome"]) == ("passed", "error")
    assert "was written to in this run" in second["reason"]


def test_no_answer_of_other_weights_is_taken_over(measured, path):
    """The file comes back as it was, so that the answers of the run before would be those of this model."""
    right = path.read_bytes()
    measured("mapped", 1)
    path.write_bytes(right)
    measured("nothing", 1, "--slm-resume").stderr.fnmatch_lines(["*[[]resume-finished[]]"])


def test_a_gate_is_not_passed_by_other_weights(measured):
    done = measured("mapped", 2, "--slm-gate=geo=0.5")
    assert done.ret != 0
    done.stdout.fnmatch_lines(["slm: the gate geo was not checked: *is error*"])

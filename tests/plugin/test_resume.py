"""``--slm-resume``: a run that did not finish goes on in its own folder, and asks only what it does not know."""

import json
import subprocess
import sys

import pytest

from pytest_slm.terminal.progress import LiveLine

GOOD = [("capital of France", "Paris"), ("and now", "Paris"), ("again", "Oslo")]
BAD = [("boom", "x")]
SCRIPT = {"rules": [{"contains": "boom", "action": "error"}], "text": "Paris"}


@pytest.fixture
def answers(report, results):
    """Of the report: what became of the answers, by task."""
    return lambda: {key: item["answers"] for key, item in results(report()).items()}


def test_what_was_answered_is_taken_over(run, suite, report, results, answers, pytester):
    suite(a=GOOD, b=BAD, c=GOOD)
    run("suites", **SCRIPT).assert_outcomes(passed=2, errors=1)
    before = report()
    done = run("suites", "--slm-resume", **SCRIPT)
    done.assert_outcomes(passed=2, errors=1)
    run_id = before["slm"]["run_id"]
    done.stdout.fnmatch_lines(
        [f"slm: resuming run {run_id}", "resumed: 6 of 6 answers are from before the interruption"]
    )
    assert answers()["geo/a"] == {"asked": 3, "taken": 3, "notes": []}
    after = report()
    assert after["slm"]["run_id"] == run_id
    for task in ("geo/a", "geo/c"):
        assert results(after)[task]["metrics"] == results(before)[task]["metrics"]
    (samples,) = pytester.path.glob("reports/*/*/*/samples/geo.a.jsonl")
    assert [json.loads(line)["doc_id"] for line in samples.read_text().splitlines()] == ["0", "1", "2"]


def test_the_live_line_knows_what_was_answered_before(run, suite, monkeypatch):
    suite(a=GOOD, b=BAD)
    told = []
    monkeypatch.setattr(LiveLine, "kept", lambda self: told.append((str(self._item), self._counts)))
    run("suites", **SCRIPT)
    assert told == []
    run("suites", "--slm-resume", **SCRIPT)
    assert told == [("geo/a[scripted]", (3, 3))]


def test_another_model_under_the_same_name_is_asked_again(run, suite, answers, report, results):
    suite(a=GOOD, b=BAD)
    run("suites", **SCRIPT)
    done = run("suites", "--slm-resume", **{**SCRIPT, "text": "Oslo"})
    done.stdout.fnmatch_lines(["*other weights, another engine or another task*"])
    assert answers()["geo/a"]["taken"] == 0
    (metric,) = results(report())["geo/a"]["metrics"]
    assert metric["value"] == pytest.approx(1 / 3)  # only the third question is about Oslo


def test_a_finished_run_is_not_resumed(run, suite, pytester):
    suite(a=GOOD)
    run("suites", **SCRIPT).assert_outcomes(passed=1)
    assert not list(pytester.path.glob("reports/*/*/*/answers"))
    done = run("suites", "--slm-resume", **SCRIPT)
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["slm: nothing to resume, a new run begins"])
    assert len(list(pytester.path.glob("reports/*/*/*/report.json"))) == 2


BREAK_TWO = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if "two" in item.name:
        raise OSError("the second one breaks")
"""


def test_an_error_in_one_quantization_costs_no_answer_of_another(run, suite, results, pytester):
    suite(a=GOOD, b=GOOD)
    script = {**SCRIPT, "quantizations": ["one", "two"]}
    conftest = pytester.makeconftest(BREAK_TWO)
    run("suites", "--slm-quant=all", "-x", **script).assert_outcomes(passed=2, errors=1)
    conftest.unlink()

    def taken():
        paths = pytester.path.glob("reports/*/*/*/report.json")
        found = {path.parent.parent.name: results(json.loads(path.read_text())) for path in paths}
        return {name: [item["answers"]["taken"] for item in found[name].values()] for name in found}

    run("suites", "--slm-quant=all", "--slm-resume", **script).assert_outcomes(passed=4)
    assert taken() == {"one": [3, 3], "two": [0, 0]}
    # now all of them are complete
    assert not list(pytester.path.glob("reports/*/*/*/answers"))


def test_a_budget_goes_on_with_what_it_has_chosen(run, suite, report):
    suite(a=GOOD, b=BAD)
    script = {**SCRIPT, "vocab_size": 1000}  # without one nobody can tell how long anything takes
    run("suites", "--slm-budget=1h", **script)
    before = report()["slm"]["budget"]
    done = run("suites", "--slm-budget=1h", "--slm-resume", **script)
    done.stdout.fnmatch_lines(["slm: resuming run *", "budget: 3600 s asked, *"])
    after = report()["slm"]["budget"]
    # how long it took is another matter: that is of the session that wrote the report
    assert {**after, "took_s": 0} == {**before, "took_s": 0}


def test_other_options_are_another_run(run, suite):
    suite(a=GOOD, b=BAD)
    run("suites", **SCRIPT)
    done = run("suites", "--slm-resume", "--slm-limit=1", **SCRIPT)
    done.stdout.fnmatch_lines(["slm: run * is not finished, but it has --slm-limit None, not 1: a new run begins"])


@pytest.mark.parametrize(("first", "then"), [("on", "off"), ("off", "on")])
def test_a_run_with_the_canary_does_not_go_on_without_it(run, suite, answers, first, then):
    suite(a=GOOD, b=BAD)
    run("suites", f"--slm-canary={first}", **SCRIPT)
    for given, taken in ((then, 0), (first, 3)):
        told = run("suites", "--slm-resume", f"--slm-canary={given}", **SCRIPT).stdout.str()
        assert ("--slm-canary" in told) == (given == then)
        assert ("resumed: 3 of 3 answers" in told) == (taken == 3)


def test_a_changed_store_is_told_and_not_believed(run, suite, pytester, answers):
    suite(a=GOOD, b=BAD)
    run("suites", **SCRIPT)
    (store,) = pytester.path.glob("reports/*/*/*/answers/geo.a.jsonl")
    store.write_text(store.read_text().replace("Paris", "Delhi"))
    done = run("suites", "--slm-resume", **SCRIPT)
    done.stdout.fnmatch_lines(["*geo.a.jsonl:1: not what was written: nothing in this file is believed*"])
    assert answers()["geo/a"]["taken"] == 0


@pytest.mark.subprocess("model")
def test_workers_lose_no_answers(run, suite, answers, pytester):
    pytest.importorskip("xdist")
    suite(a=GOOD, b=BAD, c=GOOD, d=GOOD, e=GOOD)
    run("suites", "-n2", **SCRIPT).assert_outcomes(passed=4, errors=1)
    stores = sorted(path.name for path in pytester.path.glob("reports/*/*/*/answers/geo.*.jsonl"))
    assert stores == [f"geo.{name}.jsonl" for name in "acde"]
    run("suites", "-n2", "--slm-resume", **SCRIPT).assert_outcomes(passed=4, errors=1)
    found = answers()
    assert [found[f"geo/{name}"]["taken"] for name in "acde"] == [3, 3, 3, 3]


def test_without_the_option_everything_is_asked(run, suite, pytester):
    suite(a=GOOD, b=BAD)
    run("suites", **SCRIPT)
    run("suites", **SCRIPT)
    reports = [json.loads(path.read_text()) for path in pytester.path.glob("reports/*/*/*/report.json")]
    assert len(reports) == 2
    assert all(r["answers"]["taken"] == 0 for x in reports for r in x["slm"]["results"] if r["metrics"])


def test_resuming_needs_a_model(session):
    done = session("--slm-resume")
    assert done.ret == pytest.ExitCode.USAGE_ERROR


SMALL_DISK = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[2:]])
"""


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are a thing of POSIX")
def test_a_disk_that_fills_up_in_mid_run_costs_what_did_not_fit(run, suite, script, pytester, results, report):
    suite(a=GOOD, b=[(f"question {number}", "Paris") for number in range(40)])
    model = script(**SCRIPT)
    command = [sys.executable, "-c", SMALL_DISK, "6000", f"--slm-model={model}", "-p", "no:cacheprovider", "suites"]
    done = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "geo.b.jsonl: cannot be written" in done.stdout
    assert "[report-write]" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    # with room again, the run goes on: what had been written is taken over, the rest is asked
    run("suites", "--slm-resume", model=model).assert_outcomes(passed=2)
    found = results(report())
    assert found["geo/a"]["answers"] == {"asked": 3, "taken": 3, "notes": []}
    assert found["geo/b"]["answers"] == {"asked": 40, "taken": 0, "notes": []}

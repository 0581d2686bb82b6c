"""A session that is stopped or killed keeps what was measured, and says what was not run."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest


def _start(pytester, model, *more):
    """A session of its own in the background."""
    arguments = [sys.executable, "-m", "pytest", "suites", f"--slm-model={model}", "-p", "no:cacheprovider", *more]
    return subprocess.Popen(
        arguments,
        cwd=pytester.path,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_hear,
    )


def _hear():
    """Shells start what runs in the background deaf to Ctrl-C, ``nohup`` to SIGHUP, and children inherit that."""
    for name in ("SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def _wait_for_samples(pytester):
    deadline = time.monotonic() + 60
    while not any(file.stat().st_size for file in pytester.path.glob("reports/*/*/*/samples/*.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.subprocess("model")
def test_x_stops_and_what_was_not_run_is_in_the_report(run, suite, good, crash, moody, report, results):
    suite(a=crash, b=good)
    ended = run("suites", "-x", **moody)
    ended.assert_outcomes(errors=1)
    ended.stdout.fnmatch_lines(["slm: interrupted. Finished items * are kept; the same command with --slm-resume *"])
    found = results(report())
    assert (found["geo/b"]["outcome"], found["geo/b"]["seed"]) == ("not_run", report()["slm"]["seed"])
    assert report()["slm"]["seed"]
    assert report()["slm"]["interrupted"]


@pytest.mark.subprocess("model")
@pytest.mark.parametrize(
    "workers",
    [
        pytest.param([], id="alone"),
        pytest.param(["-n1"], id="xdist"),
    ],
)
def test_what_was_not_run_has_the_version_of_its_task(run, suite, good, crash, moody, report, results, workers):
    if workers:
        pytest.importorskip("xdist", reason="needs pytest-xdist")
    # with one worker the last task is not handed out before the first has failed
    suite(a=crash, b=good, c=good, d=good, e=good, more="version: 3")
    run("suites", "-x", *workers, **moody)
    last = results(report())["geo/e"]
    assert (last["outcome"], last["version"]) == ("not_run", 3)


@pytest.mark.subprocess
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_keeps_what_was_measured_and_leaves_no_process(
    pytester, suite, script, good, moody, no_orphans, report, results, how
):
    # SIGTERM is what a cancelled CI job, `docker stop` and `timeout` send
    suite(a=good, b=[("wait", "Paris")], c=good)
    child = _start(pytester, script(**moody))
    deadline = time.monotonic() + 30
    while not list(pytester.path.glob("reports/*/*/*/results.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # into the request that never ends
    os.killpg(child.pid, getattr(signal, how))  # as the terminal does: to the whole group
    assert child.wait(30) == 2
    found = results(report())
    assert found["geo/a"]["outcome"] == "passed"
    assert [found[f"geo/{name}"]["outcome"] for name in "bc"] == ["not_run", "not_run"]
    # nor does pytest-json-report's part call it passed
    assert [test["nodeid"] for test in report()["tests"]] == ["suites/geo/a.yaml::a[scripted]"]
    assert (report()["summary"]["passed"], report()["summary"]["total"]) == (1, 1)
    assert not no_orphans()


@pytest.mark.subprocess
@pytest.mark.parametrize("how", ["SIGINT", "SIGHUP"])
def test_busy_workers_leave_a_report_of_everything_planned(pytester, suite, script, no_orphans, report, results, how):
    pytest.importorskip("xdist", reason="needs pytest-xdist")
    names = "abcdef"
    suite(more="version: 3", **{name: [("slow", "Paris"), ("wait", "Paris")] for name in names})
    rules = [{"contains": "slow", "action": "pause"}, {"contains": "wait", "action": "hang"}]
    child = _start(pytester, script(text="Paris", rules=rules), "-n2")
    _wait_for_samples(pytester)
    time.sleep(0.5)  # one is in a request that never ends, the other waits for its turn
    os.killpg(child.pid, getattr(signal, how))
    assert child.wait(60) == 2
    found = results(report())
    assert {name: (one["outcome"], one["version"]) for name, one in found.items()} == {
        f"geo/{name}": ("not_run", 3) for name in names
    }
    assert report()["slm"]["interrupted"]


TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
"""


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform == "win32", reason="there are no terminals that hang up")
def test_a_terminal_that_is_closed_leaves_the_report_and_no_process(
    pytester, suite, script, good, moody, no_orphans, report, results
):
    suite(a=good, b=[("wait", "Paris")], c=good)
    ours, its = os.openpty()
    command = [sys.executable, "-c", TERMINAL, "suites", f"--slm-model={script(**moody)}", "-p", "no:cacheprovider"]
    child = subprocess.Popen(command, cwd=pytester.path, stdin=its, stdout=its, stderr=its, start_new_session=True)
    os.close(its)
    deadline = time.monotonic() + 60
    while not list(pytester.path.glob("reports/*/*/*/results.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    os.close(ours)  # every write to it is an error from now on
    assert child.wait(30) == 2
    found = results(report())
    assert [found[f"geo/{name}"]["outcome"] for name in "abc"] == ["passed", "not_run", "not_run"]
    assert not no_orphans()


@pytest.mark.subprocess
def test_even_kill_9_leaves_the_results_that_were_there(pytester, suite, script, good, moody, no_orphans):
    suite(a=good, b=[("wait", "Paris")])
    child = _start(pytester, script(**moody))
    deadline = time.monotonic() + 30
    while not (found := [path for path in pytester.path.glob("reports/*/*/*/results.jsonl") if path.stat().st_size]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.kill()
    child.wait()
    (line,) = found[0].read_text().splitlines()
    assert json.loads(line)["metrics"][0]["value"] == 1


@pytest.mark.subprocess
def test_a_run_that_is_interrupted_in_its_first_item_tells_what_answered(pytester, suite, script, report):
    # the first question is answered late, so that its answer is told with a sign of life before the second one hangs
    suite(a=[("slow", "Paris"), ("wait", "Paris")])
    rules = [{"contains": "slow", "action": "pause"}, {"contains": "wait", "action": "hang"}]
    child = _start(pytester, script(text="Paris", rules=rules))
    _wait_for_samples(pytester)
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(30) == 2
    assert report()["slm"]["backend"]["name"] == "fake"

"""passed, failed, skipped, error, not run: what makes an item which, and that every one is in the report."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

GOOD = [("Capital of France?", "Paris")]
CRASH = [("boom", "Paris")]
SCRIPT = {
    "text": "Paris",
    "rules": [
        {"contains": "boom", "action": "crash"},
        {"contains": "wait", "action": "hang"},
        {"contains": "fail", "action": "error"},
        {"contains": "wrong", "text": "London"},
    ],
}


def test_a_measured_item_passes_whatever_its_score(run, suite, report, results):
    suite(one=[("wrong", "Paris")])
    run("suites", **SCRIPT).assert_outcomes(passed=1)
    (metric,) = results(report())["geo/one"]["metrics"]
    assert (metric["name"], metric["value"], metric["n"]) == ("exact_match", 0.0, 1)
    assert metric["interval"][1] > 0.5  # one wrong answer says little


def test_a_score_below_its_gate_fails_with_value_n_interval_and_gate(run, suite, report, results):
    suite(one=[("wrong", "Paris")] * 0 + [("wrong a", "Paris"), ("right", "Paris")])
    done = run("suites", "--slm-gate=geo/one=0.9", **SCRIPT)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*exact_match 0.500 (n=2, 95 % interval * to *) is below its gate 0.9*"])
    assert "Traceback" not in done.stdout.str()
    result = results(report())["geo/one"]
    assert (result["outcome"], result["metrics"][0]["value"]) == ("failed", 0.5)


def test_a_gate_in_the_task_counts_and_the_command_line_overrides_it(run, suite):
    suite(more="gate: {metric: exact_match, limit: 0.9}", one=[("wrong", "Paris")])
    run("suites", **SCRIPT).assert_outcomes(failed=1)
    run("suites", "--slm-gate=geo=0", **SCRIPT).assert_outcomes(passed=1)


def test_a_gate_that_no_item_has_is_refused(run, suite):
    # it would never fail, and CI would believe that there is a gate
    suite(one=GOOD)
    done = run("suites", "--slm-gate=gea=0.5", **SCRIPT)
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*--slm-gate=gea*Did you mean 'geo'*"])


def test_a_gate_holds_for_items_that_k_leaves_out(run, suite):
    suite(one=GOOD, two=GOOD)
    run("suites", "--slm-gate=geo/two=0.5", "-k", "one", **SCRIPT).assert_outcomes(passed=1, deselected=1)


def test_a_gate_whose_item_was_not_measured_has_not_been_passed(run, suite):
    suite(one=GOOD)
    done = run("suites", "--slm-gate=geo=0.5", capabilities=["generate"])
    done.assert_outcomes(skipped=1)
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*the gate geo was not checked: geo/one?scripted? is skipped (*"])


def test_a_gate_on_a_speed_fails_with_the_reason(run):
    done = run("--slm-suite=performance/decode", "--slm-gate=performance/decode=0.5", text="a")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*the gate 0.5 is a share, decode_tps is in tok/s*"])


def test_a_wrong_gate_leaves_no_report(run, suite, pytester):
    suite(one=GOOD)
    run("suites", "--slm-gate=gea=0.5", **SCRIPT)
    assert not list(pytester.path.glob("reports/**/report.json"))


def test_an_item_may_be_marked_as_skipped_or_expected_to_fail(pytester, run, suite):
    pytester.makeconftest(
        """
        import pytest
        def pytest_collection_modifyitems(items):
            items[0].add_marker(pytest.mark.skip(reason="not today"))
            items[1].add_marker(pytest.mark.xfail(reason="known"))
        """
    )
    suite(one=GOOD, two=[("wrong", "Paris")])
    done = run("suites", "--slm-gate=geo/two=0.9", **SCRIPT)
    done.assert_outcomes(skipped=1, xfailed=1)


def test_without_pytest_benchmark_times_are_measured_all_the_same(run, report):
    run("--slm-suite=performance/decode", "-p", "no:benchmark", text="a").assert_outcomes(passed=1)
    speed = report()["slm"]["results"][0]["measurements"][0]
    assert len(speed["values"]) >= 6


def test_answers_that_were_cut_off_are_counted(run, suite, report, results):
    suite(one=GOOD)
    done = run("suites", text="It is well known to be Paris in the end of the day")
    assert results(report())["geo/one"]["provenance"]["answers_cut"] == 1
    done.stdout.fnmatch_lines(["geo/one*(1 cut off)*"])


def test_lf_runs_the_failed_item_again(run, suite):
    suite(one=GOOD, two=[("wrong", "Paris")])
    run("suites", "--slm-gate=geo=0.5", "-p", "cacheprovider", **SCRIPT).assert_outcomes(passed=1, failed=1)
    again = run("suites", "--slm-gate=geo=0.5", "-p", "cacheprovider", "--lf", **SCRIPT)
    again.assert_outcomes(failed=1)
    assert "two" in again.stdout.str()
    again.assert_outcomes(passed=0, failed=1)


def test_a_result_without_a_name_is_refused(pytester, run):
    pytester.makepyfile("def test_it(slm_backend, slm_result): slm_result()")
    done = run("test_a_result_without_a_name_is_refused.py")
    done.stdout.fnmatch_lines(["*slm_result needs the marker @pytest.mark.slm_task*no-identity*"])


def test_a_hand_written_test_hands_in_what_it_measured(pytester, run, report, results):
    pytester.makepyfile(
        test_mine="""
        import pytest
        from pytest_slm.core.types import Metric
        @pytest.mark.slm_task("politeness")
        def test_polite(slm_backend, slm_result):
            slm_result(metrics=[Metric(name="polite", value=0.5, n=2)], primary="polite")
        """
    )
    run("test_mine.py").assert_outcomes(passed=1)
    (result,) = results(report()).values()
    assert (result["task"], result["metrics"][0]["value"], result["kind"]) == ("politeness", 0.5, "function")


def test_an_error_of_the_engine_is_an_error_and_no_score(run, suite, report, results):
    suite(one=[("fail", "Paris")], two=GOOD)
    done = run("suites", **SCRIPT)
    done.assert_outcomes(errors=1, passed=1)
    done.stdout.fnmatch_lines(["*the script says that this fails*scripted*"])
    result = results(report())["geo/one"]
    assert (result["outcome"], result["metrics"]) == ("error", [])
    assert done.ret == 1


def test_a_model_killed_in_mid_request_is_one_error_and_the_next_item_is_measured(run, suite, report, results):
    suite(a=CRASH, b=GOOD)
    done = run("suites", **SCRIPT)
    done.assert_outcomes(errors=1, passed=1)
    done.stdout.fnmatch_lines(["*was killed (SIGKILL), peak*host-died*"])
    found = results(report())
    assert found["geo/a"]["outcome"] == "error"
    assert "SIGKILL" in found["geo/a"]["reason"]
    assert found["geo/b"]["metrics"][0]["value"] == 1


def test_a_model_that_hangs_is_one_error(run, suite, report, results):
    suite(a=[("wait", "Paris")], b=GOOD)
    run("suites", "--slm-request-timeout=3", **SCRIPT).assert_outcomes(errors=1, passed=1)
    assert "--slm-request-timeout" in results(report())["geo/a"]["reason"]


def test_samples_before_the_crash_are_kept(run, suite, pytester):
    # chunks of 8: the crash in the second chunk loses the second only
    suite(a=[(f"question {n}", "Paris") for n in range(8)] + CRASH)
    run("suites", **SCRIPT).assert_outcomes(errors=1)
    (path,) = pytester.path.glob("reports/fake/scripted/*/samples/geo.a.jsonl")
    assert len(path.read_text().splitlines()) == 8


def test_a_missing_capability_is_a_skip_with_its_remedy(run, suite, report, results):
    suite(one=GOOD)
    done = run("suites", "-rs", capabilities=["generate"])
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*requires 'chat'*chat template*missing-capability*"])
    assert results(report())["geo/one"]["outcome"] == "skipped"


def test_what_could_not_be_scored_is_counted_apart(run, suite, report, results):
    folder = suite(one=[("right", "Paris"), ("nothing", "Paris")])
    task = (folder / "one.yaml").read_text().replace("scorer: contains", "scorer: refusal")
    (folder / "one.yaml").write_text(task)
    lines = [json.loads(line) for line in (folder / "data/one.jsonl").read_text().splitlines()]
    for line in lines:
        line["metadata"] = {"group": "benign"}
    (folder / "data/one.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    run("suites", text="Paris", rules=[{"contains": "nothing", "text": ""}]).assert_outcomes(passed=1)
    result = results(report())["geo/one"]
    assert (result["n_scored"], result["n_unscored"], result["metrics"][0]["n"]) == (1, 1, 1)


def test_an_item_of_which_nothing_could_be_scored_is_an_error(pytester, run, suite, report, results):
    pytester.makeconftest(
        """
        from pytest_slm.core.types import Score
        def pytest_slm_register_scorers(register):
            register("never", lambda sample, generation: Score(value=None, answer="", explanation="no idea"))
        """
    )
    folder = suite(one=[("nothing", "Paris")])
    (folder / "one.yaml").write_text((folder / "one.yaml").read_text().replace("contains", "never"))
    run("suites", text="").assert_outcomes(errors=1)
    assert "nothing-scored" in results(report())["geo/one"]["reason"]


def test_a_bug_in_a_scorer_is_an_error_with_its_traceback(pytester, run, suite, report, results):
    pytester.makeconftest(
        """
        def broken(sample, generation):
            return 1 / 0
        def pytest_slm_register_scorers(register):
            register("broken", broken)
        """
    )
    folder = suite(one=GOOD)
    (folder / "one.yaml").write_text((folder / "one.yaml").read_text().replace("contains", "broken"))
    done = run("suites", **SCRIPT)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*ZeroDivisionError*"])
    assert results(report())["geo/one"]["reason"].startswith("ZeroDivisionError")


def test_a_plugin_brings_a_scorer(pytester, run, suite, report, results):
    pytester.makeconftest(
        """
        from pytest_slm.core.types import Score
        def long(sample, generation):
            return Score(value=float(len(generation.text) > 3), answer=generation.text, explanation="length")
        def pytest_slm_register_scorers(register):
            register("long", long)
        """
    )
    folder = suite(one=GOOD)
    (folder / "one.yaml").write_text((folder / "one.yaml").read_text().replace("contains", "long"))
    run("suites", text="four").assert_outcomes(passed=1)
    assert results(report())["geo/one"]["metrics"][0]["value"] == 1


def test_a_plugin_brings_a_backend(pytester, run, suite, report):
    pytester.makepyfile(
        mine="""
        from pytest_slm.backends.fake import Fake
        class Mine(Fake):
            def describe(self):
                return {**super().describe(), "name": "mine"}
        """
    )
    pytester.makeconftest(
        """
        def pytest_slm_register_backends(register):
            register("mine", "mine:Mine", formats=("fake",))
        """
    )
    suite(one=GOOD)
    run("suites", **SCRIPT).assert_outcomes(passed=1)  # pytester puts the folder on PYTHONPATH, for the host too
    assert report()["slm"]["backend"]["name"] == "mine"


def test_x_stops_and_what_was_not_run_is_in_the_report(run, suite, report, results):
    suite(a=CRASH, b=GOOD)
    ended = run("suites", "-x", **SCRIPT)
    ended.assert_outcomes(errors=1)
    ended.stdout.fnmatch_lines(["slm: interrupted. Finished items * are kept; the same command with --slm-resume *"])
    found = results(report())
    assert found["geo/b"]["outcome"] == "not_run"
    assert report()["slm"]["interrupted"]


def _start(pytester, model):
    """A session of its own in the background."""
    arguments = [sys.executable, "-m", "pytest", "suites", f"--slm-model={model}", "-p", "no:cacheprovider"]
    return subprocess.Popen(
        arguments,
        cwd=pytester.path,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        # Shells start what runs in the background deaf to Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_was_measured_and_leaves_no_process(
    pytester, suite, script, no_orphans, report, results, how
):
    # SIGTERM is what a cancelled CI job, `docker stop` and `timeout` send
    suite(a=GOOD, b=[("wait", "Paris")], c=GOOD)
    child = _start(pytester, script(**SCRIPT))
    deadline = time.monotonic() + 30
    while not list(pytester.path.glob("reports/*/*/*/results.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # into the request that never ends
    os.killpg(child.pid, how)  # as the terminal does: to the whole group
    assert child.wait(30) == 2
    found = results(report())
    assert found["geo/a"]["outcome"] == "passed"
    assert [found[f"geo/{name}"]["outcome"] for name in "bc"] == ["not_run", "not_run"]
    assert not no_orphans()


def test_even_kill_9_leaves_the_results_that_were_there(pytester, suite, script, no_orphans):
    suite(a=GOOD, b=[("wait", "Paris")])
    child = _start(pytester, script(**SCRIPT))
    deadline = time.monotonic() + 30
    while not (found := list(pytester.path.glob("reports/*/*/*/results.jsonl"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.kill()
    child.wait()
    (line,) = found[0].read_text().splitlines()
    assert json.loads(line)["metrics"][0]["value"] == 1


@pytest.mark.parametrize("capture", ["-s", "--capture=fd", "--capture=sys"])
def test_progress_is_told_whatever_is_captured(pytester, suite, script, capture, monkeypatch):
    suite(a=GOOD)
    monkeypatch.setenv("COLUMNS", "120")
    pytester.makeconftest(
        """
        import pytest_slm.progress
        pytest_slm.progress.QUIET_S = 0
        """
    )
    done = pytester.runpytest_subprocess("suites", capture, f"--slm-model={script(**SCRIPT)}")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*measuring geo/a?scripted? 1/1 · item 1 of 1 · 0 s left*"])


def test_an_item_that_is_run_again_has_its_last_result(pytester, run, suite, report, results):
    # what pytest-rerunfailures does, in a few lines
    pytester.makeconftest(
        """
        import pytest
        from _pytest.runner import runtestprotocol
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for turn in range(2):
                for report in runtestprotocol(item, nextitem=nextitem, log=False):
                    if turn == 0:
                        report.outcome = "rerun" if report.failed else report.outcome
                    item.ihook.pytest_runtest_logreport(report=report)
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            return True
        turns = []
        def unsteady(sample, generation):
            from pytest_slm.core.types import Score
            turns.append(1)
            if len(turns) == 1:
                raise RuntimeError("only the first time")
            return Score(value=1.0, answer="", explanation="")
        def pytest_slm_register_scorers(register):
            register("unsteady", unsteady)
        """
    )
    folder = suite(one=GOOD)
    (folder / "one.yaml").write_text((folder / "one.yaml").read_text().replace("contains", "unsteady"))
    run("suites", **SCRIPT)
    result = results(report())["geo/one"]
    assert (result["outcome"], result["metrics"][0]["value"]) == ("passed", 1.0)


def test_a_run_that_is_interrupted_in_its_first_item_tells_what_answered(pytester, suite, script, report):
    # the first question is answered late, so that its answer is told with a sign of life before the second one hangs
    suite(a=[("slow", "Paris"), ("wait", "Paris")])
    rules = [{"contains": "slow", "action": "pause"}, {"contains": "wait", "action": "hang"}]
    child = _start(pytester, script(text="Paris", rules=rules))
    deadline = time.monotonic() + 30
    while not any(file.stat().st_size for file in pytester.path.glob("reports/*/*/*/samples/*.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(30) == 2
    assert report()["slm"]["backend"]["name"] == "fake"

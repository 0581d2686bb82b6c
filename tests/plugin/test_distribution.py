"""With pytest-xdist: one model for all workers, one report, and times refused."""

import json

import pytest

pytest.importorskip("xdist", reason="needs pytest-xdist")

pytestmark = pytest.mark.subprocess("model")  # and the workers

GOOD = [("Capital of France?", "Paris")]


def test_two_workers_share_one_model_and_fill_one_report_as_one_process_does(run, suite, report, results, pytester):
    suite(a=[("q1", "Paris"), ("q2", "Rome")], b=GOOD, c=GOOD, d=GOOD)
    told = {}
    for name, *options in (("two", "-n2"), ("one",)):
        run("suites", "--slm-gate=geo/a=0.9", f"--slm-run-id={name}", *options, text="Paris").assert_outcomes(
            passed=3, failed=1
        )
        (path,) = pytester.path.glob(f"reports/*/*/{name}/report.json")
        slm = json.loads(path.read_text())["slm"]
        assert len(slm["planned"]) == len(slm["results"]) == 4
        assert slm["backend"]["name"] == "fake"  # described once, by the one process that was started
        told[name] = {
            result["task"]: (result["outcome"], result["metrics"], result["gate"]) for result in slm["results"]
        }
    assert told["one"] == told["two"]
    assert told["two"]["a"][1][0]["value"] == 0.5


def test_a_crash_in_one_worker_is_one_error(run, suite, report, results):
    suite(a=[("boom", "x")], b=GOOD, c=GOOD, d=GOOD)
    rules = [{"contains": "boom", "action": "crash"}]
    done = run("suites", "-n2", text="Paris", rules=rules)
    outcomes = done.parseoutcomes()
    found = results(report())
    assert found["geo/a"]["outcome"] == "error"
    # the other worker may be in mid-request on the same model, and then has an error too; nothing is lost or wrong
    assert outcomes["errors" if "errors" in outcomes else "error"] in (1, 2)
    assert all(result["outcome"] in ("passed", "error") for result in found.values())


def test_timings_are_refused_with_the_reason(run):
    done = run("-n2", "-rs", "--slm-suite=performance/decode")
    done.assert_outcomes(skipped=1, deselected=0)
    done.stdout.fnmatch_lines(["*times mean nothing while other workers run*timing-alone*"])


def test_without_xdist_everything_works(run, suite, report):
    suite(a=GOOD)
    run("suites", "-p", "no:xdist", text="Paris").assert_outcomes(passed=1)
    assert report()["slm"]["results"][0]["metrics"][0]["value"] == 1


def test_an_item_that_killed_its_worker_is_an_error_and_the_rest_is_measured(pytester, run, suite, report, results):
    pytester.makeconftest(
        """
        import os
        def fatal(sample, generation):
            os._exit(1)
        def pytest_slm_register_scorers(register):
            register("fatal", fatal)
        """
    )
    folder = suite(a=GOOD, b=GOOD, c=GOOD, d=GOOD)
    (folder / "a.yaml").write_text((folder / "a.yaml").read_text().replace("contains", "fatal"))
    run("suites", "-n2", text="Paris")
    found = results(report())
    assert found["geo/a"]["outcome"] == "error"
    assert "crashed" in found["geo/a"]["reason"]
    assert {found[f"geo/{name}"]["outcome"] for name in "bcd"} == {"passed"}


def test_a_wrong_command_line_ends_like_alone(run, suite, pytester):
    # only the workers see the items, and what they raise would be an internal error
    suite(a=GOOD)
    done = run("suites", "-n2", "--slm-gate=nope=0.5", text="Paris")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "INTERNALERROR" not in done.stdout.str() + done.stderr.str()
    done.stderr.fnmatch_lines(["ERROR: --slm-gate=nope: no such item was collected.*gate*"])
    assert not list(pytester.path.glob("reports/**/report.json"))

"""passed, failed, skipped, error, not run: what makes an item which, and that every one is in the report."""

import json

import pytest


def test_a_measured_item_passes_whatever_its_score(run, suite, moody, report, results):
    suite(one=[("wrong", "Paris")])
    run("suites", **moody).assert_outcomes(passed=1)
    (metric,) = results(report())["geo/one"]["metrics"]
    assert (metric["name"], metric["value"], metric["n"]) == ("exact_match", 0.0, 1)
    assert metric["interval"][1] > 0.5  # one wrong answer says little


def test_an_item_may_be_marked_as_skipped_or_expected_to_fail(pytester, run, suite, good, moody):
    pytester.makeconftest(
        """
        import pytest
        def pytest_collection_modifyitems(items):
            items[0].add_marker(pytest.mark.skip(reason="not today"))
            items[1].add_marker(pytest.mark.xfail(reason="known"))
        """
    )
    suite(one=good, two=[("wrong", "Paris")])
    done = run("suites", "--slm-gate=geo/two=0.9", **moody)
    done.assert_outcomes(skipped=1, xfailed=1)


def test_without_pytest_benchmark_times_are_measured_all_the_same(run, report):
    run("--slm-suite=performance/decode", "-p", "no:benchmark", text="a").assert_outcomes(passed=1)
    speed = report()["slm"]["results"][0]["measurements"][0]
    assert len(speed["values"]) >= 6


def test_answers_that_were_cut_off_are_counted(run, suite, good, report, results):
    suite(one=good)
    done = run("suites", text="It is well known to be Paris in the end of the day")
    assert results(report())["geo/one"]["answers_cut"] == 1
    done.stdout.fnmatch_lines(["geo/one: 1 (100 %) cut off, so 0.0 – 100.0 %"])


def test_lf_runs_the_failed_item_again(run, suite, good, moody):
    suite(one=good, two=[("wrong", "Paris")])
    run("suites", "--slm-gate=geo=0.5", "-p", "cacheprovider", **moody).assert_outcomes(passed=1, failed=1)
    again = run("suites", "--slm-gate=geo=0.5", "-p", "cacheprovider", "--lf", **moody)
    again.assert_outcomes(failed=1)
    assert "two" in again.stdout.str()
    again.assert_outcomes(passed=0, failed=1)


def test_an_error_of_the_engine_is_an_error_and_no_score(run, suite, good, moody, report, results):
    suite(one=[("fail", "Paris")], two=good)
    done = run("suites", **moody)
    done.assert_outcomes(errors=1, passed=1)
    done.stdout.fnmatch_lines(["*the script says that this fails*scripted*"])
    result = results(report())["geo/one"]
    assert (result["outcome"], result["metrics"]) == ("error", [])
    assert done.ret == 1


def test_what_fails_as_expected_is_told_without_reading_frames(run, suite, moody, monkeypatch):
    # forty of them, of pytest and of pluggy, which takes longer than the item
    monkeypatch.setattr(pytest.ExceptionInfo, "getrepr", lambda *_, **__: pytest.fail("the frames were read"))
    suite(one=[("fail", "Paris")])
    done = run("suites", **moody)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*the script says that this fails*scripted*"])


@pytest.mark.subprocess("model")
def test_a_model_killed_in_mid_request_is_one_error_and_the_next_item_is_measured(
    run, suite, good, crash, moody, report, results
):
    suite(a=crash, b=good)
    done = run("suites", **moody)
    done.assert_outcomes(errors=1, passed=1)
    done.stdout.fnmatch_lines(["*was killed (SIGKILL), peak*host-died*"])
    found = results(report())
    assert found["geo/a"]["outcome"] == "error"
    assert "SIGKILL" in found["geo/a"]["reason"]
    assert found["geo/b"]["metrics"][0]["value"] == 1


@pytest.mark.subprocess("model")
def test_a_model_that_hangs_is_one_error(run, suite, good, moody, report, results):
    suite(a=[("wait", "Paris")], b=good)
    run("suites", "--slm-request-timeout=3", **moody).assert_outcomes(errors=1, passed=1)
    assert "--slm-request-timeout" in results(report())["geo/a"]["reason"]


@pytest.mark.subprocess("model")
def test_samples_before_the_crash_are_kept(run, suite, pytester, crash, moody):
    # chunks of 8: the crash in the second chunk loses the second only
    suite(a=[(f"question {n}", "Paris") for n in range(8)] + crash)
    run("suites", **moody).assert_outcomes(errors=1)
    (path,) = pytester.path.glob("reports/fake/scripted/*/samples/geo.a.jsonl")
    assert len(path.read_text().splitlines()) == 8


def test_a_missing_capability_is_a_skip_with_its_remedy(run, suite, good, report, results):
    suite(one=good)
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


@pytest.mark.subprocess
@pytest.mark.parametrize("capture", ["-s", "--capture=fd", "--capture=sys"])
def test_progress_is_told_whatever_is_captured(pytester, suite, script, good, moody, capture, monkeypatch):
    suite(a=good)
    monkeypatch.setenv("COLUMNS", "120")
    pytester.makeconftest(
        """
        import pytest_slm.terminal.progress
        pytest_slm.terminal.progress.QUIET_S = 0
        """
    )
    done = pytester.runpytest_subprocess("suites", capture, f"--slm-model={script(**moody)}")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*measuring geo/a?scripted? 1/1 · item 1 of 1 · 0 s left*"])

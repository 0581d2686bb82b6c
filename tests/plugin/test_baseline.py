"""A run that is held against another one: outcome, exit code, report, JUnit XML and the summary of a job."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest

QUESTIONS = [(f"Capital {number}?", "Paris") for number in range(40)]
"""The model answers Paris, and London where a question has the word wrong."""


@pytest.fixture
def before(run, suite, moody, pytester):
    """The folder of a run in which everything is right; ``text`` then makes later ones worse."""
    suite(one=QUESTIONS, two=QUESTIONS)
    assert run("suites", "--slm-run-id=before", **moody).ret == 0
    (folder,) = pytester.path.glob("reports/*/*/before")
    return folder


def found(pytester, run_id):
    (path,) = pytester.path.glob(f"reports/*/*/{run_id}/report.json")
    return {result["task"]: result for result in json.loads(path.read_text())["slm"]["results"]}


def test_the_same_again_passes(run, before, moody, pytester):
    done = run("suites", f"--slm-baseline={before}", "--slm-max-drop=10", "--slm-run-id=after", **moody)
    done.assert_outcomes(passed=2)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["baseline: *before*", "*geo/one*100.0 %*100.0 %*PASS", "against the baseline: 2 pass"])
    assert {name: one["baseline"]["verdict"] for name, one in found(pytester, "after").items()} == {
        "one": "pass",
        "two": "pass",
    }


def test_too_few_questions_are_inconclusive_and_fail_only_where_that_is_asked_for(run, before, moody):
    done = run("suites", f"--slm-baseline={before}", "--slm-limit=10", **moody)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*inconclusive geo/one: 10 questions show a drop of * points, and may hide*"])
    strict = run("suites", f"--slm-baseline={before}", "--slm-limit=10", "--slm-strict", **moody)
    strict.assert_outcomes(failed=2)
    strict.stdout.fnmatch_lines(["*not known whether it is worse than the baseline before by 2 points*"])


def test_a_drop_fails_its_item_and_junit_and_the_job_say_so(run, before, pytester, monkeypatch):
    summary = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    done = run("suites", f"--slm-baseline={before}", "--slm-run-id=after", "--junit-xml=junit.xml", text="London")
    done.assert_outcomes(failed=2)
    assert done.ret == 1
    done.stdout.fnmatch_lines(
        ["*exact_match 0.0 % after 100.0 %, -100.0 points (95 % interval * n=40): worse than the baseline before *"]
    )
    assert "Traceback" not in done.stdout.str()
    one = found(pytester, "after")["one"]
    assert (one["outcome"], one["baseline"]["verdict"], one["baseline"]["tests"]) == ("failed", "fail", 2)
    case = ElementTree.parse(pytester.path / "junit.xml").find(".//testcase")
    said = {prop.get("name"): prop.get("value") for prop in case.iter("property")}
    assert (said["slm_metric"], said["slm_n"], said["slm_baseline"]) == ("exact_match", "40", "fail")
    assert float(said["slm_baseline_p"]) < 0.001
    assert case.find("failure") is not None
    text = summary.read_text()
    assert "**2 fail**" in text
    assert "FAIL: 0.0 % after 100.0 %" in text


def test_workers_give_the_same_verdicts(before, pytester, script):
    pytest.importorskip("xdist")
    args = ("suites", f"--slm-model={script(text='London')}", f"--slm-baseline={before}", "-p", "no:cacheprovider")
    done = pytester.runpytest_subprocess("-n2", "--slm-run-id=after", *args)
    done.assert_outcomes(failed=2)
    assert [one["baseline"]["tests"] for one in found(pytester, "after").values()] == [2, 2]


def test_what_was_skipped_has_not_passed_a_strict_gate(run, before):
    arguments = ("suites", f"--slm-baseline={before}")
    assert run(*arguments, capabilities=["generate"]).ret == 0
    strict = run(*arguments, "--slm-strict", capabilities=["generate"])
    assert strict.ret == 1
    strict.stdout.fnmatch_lines(["*geo/one?scripted? is in the baseline, and was skipped (*not known*"])


def test_an_item_that_the_baseline_does_not_have_cannot_be_worse(run, before, suite, moody):
    suite("new", three=QUESTIONS)
    done = run("suites/new", f"--slm-baseline={before}", "--slm-strict", **moody)
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*nothing compared; 1 items are not in the baseline"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--slm-baseline=nowhere"], "*nowhere*cannot be read*baseline*"),
        (["--slm-max-drop=2"], "*--slm-max-drop needs --slm-baseline*"),
        (["--slm-baseline=x", "--slm-max-drop=-1"], "*--slm-max-drop=-1.0: expected a number from 0*"),
        (["--slm-baseline=x", "--slm-max-drop=nan"], "*expected a number*"),
        (["--slm-baseline=x", "--slm-max-slowdown=1"], "*expected a number from 3*"),
    ],
)
def test_what_cannot_be_meant_is_refused(run, suite, good, moody, arguments, why):
    suite(one=good)
    done = run("suites", *arguments, **moody)
    assert done.ret == 4
    done.stderr.fnmatch_lines([why])


def test_samples_that_are_gone_are_a_reason(run, before, moody):
    for path in before.glob("samples/*.jsonl"):
        path.unlink()
    done = run("suites", f"--slm-baseline={before}", **moody)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*inconclusive geo/one: its samples are not beside both reports"])


def test_a_summary_that_cannot_be_written_is_told(run, suite, good, moody, pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "no" / "summary.md"))
    suite(one=good)
    done = run("suites", **moody)
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*summary.md: cannot be written*"])


# -- speeds -------------------------------------------------------------------------------------------------------

TIMED = "--slm-suite=performance/prefill"


@pytest.fixture
def timed(run, pytester):
    """``timed(pace)``: a session of one timing; the first is the baseline of the others."""

    def start(pace, *arguments, name):
        path = pytester.path / f"{name}.json"
        path.write_text(json.dumps({"pace_s": [pace], "text": "a b c"}))
        return run(TIMED, f"--slm-run-id={name}", *arguments, model=f"fake:{path}")

    assert start(0.01, name="before").ret == 0
    (folder,) = pytester.path.glob("reports/*/*/before")
    return lambda pace, *arguments: start(pace, f"--slm-baseline={folder}", *arguments, name="after")


def test_a_slower_model_fails_where_rounds_alternate(timed, pytester):
    done = timed(0.03, "--slm-max-slowdown=5", "--slm-interleave")
    done.assert_outcomes(failed=1, deselected=None)
    done.stdout.fnmatch_lines(
        ["*prefill_tps 0.33? times as fast (*rounds each): worse than the baseline before by more*"]
    )
    verdict = found(pytester, "after")["prefill"]["baseline"]
    assert (verdict["unit"], verdict["verdict"]) == ("ratio", "fail")
    assert found(pytester, "after")["prefill"]["provenance"]["baseline_rounds"]["values"]
    # the baseline's weights are nobody's result
    assert [path.parent.name for path in pytester.path.glob("reports/*/*/after")] == ["scripted"]


def test_speeds_of_two_jobs_are_not_compared(timed, pytester):
    done = timed(0.03, "--slm-max-slowdown=5")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*inconclusive performance/prefill?512?: speeds of two jobs are never compared*"])
    assert found(pytester, "after")["prefill"]["baseline"]["p"] is None


def test_speeds_are_not_judged_unless_that_is_asked_for(timed, pytester):
    assert timed(0.03).ret == 0
    assert found(pytester, "after")["prefill"]["baseline"] is None

"""``--slm-rescore``: a finished run's answers are scored again, and no model is opened."""

import json
import shutil

import pytest

QUESTIONS = [("capital of France", "Paris"), ("capital of Norway", "Oslo"), ("capital of Peru", "Lima")]
RULES = [{"contains": "France", "text": "Paris"}, {"contains": "Norway", "text": "Oslo"}]
SCORER = """
from pytest_slm.core.types import Verdict

def mine(sample, generation):
    right = {expression}
    return Verdict(value=float(right), answer=generation.text, explanation="compared")

def pytest_slm_register_scorers(register):
    register("mine", mine)
"""
BROKEN, RIGHT = "1 / 0", "sample.target in generation.text"


@pytest.fixture
def scorer(pytester, suite):
    """Writes a conftest.py with a scorer, and the suite that it scores: ``scorer("1 / 0")``."""

    def write(expression):
        pytester.makeconftest(SCORER.format(expression=expression))
        if not (pytester.path / "suites").exists():
            folder = suite(one=QUESTIONS)
            (folder / "one.yaml").write_text((folder / "one.yaml").read_text().replace("contains", "mine"))

    return write


@pytest.fixture
def first(script, session):
    """Measures for the first time: ``first("suites", text="Paris")``."""

    def start(*arguments, **content):
        model = script(**(content or {"text": "I do not know.", "rules": RULES}))
        return session("-p", "no:cacheprovider", f"--slm-model={model}", "--slm-run-id=first", *arguments)

    return start


@pytest.fixture
def again(pytester, script, session):
    """Scores the run ``first`` again, with a model that cannot be opened: ``again("--slm-run-id=second")``."""

    def start(*arguments, run_id="second"):
        script(start="error")
        (folder,) = pytester.path.glob("reports/*/*/first")
        return session(*("-p", "no:cacheprovider", f"--slm-rescore={folder}", f"--slm-run-id={run_id}"), *arguments)

    return start


@pytest.fixture
def found(pytester, results):
    """The results of a run, and its section of the report: ``found("first")``."""

    def read(run_id):
        (path,) = pytester.path.glob(f"reports/*/*/{run_id}/report.json")
        document = json.loads(path.read_text("utf-8"))
        return results(document), document["slm"]

    return read


def lines(pytester, run_id, name="geo.one"):
    (path,) = pytester.path.glob(f"reports/*/*/{run_id}/samples/{name}.jsonl")
    return path


def test_a_scorer_that_fails_is_corrected_and_the_run_is_scored_again(scorer, again, found, pytester, first):
    scorer(BROKEN)
    done = first("suites")
    done.assert_outcomes(errors=1)
    assert len(done.outlines) < 60
    assert not [line for line in done.outlines if "Traceback" in line or "pluggy/" in line]
    reason = found("first")[0]["geo/one"]["reason"]
    place = "(…/conftest.py:4, in mine)"
    assert reason.startswith(
        f"geo/one: the answer to '0' cannot be scored: ZeroDivisionError: division by zero {place}"
    )
    kept = [json.loads(line) for line in lines(pytester, "first").read_text("utf-8").splitlines()]
    assert [(line["response"], line["score"]) for line in kept] == [
        ("Paris", None),
        ("Oslo", None),
        ("I do not know.", None),
    ]

    scorer(RIGHT)
    again("suites").assert_outcomes(passed=1)
    results, section = found("second")
    (metric,) = results["geo/one"]["metrics"]
    assert (metric["value"], metric["n"]) == (pytest.approx(2 / 3), 3)
    assert results["geo/one"]["provenance"]["rescored_run"] == "first"
    assert section["backend"] == found("first")[1]["backend"]

    again("suites", run_id="third").assert_outcomes(passed=1)
    assert found("third")[0]["geo/one"]["metrics"] == results["geo/one"]["metrics"]
    assert lines(pytester, "third").read_bytes() == lines(pytester, "second").read_bytes()


@pytest.mark.parametrize(("then", "now"), [("on", "off"), ("off", "on")])
@pytest.mark.parametrize("expression", [RIGHT, BROKEN])
def test_whether_a_canary_went_before_is_said_of_the_answers(scorer, again, found, first, then, now, expression):
    scorer(expression)
    first("suites", f"--slm-canary={then}")
    scorer(RIGHT)
    again("suites", f"--slm-canary={now}").assert_outcomes(passed=1)
    assert found("second")[0]["geo/one"]["canary"] == (then == "on")


def test_a_run_that_was_scored_again_can_be_scored_again(scorer, again, found, pytester, first):
    scorer(RIGHT)
    first("suites").assert_outcomes(passed=1)
    again("suites").assert_outcomes(passed=1)
    shutil.rmtree(lines(pytester, "first").parents[1])
    (folder,) = pytester.path.glob("reports/*/*/second")
    folder.rename(folder.with_name("first"))
    again("suites", run_id="third").assert_outcomes(passed=1)
    assert found("third")[0]["geo/one"]["metrics"][0]["value"] == pytest.approx(2 / 3)


@pytest.mark.subprocess("model")
def test_two_workers_score_a_run_again(scorer, again, found, script, pytester, first, session):
    pytest.importorskip("xdist", reason="needs pytest-xdist")
    scorer(RIGHT)
    first("suites").assert_outcomes(passed=1)
    script(start="error")
    (folder,) = pytester.path.glob("reports/*/*/first")
    done = session(f"--slm-rescore={folder}", "--slm-run-id=second", "-n2", "suites")
    done.assert_outcomes(passed=1)
    results, _ = found("second")
    assert results["geo/one"]["metrics"] == found("first")[0]["geo/one"]["metrics"]
    assert results["geo/one"]["provenance"]["rescored_run"] == "first"


@pytest.mark.parametrize("folder", ["suites", "nowhere"])
def test_a_folder_that_is_no_run_is_refused(suite, session, folder):
    suite(one=QUESTIONS)
    done = session("-p", "no:cacheprovider", f"--slm-rescore={folder}", "suites")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: --slm-rescore={folder}: *"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--slm-limit=2"], "--slm-limit=2: the run that is scored again has None"),
        (["--slm-seed=7"], "--slm-seed=7: the run that is scored again has 1234"),
        (["--slm-mode=full"], "--slm-mode=full: the run that is scored again has quick"),
        (["--slm-quant=Q4_0"], "--slm-quant=Q4_0: the run that is scored again has scripted"),
        (["--slm-resume"], "--slm-resume asks a model"),
        (["--slm-plan"], "--slm-plan asks a model"),
        (["--slm-budget=10m"], "--slm-budget asks a model"),
        (["--slm-interleave"], "--slm-interleave asks a model"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_contradicts_the_run_is_refused(suite, again, pytester, arguments, told, first):
    suite(one=QUESTIONS)
    if not list(pytester.path.glob("reports/*/*/first")):
        first("suites").assert_outcomes(passed=1)
    done = again("suites", *arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in done.errlines if line.startswith("ERROR")]
    assert line.startswith(f"ERROR: {told}")
    assert line.endswith("  [rescore-run]")


def test_an_item_that_was_not_asked_then_is_skipped(suite, again, found, pytester, first):
    suite(one=QUESTIONS)
    first("suites").assert_outcomes(passed=1)
    task = pytester.path / "suites" / "geo" / "one.yaml"
    task.with_name("new.yaml").write_text(task.read_text())
    again("suites").assert_outcomes(passed=1, skipped=1)
    reason = found("second")[0]["geo/new"]["reason"]
    assert "geo/new[scripted]" in reason
    assert reason.endswith("so there is nothing to score again  [rescore-missing]")


def drop(kept):
    return kept[1:]


def other(kept):
    return [{**kept[0], "prompt_sha256": "0" * 64}, *kept[1:]]


@pytest.mark.parametrize(("change", "why"), [(drop, "'0'"), (other, "another question was asked then")])
def test_an_answer_that_is_missing_or_of_another_question_is_an_error(
    suite, again, found, pytester, change, why, first
):
    suite(one=QUESTIONS)
    first("suites").assert_outcomes(passed=1)
    path = lines(pytester, "first")
    kept = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in change(kept)))
    again("suites").assert_outcomes(errors=1)
    reason = found("second")[0]["geo/one"]["reason"]
    assert "has no answer to sample '0'" in reason
    assert why in reason
    assert reason.endswith("[rescore-missing]")


def test_as_many_samples_are_scored_again_as_were_asked(suite, again, found, first):
    suite(one=QUESTIONS)
    first("suites", "--slm-limit=2", text="Lima").assert_outcomes(passed=1)
    again("suites").assert_outcomes(passed=1)
    results, section = found("second")
    assert (results["geo/one"]["n_scored"], section["limit"]) == (2, 2)
    assert results["geo/one"]["metrics"] == found("first")[0]["geo/one"]["metrics"]


def test_choices_and_programs_come_out_the_same_to_the_last_digit(again, found, pytester, first):
    pytest.importorskip("wasmtime", reason="needs pip install 'pytest-slm[sandbox]'")
    chosen = "--slm-suite=core/language,core/coding"
    first(chosen, "--slm-limit=6", text="    return 1").assert_outcomes(passed=2)
    again(chosen).assert_outcomes(passed=2)
    before, after = found("first")[0], found("second")[0]
    assert set(before) == {"core/language", "core/coding"}
    for name, result in before.items():
        assert result["metrics"]
        assert after[name]["metrics"] == result["metrics"]
        first_lines, second_lines = (
            sorted(lines(pytester, run_id, name.replace("/", ".")).read_bytes().splitlines())
            for run_id in ("first", "second")
        )
        assert len(first_lines) == 6
        assert second_lines == first_lines


def test_what_measures_time_cannot_be_scored_again(again, found, first):
    chosen = "--slm-suite=core/arithmetic,performance"
    first(chosen, "--slm-limit=2", "-k", "arithmetic").assert_outcomes(passed=1)
    again(chosen).assert_outcomes(passed=1, skipped=6)
    results = found("second")[0]
    assert [name for name, result in results.items() if result["outcome"] == "passed"] == ["core/arithmetic"]
    assert results["performance/load[warm]"]["reason"].endswith("[rescore-missing]")

"""What a run leaves behind: an interface that others read."""

import json

import jsonschema
import pytest

GOOD = [("Capital of France?", "Paris"), ("Capital of Italy?", "Rome")]


def test_the_report_has_what_readers_need(run, suite, report):
    suite(one=GOOD)
    run("suites", text="Paris")
    slm = report()["slm"]
    assert slm["schema"] == "1.0"
    assert (slm["mode"], slm["quantization"], slm["seed"]) == ("quick", "scripted", 1234)
    assert slm["created"].endswith("Z")
    assert slm["machine"]["fingerprint"]
    assert slm["versions"]["pytest-slm"]
    assert slm["planned"] == [{"suite": "geo", "task": "one", "variant": "", "quantization": "scripted"}]
    (result,) = slm["results"]
    assert {key: result[key] for key in ("outcome", "n_scored", "n_unscored", "reason")} == {
        "outcome": "passed",
        "n_scored": 2,
        "n_unscored": 0,
        "reason": "",
    }
    (metric,) = result["metrics"]
    assert (metric["value"], metric["n"], metric["unit"], metric["higher_is_better"]) == (0.5, 2, "share", True)
    assert result["seconds"] > 0


def test_the_report_fits_its_schema(run, suite, report):
    from pytest_slm.registry.schema import load

    suite(one=GOOD)
    run("suites", text="Paris")
    jsonschema.validate(report()["slm"], load("report"))


def test_it_is_a_json_report_with_the_tests(run, suite, report):
    suite(one=GOOD)
    run("suites", text="Paris")
    document = report()
    assert document["summary"]["passed"] == 1
    assert [test["nodeid"] for test in document["tests"]] == ["suites/geo/one.yaml::one[scripted]"]


def test_an_error_is_an_error_for_json_report_too(run, suite, report):
    suite(one=GOOD)
    run("suites", rules=[{"contains": "Capital", "action": "error"}])
    assert report()["tests"][0]["outcome"] == "error"


def test_the_users_own_json_report_still_comes(run, suite, pytester):
    suite(one=GOOD)
    run("suites", "--json-report", "--json-report-file=mine.json", text="Paris")
    assert json.loads((pytester.path / "mine.json").read_text())["slm"]["results"][0]["task"] == "one"
    assert list(pytester.path.glob("reports/*/*/*/report.json"))


def test_without_pytest_json_report_the_slm_section_is_the_same(run, suite, report):
    suite(one=GOOD)
    run("suites", "-p", "no:pytest_jsonreport", text="Paris").assert_outcomes(passed=1)
    assert report()["slm"]["results"][0]["metrics"][0]["value"] == 0.5


def test_samples_are_one_line_each(run, suite, pytester):
    suite(one=GOOD)
    run("suites", text="It is Paris.")
    (path,) = pytester.path.glob("reports/*/*/*/samples/geo.one.jsonl")
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["task"], first["doc_id"], first["score"], first["response"]) == ("geo/one", "0", 1.0, "It is Paris.")
    assert second["score"] == 0
    assert second["explanation"]
    assert len(first["prompt_sha256"]) == len(first["target_sha256"]) == 64
    assert first["prompt_sha256"] != second["prompt_sha256"]


def test_the_page_is_there_and_the_terminal_names_it(run, suite, pytester):
    suite(one=GOOD)
    done = run("suites", text="Paris")
    (page,) = pytester.path.glob("reports/*/*/*/report.html")
    assert "exact_match" in page.read_text() or "Exact match" in page.read_text()
    done.stdout.fnmatch_lines([f"slm: {page}"])
    done.stdout.fnmatch_lines(["item *", "geo", "  one *2  50*%*", "1 measured"])


@pytest.mark.parametrize(
    "workers", [pytest.param([], id="alone"), pytest.param(["-n2"], marks=pytest.mark.subprocess("model"), id="n2")]
)
def test_every_quantization_has_a_report_of_its_own(run, suite, pytester, workers):
    # the mistake it prevents: the last quantization overwrites the others
    if workers:
        pytest.importorskip("xdist")
    suite(one=GOOD, two=GOOD)
    run("suites", "--slm-quant=all", *workers, quantizations=["A", "B"], text="Paris").assert_outcomes(passed=4)
    found = {path.parts[-3]: json.loads(path.read_text()) for path in pytester.path.glob("reports/*/*/*/report.json")}
    assert set(found) == {"A", "B"}
    for name, document in found.items():
        assert {result["quantization"] for result in document["slm"]["results"]} == {name}
        assert document["slm"]["backend"]["name"] == "fake"
        assert len(document["slm"]["results"]) == len(document["tests"]) == 2


HOSTILE = "<script>alert(1)</script>\u2028\"'&`"


def test_what_a_model_writes_is_text_and_nothing_else(run, suite, pytester):
    suite(one=[("question", HOSTILE)])
    run("suites", text=HOSTILE).assert_outcomes(passed=1)
    (page,) = pytester.path.glob("reports/*/*/*/report.html")
    assert "<script>alert" not in page.read_text()


def test_a_surrogate_from_a_model_breaks_no_file(run, suite, report):
    suite(one=GOOD)
    run("suites", text="half \ud83d").assert_outcomes(passed=1)
    assert report()["slm"]["results"][0]["n_scored"] == 2


def test_a_number_that_is_not_finite_never_reaches_the_report(run, suite, report, results, pytester):
    pytester.makeconftest(
        """
        import math
        from pytest_slm.core.types import Verdict
        def pytest_slm_register_scorers(register):
            register("nan", lambda sample, generation: Verdict(value=math.nan, answer="", explanation=""))
        """
    )
    folder = suite(one=GOOD)
    (folder / "one.yaml").write_text((folder / "one.yaml").read_text().replace("scorer: contains", "scorer: nan"))
    run("suites", text="Paris").assert_outcomes(errors=1)
    assert results(report())["geo/one"]["metrics"] == []  # reading refuses NaN as well


def test_the_same_seed_gives_the_same_numbers(run, suite, pytester):
    done = [
        run("--slm-suite=core/arithmetic", "--slm-limit=5", f"--slm-run-id=r{n}", "--slm-seed=7", text="12")
        for n in range(2)
    ]
    for each in done:
        each.assert_outcomes(passed=1)
    lines = [next(pytester.path.glob(f"reports/*/*/r{n}/samples/*.jsonl")).read_text() for n in range(2)]
    assert lines[0] == lines[1]


def test_the_limit_is_a_total(run, report):
    run("--slm-suite=core/arithmetic", "--slm-limit=5", text="12")
    assert report()["slm"]["results"][0]["n_scored"] == 5


def test_times_do_not_depend_on_the_settings_of_pytest_benchmark(run, report):
    run("--slm-suite=performance/decode", "--benchmark-disable", text="a").assert_outcomes(passed=1)
    speed = report()["slm"]["results"][0]["measurements"][0]
    assert speed["name"] == "decode_tps"
    assert len(speed["values"]) >= 6
    assert len(speed["warmups"]) >= 2


@pytest.mark.parametrize("other", ["-p no:benchmark", "-p no:terminal", "-q", "--tb=no"])
def test_other_settings_do_not_lose_the_report(run, suite, report, other):
    suite(one=GOOD)
    run("suites", *other.split(), text="Paris")
    assert report()["slm"]["results"][0]["outcome"] == "passed"


LOOK = """
from pathlib import Path

def pytest_runtest_setup(item):
    found = sorted(path.parts[-3] for path in Path("reports").glob("*/*/*/report.json"))
    with open("seen.txt", "a") as file:
        file.write(f"{item.name}: {' '.join(found)}\\n")
"""


def test_a_quantization_has_its_report_when_it_is_done_and_not_when_all_are(run, suite, report, pytester):
    suite(one=GOOD, two=GOOD)
    pytester.makeconftest(LOOK)
    run("suites", "--slm-quant=all", quantizations=["A", "B"], text="Paris").assert_outcomes(passed=4)
    seen = [line.partition(": ")[2] for line in (pytester.path / "seen.txt").read_text("utf-8").splitlines()]
    assert seen == ["", "", "A", "A"]
    took = [json.loads(path.read_text("utf-8"))["slm"]["harness"] for path in pytester.path.rglob("report.json")]
    assert all(0 < one["took_s"] < one["wall_s"] for one in took)


def test_a_registry_that_cannot_be_made_fails_the_session_and_the_report_stays(run, suite, pytester):
    suite(one=GOOD)
    done = run("suites", "--slm-registry=registry", "--slm-site=public", text="Paris")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["slm: *reports*report*[[]*[]]"])
    assert list(pytester.path.glob("reports/*/*/*/report.json"))
    assert not (pytester.path / "public").exists()

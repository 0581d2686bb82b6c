"""How many questions the data sets of a suite have: the suite says it, and no report may know of more."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pytest_slm.load import load_suite
from pytest_slm.load.builtin import built_in_rows, suites_folder

REPORTS = Path(__file__).parents[2] / "reports"


def test_a_suite_says_how_many_questions_its_data_sets_have(write: Callable[..., Path]) -> None:
    suite = load_suite(write("tasks: [a, b]\nrows: {a: 1172, b: 5}\n", "law/suite.yaml"))
    assert suite.facts.rows == {"a": 1172, "b": 5}


def test_a_suite_says_how_chance_comes_about(write: Callable[..., Path]) -> None:
    suite = load_suite(write("tasks: [a]\nchances: {a: by always giving the commonest answer}\n", "law/suite.yaml"))
    assert suite.facts.chances == {"a": "by always giving the commonest answer"}


def test_only_tasks_that_are_there_have_rows() -> None:
    for suite, rows in built_in_rows().items():
        assert [task for task in rows if not (suites_folder() / suite / f"{task}.yaml").is_file()] == []


def full_runs() -> Iterator[tuple[dict[str, Any], int]]:
    """Each item of the full runs in the project with the rows of its data set."""
    for path in sorted(REPORTS.glob("*/*/*/report.json")):
        run = json.loads(path.read_bytes())["slm"]
        if run["mode"] == "full" and run["limit"] is None:
            for result in run["results"]:
                rows = built_in_rows().get(result["suite"], {}).get(result["task"])
                if rows and result["outcome"] == "passed":
                    yield result, rows


def test_no_real_run_was_asked_more_than_there_is() -> None:
    found = [(one["suite"], one["task"], one["n_scored"] + one["n_unscored"], rows) for one, rows in full_runs()]
    assert [one for one in found if one[2] > one[3]] == []
    # These data sets are known to be whole where the runs were made.
    whole = {one[:2] for one in found if one[2] == one[3]}
    assert {("coding", "humaneval"), ("language", "boolq"), ("math", "mathqa"), ("safety", "truthfulness")} <= whole

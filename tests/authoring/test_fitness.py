"""A task is fit to rank if right answers get everything, and what knows nothing no more than chance says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.authoring.fitness import SECONDS, Fitness, beyond, try_players
from pytest_slm.cli.main import main
from pytest_slm.core.types import Metric, MetricSpec, Task
from pytest_slm.extensions import Extensions


def metric(value: float, interval: tuple[float, float] | None, higher: bool = True) -> Metric:
    return Metric(name="m", value=value, n=100, interval=interval, higher_is_better=higher)


@pytest.mark.parametrize(
    ("measured", "above", "below"),
    [
        (metric(0.5, (0.4, 0.6)), False, False),
        (metric(0.6, (0.5, 0.7)), False, False),  # an interval misses the truth once in twenty times
        (metric(0.75, (0.65, 0.83)), True, False),
        (metric(0.2, (0.12, 0.28)), False, True),
        (metric(0.2, (0.12, 0.28), higher=False), True, False),  # of errors too few is better than chance
        (metric(0.9, None), False, False),  # one sample says nothing
    ],
)
def test_beyond_chance_is_far_more_than_the_interval_explains(measured: Metric, above: bool, below: bool) -> None:
    assert beyond(measured, 0.5) == above
    assert beyond(measured, 0.5, below=True) == below


@pytest.fixture
def tried(checks_task: Any) -> Any:
    def run(
        samples: list[dict[str, Any]], chance: float | None = 0.0, seconds: float = SECONDS, **given: Any
    ) -> Fitness:
        task: Task = checks_task(
            [{"id": str(n), "input": f"Question {n}?", **sample} for n, sample in enumerate(samples)],
            metrics=(MetricSpec(name="exact_match", chance=chance),),
            **given,
        )
        return try_players(task, Extensions(), seconds=seconds)

    return run


def test_a_task_with_answers_of_its_own_is_fit(tried: Any) -> None:
    found = tried([{"target": f"answer {n}"} for n in range(40)])
    assert (found.problems, found.notes, found.untried) == ([], [], "")
    told = "40 samples, exact_match: oracle 100.0%, empty 0.0%, babbling 0.0%, constant 2.5%; chance 0.0%"
    assert list(found.lines) == [f": {told}"]


def test_a_chance_level_that_says_too_little_makes_a_task_unfit(tried: Any) -> None:
    found = tried([{"target": "yes" if n % 4 else "no"} for n in range(60)])
    assert len(found.problems) == 1
    assert (
        "the same answer to every question gets 75.0% of exact_match (n = 60), where chance says 0.0%"
        in found.problems[0]
    )
    assert tried([{"target": "yes" if n % 4 else "no"} for n in range(60)], chance=0.75).problems == []


def test_an_answer_that_is_nothing_is_found(tried: Any) -> None:
    # whatever is said, and nothing too, has none of the forbidden words
    found = tried(
        [{"target": f"word{n}", "right_answers": ["fine"]} for n in range(40)],
        scorer="contains",
        scoring={"of": "none"},
    )
    assert any("a babbling model gets 100.0%" in problem for problem in found.problems)


def test_a_chance_level_that_says_too_much_is_noted(tried: Any) -> None:
    found = tried([{"target": f"answer {n}"} for n in range(40)], chance=0.5)
    assert found.problems == []
    assert "chance is 50.0% of exact_match, and no model without skill that was tried comes near" in found.notes[0]


def test_right_answers_that_do_not_get_everything_name_a_sample(tried: Any) -> None:
    found = tried(
        [{"target": f"answer {n}", "right_answers": ["another" if n == 3 else f"Answer {n}."]} for n in range(40)]
    )
    assert "the right answers get 97.5% of exact_match, not 100%; sample '3': " in found.problems[0]


def test_what_cannot_be_said_is_not_tried_and_says_why(tried: Any, checks_task: Any) -> None:
    assert "no answer to sample '0' must be right" in tried([{"target": "a.*"}], scorer="regex").untried
    assert "times are measured" in tried([{}], scorer="latency", scoring={"seconds": 1}).untried


TWO = {"short": {}, "long": {}}


def test_every_variant_is_played(tried: Any) -> None:
    found = tried([{"target": f"answer {n}"} for n in range(60)], variants=TWO)
    told = "samples, exact_match: oracle 100.0%, empty 0.0%, babbling 0.0%, constant"
    assert list(found.lines) == [
        f"[short]: 60 {told} 1.7%; chance 0.0%",
        f"[long]: 50 {told} 2.0%; chance 0.0%",
        ": 2 of 2 variants played",
    ]


def test_what_time_leaves_out_is_said_and_the_first_variant_never_is(tried: Any) -> None:
    found = tried([{"target": f"answer {n}"} for n in range(9)], variants=TWO, seconds=0.0)
    first, left, told = found.lines
    assert first.startswith("[short]: 9 samples")
    assert (left, told) == (
        "[long]: not played: 0 s were up; --seconds gives the task more",
        ": 1 of 2 variants played",
    )


def test_a_fault_of_a_later_variant_makes_the_task_unfit_and_names_it(built_in: Any) -> None:
    task: Task = built_in("rag/niah")
    variants = {"1024": task.variants["1024"], "2048": {}}
    found = try_players(dataclasses.replace(task, variants=variants), Extensions(), limit=5)
    assert len(found.problems) == 1
    assert found.problems[0].startswith("[2048] ")
    assert list(found.lines)[1:] == ["[2048]: not played: see the problem", ": 1 of 2 variants played"]


def test_python_of_the_folder_runs_only_if_somebody_says_so(tried: Any, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def score(sample, generation):\n    raise SystemExit('it ran')\n", "utf-8")
    found = tried([{"target": "a", "right_answers": ["a"]}], scorer="python", scoring={"file": "own.py"})
    assert "--run-code runs it" in found.untried


SUITE = "suite: colours\ntitle: Colours\ndescription: Which is it?\ntasks: [sky]\n"
CHOICES = """task: sky
kind: choices
description: Which colour?
source: here
license: Apache-2.0
metrics: [acc]
chance: 0.25
requires: [loglikelihood]
options: {samples: sky.jsonl}
"""


def write(folder: Path, answers: str) -> None:
    (folder / "suite.yaml").write_text(SUITE, "utf-8")
    (folder / "sky.yaml").write_text(CHOICES, "utf-8")
    lines = [
        {"id": str(n), "question": f"Thing {n}?", "options": ["red", "blue", "green", "grey"], "answer": answer}
        for n, answer in enumerate(answers)
    ]
    (folder / "sky.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def test_the_command_says_what_is_not_fit_to_rank_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "B" * 24 + "ACD" * 4)  # two thirds of the answers are B
    assert main(["suite", "check", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "colours: not fit to rank (sky): 1 problem" in told.out
    assert "the same answer to every question gets 66.7% of acc (n = 36), where chance says 25.0%" in told.err


def test_long_variants_are_played_whatever_context_a_model_has(built_in: Any) -> None:
    task: Task = built_in("rag/niah")
    found = try_players(dataclasses.replace(task, variants={"8192": task.variants["8192"]}), Extensions(), limit=3)
    assert (found.problems, found.untried) == ([], "")


def test_the_command_says_what_the_players_got(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "ABCD" * 9)
    assert main(["suite", "check", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "colours/sky: 36 samples, acc: oracle 100.0%, empty 25.0%" in told
    assert told.splitlines()[-1] == "colours: ok"


def test_rows_are_never_fetched_for_a_check(
    tmp_path: Path, no_network: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE, "utf-8")
    (tmp_path / "sky.yaml").write_text(
        "task: sky\nkind: checks\nmetrics: [accuracy]\nscorer: exact\n"
        "options:\n  generator: rows\n  dataset: {path: org/not-there}\n"
        "  sample: {id: '{a}', input: '{b}', target: '{c}'}\n",
        "utf-8",
    )
    assert main(["suite", "check", str(tmp_path)]) == 0
    assert "colours/sky: no players tried: " in capsys.readouterr().out

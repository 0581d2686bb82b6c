"""The questions of the suite core: enough of them, balanced, all different, and without a cue to the right option."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.core.types import Task
from pytest_slm.kinds.choices import Choices, ChoicesOptions, Question
from pytest_slm.load import load_suite, load_task

Questions = list[Question]


def questions_of(task: Task) -> list[Question]:
    return Choices.read(task, ChoicesOptions.from_json(task.options))


@pytest.fixture(scope="module", params=["reasoning", "language"])
def questions(request: pytest.FixtureRequest, suites_folder: Path) -> Questions:
    suite = load_suite(suites_folder / "core" / "suite.yaml")
    return questions_of(load_task(suites_folder / "core" / f"{request.param}.yaml", suite))


@pytest.fixture(scope="module")
def problems(suites_folder: Path) -> list[dict[str, Any]]:
    text = (suites_folder / "core" / "data" / "coding.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def share_right(questions: Questions, merit: Callable[[Question, str], float]) -> float:
    """How often the option of the greatest merit is right; k equally good ones are right with 1/k."""
    total = 0.0
    for question in questions:
        merits = [merit(question, option) for option in question.options]
        if merits[question.right] == max(merits):
            total += 1 / merits.count(max(merits))
    return total / len(questions)


# -- multiple choice --------------------------------------------------------------------------------------------------


def test_there_are_enough_questions_in_ten_categories(questions: Questions) -> None:
    assert len(questions) >= 120
    assert len(per_category := Counter(question.category for question in questions)) == 10
    assert min(per_category.values()) >= 12


def test_every_question_has_four_options_and_a_rationale_of_one_sentence(questions: Questions) -> None:
    for question in questions:
        assert len(question.options) == 4
        assert question.rationale.endswith(".")
        assert 10 < len(question.rationale) <= 120
        assert question.id.startswith(question.category)


def test_each_letter_is_right_in_a_quarter_of_the_questions(questions: Questions) -> None:
    for letter in "ABCD":
        assert 0.23 <= sum(question.answer == letter for question in questions) / len(questions) <= 0.27


def test_no_category_has_a_favourite_letter(questions: Questions) -> None:
    for category in {question.category for question in questions}:
        letters = Counter(question.answer for question in questions if question.category == category)
        assert max(letters.values()) <= 0.5 * letters.total()


@pytest.mark.parametrize(
    "merit",
    [
        pytest.param(lambda question, option: len(option), id="longest"),
        pytest.param(lambda question, option: -len(option), id="shortest"),
        pytest.param(lambda question, option: len(option.split()), id="most-words"),
        pytest.param(
            lambda question, option: len(words(option) & words(f"{question.passage} {question.question}")), id="echo"
        ),
        pytest.param(
            lambda question, option: sum(len(words(option) & words(other)) for other in question.options), id="typical"
        ),
    ],
)
def test_no_rule_without_reading_beats_chance(questions: Questions, merit: Callable[[Question, str], float]) -> None:
    # About 130 questions: 25 % has a standard error of 3.8 points.
    assert 0.19 <= share_right(questions, merit) <= 0.31


def test_no_option_is_about_the_options(questions: Questions) -> None:
    for question in questions:
        assert not re.search(r"(all|none|both) of the (above|options)|[A-D] and [A-D]\b", " ".join(question.options))


def test_no_two_questions_are_alike(questions: Questions) -> None:
    asked = {q.id: words(f"{q.passage} {q.question} {' '.join(q.options)}") for q in questions}
    for one, other in combinations(questions, 2):
        same_passage = one.passage is not None and one.passage == other.passage
        alike = len(asked[one.id] & asked[other.id]) / len(asked[one.id] | asked[other.id])
        assert same_passage or alike < 0.6, (one.id, other.id, alike)
        assert one.question != other.question, (one.id, other.id)


def test_passages_have_several_questions(suites_folder: Path) -> None:
    suite = load_suite(suites_folder / "core" / "suite.yaml")
    passages = Counter(q.passage for q in questions_of(load_task(suites_folder / "core" / "language.yaml", suite)))
    del passages[None]
    assert len(passages) >= 4
    assert min(passages.values()) >= 3


# -- coding -----------------------------------------------------------------------------------------------------------


def test_there_are_forty_problems_in_the_shape_of_humaneval(problems: list[dict[str, Any]]) -> None:
    assert len(problems) >= 40
    fields = {"id", "category", "prompt", "entry_point", "canonical_solution", "test"}
    assert all(set(problem) == fields for problem in problems)
    for field in ("id", "entry_point", "prompt", "canonical_solution", "test"):
        assert len({problem[field] for problem in problems}) == len(problems)
    assert len(Counter(problem["category"] for problem in problems)) >= 5


def test_prompts_declare_what_is_asked_for_with_examples(problems: list[dict[str, Any]]) -> None:
    for problem in problems:
        assert problem["prompt"].startswith(f"def {problem['entry_point']}(")
        assert problem["prompt"].endswith('"""\n')
        assert f">>> {problem['entry_point']}(" in problem["prompt"]
        assert problem["test"].startswith("def check(candidate):\n")
        assert problem["test"].count("assert candidate(") >= 5


CHILD = Path(__file__).parent / "coding_child.py"


@pytest.fixture(scope="module")
def verdicts(suites_folder: Path) -> dict[str, dict[str, Any]]:
    """What a child process found out about our own solutions, our own tests and mutants of the former."""
    data = suites_folder / "core" / "data" / "coding.jsonl"
    done = subprocess.run([sys.executable, "-I", str(CHILD), str(data)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def test_canonical_solutions_pass_their_tests(problems: list[dict[str, Any]], verdicts: dict[str, Any]) -> None:
    assert set(verdicts) == {problem["id"] for problem in problems}
    assert [task for task, verdict in verdicts.items() if not verdict["canonical"]] == []


def test_the_examples_in_the_docstrings_are_true(verdicts: dict[str, Any]) -> None:
    assert [task for task, verdict in verdicts.items() if not verdict["examples"] or verdict["examples_failed"]] == []


def test_answers_that_do_nothing_fail(verdicts: dict[str, Any]) -> None:
    assert [task for task, verdict in verdicts.items() if verdict["idle_passed"]] == []


def test_mutants_of_the_solutions_fail(verdicts: dict[str, Any]) -> None:
    assert all(verdict["mutants"] >= 2 for verdict in verdicts.values())
    survivors = {task: verdict["survivors"] for task, verdict in verdicts.items() if verdict["survivors"]}
    # Some mutants are no mistakes: `root = 0` to begin a search with may as well be -1.
    assert sum(map(len, survivors.values())) <= 0.1 * sum(v["mutants"] for v in verdicts.values()), survivors
    for task, verdict in verdicts.items():
        assert len(verdict["survivors"]) <= verdict["mutants"] / 2, (task, verdict)

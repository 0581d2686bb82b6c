"""What a suite says of its tasks: which count once together, how many questions they have, how chance comes about."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_slm.errors import UsageError
from pytest_slm.load import load_suite, load_task

LEAST = "kind: checks\nmetrics: [exact]\n"


def test_tasks_of_a_family_are_named_by_their_suite(write: Callable[..., Path]) -> None:
    suite = load_suite(write("tasks: [a, b, c]\nfamilies: {ruler: [a, b]}\n", "law/suite.yaml"))
    assert suite.facts.families == {"ruler": ("a", "b")}
    tasks = [load_task(write(LEAST, f"law/{name}.yaml"), suite) for name in "abc"]
    assert [task.family for task in tasks] == ["ruler", "ruler", None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("families: [a]", "families: expected a mapping"),
        ("families: {ruler: a}", "families.ruler: expected a list, got the text 'a'"),
        ("families: {ruler: [a, a]}", "'a' is listed twice"),
        ("families: {ruler: []}", "families.ruler: no task is of it"),
        ("families: {ruler: }", "families.ruler: no task is of it"),
        ("families: {Ruler x: [a]}", "families.Ruler x: expected a name in small letters"),
        ("families: {ruler: [a, b], niah: [b]}", "families.niah: 'b' is of another family, too"),
        ("rows: [a]", "rows: expected a mapping"),
        ("rows: {a: many}", "rows.a: expected a whole number of at least 1"),
        ("rows: {a: 0}", "rows.a: expected a whole number of at least 1"),
        ("rows: {a: 1.5}", "rows.a: expected a whole number of at least 1"),
        ("rows: {a: true}", "rows.a: expected a whole number of at least 1"),
        ("rows: {a: }", "rows.a: missing key"),
        ("chances: {a: 0.25}", "chances.a: expected a text, got the number 0.25"),
    ],
)
def test_a_mistake_in_what_a_suite_says_of_its_tasks_is_told(write: Callable[..., Path], text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_suite(write(f"tasks: [a, b]\n{text}\n", "law/suite.yaml"))
    assert words in str(caught.value)
    assert "suite.yaml:2: " in str(caught.value)

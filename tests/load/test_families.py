"""Tasks that count once together: the suite says which they are."""

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
    ],
)
def test_a_mistake_in_the_families_of_a_suite_is_told(write: Callable[..., Path], text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_suite(write(f"tasks: [a, b]\n{text}\n", "law/suite.yaml"))
    assert words in str(caught.value)
    assert "suite.yaml:2: " in str(caught.value)

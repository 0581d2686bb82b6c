"""How chance comes about is said of every task where it is no plain guessing, and of none that there is not."""

from __future__ import annotations

import pytest

from pytest_slm.site.titles.chances import chance_text
from pytest_slm.site.titles.definitions import definitions


def chance_of(suite, task):
    """The level of the primary metric, and whether it is worked out of the questions."""
    found = definitions()[suite].tasks[task]
    spec = found.spec(found.primary)
    return spec.chance


SAID = [(suite, task) for suite, one in definitions().items() for task in one.suite.facts.chances]


@pytest.mark.parametrize(("suite", "task"), SAID)
def test_each_way_is_that_of_a_task_of_ours_and_reads_on(suite, task):
    assert task in definitions()[suite].tasks
    way = definitions()[suite].suite.facts.chances[task]
    level = chance_of(suite, task)
    # It stands behind the level and a comma, or for a level that there is not.
    assert way == way.strip(" .") != ""
    assert way[0].islower()
    assert (level is None) == (chance_text(suite, task, "", [level] if level else []) == way)


def test_levels_of_no_even_choice_have_a_way_of_their_own():
    for suite, one in definitions().items():
        for name, task in one.tasks.items():
            level = task.spec(task.primary).chance
            if (
                level
                and not task.primary.startswith("balanced_")
                and min(abs(level - 1 / k) for k in range(2, 6)) > 0.001
            ):
                assert (suite, name) in SAID


def test_a_level_that_is_not_known_is_not_guessed():
    assert chance_text("mine", "quiz", "acc", []) == "not known"
    assert chance_text("mine", "quiz", "acc", [0.25]) == "25\u00a0%, by guessing"
    assert chance_text("mine", "quiz", "balanced_accuracy", [0.5]).endswith("by doing the same with every question")

"""Every built-in task that can be tried here: the right answers get everything, and no model without skill more than
chance says. What cannot be tried says why."""

from __future__ import annotations

import re

import pytest

from pytest_slm.authoring.fitness import Fitness, try_players
from pytest_slm.core.types import Task
from pytest_slm.extensions import Extensions

WITHOUT_GOLD = {
    "submission/": "nothing is asked of a model",
    "function_calling/bfcl": "do not say what a right answer looks like",
    "long_context/perplexity": "do not say what a right answer looks like",
    "reasoning/truthfulqa_mc2": "a function of its own judges",
    "safety/": "a function of its own judges|no answer to sample",
    "guardrails/": "no answer to sample",
    "instruction_following/ifeval": "a function of its own judges",
    "coding/": "the answers are programs",
    "function_calling/nestful_v2": "ask for a chain",
    # Some of the subjects are not in every mirror.
    "reasoning/mmlu": "cannot be made of the samples",
    "reasoning/position_bias_mmlu": "cannot be made of the samples",
}
"""By the beginning of a task's key, tasks that cannot be tried wherever they are, and what is said then (a pattern)."""


def tried(task: Task, data: str | None) -> Fitness:
    # Programs take a while, and many of them say no more.
    return try_players(task, Extensions(), data=data, limit=2 if task.kind == "functions" else 24)


def look(task: Task, request: pytest.FixtureRequest) -> None:
    data = None if "samples" in task.options else str(request.getfixturevalue("mirror"))
    found = tried(task, data)
    assert found.problems == []
    key = f"{task.suite}/{task.name}"
    slug = re.search(r"\[([a-z-]+)\]$", found.untried)
    if found.untried and (slug is None or slug[1] == "no-gold"):
        told = next((told for name, told in WITHOUT_GOLD.items() if key.startswith(name)), None)
        assert told is not None, f"{key}: {found.untried}"
        assert re.search(told, found.untried), found.untried
    if found.untried:  # otherwise data or a package are not here
        pytest.skip(found.untried)
    assert found.told
    for told in found.told.values():
        assert re.search(r": oracle (100|0)\.0%, empty", told), told
    assert not any("s were up" in reason for reason in found.left.values()), found.left


def test_it_is_fit_to_rank(cheap: Task, request: pytest.FixtureRequest) -> None:
    look(cheap, request)


@pytest.mark.nightly
def test_it_is_fit_to_rank_too(costly: Task, request: pytest.FixtureRequest) -> None:
    look(costly, request)

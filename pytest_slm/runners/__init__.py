"""What turns a task and a backend into a result. ``RUNNERS`` names the runner of each kind of task."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import cast

from pytest_slm.core.types import Result, Task
from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.runners.context import RunContext

RUNNERS: Mapping[str, str] = {
    "checks": "pytest_slm.runners.checks:run",
    "choices": "pytest_slm.runners.choices:run",
    "functions": "pytest_slm.runners.coding.functions:run",
    "lm_eval": "pytest_slm.runners.accuracy:run",
    "validate": "pytest_slm.runners.validate:run",
}

CHECKS: Mapping[str, str] = {
    "checks": "pytest_slm.runners.checks:check",
    "choices": "pytest_slm.runners.choices:check",
    "functions": "pytest_slm.runners.coding.functions:check",
}
"""What finds the mistakes in a task of this kind before a model is there, for kinds that can do so at once."""

Runner = Callable[[Task, str, RunContext], Result]


def runner_for(task: Task) -> Runner:
    """The runner of a task's kind, imported now."""
    if task.kind not in RUNNERS:
        raise UsageError(f"{task.path}: unknown kind {task.kind!r}. {did_you_mean(task.kind, RUNNERS)}", slug="kind")
    return cast(Runner, _imported(RUNNERS[task.kind]))


def check_task(task: Task) -> None:
    """Raise UsageError if the task can be seen to be wrong before anything runs, with file and line."""
    if task.kind in CHECKS:
        cast(Callable[[Task], None], _imported(CHECKS[task.kind]))(task)


def _imported(where: str) -> object:
    module, _, function = where.partition(":")
    return cast(object, getattr(importlib.import_module(module), function))

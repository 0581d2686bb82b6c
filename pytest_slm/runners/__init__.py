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
    "lm_eval": "pytest_slm.runners.accuracy:run",
    "validate": "pytest_slm.runners.validate:run",
}

Runner = Callable[[Task, str, RunContext], Result]


def runner_for(task: Task) -> Runner:
    """The runner of a task's kind, imported now."""
    if task.kind not in RUNNERS:
        raise UsageError(f"{task.path}: unknown kind {task.kind!r}. {did_you_mean(task.kind, RUNNERS)}", slug="kind")
    module, _, function = RUNNERS[task.kind].partition(":")
    return cast(Runner, getattr(importlib.import_module(module), function))

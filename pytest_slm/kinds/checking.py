"""From a task to the kind that it names, with its options read: mistakes are found here, before a model is there."""

from __future__ import annotations

from typing import Any

from pytest_slm.backends.protocol import CAPABILITIES
from pytest_slm.core.record import Record
from pytest_slm.core.types import Task
from pytest_slm.errors import TaskError, UsageError, did_you_mean
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.context import RunContext
from pytest_slm.kinds.kind import Kind
from pytest_slm.kinds.options import OptionsError, read_options


def check_task(task: Task, extensions: Extensions) -> None:
    """Raise UsageError with everything that can be seen to be wrong with a task before anything runs."""
    problems: list[tuple[str, str]] = []
    for capability in task.requires:
        if capability not in CAPABILITIES:
            problems.append(
                ("requires", f"unknown capability {capability!r:.80}. {did_you_mean(capability, CAPABILITIES)}")
            )
    _note(problems, "scorer", lambda: task.scorer and extensions.scorers.lookup(task.scorer))
    kind = _kind(task, extensions)
    options: Record | None = None
    try:
        options = _options(task, kind, extensions)
    except OptionsError as error:
        problems += _keyed(error)
    except UsageError as error:
        problems.append(("options.generator", error.args[0]))
    if options is not None:
        grader = getattr(options, "grader", None)
        _note(problems, "options.grader", lambda: grader and extensions.graders.lookup(grader))
    if problems:
        raise TaskError(task.path or task.name, problems)
    assert options is not None
    kind.check(task, options)


def make_kind(task: Task, variant: str, context: RunContext) -> Kind[Any, Any]:
    """The work of one task variant in these surroundings. Raises UsageError for wrong options."""
    kind = _kind(task, context.extensions)
    try:
        options = _options(task, kind, context.extensions)
    except OptionsError as error:
        raise TaskError(task.path or task.name, _keyed(error)) from None
    return kind(task, options, variant, context)


def count_samples(task: Task, extensions: Extensions) -> int | None:
    """How many samples a task has in all, without reading them; None where that is not known."""
    try:
        kind = _kind(task, extensions)
        return kind.count(task, _options(task, kind, extensions))
    except (OptionsError, UsageError):
        return None  # the item will tell of it


def _keyed(error: OptionsError) -> list[tuple[str, str]]:
    return [(f"options.{key}" if key else "options", problem) for key, problem in error.problems]


def _kind(task: Task, extensions: Extensions) -> type[Kind[Any, Any]]:
    try:
        return extensions.kinds.lookup(task.kind)
    except UsageError as error:
        raise TaskError(task.path or task.name, [("kind", error.args[0])]) from None


def _options(task: Task, kind: type[Kind[Any, Any]], extensions: Extensions) -> Record:
    generator = task.options.get("generator") if "generator" in kind.options_type.__dataclass_fields__ else None
    more = extensions.generators.lookup(generator).options if isinstance(generator, str) else None
    return read_options(kind.options_type, task.options, more)


def _note(problems: list[tuple[str, str]], key: str, look: Any) -> None:
    try:
        look()
    except UsageError as error:
        problems.append((key, error.args[0]))

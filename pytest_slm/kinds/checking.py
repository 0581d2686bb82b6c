"""From a task to the kind that it names, with its options read: mistakes are found here, before a model is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pytest_slm.backends.protocol import CAPABILITIES
from pytest_slm.core.record import Record
from pytest_slm.core.types import Task
from pytest_slm.errors import TaskError, UsageError, did_you_mean
from pytest_slm.extensions import Extensions
from pytest_slm.extensions.catalogue import Catalogue
from pytest_slm.kinds.context import RunContext
from pytest_slm.kinds.kind import Kind
from pytest_slm.kinds.options import OptionsError, bind_scorer, read_options
from pytest_slm.scorers import DEFAULT_SCORER

T = TypeVar("T")


def find_mistakes(task: Task, extensions: Extensions) -> list[tuple[str, str]]:
    """Everything that the text of a task can be seen to have wrong: (dotted key of its file, what is wrong there)."""
    found: list[tuple[str, str]] = []
    for capability in task.requires:
        if capability not in CAPABILITIES:
            near = did_you_mean(capability, CAPABILITIES)
            found.append(("requires", f"unknown capability {capability!r:.80}. {near}"))
    if task.scorer is not None:
        _look_up(found, "scorer", extensions.scorers, task.scorer)
    kind = _look_up(found, "kind", extensions.kinds, task.kind) if task.kind else None
    if kind is None:
        return found
    try:
        options = _options(task, kind, extensions)
    except OptionsError as error:
        return found + error.mistakes()
    except UsageError as error:
        return [*found, ("options.generator", error.args[0])]
    grader = getattr(options, "grader", None)
    if grader is not None:
        _look_up(found, "options.grader", extensions.graders, grader)
    return found + list(_scoring_mistakes(task, extensions, scored=grader is None and hasattr(options, "grader")))


def _scoring_mistakes(task: Task, extensions: Extensions, *, scored: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with the options of the task's scorer."""
    if not scored:
        if task.scoring:
            yield "scoring", "no scorer judges this task that could read it; leave it out"
        return
    name = task.scorer or DEFAULT_SCORER
    if name in extensions.scorers:
        try:
            bind_scorer(extensions.scorers, Path(task.path).parent, name, task.scoring)
        except OptionsError as error:
            yield from error.mistakes("scoring")


def check_task(task: Task, extensions: Extensions) -> None:
    """Raise UsageError for a task that cannot be meant, its file of samples included, before anything runs."""
    found = find_mistakes(task, extensions)
    if found:
        raise TaskError(task.path or task.name, found)
    check_files(task, extensions)


def check_files(task: Task, extensions: Extensions) -> None:
    """Raise UsageError for what the files of a task have wrong, in whose text ``find_mistakes`` has found nothing."""
    kind = extensions.kinds.lookup(task.kind)
    options = _options(task, kind, extensions)
    if not kind.chance_of_rows and (asked := [spec.name for spec in task.metrics if spec.chance_of_rows]):
        told = f"chance: tasks of kind {task.kind} do not work out of their rows what chance gets of {asked[0]!r:.80}"
        raise UsageError(f"{task.path or task.name}: {told}; give a number", slug="task-option")
    kind.check(task, options)
    kind.check_samples(task, options, extensions)


def make_kind(task: Task, variant: str, context: RunContext) -> Kind[Any, Any]:
    """The work of one task variant in these surroundings. Raises UsageError for wrong options."""
    kind = context.extensions.kinds.lookup(task.kind)
    try:
        options = _options(task, kind, context.extensions)
    except OptionsError as error:
        raise TaskError(task.path or task.name, error.mistakes()) from None
    return kind(task, options, variant, context)


def is_timed(task: Task, extensions: Extensions) -> bool:
    """Whether the task's scorer judges times, which mean nothing while other items run."""
    try:
        name = task.scorer or DEFAULT_SCORER
        return (
            task.kind == "checks" and bind_scorer(extensions.scorers, Path(task.path).parent, name, task.scoring).timed
        )
    except (OptionsError, UsageError):
        return False  # the item will tell of it


def count_samples(task: Task, extensions: Extensions) -> int | None:
    """How many samples a task has in all, without reading them; None where that is not known."""
    try:
        kind = extensions.kinds.lookup(task.kind)
        return kind.count(task, _options(task, kind, extensions))
    except (OptionsError, UsageError):
        return None  # the item will tell of it


def _options(task: Task, kind: type[Kind[Any, Any]], extensions: Extensions) -> Record:
    generator = task.options.get("generator") if "generator" in kind.options_type.__dataclass_fields__ else None
    more = extensions.generators.lookup(generator).options if isinstance(generator, str) else None
    return read_options(kind.options_type, task.options, more)


def _look_up(found: list[tuple[str, str]], key: str, catalogue: Catalogue[T], name: str) -> T | None:
    try:
        return catalogue.lookup(name)
    except UsageError as error:
        found.append((key, error.args[0]))
        return None

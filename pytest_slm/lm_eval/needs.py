"""Which data sets the tasks of some suites read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pytest_slm.core.types import Dataset, Task
from pytest_slm.data.needs import Need
from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder

Read = Callable[[Task], Iterable[Dataset]]
"""What a task reads that is no task of lm-eval."""


def needs(
    names: Sequence[str],
    lm_eval_tasks: Sequence[str] = (),
    folder: Path | None = None,
    others: Read = lambda _task: (),
) -> list[Need]:
    """What the named suites or tasks (``suite``, ``suite/task``; none: all) and tasks of lm-eval read, by data set.

    Raises UsageError for a name that does not exist, NotAvailableError if lm-eval is needed and not installed.
    """
    read: dict[str, dict[str, dict[str | None, None]]] = {}
    tasks = list(_tasks(names, folder, lm_eval_tasks))
    upstream = [(f"{task.suite}/{task.name}", str(task.options["task"])) for task in tasks if task.kind == "lm_eval"]
    for key, name in [*upstream, *((f"lm_eval:{name}", name) for name in lm_eval_tasks)]:
        for dataset, config in _rows_of(name):
            read.setdefault(dataset, {}).setdefault(key, {})[config] = None
    for task in tasks:
        for one in others(task) if task.kind != "lm_eval" else ():
            if one.on_hub:
                read.setdefault(one.path, {}).setdefault(f"{task.suite}/{task.name}", {})[one.config] = None
    return [
        Need(
            dataset=dataset,
            configs=tuple(sorted({config for configs in readers.values() for config in configs}, key=str)),
            tasks=tuple(readers),
        )
        for dataset, readers in sorted(read.items())
    ]


def _tasks(names: Sequence[str], folder: Path | None, others: Sequence[str]) -> Iterable[Task]:
    if not names and others:
        return
    known: dict[str, list[Task]] = {}
    for path in sorted((folder or suites_folder()).glob("*/suite.yaml")):
        suite = load_suite(path)
        tasks = [load_task(file, suite) for file in sorted(path.parent.glob("*.yaml")) if file != path]
        known[suite.name] = tasks
        known.update({f"{suite.name}/{task.name}": [task] for task in tasks})
    for name in names or [name for name in known if "/" not in name]:
        if name not in known:
            raise UsageError(f"{name}: no such suite or task. {did_you_mean(name, known)}", slug="unknown-suite")
        yield from known[name]


def _rows_of(name: str) -> Iterable[tuple[str, str | None]]:
    from pytest_slm.lm_eval.definitions import leaves
    from pytest_slm.lm_eval.seam import check_installed

    check_installed(f"which data {name} reads")
    for settings in leaves(name):
        if settings.get("dataset_path") and not settings.get("custom_dataset"):
            yield str(settings["dataset_path"]), settings.get("dataset_name")

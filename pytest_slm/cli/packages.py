"""Which packages, checkouts and articles the tasks of some suites take texts out of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Task
from pytest_slm.data import tables
from pytest_slm.data.checkouts import Checkout
from pytest_slm.data.packages import Package
from pytest_slm.extensions import Extensions
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder


def packages(names: Collection[str]) -> list[Package | Checkout]:
    """The packages and checkouts of the named suites or tasks (``suite``, ``suite/task``; none: all), each once: what a
    task has as ``package`` in its option ``tools``, or as ``checkout`` in ``functions``."""
    found: dict[str, Package | Checkout] = {}
    for task in _tasks(names):
        if told := _told(task.options, "tools", "package"):
            found[str(told["sha256"])] = Package.from_json(told)
        if told := _told(task.options, "functions", "checkout"):
            found[str(told["sha256"])] = Checkout.from_json(told)
    return list(found.values())


def addresses(names: Collection[str], mirror: Path) -> list[str]:
    """The addresses of the articles that the named suites or tasks show, by the rows that the mirror has of their data
    sets. Raises SlmError where it does not have them."""
    config, generators = RunConfig(model="none", data=str(mirror), offline=True), Extensions().generators
    found: list[str] = []
    for task in _tasks(names):
        name = task.options.get("generator")
        links = generators.lookup(name).links if isinstance(name, str) else None
        if links is not None:
            found += links(task.options, lambda dataset: tables.read(dataset, config).rows)
    return found


def _tasks(names: Collection[str]) -> Iterator[Task]:
    for path in sorted(suites_folder().glob("*/suite.yaml")):
        suite = load_suite(path)
        for file in sorted(path.parent.glob("*.yaml")):
            if file != path:
                task = load_task(file, suite)
                if not names or not {suite.name, f"{suite.name}/{task.name}"}.isdisjoint(names):
                    yield task


def _told(options: Mapping[str, Any], option: str, key: str) -> Mapping[str, Any]:
    value = options.get(option)
    told = value.get(key) if isinstance(value, Mapping) else None
    return told if isinstance(told, Mapping) else {}

"""Which packages and checkouts the tasks of some suites take files out of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pytest_slm.data.checkouts import Checkout
from pytest_slm.data.packages import Package
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder


def packages(names: Collection[str]) -> list[Package | Checkout]:
    """The packages and checkouts of the named suites or tasks (``suite``, ``suite/task``; none: all), each once: what a
    task has as ``package`` in its option ``tools``, or as ``checkout`` in ``functions``."""
    found: dict[str, Package | Checkout] = {}
    for path in sorted(suites_folder().glob("*/suite.yaml")):
        suite = load_suite(path)
        for file in sorted(path.parent.glob("*.yaml")):
            if file == path:
                continue
            task = load_task(file, suite)
            if names and {suite.name, f"{suite.name}/{task.name}"}.isdisjoint(names):
                continue
            if told := _told(task.options, "tools", "package"):
                found[str(told["sha256"])] = Package.from_json(told)
            if told := _told(task.options, "functions", "checkout"):
                found[str(told["sha256"])] = Checkout.from_json(told)
    return list(found.values())


def _told(options: Mapping[str, Any], option: str, key: str) -> Mapping[str, Any]:
    value = options.get(option)
    told = value.get(key) if isinstance(value, Mapping) else None
    return told if isinstance(told, Mapping) else {}

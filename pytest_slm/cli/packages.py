"""Which packages the tasks of some suites take files out of."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pytest_slm.data.packages import Package
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder


def packages(names: Collection[str]) -> list[Package]:
    """The packages of the named suites or tasks (``suite``, ``suite/task``; none: all), each once: what a task has as
    ``package`` in its option ``tools``."""
    found: dict[str, Package] = {}
    for path in sorted(suites_folder().glob("*/suite.yaml")):
        suite = load_suite(path)
        for file in sorted(path.parent.glob("*.yaml")):
            if file == path:
                continue
            task = load_task(file, suite)
            tools = task.options.get("tools")
            told = tools.get("package") if isinstance(tools, Mapping) else None
            if told and (not names or not {suite.name, f"{suite.name}/{task.name}"}.isdisjoint(names)):
                package = Package.from_json(told)
                found[package.sha256] = package
    return list(found.values())

"""The suites of this repository, loaded as a run loads them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from pytest_slm.core.types import Sample, Suite, Task
from pytest_slm.kinds.checks import read_samples
from pytest_slm.load import load_suite, load_task

SUITES = Path(__file__).parents[2] / "suites"


def data_files(task: Task) -> list[str]:
    """The files of its suite that a task names."""
    return [name for key in ("samples", "haystack", "prompts") if isinstance(name := task.options.get(key), str)]


SCORED = ("checks", "continuations", "sequences")
SELECTIONS: dict[str, Callable[[Task], bool]] = {
    "task": lambda task: True,
    "checked": lambda task: task.kind in SCORED,
    "sampled": lambda task: task.kind == "checks" and "samples" in task.options,
    "generated": lambda task: "generator" in task.options,
    "with_data": lambda task: bool(data_files(task)),
    "upstream": lambda task: task.kind == "lm_eval",
    "costly": lambda task: takes_seconds(task),
    "cheap": lambda task: not takes_seconds(task),
    "unscored": lambda task: task.kind not in SCORED,
}
"""Names of arguments, and which tasks each of them is in turn."""


CHEAP = {"legal/proa", "language/boolq", "reasoning/arc_challenge", "function_calling/bfcl"}
"""Those of lm-eval and of BFCL that are tried by every run of the tests; the others take seconds each."""


def takes_seconds(task: Task) -> bool:
    return task.kind in ("lm_eval", "bfcl", "bfcl_formats") and f"{task.suite}/{task.name}" not in CHEAP


@cache
def all_suites() -> list[Suite]:
    return [load_suite(path) for path in sorted(SUITES.glob("*/suite.yaml"))]


@cache
def all_tasks() -> list[Task]:
    return [
        load_task(path, suite)
        for suite in all_suites()
        for path in sorted(Path(suite.path).parent.glob("*.yaml"))
        if path.name != "suite.yaml"
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``suite`` is every suite once, ``task`` every task file once, the others of SELECTIONS some of them."""
    if "suite" in metafunc.fixturenames:
        metafunc.parametrize("suite", all_suites(), ids=lambda suite: suite.name)
    for name in set(SELECTIONS) & set(metafunc.fixturenames):
        chosen = [task for task in all_tasks() if SELECTIONS[name](task)]
        metafunc.parametrize(name, chosen, ids=lambda task: f"{task.suite}/{task.name}")


@pytest.fixture(scope="session")
def suites() -> list[Suite]:
    return all_suites()


@pytest.fixture(scope="session")
def tasks() -> list[Task]:
    return all_tasks()


@pytest.fixture(scope="session")
def suites_folder() -> Path:
    return SUITES


@pytest.fixture(scope="session")
def calls() -> tuple[Task, list[Sample]]:
    return _with_samples("function_calling", "calls")


@pytest.fixture(scope="session")
def refusals() -> tuple[Task, list[Sample]]:
    return _with_samples("guardrails", "refusal")


@pytest.fixture(scope="session")
def cited() -> tuple[Task, list[Sample]]:
    return _with_samples("rag", "citation")


def _with_samples(suite: str, name: str) -> tuple[Task, list[Sample]]:
    loaded: Suite = load_suite(SUITES / suite / "suite.yaml")
    task = load_task(SUITES / suite / f"{name}.yaml", loaded)
    return task, read_samples(SUITES / suite / str(task.options["samples"]), task.options["sha256"])

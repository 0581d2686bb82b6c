"""The suites of this repository, loaded as a run loads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_slm.core.types import Sample, Suite, Task
from pytest_slm.kinds.checks import read_samples
from pytest_slm.load import load_suite, load_task

SUITES = Path(__file__).parents[2] / "suites"
OURS = ("core", "function_calling", "rag", "reasoning", "safety", "submission")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``suite`` is every suite once, ``task`` every task file once."""
    if "suite" in metafunc.fixturenames:
        suites = [load_suite(SUITES / name / "suite.yaml") for name in OURS]
        metafunc.parametrize("suite", suites, ids=lambda suite: suite.name)
    if "task" in metafunc.fixturenames:
        tasks = [load_task(path, load_suite(path.parent / "suite.yaml")) for name in OURS for path in task_files(name)]
        metafunc.parametrize("task", tasks, ids=lambda task: f"{task.suite}/{task.name}")


def task_files(suite: str) -> list[Path]:
    return sorted(path for path in (SUITES / suite).glob("*.yaml") if path.name != "suite.yaml")


@pytest.fixture(scope="session")
def suites_folder() -> Path:
    return SUITES


@pytest.fixture(scope="session")
def calls() -> tuple[Task, list[Sample]]:
    return _with_samples("function_calling", "calls")


@pytest.fixture(scope="session")
def refusals() -> tuple[Task, list[Sample]]:
    return _with_samples("safety", "refusal")


def _with_samples(suite: str, name: str) -> tuple[Task, list[Sample]]:
    loaded: Suite = load_suite(SUITES / suite / "suite.yaml")
    task = load_task(SUITES / suite / f"{name}.yaml", loaded)
    return task, read_samples(SUITES / suite / str(task.options["samples"]), task.options["sha256"])

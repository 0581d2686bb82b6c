"""The suites that come with the project: where they are, and what they are called."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.core.types import Suite
from pytest_slm.errors import UsageError, did_you_mean
from pytest_slm.files import read_bytes
from pytest_slm.load import load_profiles, load_suite, load_task


def suites_folder() -> Path:
    """Where the built-in suites are: in the installed package, or at the top of a checkout."""
    here = Path(__file__).parents[1]
    for folder in (here / "suites", here.parent / "suites"):
        if (folder / "profiles.yaml").is_file():
            return folder
    raise UsageError(f"{here}: the built-in suites are missing; install pytest-slm again", slug="suites-missing")


@functools.cache
def score_rules() -> ScoreRules:
    """The profiles and thresholds that come with the project."""
    return load_profiles(suites_folder() / "profiles.yaml")


@functools.cache
def _suites() -> tuple[Suite, ...]:
    return tuple(map(load_suite, sorted(suites_folder().glob("*/suite.yaml"))))


@functools.cache
def built_in_use_cases() -> dict[str, str]:
    """The use case of each built-in suite that has one."""
    return {suite.name: suite.facts.use_case for suite in _suites() if suite.facts.scored and suite.facts.use_case}


@functools.cache
def built_in_families() -> dict[str, dict[str, str]]:
    """The families of the tasks of each built-in suite."""
    return {suite.name: suite.facts.family_of_tasks for suite in _suites() if suite.facts.families}


@functools.cache
def built_in_rows() -> dict[str, Mapping[str, int]]:
    """How many questions the whole data sets of tasks of each built-in suite have."""
    return {suite.name: suite.facts.rows for suite in _suites() if suite.facts.rows}


@functools.cache
def built_in_versions() -> dict[str, int]:
    """The version of each task of the built-in suites that has a file, by ``suite/task``."""
    found = ((suite, path) for suite in _suites() for path in _task_files(suites_folder() / suite.name))
    tasks = (load_task(path, suite) for suite, path in found if path.suffix == ".yaml")
    return {f"{task.suite}/{task.name}": task.version for task in tasks}


def check_own_name(suite: Suite) -> None:
    """Raise UsageError for a foreign suite with the name or the use case of a built-in one: its scores would be mixed
    with theirs.

    A copy of the built-in suite (a checkout beside the installed package) is not foreign.
    """
    mine, theirs = Path(suite.path), suites_folder() / suite.name / "suite.yaml"
    if theirs.is_file():
        if not theirs.samefile(mine) and read_bytes(theirs) != read_bytes(mine):
            raise UsageError(
                f"{mine}: the name {suite.name!r} belongs to a built-in suite; give yours another `suite:`",
                slug="suite-name-taken",
            )
    elif suite.facts.use_case in built_in_use_cases().values():
        raise UsageError(
            f"{mine}: the use case {suite.facts.use_case!r} is that of a built-in suite; give yours another",
            slug="suite-name-taken",
        )


def check_suites(names: tuple[str, ...], root: Path) -> None:
    """Raise UsageError if one of these ``suite`` or ``suite/task`` keys does not exist."""
    known = {path.parent.name: path.parent for path in sorted(root.glob("*/suite.yaml"))}
    for name in names:
        suite, _, task = name.partition("/")
        if suite not in known:
            raise UsageError(f"--slm-suite={name}: unknown suite. {did_you_mean(suite, known)}", slug="unknown-suite")
        tasks = {path.stem.removeprefix("test_") for path in _task_files(known[suite])}
        if task and task not in tasks:
            raise UsageError(
                f"--slm-suite={name}: unknown task. {did_you_mean(task.removeprefix('test_'), tasks)}",
                slug="unknown-suite",
            )


def suite_keys() -> Iterator[str]:
    """``suite`` and ``suite/task`` of everything that is built in."""
    for suite in sorted(suites_folder().glob("*/suite.yaml")):
        yield suite.parent.name
        for path in _task_files(suite.parent):
            yield f"{suite.parent.name}/{path.stem.removeprefix('test_')}"


def _task_files(suite: Path) -> list[Path]:
    yaml = [path for path in sorted(suite.glob("*.yaml")) if path.name != "suite.yaml"]
    return yaml + sorted(suite.glob("test_*.py"))

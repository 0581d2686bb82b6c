"""The hooks of a session that measures a model: each is one call into the rooms."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.core.types import PROPERTY, Result
from pytest_slm.errors import NotAvailableError, SlmError, told
from pytest_slm.plugin.items import (
    IDENTITY,
    LIVE,
    RUN,
    SUITE_FILE,
    SuiteDir,
    TaskItem,
    arrange,
    collect_file,
    named,
)
from pytest_slm.plugin.stopwatch import use_host_clock
from pytest_slm.terminal.failures import show


class NamedSuites:
    """Of the suites in a folder, nothing is collected but what ``--slm-suite`` names: to read and to check all the
    others would take longer than many a run."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self.folder, self.names = folder, set(names)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        if self.folder not in collection_path.parents:
            return None
        suite, *file = collection_path.relative_to(self.folder).parts
        if not file:  # a task is behind its suite
            return True if suite not in {name.partition("/")[0] for name in self.names} else None
        task = collection_path.stem.removeprefix("test_")
        return None if self.names & {suite, f"{suite}/{task}"} else True


class Active:
    """The hooks of a session that measures a model."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return SuiteDir.of(parent, path) if (path / SUITE_FILE).is_file() else None

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return collect_file(file_path, parent)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "slm_backend" in metafunc.fixturenames:
            names = [q.name for q in metafunc.config.stash[RUN].quantizations]
            metafunc.parametrize("slm_backend", names, indirect=True)

    @pytest.hookimpl(tryfirst=True)  # a gate is known even if -k leaves its item out
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        items += named(session)
        left_out = arrange(items)
        for item in items:
            use_host_clock(item)
        if left_out:
            config.hook.pytest_deselected(items=left_out)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.get_closest_marker("slm_timing"):
            if hasattr(item.config, "workerinput"):
                pytest.skip("times mean nothing while other workers run: measure without -n  [timing-alone]")
            if item.config.stash[RUN].recorded:
                pytest.skip("times are no answers that could be scored: leave out --slm-rescore  [rescore-missing]")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        result = unmeasured(item, call)
        if result is not None:
            item.user_properties.append((PROPERTY, result.to_json()))
        report = yield
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, SlmError):
            report.longrepr = told(error)
        elif IDENTITY in item.stash:
            show(report)
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
        outcome = outcome_of(report)
        # Another plugin's verdict (expected to fail, run again) goes before ours.
        foreign = hasattr(report, "wasxfail") or report.outcome not in ("passed", "failed", "skipped")
        if outcome is None or foreign or (report.when != "call" and report.passed) or report.when == "teardown":
            return None
        letter, word = WORDS[outcome]
        # A finished item gets a line of its own (see progress), which says more than a letter.
        return outcome, "" if config.stash[LIVE].tells_results else letter, word


def unmeasured(item: pytest.Item, call: pytest.CallInfo[Any]) -> Result | None:
    """The result of an item that ended without one, made from what ended it."""
    identity = item.stash.get(IDENTITY, None)
    error = call.excinfo.value if call.excinfo else None
    if identity is None or error is None or any(name == PROPERTY for name, _ in item.user_properties):
        return None
    task = item.task if isinstance(item, TaskItem) else None
    if isinstance(error, pytest.skip.Exception):
        message, _, slug = str(error.msg).rpartition("  [")
        reason = NotAvailableError(message or str(error.msg), slug=slug.rstrip("]") if message else None)
        return item.config.stash[RUN].unmeasured(identity, reason, task=task)
    return item.config.stash[RUN].unmeasured(identity, error, task=task)


WORDS = {"passed": (".", "MEASURED"), "failed": ("F", "FAILED"), "skipped": ("s", "SKIPPED"), "error": ("E", "ERROR")}


def outcome_of(report: pytest.TestReport) -> str | None:
    """The outcome of the result that a report carries, or None if it carries none."""
    properties = getattr(report, "user_properties", ())  # reports of collectors have none
    results = [value for name, value in properties if name == PROPERTY]
    return str(results[-1]["outcome"]) if results and isinstance(results[-1], dict) else None

"""Collects results in the process that prints the report, and leaves them in the run folders."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_slm import __version__
from pytest_slm.backends.hosts import Hosts
from pytest_slm.core.types import REPORT_SCHEMA, ItemId, Result, RunReport
from pytest_slm.errors import ReportError, SlmError
from pytest_slm.items import LIVE, PROPERTY, planned
from pytest_slm.machine.hardware import describe_machine, installed_versions
from pytest_slm.machine.memory import memory_use
from pytest_slm.progress import live_line
from pytest_slm.registry.store import read_samples, write_json, write_text
from pytest_slm.session import Run
from pytest_slm.summary import result_line, summarize

VERSIONS = ("pytest-slm", "pytest", "pytest-benchmark", "llama-cpp-python", "lm-eval", "datasets", "numpy", "jinja2")


class Reporter:
    """One per session, in the controller."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        self._config = config
        self._run = run
        self._planned: dict[str, ItemId] = {}
        self._results: dict[ItemId, Result] = {}
        self._began = psutil.Process().create_time()
        self._first_item: float | None = None
        self._described: dict[str, Mapping[str, Any]] = {}
        self._problems: list[str] = []
        self._written: list[Path] = []
        # pytest-json-report makes its report, we put it where the run is. It cannot do without the terminal's options.
        if not config.getoption("json_report", True) and hasattr(config.option, "tbstyle"):
            config.option.json_report, config.option.json_report_file = True, ""

    @property
    def _idle(self) -> bool:
        return bool(self._config.option.collectonly)

    # -- before the first item -----------------------------------------------------------------------------------

    def pytest_report_header(self) -> list[str]:
        run = self._run
        names = ", ".join(quantization.name for quantization in run.quantizations)
        others = len(run.submission.quantizations) - len(run.quantizations)
        more = f" (of {others + len(run.quantizations)}; --slm-quant=all for all)" if others else ""
        where = "" if self._idle else f"\nslm: reports in {run.folder(run.quantizations[0].name).parent.parent}"
        return [f"slm: {run.submission.name}, {names}{more}, mode {run.config.mode}, seed {run.config.seed}{where}"]

    def pytest_sessionstart(self) -> None:
        self._config.stash[LIVE] = live_line(self._config)
        if not self._idle:
            with _usage():
                self._run.create_folders()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        found = list(planned(session.items))
        self._planned = {nodeid: identity for nodeid, identity, _ in found}
        self._config.stash[LIVE].plan({identity: cost for _, identity, cost in found})

    # -- items ---------------------------------------------------------------------------------------------------

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._first_item = self._first_item or time.time()
        if nodeid in self._planned:
            self._config.stash[LIVE].start(self._planned[nodeid])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        live = self._config.stash[LIVE]
        for name, value in report.user_properties:
            if name == PROPERTY:
                self._keep(Result.from_json(value), report)
        if report.when == "teardown" and report.nodeid in self._planned:
            live.finish(self._planned[report.nodeid])
        elif not report.passed:
            live.clear()

    def _keep(self, result: Result, report: pytest.TestReport) -> None:
        if result.id in self._results:
            return
        seconds = result.seconds or report.duration
        self._results[result.id] = result = _with_seconds(result, seconds)
        live = self._config.stash[LIVE]
        if live.tells_results:
            live.result(result_line(result))
        live.clear()
        try:
            self._run.journal(result)
        except ReportError as error:
            self._problem(str(error))
        if isinstance(self._run.hosts, Hosts):
            with contextlib.suppress(KeyError):
                name = result.quantization
                self._described[name] = self._run.hosts.description(name)

    # -- the end -------------------------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_json_modifyreport(self, json_report: dict[str, Any]) -> None:
        if self._idle:
            return
        runs = self._reports(int(json_report.get("exitcode", 0)))
        for run in runs:
            self._write(run, _tests_of(json_report, run.quantization))
        sections = [run.to_json() for run in runs]
        # The user's own --json-report file holds all quantizations of the session.
        json_report["slm"] = sections[0] if len(sections) == 1 else {"runs": sections}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self._idle:
            return
        if not self._written:  # without pytest-json-report
            for run in self._reports(int(exitstatus)):
                self._write(run, {"created": time.time(), "exitcode": int(exitstatus)})
        if self._problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)  # after tables of other plugins: ours is what was asked for
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._idle:
            return
        for run in self._reports(0):
            if run.planned:
                summarize(terminalreporter, run)
        for path in self._written:
            terminalreporter.write_line(f"slm: {path}")
        for problem in self._problems:
            terminalreporter.write_line(f"slm: {problem}", red=True, bold=True)

    def pytest_unconfigure(self) -> None:
        if self._run.hosts is not None:
            self._run.hosts.close()
        if not self._idle:
            self._run.drop_empty_folders()

    # -- reports -------------------------------------------------------------------------------------------------

    def _reports(self, exitcode: int) -> list[RunReport]:
        controller = self._config.pluginmanager.get_plugin("slm-controller")
        identities = list((self._planned or getattr(controller, "planned", {})).values())
        finished = time.time()
        runs = []
        for quantization in self._run.quantizations:
            name = quantization.name
            mine = tuple(identity for identity in identities if identity.quantization == name)
            results = [result for result in self._results.values() if result.quantization == name]
            missing = [identity for identity in mine if identity not in self._results]
            results += [_not_run(identity, self._run) for identity in missing]
            runs.append(
                RunReport(
                    schema=REPORT_SCHEMA,
                    run_id=self._run.config.run_id,
                    created=_utc(self._began),
                    finished=_utc(finished),
                    mode=self._run.config.mode,
                    seed=self._run.config.seed,
                    quantization=name,
                    submission=self._run.submission,
                    detected=self._detected(name),
                    backend=self._described.get(name, {}),
                    machine=describe_machine(),
                    versions=installed_versions(VERSIONS),
                    planned=mine,
                    results=tuple(results),
                    interrupted=exitcode == pytest.ExitCode.INTERRUPTED or bool(missing),
                    limit=self._run.config.limit,
                    harness=self._harness(finished),
                )
            )
        return runs

    def _detected(self, name: str) -> Any:
        try:
            return self._run.detected(name)
        except SlmError:
            return None  # its items have told why

    def _harness(self, finished: float) -> dict[str, float | None]:
        hosts = self._run.hosts
        wall = finished - self._began
        waited = hosts.model_s if isinstance(hosts, Hosts) and not self._config.pluginmanager.has_plugin(
            "slm-controller"
        ) else None  # fmt: skip
        return {
            "wall_s": wall,
            "startup_s": self._first_item - self._began if self._first_item else None,
            "host_s": waited,
            "share": None if waited is None else max(0.0, 1 - waited / wall),
            "peak_rss": memory_use().peak,
        }

    def _write(self, run: RunReport, document: dict[str, Any]) -> None:
        if not run.planned:
            return
        folder = self._run.folder(run.quantization)
        try:
            self._write_into(folder, run, document)
        except ReportError as error:
            self._problem(str(error))
            rescue = Path(tempfile.mkdtemp(prefix=f"slm-{run.submission.slug}-{run.quantization}-"))
            with contextlib.suppress(ReportError):
                self._write_into(rescue, run, document)
                self._problem(f"the report was kept in {rescue} instead")

    def _write_into(self, folder: Path, run: RunReport, document: dict[str, Any]) -> None:
        from pytest_slm.site.report import render_report

        write_json(folder / "report.json", {**document, "slm": run.to_json()})
        self._written.append(folder / "report.json")
        write_text(folder / "report.html", render_report(run, read_samples(folder, run)))
        self._written.append(folder / "report.html")

    def _problem(self, text: str) -> None:
        if text not in self._problems:
            self._problems.append(text)


def _tests_of(document: Mapping[str, Any], quantization: str) -> dict[str, Any]:
    """pytest-json-report's document with the tests of one quantization, and with plain JSON in it."""
    import json

    tests = [test for test in document.get("tests", ()) if _quantization(test) in (None, quantization)]
    plain: dict[str, Any] = json.loads(json.dumps({**document, "tests": tests}, default=str))
    for test in plain["tests"]:
        test.pop("user_properties", None)  # the results are in the slm section, once
    return plain


def _quantization(test: Mapping[str, Any]) -> str | None:
    for properties in test.get("user_properties", ()):
        if PROPERTY in properties:
            return str(properties[PROPERTY]["quantization"])
    return None


def _not_run(identity: ItemId, run: Run) -> Result:
    return Result(
        **identity.to_json(), mode=run.config.mode, outcome="not_run", reason="the run ended before this item was done"
    )


def _with_seconds(result: Result, seconds: float) -> Result:
    import dataclasses

    return dataclasses.replace(result, seconds=seconds)


def _utc(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def _usage() -> Any:
    try:
        yield
    except SlmError as error:
        raise pytest.UsageError(str(error)) from None


__all__ = ["Reporter", "__version__"]

"""Collects results in the process that prints the report, and leaves them in the run folders."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_slm import answers
from pytest_slm.core.types import MEASURED, PROPERTY, ItemId, Result, RunReport
from pytest_slm.errors import ReportError, SlmError, shown
from pytest_slm.machine.hardware import describe_machine
from pytest_slm.machine.memory import memory_use
from pytest_slm.plugin.baselines.hooks import HeldAgainst
from pytest_slm.plugin.baselines.step_summary import write_step_summary
from pytest_slm.plugin.cells.hooks import Cells
from pytest_slm.plugin.items import IDENTITY, LIVE, TaskItem, planned
from pytest_slm.run.assembly import (
    SessionFacts,
    assemble,
    drop_torn_off,
    publish,
    take_back,
    unchecked_gates,
    write_report,
)
from pytest_slm.run.session import Run
from pytest_slm.terminal.engines import side_by_side
from pytest_slm.terminal.progress import live_line
from pytest_slm.terminal.summary import result_line, summarize

REPORTS: pytest.StashKey[tuple[RunReport, ...]] = pytest.StashKey()
"""The reports of a session that has ended."""


class Reporter:
    """One per session, in the controller."""

    def __init__(
        self, config: pytest.Config, run: Run, held: HeldAgainst | None = None, cells: Cells | None = None
    ) -> None:
        self._config = config
        self._run = run
        self._held, self._cells = held, cells
        self._known = SessionFacts(began=psutil.Process().create_time())
        self._kept: dict[ItemId, Result] = {}
        self._first_item: float | None = None
        self._reports: tuple[RunReport, ...] = ()
        self._problems: list[str] = []
        self._written: list[Path] = []
        self._published: list[str] = []
        # pytest-json-report makes its report, we put it where the run is. It cannot do without the terminal's options.
        if not config.getoption("json_report", True) and hasattr(config.option, "tbstyle"):
            config.option.json_report, config.option.json_report_file = True, ""

    @property
    def _idle(self) -> bool:
        return bool(self._config.option.collectonly) or self._run.config.plan

    # -- before the first item -----------------------------------------------------------------------------------

    def pytest_report_header(self) -> list[str]:
        run = self._run
        names = ", ".join(quantization.name for quantization in run.quantizations)
        total = len(run.submission.quantizations)
        more = f" (of {total}; --slm-quant=all for all)" if total > len(run.quantizations) else ""
        lines = [f"slm: {run.submission.name}, {names}{more}, mode {run.config.mode}, seed {run.config.seed}"]
        if run.notice:
            lines.append(f"slm: {run.notice}")
        if not self._idle:
            lines.append(f"slm: reports in {run.folder(run.quantizations[0].name).parent.parent}")
        return [shown(line) for line in lines]

    def pytest_sessionstart(self) -> None:
        self._config.stash[LIVE] = live_line(self._config)
        if not self._idle:
            self._known.machine = describe_machine()  # now: at the end the load is our own
            with _usage():
                self._run.create_folders()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        found = list(planned(session.items))
        self._known.planned = {nodeid: identity for nodeid, identity, _ in found}
        each = {item.stash[IDENTITY]: item.each for item in session.items if isinstance(item, TaskItem)}
        self._config.stash[LIVE].plan({identity: cost for _, identity, cost in found}, each=each)

    # -- items ---------------------------------------------------------------------------------------------------

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._first_item = self._first_item or time.time()
        if (item := self._known.planned.get(nodeid)) is not None:
            self._known.seen(item.quantization, time.time())
            self._config.stash[LIVE].start(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        live = self._config.stash[LIVE]
        results = [value for name, value in report.user_properties if name == PROPERTY]
        if results:
            # The last one: a plugin that runs an item again adds its result to those of the runs before.
            self._keep(Result.from_json(results[-1]), report)
        elif report.failed:
            self._known.lost[report.nodeid] = str(report.longrepr).strip().splitlines()[-1]
        if report.when == "teardown" and report.nodeid in self._known.planned:
            item = self._known.planned[report.nodeid]
            result = self._known.results.get(item)
            measured = result is not None and result.outcome in MEASURED
            live.finish(item, taken_over=result is not None and result.taken_over, measured=measured)
            self._known.seen(item.quantization, time.time())
            self._finish_early(item.quantization)
        elif not report.passed:
            live.clear()

    def _keep(self, result: Result, report: pytest.TestReport) -> None:
        if self._kept.get(result.id) == result:
            return  # told again: the report of the teardown carries the properties of the call
        self._kept[result.id] = result
        result = dataclasses.replace(result, seconds=result.seconds or report.duration)
        self._known.results[result.id] = result
        live = self._config.stash[LIVE]
        if live.tells_results:
            live.result(result_line(result))
        live.clear()
        try:
            self._run.journal(result)
        except ReportError as error:
            self._problem(str(error))

    # -- the end -------------------------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_json_modifyreport(self, json_report: dict[str, Any]) -> None:
        if self._idle:
            return
        if json_report.get("exitcode") == pytest.ExitCode.USAGE_ERROR:
            return  # nothing was to be measured
        drop_torn_off(json_report)
        self._finish(int(json_report.get("exitcode", 0)), json_report)
        sections = [report.to_json() for report in self._reports]
        # The user's own --json-report file holds all quantizations of the session.
        json_report["slm"] = sections[0] if len(sections) == 1 else {"runs": sections}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self._idle:
            return
        if not self._reports and exitstatus != pytest.ExitCode.USAGE_ERROR:  # without pytest-json-report
            self._finish(int(exitstatus), {"created": time.time(), "exitcode": int(exitstatus)})
        if self._problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)  # after tables of other plugins: ours is what was asked for
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        summarize(terminalreporter, self._reports)
        for line in side_by_side(self._reports):
            terminalreporter.write_line(line)
        if self._cells is not None and not self._idle:
            terminalreporter.write_line(shown(f"slm: {self._cells.told(self._known.results)}"))
        for line in self._held.told(self._reports) if self._held and self._reports else ():
            terminalreporter.write_line(shown(line))
        if any(report.interrupted for report in self._reports):
            terminalreporter.write_line(
                "slm: interrupted. Finished items and finished batches of answers are kept; the same command with "
                "--slm-resume goes on from there"
            )
        for line in (*map(str, self._written), *self._published):
            terminalreporter.write_line(shown(f"slm: {line}"))
        for problem in self._problems:
            terminalreporter.write_line(shown(f"slm: {problem}"), red=True, bold=True)

    def pytest_unconfigure(self) -> None:
        if self._run.hosts is not None:
            self._run.hosts.close()
        if not self._idle:
            self._run.drop_empty_folders()

    def _finish_early(self, quantization: str) -> None:
        """Leave the report of a quantization as soon as it is done: others may take hours, or end badly. It is written
        again at the end, with pytest's own account of all tests."""
        run, known = self._run, self._known
        distributed = self._config.pluginmanager.has_plugin("slm-controller")
        # With a store each result is kept by itself as it comes, and forgotten at the end where its weights changed.
        alone = not distributed and self._cells is None
        if len(run.quantizations) == 1 or not alone or not known.is_done(quantization):
            return
        if run.hosts is not None:
            known.hosts = run.hosts.descriptions
        take_back(run, known, {}, only=quantization)
        finished = time.time()
        harness = self._harness(finished, alone=True)
        for report in assemble(run, known, finished=finished, interrupted=False, harness=harness, only=quantization):
            with contextlib.suppress(ReportError):  # the end tries again, and tells of it
                write_report(run.folder(quantization), report, {"created": known.began})

    # -- reports -------------------------------------------------------------------------------------------------

    def _finish(self, exitcode: int, document: dict[str, Any]) -> None:
        controller = self._config.pluginmanager.get_plugin("slm-controller")
        if controller is not None:  # the workers have collected, and told it
            self._known.planned = controller.planned
        if self._run.hosts is not None:
            self._known.hosts = self._run.hosts.descriptions
        kept = {
            item: result.cell for item, result in self._known.results.items() if result.cell and not result.taken_over
        }
        if self._cells is not None:
            self._known.hosts = {**self._cells.described(self._known.results), **self._known.hosts}
        began = time.perf_counter()
        for problem in take_back(self._run, self._known, document):
            self._problem(problem)
        weights_s = time.perf_counter() - began
        for problem in self._cells.forget(kept, self._known.results) if self._cells else ():
            self._problem(problem)
        for problem in self._held.conclude(self._known.results) if self._held else ():
            self._problem(problem)
        finished = time.time()
        self._reports = assemble(
            self._run,
            self._known,
            finished=finished,
            interrupted=exitcode == pytest.ExitCode.INTERRUPTED,
            harness={**self._harness(finished, alone=controller is None), "weights_s": weights_s},
        )
        written = [self._write(report, document) for report in self._reports]
        # The run goes on as a whole: one that is not done, or not written, needs the answers of all quantizations.
        complete = all(written) and all(report.complete for report in self._reports)
        for report in self._reports:
            answers.close(self._run.folder(report.quantization), complete=complete)
        self._config.stash[REPORTS] = self._reports
        try:
            self._published = publish(self._run.config)
        except ReportError as error:
            self._problem(str(error))
        for line in unchecked_gates(self._run.config.gates, self._reports):
            self._problem(line)
        for problem in write_step_summary(self._reports):
            self._problem(problem)

    def _harness(self, finished: float, *, alone: bool) -> dict[str, float | None]:
        wall = finished - self._known.began
        hosts = self._run.hosts
        # Workers wait for the model in processes of their own, several at a time: then there is no share to tell.
        waited = hosts.model_s if alone and hosts is not None else None
        return {
            "wall_s": wall,
            "startup_s": self._first_item - self._known.began if self._first_item else None,
            "host_s": waited,
            "share": None if waited is None else max(0.0, 1 - waited / wall),
            "peak_rss": memory_use().peak,
        }

    def _write(self, report: RunReport, document: Mapping[str, Any]) -> bool:
        """Write the files of a report, and tell whether they are where they belong."""
        folder = self._run.folder(report.quantization)
        try:
            self._written += write_report(folder, report, document)
            return True
        except ReportError as error:
            self._problem(str(error))
            rescue = Path(tempfile.mkdtemp(prefix=f"slm-{report.submission.slug}-{report.quantization}-"))
            with contextlib.suppress(ReportError):
                self._written += write_report(rescue, report, document)
                self._problem(f"the report was kept in {rescue} instead")
            return False

    def _problem(self, text: str) -> None:
        if text not in self._problems:
            self._problems.append(text)


@contextlib.contextmanager
def _usage() -> Iterator[None]:
    try:
        yield
    except SlmError as error:
        raise pytest.UsageError(str(error)) from None

"""From what a session knows to run reports, one per quantization, and their files. Knows no pytest."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_slm import answers
from pytest_slm.core.backend_info import HostDescription
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import MEASURED, PROPERTY, REPORT_SCHEMA, ItemId, Result, RunReport
from pytest_slm.errors import ReportError, SlmError, without_folders
from pytest_slm.machine.hardware import installed_versions
from pytest_slm.models import missing
from pytest_slm.registry.store import read_samples, write_json, write_text
from pytest_slm.run.session import Run

VERSIONS = ("pytest-slm", "pytest", "pytest-benchmark", "llama-cpp-python", "lm-eval", "datasets", "numpy", "jinja2")


@dataclass(kw_only=True)
class SessionFacts:
    """What was found out during a session; times are seconds since 1970."""

    began: float
    machine: Mapping[str, Any] = field(default_factory=dict)
    """Of the session, for what no process was started for."""
    planned: dict[str, ItemId] = field(default_factory=dict)
    """Node id to item."""
    results: dict[ItemId, Result] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    """Node id to the reason, for items that ended without a result of their own (their worker died)."""
    hosts: Mapping[str, HostDescription] = field(default_factory=dict)
    """Quantization to what the process that held it said."""
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Quantization to when its first item began, and when the last one ended until now."""

    def seen(self, quantization: str, now: float) -> None:
        """An item of it begins or ends."""
        self.spans[quantization] = (self.spans.get(quantization, (now, now))[0], now)

    def is_done(self, quantization: str) -> bool:
        """Whether each of its items that were planned has a result."""
        return all(item in self.results for item in self.planned.values() if item.quantization == quantization)


def assemble(
    run: Run,
    known: SessionFacts,
    *,
    finished: float,
    interrupted: bool,
    harness: Mapping[str, float | None],
    only: str | None = None,
) -> tuple[RunReport, ...]:
    """The reports of a session (or the one of the quantization ``only``), for quantizations of which anything was
    planned. Nothing that was planned is missing in them: what has no result is an error or not run."""
    reports = []
    for quantization in run.quantizations:
        name = quantization.name
        planned = {node: item for node, item in known.planned.items() if item.quantization == name}
        results = [result for item, result in known.results.items() if item.quantization == name]
        missing = [(node, item) for node, item in planned.items() if item not in known.results]
        if (not planned and not results) or only not in (None, name):
            continue
        began, ended = known.spans.get(name, (None, None))
        took = None if began is None or ended is None else ended - began
        there = known.hosts.get(name)
        reports.append(
            RunReport(
                schema=REPORT_SCHEMA,
                run_id=run.config.run_id,
                created=_utc(known.began),
                finished=_utc(finished),
                mode=run.config.mode,
                seed=run.config.seed,
                quantization=name,
                submission=run.submission,
                detected=_detected(run, name, opened=there is not None),
                backend=there.backend if there else None,
                host=there.host if there else None,
                machine=there.machine if there else known.machine,
                versions=installed_versions(VERSIONS),
                suites={item.suite: run.suites[item.suite] for item in planned.values() if item.suite in run.suites},
                planned=tuple(planned.values()),
                results=tuple(
                    _published(result, run)
                    for result in (*results, *(_unfinished(run, item, known.lost.get(node)) for node, item in missing))
                ),
                interrupted=interrupted or bool(missing),
                show_harmful=run.config.show_harmful,
                limit=_limit(run),
                generation=run.config.generation,
                budget=None if run.budget is None else {**run.budget, "took_s": finished - known.began},
                harness={**harness, "took_s": took},
            )
        )
    return tuple(reports)


def take_back(run: Run, known: SessionFacts, document: dict[str, Any], only: str | None = None) -> list[str]:
    """Make errors of what was measured of weights that are not, at the end, those that were opened, in the results and
    in pytest-json-report's document, and say why. Their answers are of no known model, and are forgotten. ``only`` one
    quantization is looked at where the others are not done yet."""
    problems = run.hosts.weights.problems(only) if run.hosts else {}
    for name, problem in problems.items():
        if problem.slug == "weights-changed":
            answers.close(run.folder(name), complete=True)
    for item, result in known.results.items():
        if result.outcome in MEASURED and item.quantization in problems:
            # Without its samples: they could be scored again.
            taken = Result.of(item, mode=result.mode, outcome="error", reason=str(problems[item.quantization]))
            same = {name: getattr(result, name) for name in ("version", "kind", "seed", "seconds")}
            known.results[item] = replace(taken, **same)
            with contextlib.suppress(ReportError):  # the user was told with the first line
                run.journal(known.results[item])
    for test in document.get("tests", ()):
        if _quantization(test) in problems and test.get("outcome") in MEASURED:
            document["summary"][test["outcome"]] -= 1
            document["summary"]["error"] = document["summary"].get("error", 0) + 1
            test["outcome"] = "error"
    return [str(problem) for problem in problems.values()]


def _limit(run: Run) -> int | None:
    """The greatest number of samples per item that was not the tasks' own choice; None if they chose."""
    return run.config.limit or max(run.limits.values(), default=None)


def write_report(folder: Path, report: RunReport, document: Mapping[str, Any]) -> Sequence[Path]:
    """Write ``report.json`` (pytest-json-report's ``document`` with the section ``slm``), then the pages of it; returns
    the paths of those that a reader opens."""
    from pytest_slm.site.report import PAGE_NAME, run_pages  # at use: the first item need not wait for templates

    data = folder / "report.json"
    write_json(data, {**_tests_of(document, report.quantization), "slm": report.to_json()})
    for name, text in run_pages(report, read_samples(folder, report)):
        write_text(folder / name, text)
    return data, folder / PAGE_NAME


def publish(config: RunConfig) -> list[str]:
    """Make the registry and the site of all reports, where they are wanted; returns lines about them. Raises
    ReportError."""
    if config.registry is None and config.site is None:
        return []
    from pytest_slm.site.publish import publish as make  # at use: most sessions want neither

    places = {
        name: None if path is None else Path(path)
        for name, path in (("registry", config.registry), ("site", config.site))
    }
    return make(Path(config.reports), **places)


def unchecked_gates(gates: Mapping[str, float], reports: Sequence[RunReport]) -> list[str]:
    """A line for every gate whose items were planned but not measured, or have no score as a whole (a group of which
    parts are missing): a gate that nobody looked at has not been passed. Items that the command line left out are no
    reason for a line."""
    lines = []
    for key in gates:
        mine = [r for report in reports for r in report.results if key in (r.suite, f"{r.suite}/{r.task}")]
        open_ = [result for result in mine if result.outcome not in MEASURED or result.gate is None]
        if open_:
            lines.append(f"the gate {key} was not checked: {open_[0].id} is {open_[0].outcome} ({open_[0].reason})")
    return lines


def _detected(run: Run, name: str, *, opened: bool) -> Any:
    if not opened:
        # Of what never ran the weights may not be here, and a report is no reason to download or make them.
        if not missing(run.submission, run.quantization(name), offline=True).nothing:
            return None
        run = replace(run, config=replace(run.config, offline=True))
    try:
        return run.detected(name)
    except SlmError:
        return None  # its items have told why


def _published(result: Result, run: Run) -> Result:
    """The result without the folders of this machine, which whoever reads a report does not need to know."""
    home = (str(Path("~").expanduser()), str(Path.cwd()), str(run.config.data or ""))
    return replace(result, reason=without_folders(result.reason, home)) if result.reason else result


def _unfinished(run: Run, item: ItemId, lost: str | None) -> Result:
    return Result.of(
        item,
        mode=run.config.mode,
        outcome="error" if lost else "not_run",
        seed=run.config.seed,
        reason=lost or "the run ended before this item was done",
        version=run.versions.get((item.suite, item.task), 1),  # a test function has none, and its results have a 1
    )


def drop_torn_off(document: dict[str, Any]) -> None:
    """Take tests away that were interrupted after their setup: pytest-json-report calls them passed."""
    tests, summary = document.get("tests", []), document.get("summary", {})
    whole = [test for test in tests if test.get("outcome") != "passed" or "call" in test]
    if torn := len(tests) - len(whole):
        document["tests"] = whole
        for name in ("passed", "total"):
            summary[name] -= torn
        if not summary["passed"]:
            del summary["passed"]  # as pytest-json-report leaves out what there is none of


def _tests_of(document: Mapping[str, Any], quantization: str) -> dict[str, Any]:
    """The document with the tests of one quantization, and with plain JSON in it."""
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


def _utc(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

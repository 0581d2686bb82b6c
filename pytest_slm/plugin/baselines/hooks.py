"""A session that is held against a baseline: each item when it is measured, and all of them at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_slm.comparing.baseline import Baseline
from pytest_slm.comparing.drops import concluded, said, score_verdict, speed_verdict, timed_quantity
from pytest_slm.comparing.verdicts import lines
from pytest_slm.core.comparison import BaselineVerdict
from pytest_slm.core.config import BaselineOptions
from pytest_slm.core.types import MEASURED, ItemId, Measurement, Quantization, Result, RunReport
from pytest_slm.errors import SlmError, UsageError
from pytest_slm.models import locate
from pytest_slm.plugin.baselines.keys import BESIDE, JUDGE
from pytest_slm.plugin.items import IDENTITY
from pytest_slm.plugin.stopwatch import TIMINGS
from pytest_slm.registry.store import read_lines
from pytest_slm.run.session import Run


class HeldAgainst:
    """A session, and the baseline that it is held against. In workers of pytest-xdist too, each of which knows all
    items."""

    def __init__(self, config: pytest.Config, run: Run, options: BaselineOptions, baseline: Baseline) -> None:
        self._config, self._run, self._options, self._baseline = config, run, options, baseline
        self._tests = 1

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        # The baseline's weights are only there to be timed beside the others, and have no items of their own.
        beside = self._config.stash.get(BESIDE, None)
        mine = [item for item in items if IDENTITY in item.stash and item.stash[IDENTITY].quantization == beside]
        if mine:
            items[:] = [item for item in items if item not in mine]
            self._config.hook.pytest_deselected(items=mine)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        items = [item for item in session.items if IDENTITY in item.stash]
        self._tests = max(1, sum(self._compares(item) for item in items))

    def _compares(self, item: pytest.Item) -> bool:
        if item.get_closest_marker("slm_timing"):
            return BESIDE in self._config.stash
        return self._baseline.has(item.stash[IDENTITY])

    def judge(self, result: Result) -> Result:
        """The result of an item that was just measured, with its verdict; failed if it has dropped."""
        if result.outcome not in MEASURED:
            return result
        if result.measurements:
            return self._gated(self._timed(result))
        if result.metric() is None or not self._baseline.has(result.id):
            return result
        folder = self._run.folder(result.quantization)
        verdict = score_verdict(
            self._baseline,
            result,
            (read_lines(folder, result.samples) or ()) if result.samples else (),
            allowed=self._options.max_drop,
            tests=self._tests,
        )
        return self._gated(replace(result, baseline=verdict))

    def _timed(self, result: Result) -> Result:
        """A timing with its verdict: against rounds of the baseline's weights that were played in turn with its own."""
        head, allowed = timed_quantity(result), self._options.max_slowdown
        if head is None or allowed is None:
            return result
        run = self._baseline.runs[0].run
        try:
            base = self._base(result.id, head.name)
        except SlmError as error:
            verdict = BaselineVerdict(
                run=run.run_id, unit="ratio", verdict="inconclusive", allowed=allowed, tests=self._tests,
                reason=error.args[0],
            )  # fmt: skip
            return replace(result, baseline=verdict)
        verdict = speed_verdict(run.run_id, base, head, allowed=allowed, tests=self._tests)
        return replace(result, baseline=verdict, provenance={**result.provenance, "baseline_rounds": base.to_json()})

    def _base(self, item: ItemId, quantity: str) -> Measurement:
        """The rounds of the baseline's weights, measured in this session. Raises SlmError, with the reason."""
        beside = self._config.stash.get(BESIDE, None)
        if beside is None:
            raise UsageError(
                "speeds of two jobs are never compared: with --slm-interleave the baseline's weights are loaded, too, "
                "and the rounds of both alternate"
            )
        run = self._baseline.runs[0].run
        opened = self._run.hosts.descriptions.get(beside) if self._run.hosts else None
        then, now = run.backend and run.backend.weights_sha256, opened and opened.backend.weights_sha256
        if then != now:
            raise UsageError(f"the baseline's weights are others today ({now!s:.12}, not {then!s:.12})")
        shared = self._config.stash.get(TIMINGS, None)  # a test may hand in rounds of its own
        kept = shared.kept.get(replace(item, quantization=beside)) if shared else None
        if isinstance(kept, SlmError):
            raise kept
        found = [one for one in kept.measurements if one.name == quantity] if kept else []
        if not found:
            raise UsageError(f"the baseline's weights were not timed for {quantity}")
        return found[0]

    def conclude(self, results: dict[ItemId, Result]) -> Iterator[str]:
        """At the end of the session: correct for how many items there are, and say what else has not been passed."""
        verdicts = {item: result.baseline for item, result in results.items() if result.baseline is not None}
        for item, verdict in concluded(verdicts).items():
            known = replace(results[item], baseline=verdict)
            results[item] = self._gated(known) if known.outcome == "passed" else known
        for item, result in results.items():
            if self._options.strict and result.outcome == "skipped" and self._baseline.measured(item):
                yield f"{item} is in the baseline, and was skipped ({result.reason}): not known whether it is worse"

    def told(self, reports: tuple[RunReport, ...]) -> Iterator[str]:
        """The verdicts for the terminal."""
        return lines(self._baseline, reports, self._options)

    def _gated(self, result: Result) -> Result:
        verdict = result.baseline
        fails = verdict is not None and (
            verdict.verdict == "fail" or (self._options.strict and verdict.verdict == "inconclusive")
        )
        if verdict is None or not fails:
            return result
        return replace(result, outcome="failed", reason="; ".join(filter(None, (result.reason, said(verdict)))))


def hold_against(config: pytest.Config, run: Run) -> HeldAgainst | None:
    """Let the session be held against the baseline that was asked for. Raises SlmError where it is none, or where its
    weights cannot be had."""
    options = run.config.baseline
    if options is None:
        return None
    baseline = Baseline.of(options.run, Path(run.config.reports))
    held = HeldAgainst(config, run, options, baseline)
    config.stash[JUDGE] = held.judge
    config.pluginmanager.register(held, "slm-baseline")
    if options.max_slowdown is not None and run.config.interleave and not config.option.collectonly:
        beside = weights_of(baseline, offline=run.config.offline)
        config.stash[BESIDE] = beside.name
        run.quantizations = (*run.quantizations, beside)
    return held


def weights_of(baseline: Baseline, *, offline: bool) -> Quantization:
    """The weights of a baseline, as one more quantization of a session. Raises SlmError where they cannot be had."""
    report = baseline.runs[0].run
    known = {one.name: one for one in report.submission.quantizations}
    # A session that measured one file in several ways has names of its own for them: Q4_0+ik.
    found = known.get(report.quantization) or known.get(report.quantization.partition("+")[0])
    if found is None:
        raise UsageError(
            f"the baseline does not say where its weights {report.quantization} are; leave out --slm-max-slowdown",
            slug="baseline",
        )
    path = locate(report.submission, found, offline=offline)
    place = {"file": found.file} if found.format == "fake" else {"source": str(path)}
    name = f"{found.declared}-baseline"
    return Quantization(name=name, base=found.declared, format=found.format, engine=found.engine, **place)

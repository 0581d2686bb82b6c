"""``--slm-plan`` and ``--slm-budget``: between collection and the first item, what the items will take is found out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from pytest_slm.errors import SlmError, UsageError, shown
from pytest_slm.planning.allocate import Demand, allocate, total
from pytest_slm.planning.plan import REPORT_S, RunPlan
from pytest_slm.planning.survey import PlannedDemand, session_age, survey
from pytest_slm.planning.table import lines
from pytest_slm.plugin.items import IDENTITY, LIVE, TaskItem
from pytest_slm.plugin.marks import mark_of, parameters
from pytest_slm.run.session import Run
from pytest_slm.terminal.progress import live_line

PLAN: pytest.StashKey[RunPlan] = pytest.StashKey()
"""What was found out before the first item."""
LEAST_ROUNDS = 8
"""Six rounds and two warm-ups: fewer are made only where the patience of the rule ends first."""

MARGIN = 0.9
"""Of a budget, what is planned for: the engine is never exactly as fast as it was a minute ago."""

ALLOWANCE = 1.1
"""What is advised, by the least that would do: planning again takes another time, and finds other rates."""


class Planner:
    """The hooks of a session with a plan or a budget."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        self._config = config
        self._run = run
        self._refused = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        config = self._run.config
        if not config.plan and (self._run.limits or self._config.option.collectonly):
            return  # the run that goes on has chosen already, or there will be none
        loads = not self._config.option.collectonly and self._run.config.mode != "validate"
        items = list(wanted(session.items))
        live = live_line(self._config, "planning")
        live.plan({item.item: 1.0 for item in items})
        try:
            plan = survey(self._run, items, loads=loads, tell=lambda text: self._write([f"slm: {text}"]), watcher=live)
            if self._run.config.budget is not None:
                self._choose(plan, {str(item.item): _least(item) for item in items})
        except SlmError as error:
            raise pytest.UsageError(str(error)) from None
        self._config.stash[PLAN] = plan
        if self._run.config.plan:
            self._refused = bool(plan.problems)
            self._write(lines(plan))

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        return True if self._run.config.plan else None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._refused:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _choose(self, plan: RunPlan, least: dict[str, int]) -> None:
        asked = self._run.config.budget
        assert asked is not None
        unknown = [item for item in plan.items if item.seconds is None and str(item.item) in least]
        if unknown:
            why = unknown[0].reason.rpartition("  [")[0]  # without its slug: this line has its own
            raise UsageError(
                f"--slm-budget: how long {unknown[0].item} takes is not known: {why}",
                slug="budget-unknown",
            )
        demands = [
            Demand(
                item=str(item.item),
                fixed_s=item.prepare_s if item.samples else item.seconds or 0.0,
                sample_s=((item.seconds or 0.0) - item.prepare_s) / item.samples if item.samples else 0.0,
                least=least.get(str(item.item), 1),
                most=item.samples or 0,
            )
            for item in plan.items
        ]
        spent = session_age() + REPORT_S
        try:
            chosen, seconds = allocate(demands, MARGIN * asked - spent)
        except UsageError as error:
            enough = (spent + total(demands, 0)) / MARGIN
            raise UsageError(
                f"--slm-budget of {asked:g} s: {error.args[0]}. The least that would do is about {enough:.0f} s, "
                f"{spent:.0f} of them for planning: allow {math.ceil(ALLOWANCE * enough / 60)}m, or choose fewer items "
                "with --slm-suite or -k",
                slug=error.slug,
            ) from None
        self._config.stash[LIVE].plan(
            {
                item.item: demand.at(chosen.get(demand.item, 0))[1]
                for item, demand in zip(plan.items, demands, strict=True)
            },
            seconds=True,
        )
        doubt = plan.doubt(chosen)
        self._run.choose(
            chosen,
            {
                "asked_s": asked,
                "planned_s": spent + seconds,
                "doubt_s": doubt,
                "planning_s": plan.took_s,
                "samples": chosen,
                "available": {demand.item: demand.most for demand in demands if demand.most},
                "rates": {name: rates.to_json() for name, rates in plan.rates},
                "why": "every item gets the same number of samples, as far as it has so many; "
                f"{MARGIN:.0%} of the budget are planned for",
            },
        )
        most = max(chosen.values(), default=0)
        self._write(
            [
                f"slm: up to {most} samples an item, about {spent + seconds:.0f} ± {doubt:.0f} s of {asked:.0f} s "
                f"(planning took {plan.took_s:.0f} s of them)",
                f"slm: {plan.busy}",
            ]
        )

    def _write(self, text: Iterable[str]) -> None:
        terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            for line in text:
                terminal.write_line(shown(line))


def wanted(items: Iterable[pytest.Item]) -> Iterator[PlannedDemand]:
    """What the session will measure, as far as the items say it."""
    for item in items:
        identity = item.stash.get(IDENTITY, None)
        if identity is None:
            continue
        if isinstance(item, TaskItem):
            yield PlannedDemand(item=identity, task=item.task)
            continue
        mark = mark_of(item)
        assert mark is not None
        yield PlannedDemand(
            item=identity,
            prompt=_number(item, mark.prompt),
            output=_number(item, mark.output),
            rounds=mark.rounds or LEAST_ROUNDS,
            budget_s=mark.budget(identity.variant),
        )


def _number(item: pytest.Item, value: object) -> int | None:
    """A number, or the parameter of the test that has this name."""
    if isinstance(value, str):
        value = parameters(item).get(value)
    return value if isinstance(value, int) else None


def _least(item: PlannedDemand) -> int:
    """Samples with which a task can be scored at all: a balanced metric needs one of each group."""
    if item.task is None:
        return 1
    return max(1, len(item.task.spec(item.task.primary).balance))

"""From the items of a session to the plan of its run: opens each model once, measures it, and asks every item what it
would ask."""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import psutil

from pytest_slm.answers.keeping import CHARACTERS
from pytest_slm.core.types import ItemId, Request, Task
from pytest_slm.errors import NotAvailableError, SlmError, UsageError
from pytest_slm.hosts.remote import RemoteBackend
from pytest_slm.kinds.checking import count_samples
from pytest_slm.machine.hardware import usable_cores, usable_memory
from pytest_slm.machine.memory import memory_use
from pytest_slm.models import arriving, free, missing
from pytest_slm.planning import costs, rates
from pytest_slm.planning.plan import REPORT_S, Needs, PlannedItem, RunPlan
from pytest_slm.run.drive import FirstRound, first_round
from pytest_slm.run.session import Run

SHARE = 0.2
"""Of the time that the run is roughly thought to take, or of a budget below it, planning may take so much; beyond it
the model is asked nothing, and rough rates and the longest answers are planned for."""
MOST = 256
"""Samples of an item that are looked at; what all of more would ask is reckoned from so many of them."""
OF_LONGEST = 0.25
"""The length of an answer as a share of the longest allowed, for the rough time by which planning is measured."""
LINE_BYTES = 1_500
"""Of a sample's lines, on disk, besides the text that the model writes: hashes, explanation, answer."""
REPORT_BYTES = 2_000_000
"""Of a report and its page, whose samples are cut to a size."""
LOGIT_BYTES = 4
UNTRIED = "how long its answers are was not tried, since that takes long beside the run: the longest are planned for"
TWICE = 2
"""The engine computes logits in one place and hands them out in another."""


@dataclass(frozen=True, kw_only=True)
class PlannedDemand:
    """An item that the session has collected: a task's, or a test that measures time with at least ``rounds`` requests
    of one shape. A test that says nothing of its shape has neither."""

    item: ItemId
    task: Task | None = None
    prompt: int | None = None
    output: int | None = None
    rounds: int = 1
    budget_s: float | None = None
    """Seconds that its rounds may take: as many are made as fit, so it takes no less unless they agree early, and no
    more than a warm-up and a round take, or this times the patience of the rule."""


class Watcher(Protocol):
    """Whoever shows how far the planning is."""

    def start(self, item: ItemId) -> None: ...
    def finish(self, item: ItemId) -> None: ...


def survey(
    run: Run, items: Sequence[PlannedDemand], *, loads: bool, tell: Callable[[str], None], watcher: Watcher
) -> RunPlan:
    """The plan for these items. Without ``loads`` no model is opened, and what only a model can tell is not known."""
    began = time.perf_counter()
    load = psutil.getloadavg()[0], usable_cores()
    before = session_age()
    planned: list[PlannedItem] = []
    measured: list[tuple[str, rates.Rates]] = []
    started = 0.0
    for quantization in dict.fromkeys(item.item.quantization for item in items):
        mine = [item for item in items if item.item.quantization == quantization]
        try:
            if not loads:
                why = "in mode validate" if run.config.mode == "validate" else "with --collect-only"
                raise NotAvailableError(f"no model is loaded {why}", slug="plan-unknown")
            here = missing(run.submission, run.quantization(quantization), offline=run.config.offline)
            if not here.nothing:
                raise NotAvailableError(f"the weights are not on this machine ({here.reason})", slug="plan-unknown")
            tell(f"measuring how fast {quantization} is here, then the tokens of {len(mine)} items")
            backend = run.open(quantization)
            started += backend.host.start_s or 0.0
            model = _Model(run, backend)
            asked = []
            for item in mine:
                watcher.start(item.item)
                asked.append(model.first(item))
                _in_time(run, len(asked), len(items))
            started += model.imports_s
            model.measure(asked)
            measured.append((quantization, model.rates))
        except _TooLateError as error:
            raise UsageError(str(error), slug="budget-small") from None
        except SlmError as error:
            planned += [_unknown(run, item, error) for item in mine]
            continue
        for first in asked:
            watcher.start(first.wanted.item)
            planned.append(first.known or model.item(first))
            watcher.finish(first.wanted.item)
    took = time.perf_counter() - began - started  # a run opens the models and imports the libraries, too
    return RunPlan(
        items=tuple(planned),
        rates=tuple(measured),
        startup_s=before + started,
        took_s=took,
        needs=_needs(run, planned),
        load=load,
    )


class _TooLateError(Exception):
    """Planning alone has taken more than the budget."""


def _in_time(run: Run, done: int, items: int) -> None:
    budget, spent = run.config.budget, session_age()
    if budget is not None and spent > budget:
        raise _TooLateError(
            f"--slm-budget of {budget:g} s cannot be planned in time: {spent:.0f} s were gone when {done} of {items} "
            f"items had been looked at; allow {math.ceil(spent / SHARE / 60)}m, or choose fewer items with --slm-suite "
            "or -k, or an --slm-limit instead"
        )


def session_age() -> float:
    """Seconds since this process was begun."""
    return time.time() - psutil.Process().create_time()


@dataclass(frozen=True, kw_only=True)
class _First:
    """What an item asks first, where it has a task; ``known`` is its plan where there is nothing more to find out."""

    wanted: PlannedDemand
    asked: FirstRound | None = None
    known: PlannedItem | None = None
    rough_s: float = 0.0


class _Model:
    """One open model: its rates, its memory, and the items on it."""

    def __init__(self, run: Run, backend: RemoteBackend) -> None:
        self._began = time.perf_counter()
        self._startup_s = session_age() + REPORT_S
        self._run = run
        self._backend = backend
        self._description = backend.describe()
        self.rates = rates.glance(backend, run.config.seed)
        self._base: int | None = None
        self._pilots_s = self._rough_s = 0.0
        self._kinds: set[str] = set()
        self.imports_s = 0.0

    def first(self, wanted: PlannedDemand) -> _First:
        """What an item asks first, and roughly how long that takes; what cannot be known of it has a reason."""
        try:
            if wanted.task is None:
                seconds = self._timed(wanted).seconds
                return _First(wanted=wanted, rough_s=seconds or 0.0)
            with contextlib.redirect_stderr(io.StringIO()):  # progress bars of what makes the requests
                if wanted.task.kind not in self._kinds:  # it imports libraries, once in a process
                    self._kinds.add(wanted.task.kind)
                    began = time.perf_counter()
                    self._run.kind(wanted.task, wanted.item, lambda: self._backend).ready()
                    self.imports_s += time.perf_counter() - began
                asked = first_round(self._run.kind(wanted.task, wanted.item, lambda: self._backend), MOST)
            if not asked.requests and not asked.pairs:
                nothing = PlannedItem(item=wanted.item, samples=0, requests=0, seconds=asked.seconds)
                return _First(wanted=wanted, known=nothing)
            lengths = [round(OF_LONGEST * n) for n in costs.longest_lengths(asked)]
            rough = costs.of_item(asked, self._backend, self.rates, lengths)
            return _First(wanted=wanted, asked=asked, rough_s=rough.seconds * asked.whole / asked.samples)
        except NotAvailableError as error:
            # Nothing will be measured, so it takes no time; or nobody knows.
            known = 0.0 if error.slug not in ("plan-unknown", "no-workload") else None
            return _First(wanted=wanted, known=PlannedItem(item=wanted.item, seconds=known, reason=str(error)))
        except SlmError as error:
            return _First(wanted=wanted, known=PlannedItem(item=wanted.item, seconds=0.0, reason=str(error)))
        except Exception as error:  # of a task or of somebody's runner: its item will be an error, the others go on
            reason = f"{type(error).__name__}: {error}"
            return _First(wanted=wanted, known=PlannedItem(item=wanted.item, seconds=0.0, reason=reason))

    def measure(self, asked: Sequence[_First]) -> None:
        """Measure the memory of a plan and how fast the model is, each if the run (or its budget) is long enough for
        that to be a small part of it, and set aside what pilots may take."""
        config, rough = self._run.config, self.rates
        whole = self._startup_s + sum(first.rough_s for first in asked)  # a run starts, too
        if config.budget is not None:
            whole = min(whole, config.budget)
        allowed = SHARE * whole / len(self._run.quantizations) - (time.perf_counter() - self._began - self.imports_s)
        if config.plan and rates.seconds_to_read(rough) < allowed:  # nobody sees it otherwise
            began = time.perf_counter()
            self._base = self._memory_without_cells()
            allowed -= time.perf_counter() - began
        if rates.seconds_to_measure(rough) < allowed:
            self.rates = rates.measure(self._backend, config.seed)
            allowed -= self.rates.took_s
        self._pilots_s = max(0.0, allowed)
        self._rough_s = sum(first.rough_s for first in asked)

    def item(self, first: _First) -> PlannedItem:
        """The plan of one item that can be measured."""
        try:
            return self._timed(first.wanted) if first.asked is None else self._task(first, first.asked)
        except SlmError as error:
            return PlannedItem(item=first.wanted.item, seconds=0.0, reason=str(error))

    def _timed(self, wanted: PlannedDemand) -> PlannedItem:
        if wanted.prompt is None or wanted.output is None:
            if wanted.budget_s is not None:
                return PlannedItem(item=wanted.item, seconds=wanted.budget_s)
            raise NotAvailableError(
                "the test does not say how many tokens it takes (slm_task: prompt=, output=)", slug="plan-unknown"
            )
        n_batch = self._description.n_batch or wanted.prompt or 1
        n_ctx = self._description.n_ctx
        if n_ctx is not None and wanted.prompt + wanted.output - 1 > n_ctx:
            raise NotAvailableError(f"does not fit into the context of {n_ctx}", slug="context-too-short")
        cost = costs.of_rounds(wanted.prompt, wanted.output, wanted.rounds, self.rates, n_batch)
        return replace(self._planned(wanted.item, None, cost, 0.0), seconds=costs.in_time(cost, wanted.budget_s))

    def _task(self, first: _First, asked: FirstRound) -> PlannedItem:
        began = time.perf_counter()
        mine = self._pilots_s * first.rough_s / self._rough_s if self._rough_s else 0.0
        lengths = costs.pilot(asked, self._backend, self.rates, mine)
        self._pilots_s -= time.perf_counter() - began
        self._rough_s -= first.rough_s
        cost = costs.of_item(asked, self._backend, self.rates, lengths or costs.longest_lengths(asked))
        factor = asked.whole / asked.samples
        planned = self._planned(first.wanted.item, asked.whole, cost.times(factor), asked.seconds)
        return replace(
            planned,
            # More requests are made by the run, and the time for that belongs to each sample.
            seconds=asked.seconds * factor + cost.seconds * factor,
            planned=asked.samples if factor > 1 else None,
            reason="" if lengths or not asked.requests else UNTRIED,
        )

    def _planned(self, item: ItemId, samples: int | None, cost: costs.Cost, prepare_s: float) -> PlannedItem:
        return PlannedItem(
            item=item,
            samples=samples,
            requests=cost.requests,
            shown=cost.shown,
            evaluated=cost.evaluated,
            output=cost.output,
            prepare_s=prepare_s,
            seconds=prepare_s + cost.seconds,
            doubt_s=cost.doubt_s,
            peak_bytes=self._peak(cost),
        )

    # -- memory --------------------------------------------------------------------------------------------------

    def _peak(self, cost: costs.Cost) -> int | None:
        cell = self._description.kv_bytes_per_token
        if self._base is None or cell is None:
            return None
        logits = TWICE * LOGIT_BYTES * cost.outputs * (self._description.vocab_size or 0)
        return self._base + cost.cells * int(cell) + logits

    def _memory_without_cells(self) -> int | None:
        """Memory of the process that holds the model while it reads a prompt, without the KV memory of that. Nothing
        larger may have been asked before: its memory would count."""
        cell = self._description.kv_bytes_per_token
        n = min(rates.SHORT, (self._description.n_ctx or 1) - 1)
        request = Request(prompt_ids=tuple(range(100, 100 + n)), max_tokens=1, forced_length=True)
        if cell is None:
            return None
        self._backend.reset_peak()
        self._backend.generate([request])
        peak = self._backend.memory()["now"].peak
        return None if peak is None else peak - self._backend.workload_of_requests([request]).cells * int(cell)


def _unknown(run: Run, wanted: PlannedDemand, error: SlmError) -> PlannedItem:
    samples = None
    if wanted.task is not None:
        plan = wanted.task.modes.get(run.config.mode)
        asked = run.limits.get(str(wanted.item), run.config.limit)
        limits = (asked, plan.limit if plan else None, count_samples(wanted.task, run.extensions))
        samples = min((limit for limit in limits if limit is not None), default=None)
    return PlannedItem(item=wanted.item, samples=samples, reason=str(error))


def _needs(run: Run, planned: Sequence[PlannedItem]) -> Needs:
    names = dict.fromkeys(item.item.quantization for item in planned)
    lacking = arriving(run.submission, map(run.quantization, names), offline=run.config.offline)
    known = [item.n_bytes for item in lacking]
    lines = sum((item.requests or item.samples or 0) * LINE_BYTES for item in planned)
    text = sum(2 * CHARACTERS * (item.output or 0) for item in planned)  # in the sample and in the answer
    return Needs(
        session_bytes=memory_use().peak,
        memory_limit=usable_memory(),
        disk_bytes=lines + text + REPORT_BYTES * len(names),
        disk_free=free(Path(run.config.reports)),
        download_bytes=None if None in known else sum(n or 0 for n in known),
        download_free=next((item.free for item in lacking if item.free is not None), None),
        download_reason="; ".join(item.reason for item in lacking if item.n_bytes is None),
        weights_bytes=max((item.size for item in lacking if item.size is not None), default=None),
    )

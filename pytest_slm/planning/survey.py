"""From the items of a session to the plan of its run: opens each model once, measures it, and asks every item what it
would ask."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import psutil

from pytest_slm.answers.keeping import CHARACTERS
from pytest_slm.core.types import ItemId, Request, Task
from pytest_slm.errors import NotAvailableError, SlmError
from pytest_slm.hosts.remote import RemoteBackend
from pytest_slm.kinds.checking import count_samples
from pytest_slm.machine.hardware import usable_memory
from pytest_slm.machine.memory import memory_use
from pytest_slm.models import free, missing
from pytest_slm.planning import costs, rates
from pytest_slm.planning.plan import Needs, PlannedItem, RunPlan
from pytest_slm.run.drive import first_round
from pytest_slm.run.session import Run

LINE_BYTES = 1_500
"""Of a sample's lines, on disk, besides the text that the model writes: hashes, explanation, answer."""
REPORT_BYTES = 2_000_000
"""Of a report and its page, whose samples are cut to a size."""
LOGIT_BYTES = 4
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
    before = time.time() - psutil.Process().create_time()
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
            survey_ = _Model(run, backend)
            measured.append((quantization, survey_.rates))
        except SlmError as error:
            planned += [_unknown(run, item, error) for item in mine]
            continue
        for item in mine:
            watcher.start(item.item)
            planned.append(survey_.item(item))
            watcher.finish(item.item)
    took = time.perf_counter() - began
    return RunPlan(
        items=tuple(planned),
        rates=tuple(measured),
        startup_s=before + started,
        took_s=took,
        needs=_needs(run, planned),
    )


class _Model:
    """One open model: its rates, its memory, and the items on it."""

    def __init__(self, run: Run, backend: RemoteBackend) -> None:
        self._run = run
        self._backend = backend
        self._description = backend.describe()
        self.rates = rates.measure(backend, run.config.seed)
        self._base = self._memory_without_cells()

    def item(self, wanted: PlannedDemand) -> PlannedItem:
        """The plan of one item; what cannot be known of it has a reason."""
        try:
            if wanted.task is not None:
                return self._task(wanted.item, wanted.task)
            if wanted.prompt is None or wanted.output is None:
                if wanted.budget_s is not None:
                    return PlannedItem(item=wanted.item, seconds=wanted.budget_s)
                raise NotAvailableError(
                    "the test does not say how many tokens it takes (slm_task: prompt=, output=)", slug="plan-unknown"
                )
            n_batch = self._description.n_batch or wanted.prompt or 1
            n_ctx = self._description.n_ctx
            if wanted.prompt + wanted.output - 1 > n_ctx:
                raise NotAvailableError(f"does not fit into the context of {n_ctx}", slug="context-too-short")
            cost = costs.of_rounds(wanted.prompt, wanted.output, wanted.rounds, self.rates, n_batch)
            planned = self._planned(wanted.item, None, cost, 0.0)
            return replace(planned, seconds=costs.in_time(cost, wanted.budget_s))
        except NotAvailableError as error:
            # Nothing will be measured, so it takes no time; or nobody knows.
            known = 0.0 if error.slug not in ("plan-unknown", "no-workload") else None
            return PlannedItem(item=wanted.item, seconds=known, reason=str(error))
        except SlmError as error:
            return PlannedItem(item=wanted.item, seconds=0.0, reason=str(error))
        except Exception as error:  # of a task or of somebody's runner: its item will be an error, the others go on
            return PlannedItem(item=wanted.item, seconds=0.0, reason=f"{type(error).__name__}: {error}")

    def _task(self, item: ItemId, task: Task) -> PlannedItem:
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars of what makes the requests
            asked = first_round(self._run.kind(task, item, lambda: self._backend))
        if not asked.requests and not asked.pairs:
            return PlannedItem(item=item, samples=0, requests=0, seconds=asked.seconds)
        lengths = costs.pilot(asked, self._backend)
        cost = costs.of_item(asked, self._backend, self.rates, lengths)
        return self._planned(item, asked.samples, cost, asked.seconds)

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
        """Memory of the process that holds the model while it reads a prompt, without the KV memory of that."""
        cell = self._description.kv_bytes_per_token
        n = min(rates.SHORT, self._description.n_ctx - 1)
        request = Request(prompt_ids=tuple(range(100, 100 + n)), max_tokens=1, forced_length=True)
        if cell is None:
            return None
        self._backend.generate([request])  # gives back what larger calls took
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
    arriving = [missing(run.submission, run.quantization(name), offline=run.config.offline) for name in names]
    known = [item.n_bytes for item in arriving]
    lines = sum((item.requests or item.samples or 0) * LINE_BYTES for item in planned)
    text = sum(2 * CHARACTERS * (item.output or 0) for item in planned)  # in the sample and in the answer
    return Needs(
        session_bytes=memory_use().peak,
        memory_limit=usable_memory(),
        disk_bytes=lines + text + REPORT_BYTES * len(names),
        disk_free=free(Path(run.config.reports)),
        download_bytes=None if None in known else sum(n or 0 for n in known),
        download_free=next((item.free for item in arriving if item.free is not None), None),
        download_reason="; ".join(item.reason for item in arriving if item.n_bytes is None),
        weights_bytes=max((item.size for item in arriving if item.size is not None), default=None),
    )

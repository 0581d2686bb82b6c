"""The loop of a fleet: what machines tell goes to the scheduler, its orders to machines, and results into the store.

The store is all that is kept: whoever starts the same fleet again, with these machines or others, goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_slm.cells.cell import Cell
from pytest_slm.cells.store import CellStore, StoredCell, parse, read_all
from pytest_slm.core.statistics import figures
from pytest_slm.errors import ReportError, UsageError
from pytest_slm.fleet.cluster import Cluster, Event
from pytest_slm.fleet.job import Answer, Farewell, GroupJob, Hello, Offer
from pytest_slm.fleet.scheduler import RetryLimits, Scheduler, SkippedCell
from pytest_slm.fleet.work import CellGroup, Close, Measure, Open, Work

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class FleetResult:
    """How a fleet ended: how many cells were there before, which were measured (``where``: by item and group, on which
    machine), and what was left out. ``loads`` counts how often a model was loaded, by group and node."""

    before: int
    where: Mapping[tuple[str, str], str | None]
    left_out: Sequence[SkippedCell]
    noisy: Sequence[str]
    retries: int
    loads: Mapping[tuple[str, str], int]
    seconds: float


@dataclass
class _Worker:
    node: str
    group: str
    machine: str = ""
    cells: dict[str, Cell] = field(default_factory=dict)


class Driver:
    """Measures the cells of jobs on a cluster."""

    def __init__(
        self,
        cluster: Cluster,
        jobs: Mapping[str, tuple[GroupJob, CellGroup]],
        store: CellStore,
        *,
        limits: RetryLimits | None = None,
        tell: Tell = lambda _: None,
        patience_s: float = 60.0,
    ) -> None:
        self._cluster, self._jobs, self._store, self._tell = cluster, jobs, store, tell
        self._scheduler = Scheduler([group for _, group in jobs.values()], [_unknown(name) for name in jobs], limits)
        self._patience_s = patience_s
        self._workers: dict[int, _Worker] = {}
        self._nodes: set[str] = set()
        self._labels: dict[str, str] = {}
        """What people call each node that was ever there."""
        self._nice: set[str] = set()
        """Nodes whose niceness was told."""
        self._cells: dict[str, dict[str, Cell]] = {}
        """The cells of each group, by item, as the first of its workers has named them."""
        self._timed: dict[str, StoredCell] = {}
        """What the store has of timings, by their cell on whatever machine."""
        self._before = 0
        self._where: dict[tuple[str, str], str | None] = {}
        self._noisy: list[str] = []

    def run(self) -> FleetResult:
        """Until nothing is left that could be measured. Raises ReportError where the store cannot be written, and
        UsageError where there is no node."""
        began = time.monotonic()
        if self._store.folder.is_dir():
            self._timed = {one.cell.anywhere.key: one for one in read_all(self._store.folder)[0] if one.cell.machine}
        alive = time.monotonic()
        stuck: list[SkippedCell] = []
        while not self._scheduler.finished:
            self._look()
            self._order()
            stuck = list(self._scheduler.stuck())
            if not stuck:
                alive = time.monotonic()
            elif not self._scheduler.waits_for_nodes or time.monotonic() - alive > self._patience_s:
                break  # else one may come that can
            for event in self._cluster.wait(1.0):
                self._heard(event)
        if not self._labels:
            raise UsageError("the cluster has no node: start Ray there first (docs/fleet.md)", slug="fleet-nodes")
        self._part()
        return FleetResult(
            before=self._before,
            where=self._where,
            left_out=[*self._scheduler.left_out, *stuck],
            noisy=self._noisy,
            retries=self._scheduler.retries,
            loads=self._scheduler.loads,
            seconds=time.monotonic() - began,
        )

    # -- orders ----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        there = {node.name: node for node in self._cluster.nodes()}
        self._labels |= {name: node.label or name for name, node in there.items()}
        for name in self._nodes - there.keys():
            self._tell(f"{self._labels[name]}: lost; what it was measuring is measured elsewhere")
            for number in [one for one, worker in self._workers.items() if worker.node == name]:
                self._cluster.kill(number)
                del self._workers[number]
            self._scheduler.lost(name, f"{self._labels[name]} was lost")
        for name in sorted(there.keys() - self._nodes):
            self._tell(f"{self._labels[name]}: joined, {there[name].memory / 1e9:.1f} GB for models")
            self._scheduler.joined(there[name])
        self._nodes = set(there)

    def _order(self) -> None:
        for order in self._scheduler.orders():
            if isinstance(order, Open):
                job, group = self._jobs[order.group]
                self._workers[order.worker] = _Worker(order.node, order.group)
                self._cluster.open(order.worker, order.node, job, group.memory)
            elif isinstance(order, Measure):
                self._cluster.measure(order.worker, order.item, alone=order.alone)
            elif isinstance(order, Close):
                self._cluster.close(order.worker)

    def _part(self) -> None:
        """Hear what those who were closed have to say at their end. Who has not even begun has nothing to say."""
        for number in [number for number, worker in self._workers.items() if not worker.cells]:
            del self._workers[number]
            self._cluster.kill(number)
        until = time.monotonic() + self._patience_s
        while self._workers and time.monotonic() < until:
            self._look()
            self._order()
            for event in self._cluster.wait(0.2):
                self._heard(event)

    # -- what was heard --------------------------------------------------------------------------------------------

    def _heard(self, event: Event) -> None:
        worker = self._workers.get(event.worker)
        if worker is None:
            return  # its node was lost before
        if isinstance(event.said, Hello):
            self._greeted(event.worker, worker, event.said)
        elif isinstance(event.said, Answer):
            self._answered(event.worker, worker, event.said)
        else:
            del self._workers[event.worker]
            self._scheduler.ended(event.worker, event.lost)
            if isinstance(event.said, Farewell):
                self._take_back(worker, event.said)
            else:
                self._tell(f"{self._labels[worker.node]}: {worker.group}: {event.lost}")

    def _greeted(self, number: int, worker: _Worker, hello: Hello) -> None:
        if hello.problem:
            self._refuse(number, worker, hello.problem)
            return
        cells = {offer.item: offer.cell for offer in hello.offers if offer.cell is not None}
        if (known := self._cells.get(worker.group)) is not None:
            if why := _other(known, cells):
                self._refuse(number, worker, why)
                return
        else:
            self._cells[worker.group] = cells
            self._plan(worker.group, hello.offers)
        if hello.niceness > 0 and worker.node not in self._nice:
            self._nice.add(worker.node)
            self._tell(
                f"{self._labels[worker.node]}: measures at niceness {hello.niceness}, behind all that runs there at 0; "
                "start Ray at 0, with RAY_worker_niceness=0"
            )
        worker.cells, worker.machine = cells, hello.machine
        self._scheduler.opened(number)

    def _plan(self, group: str, offers: Sequence[Offer]) -> None:
        """The first worker of a group says what there is to measure; what the store has is done."""
        self._scheduler.add(
            Work(group=group, item=offer.item, cost=offer.cost, timed=offer.timed, last=offer.last) for offer in offers
        )
        self._scheduler.drop(_unknown(group))
        for offer in offers:
            if offer.cell is None:
                self._scheduler.leave_out(group, offer.item, offer.reason)
            elif self._has(offer.cell):
                self._before += 1
                self._scheduler.known(group, offer.item)

    def _has(self, cell: Cell) -> bool:
        if cell.machine:  # a timing is somebody's, and that is told with it
            return cell.anywhere.key in self._timed
        try:
            return self._store.get(cell.key) is not None
        except ReportError as error:
            self._tell(str(error))
            return False

    def _refuse(self, number: int, worker: _Worker, why: str) -> None:
        self._tell(f"{self._labels[worker.node]}: cannot measure {worker.group}: {why}")
        self._scheduler.refused(number, why)
        del self._workers[number]
        self._cluster.kill(number)

    def _answered(self, number: int, worker: _Worker, answer: Answer) -> None:
        cell = worker.cells.get(answer.item)
        if answer.content is None or cell is None:
            self._tell(f"{self._labels[worker.node]}: {worker.group} {answer.item}: {answer.reason}")
            self._scheduler.failed(number, answer.reason, final=answer.final)
            return
        try:
            stored = parse(self._store.path(cell.key), answer.content.encode())
        except ReportError as error:
            self._scheduler.failed(number, str(error))
            return
        self._store.put(stored)
        self._scheduler.measured(number, answer.seconds)
        self._where[worker.group, answer.item] = stored.result.machine
        timing = stored.result.timing
        if timing is not None and timing.noise:
            self._noisy.append(f"{worker.group} {answer.item}: {timing.noise}")
        metric = stored.result.metric()
        score = "" if metric is None else f"{figures(metric.value, 4)} {metric.unit}, "
        self._tell(f"{self._labels[worker.node]}: {worker.group} {answer.item}: {score}{answer.seconds:.1f} s")

    def _take_back(self, worker: _Worker, farewell: Farewell) -> None:
        for item, why in farewell.taken_back.items():
            self._store.forget(worker.cells[item].key)
            self._where.pop((worker.group, item), None)
            self._scheduler.take_back(worker.group, item, why)


def _unknown(group: str) -> Work:
    """Stands for all that a group has to measure until one of its workers has said what that is."""
    return Work(group=group, item="", cost=1.0)


def _other(known: Mapping[str, Cell], cells: Mapping[str, Cell]) -> str:
    """Why the cells of a node are not those of the others; '' if they are."""
    if known.keys() != cells.keys():
        item = min(known.keys() ^ cells.keys())
        return (
            f"{item} is {'not ' if item in known else ''}there, unlike on other nodes: it has other suites or packages"
        )
    for item, cell in known.items():
        mine, theirs = (one.anywhere.to_json() for one in (cells[item], cell))
        for name, value in mine.items():
            if value != theirs[name]:
                return f"it has another {name} of {item}: {_difference(value, theirs[name])}"
    return ""


def _difference(mine: object, theirs: object) -> str:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        name = next(name for name in sorted({*mine, *theirs}) if mine.get(name) != theirs.get(name))
        return f"{name} is {mine.get(name)!s:.80} there and {theirs.get(name)!s:.80} on others"
    return f"{mine!s:.80} there and {theirs!s:.80} on others"

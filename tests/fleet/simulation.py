"""A fleet on a clock that nobody waits for: how busy its nodes would be, and what becomes of it when they die."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_slm.fleet.scheduler import RetryLimits, Scheduler
from pytest_slm.fleet.work import CellGroup, Close, Measure, Node, Open, Work


@dataclass(kw_only=True)
class SimulatedFleet:
    """What came of a simulated fleet. ``busy_s`` is the time in which cells were measured that were kept, of all nodes
    together; ``loads`` how often a group was loaded, by group and node; ``measured`` how often each cell was kept."""

    seconds: float = 0.0
    busy_s: float = 0.0
    nodes: int = 0
    loads: Mapping[tuple[str, str], int] = field(default_factory=dict)
    measured: dict[tuple[str, str], int] = field(default_factory=dict)
    together: int = 0
    """Timings beside which something else ran on their node; there must be none."""
    scheduler: Scheduler

    @property
    def utilisation(self) -> float:
        """The share of all nodes' time in which they measured."""
        return self.busy_s / (self.seconds * self.nodes) if self.seconds else 0.0


def simulate(
    groups: Sequence[CellGroup],
    work: Mapping[Work, float],
    nodes: Sequence[Node],
    *,
    limits: RetryLimits | None = None,
    deaths: Sequence[tuple[float, str]] = (),
    joins: Sequence[tuple[float, Node]] = (),
) -> SimulatedFleet:
    """Run a fleet whose cells take these seconds; ``deaths`` and ``joins`` say when nodes go and come. The scheduler
    knows the costs of cells beforehand, and their seconds only when they are over."""
    scheduler = Scheduler(groups, work, limits)
    outcome = SimulatedFleet(scheduler=scheduler, nodes=len(nodes), loads=scheduler.loads)
    took = {one.key: seconds for one, seconds in work.items()}
    timed = {one.key for one in work if one.timed}
    ticket = itertools.count()
    events: list[tuple[float, int, str, object]] = []
    workers: dict[int, tuple[str, str]] = {}
    running: dict[int, tuple[str, float]] = {}
    for node in nodes:
        scheduler.joined(node)
    for moment, name in deaths:
        heapq.heappush(events, (moment, next(ticket), "death", name))
    for moment, node in joins:
        heapq.heappush(events, (moment, next(ticket), "join", node))
    now = 0.0
    while not scheduler.finished:
        closed = False
        for order in scheduler.orders():
            if isinstance(order, Open):
                workers[order.worker] = order.node, order.group
                heapq.heappush(
                    events, (now + scheduler.groups[order.group].load_s, next(ticket), "ready", order.worker)
                )
            elif isinstance(order, Close):
                del workers[order.worker]
                closed = True
                scheduler.ended(order.worker, "")
            elif isinstance(order, Measure):
                key = workers[order.worker][1], order.item
                running[order.worker] = order.item, now
                beside = [one for one in running if workers[one][0] == workers[order.worker][0]]
                outcome.together += len(beside) > 1 and any(
                    (workers[one][1], running[one][0]) in timed for one in beside
                )
                heapq.heappush(events, (now + took[key], next(ticket), "done", (order.worker, order.item)))
        if closed:
            continue
        if not events:
            break
        now, _, what, about = heapq.heappop(events)
        if what == "join" and isinstance(about, Node):
            scheduler.joined(about)
        elif what == "death" and isinstance(about, str):
            for worker in [one for one, (node, _) in workers.items() if node == about]:
                running.pop(worker, None)
                del workers[worker]
            scheduler.lost(about, f"{about} died")
        elif what == "ready" and isinstance(about, int) and about in workers:
            scheduler.opened(about)
        elif what == "done" and isinstance(about, tuple) and running.get(about[0], ("", 0.0))[0] == about[1]:
            worker = about[0]
            _, began = running.pop(worker)
            key = workers[worker][1], about[1]
            outcome.measured[key] = outcome.measured.get(key, 0) + 1
            outcome.busy_s += now - began
            outcome.seconds = now
            scheduler.measured(worker, now - began)
    return outcome

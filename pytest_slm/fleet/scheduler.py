"""Who loads which model, and who measures which cell next. Pure: it is told what happened, and says what to do.

A worker holds one group on one node. It measures the longest of its group's cells first, and timings after all others;
when nothing is left for it, it is closed. A node with room takes the group with the most left to do that nobody holds,
else one that others hold, if it would be done sooner in spite of being loaded once more. A timing has its node for
itself, and all timings of a group are measured on one node, as long as that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pytest_slm.fleet.work import CellGroup, Close, Measure, Node, Open, Work, WorkerOrder


@dataclass
class _Worker:
    number: int
    node: str
    group: str
    ready: bool = False
    item: str | None = None
    closing: bool = False
    """It has nothing to do any more, and still its memory."""


@dataclass
class _Rate:
    """Seconds for each unit of cost, of what was measured."""

    seconds: float = 0.0
    cost: float = 0.0


@dataclass(kw_only=True)
class RetryLimits:
    """How often a cell may go wrong before it is left: ``failures`` of its own, and ``losses`` of the node or the
    process that measured it. ``lanes``: cells at once on one node."""

    failures: int = 2
    losses: int = 6
    lanes: int = 1


@dataclass(frozen=True, kw_only=True)
class SkippedCell:
    """A cell that was not measured, and why."""

    group: str
    item: str
    reason: str


@dataclass
class _State:
    work: Work
    failures: int = 0
    losses: int = 0
    reasons: list[str] = field(default_factory=list)


class Scheduler:
    """The state of a fleet, and its next orders."""

    def __init__(self, groups: Iterable[CellGroup], work: Iterable[Work], limits: RetryLimits | None = None) -> None:
        self.groups = {group.name: group for group in groups}
        self.limits = limits or RetryLimits()
        self.done: set[tuple[str, str]] = set()
        self.left_out: list[SkippedCell] = []
        self.retries = 0
        """How often a cell was given to somebody once more."""
        self.loads: dict[tuple[str, str], int] = {}
        """How often a group was loaded, by group and node."""
        self._pending: dict[str, dict[str, _State]] = {name: {} for name in self.groups}
        self._states: dict[tuple[str, str], _State] = {}
        self._nodes: dict[str, Node] = {}
        self._workers: dict[int, _Worker] = {}
        self._homes: dict[str, str] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._starts: dict[tuple[str, str], int] = {}
        self._rates: dict[tuple[str, bool], _Rate] = {}
        self._of_all = {timed: _Rate() for timed in (False, True)}
        self._number = 0
        self.add(work)

    # -- what happened ---------------------------------------------------------------------------------------------

    def add(self, work: Iterable[Work]) -> None:
        """There is more to measure."""
        for one in work:
            if one.key not in self._states:
                self._states[one.key] = self._pending[one.group][one.item] = _State(one)

    def joined(self, node: Node) -> None:
        """A node is there."""
        self._nodes[node.name] = node

    def lost(self, node: str, reason: str) -> None:
        """A node is gone, with all that was on it."""
        self._nodes.pop(node, None)
        for worker in [one for one in self._workers.values() if one.node == node]:
            worker.ready = True  # that it never was is no fault of its group
            self.ended(worker.number, reason)
        self._homes = {group: home for group, home in self._homes.items() if home != node}

    def opened(self, worker: int) -> None:
        """A worker is ready to measure."""
        self._workers[worker].ready = True

    def ended(self, worker: int, reason: str) -> None:
        """A worker is gone, as it should or not; what it was measuring is somebody else's. One that never was ready is
        tried once more."""
        gone = self._workers.pop(worker, None)
        if gone is None:
            return
        place = gone.group, gone.node
        if not gone.ready:
            self._starts[place] = self._starts.get(place, 0) + 1
            if self._starts[place] > 1:
                self._refuse(place, reason)
        if gone.item is not None:
            state = self._states[gone.group, gone.item]
            state.losses += 1
            self._again(state, reason, state.losses > self.limits.losses)

    def refused(self, worker: int, reason: str) -> None:
        """A node cannot measure this group at all (it has other versions, or not the weights)."""
        gone = self._workers[worker]
        gone.ready = True
        self._refuse((gone.group, gone.node), reason)
        self.ended(worker, reason)

    def measured(self, worker: int, seconds: float) -> None:
        """A worker has measured what it was asked for."""
        one = self._workers[worker]
        assert one.item is not None
        state = self._states[one.group, one.item]
        one.item = None
        of_group = self._rates.setdefault((one.group, state.work.timed), _Rate())
        for rate, size in ((of_group, 1.0), (self._of_all[state.work.timed], self.groups[one.group].size)):
            rate.seconds, rate.cost = rate.seconds + seconds, rate.cost + state.work.cost * size
        self._finish(state)

    def failed(self, worker: int, reason: str, *, final: bool = False) -> None:
        """A worker could not measure what it was asked for; ``final``: nobody could."""
        one = self._workers[worker]
        assert one.item is not None
        state = self._states[one.group, one.item]
        one.item = None
        state.failures += 1
        self._again(state, reason, final or state.failures > self.limits.failures)

    def known(self, group: str, item: str) -> None:
        """A cell was measured before."""
        self._finish(self._states[group, item])

    def drop(self, work: Work) -> None:
        """This stood for others, which are known now."""
        self._pending[work.group].pop(work.item, None)
        self._states.pop(work.key, None)

    def take_back(self, group: str, item: str, reason: str) -> None:
        """What was measured is no number after all."""
        self.done.discard((group, item))
        self._again(self._states[group, item], reason, enough=True)

    def leave_out(self, group: str, item: str, reason: str) -> None:
        """A cell that a fleet cannot keep."""
        self._give_up(self._states[group, item], reason)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to measure, and nobody measures."""
        return not any(self._pending.values()) and not any(worker.item for worker in self._workers.values())

    # -- what to do ------------------------------------------------------------------------------------------------

    def orders(self) -> list[WorkerOrder]:
        """What is to be done now; all of it counts as begun."""
        found: list[WorkerOrder] = []
        for name in sorted(self._nodes):
            found += self._of_node(self._nodes[name])
        return found

    def stuck(self) -> Iterator[SkippedCell]:
        """What no node that is there can measure, with the reason, if nobody is at work. Empty where work goes on."""
        if self._workers:
            return
        for name, states in self._pending.items():
            for state in states.values():
                yield SkippedCell(group=name, item=state.work.item, reason=self._why_nowhere(state.work))

    @property
    def waits_for_nodes(self) -> bool:
        """Whether another node could measure something of what is left: no node that was there has refused it."""
        refused = {group for group, _ in self._refused}
        return any(states and name not in refused for name, states in self._pending.items())

    def seconds(self, work: Work) -> float:
        """How long a cell will take, as far as others of its group, or of all groups, say."""
        rate = self._rates.get((work.group, work.timed))
        if rate is not None and rate.cost:
            return work.cost * rate.seconds / rate.cost
        every = self._of_all[work.timed]
        return work.cost * self.groups[work.group].size * every.seconds / every.cost if every.cost else work.cost

    # -- inside ----------------------------------------------------------------------------------------------------

    def _refuse(self, place: tuple[str, str], reason: str) -> None:
        group, node = place
        self._refused[place] = reason
        if self._homes.get(group) == node:  # its timings are somebody else's now
            del self._homes[group]

    def _finish(self, state: _State) -> None:
        self._pending[state.work.group].pop(state.work.item, None)
        self.done.add(state.work.key)

    def _again(self, state: _State, reason: str, enough: bool) -> None:
        state.reasons.append(reason)
        if enough:
            n = state.failures + state.losses
            self._give_up(state, reason if n <= 1 else f"{reason} (the last of {n} attempts)")
        else:
            self.retries += 1
            self._pending[state.work.group][state.work.item] = state

    def _give_up(self, state: _State, reason: str) -> None:
        work = state.work
        self._pending[work.group].pop(work.item, None)
        self.left_out.append(SkippedCell(group=work.group, item=work.item, reason=reason))

    def _of_node(self, node: Node) -> Iterator[WorkerOrder]:
        here = [worker for worker in self._workers.values() if worker.node == node.name]
        mine = [worker for worker in here if not worker.closing]
        if any(self._is_alone(worker) for worker in mine):
            return
        for worker in [one for one in mine if one.ready and one.item is None]:
            if not any(self._may(worker.node, state.work) for state in self._pending[worker.group].values()):
                worker.closing = True
                mine.remove(worker)
                yield Close(worker=worker.number)
        busy = [worker for worker in mine if worker.item is not None or not worker.ready]
        idle = [worker for worker in mine if worker not in busy]
        for worker in idle:
            if len(busy) < self.limits.lanes and (work := self._next(worker, timed=False)) is not None:
                yield self._give(worker, work)
                busy.append(worker)
        waiting = [worker for worker in idle if worker.item is None]  # they have nothing but timings
        while not waiting and len(busy) < self.limits.lanes and (group := self._choose(node)) is not None:
            self._number += 1
            worker = self._workers[self._number] = _Worker(self._number, node.name, group)
            self.loads[group, node.name] = self.loads.get((group, node.name), 0) + 1
            busy.append(worker)
            yield Open(worker=worker.number, node=node.name, group=group)
        quiet = not busy and not any(worker.closing for worker in here)
        if waiting and quiet and (work := self._next(waiting[0], timed=True)) is not None:
            self._homes.setdefault(work.group, node.name)
            yield self._give(waiting[0], work)

    def _is_alone(self, worker: _Worker) -> bool:
        return worker.item is not None and self._states[worker.group, worker.item].work.timed

    def _give(self, worker: _Worker, work: Work) -> Measure:
        del self._pending[work.group][work.item]
        worker.item = work.item
        return Measure(worker=worker.number, item=work.item, alone=work.timed)

    def _next(self, worker: _Worker, *, timed: bool) -> Work | None:
        mine = [one.work for one in self._pending[worker.group].values() if one.work.timed == timed]
        fits = [work for work in mine if self._may(worker.node, work)]
        return min(fits, key=lambda work: (work.last, -work.cost, work.item), default=None)

    def _may(self, node: str, work: Work) -> bool:
        if not work.timed:
            return True
        return self._nodes[node].exclusive and self._homes.get(work.group, node) == node

    def _choose(self, node: Node) -> str | None:
        """The group that is to be opened on a node now."""
        held = [worker for worker in self._workers.values() if worker.node == node.name]
        free = node.memory - sum(self.groups[worker.group].memory for worker in held)
        best, most = None, 0.0
        for name, states in self._pending.items():
            group = self.groups[name]
            fits = group.memory <= free and (name, node.name) not in self._refused
            if not states or not fits or any(worker.group == name for worker in held):
                continue
            left = sum(self.seconds(one.work) for one in states.values() if self._may(node.name, one.work))
            others = [worker for worker in self._workers.values() if worker.group == name and not worker.closing]
            workers = len(others)
            if others and not any(worker.ready for worker in others):
                continue  # nobody knows yet what there is
            # What nobody holds goes first; what others hold is shared only where that ends sooner.
            worth = 1e12 + left if not workers else left / workers - left / (workers + 1) - group.load_s
            if left and worth > most:
                best, most = name, worth
        return best

    def _why_nowhere(self, work: Work) -> str:
        group = self.groups[work.group]
        if not self._nodes:
            return "no node is left"
        reasons = [reason for (group_name, _), reason in self._refused.items() if group_name == work.group]
        if reasons:
            return reasons[0]
        if all(node.memory < group.memory for node in self._nodes.values()):
            most = max(node.memory for node in self._nodes.values())
            return f"about {group.memory / 1e9:.1f} GB are needed, and no node has more than {most / 1e9:.1f} GB"
        return "no node can be had alone, as timings need it (its resource slm_exclusive)"


def counts(scheduler: Scheduler) -> Mapping[str, int]:
    """How a fleet ended, in numbers."""
    return {
        "measured": len(scheduler.done),
        "left_out": len(scheduler.left_out),
        "retries": scheduler.retries,
        "loads": sum(scheduler.loads.values()),
    }

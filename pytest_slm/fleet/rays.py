"""A Ray cluster as a fleet: an actor for each worker, nothing but Ray's public API.

Memory is a resource of nodes, and each actor takes its share. Whoever measures on a node holds a lease on its custom
resource ``slm_exclusive``: a hundredth of it, or for a timing all of it, so that Ray itself keeps everybody else that
takes part away, another fleet included. The leases are placement groups, which cost no process.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_slm.errors import NotAvailableError, UsageError
from pytest_slm.files import open_regular
from pytest_slm.fleet.cluster import Event
from pytest_slm.fleet.holder import Holder, Told
from pytest_slm.fleet.job import Answer, Farewell, GroupJob, Hello
from pytest_slm.fleet.work import Node

EXCLUSIVE = "slm_exclusive"
SHARED = 0.01
CHUNK = 64 << 20
"""Bytes of weights that travel at once."""
KINDS: dict[str, type[Hello] | type[Answer] | type[Farewell]] = {"Hello": Hello, "Answer": Answer, "Farewell": Farewell}
LOOPBACK = ("127.0.0.1", "::1", "localhost", "")
ALONE = "alone"


class RayCluster:
    """The nodes of a Ray cluster. ``address`` as ``ray.init`` takes it; ``local`` starts one on this machine."""

    def __init__(self, address: str, root: Path | None = None) -> None:
        # Before it is imported: it counts its users otherwise.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise NotAvailableError(
                "a fleet needs Ray; run `pip install 'pytest-slm[ray]'`", slug="fleet-ray"
            ) from None
        if address == "local":  # else it gives whatever measures the niceness 15
            os.environ.setdefault("RAY_worker_niceness", "0")
        self._ray: Any = ray
        self._root = None if root is None else str(root)
        own: dict[str, Any] = {"include_dashboard": False, "resources": {EXCLUSIVE: 1}} if address == "local" else {}
        try:
            context = ray.init(address=address, log_to_driver=False, logging_level="error", **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"--address={address}: no Ray cluster can be reached ({' '.join(str(error).split()):.200}); start it "
                "with `ray start --head`, or give --address=local",
                slug="fleet-address",
            ) from None
        self.dashboard: str = str(getattr(context, "dashboard_url", "") or "")
        self._actors: dict[int, Any] = {}
        self._places: dict[int, str] = {}
        self._calls: dict[Any, int] = {}
        self._leases: dict[str, tuple[str, Any, Any]] = {}
        self._exclusive: set[str] = set()
        self._chunks: dict[str, list[Any]] = {}
        self._jobs: dict[int, GroupJob] = {}
        self._asked: dict[Any, int] = {}

    @property
    def open_dashboard(self) -> str:
        """The address of a dashboard that others than this machine may reach; '' where there is none."""
        host = urlsplit(f"//{self.dashboard}").hostname or ""
        return "" if host in LOOPBACK or host.startswith("127.") else self.dashboard

    def nodes(self) -> Sequence[Node]:
        found = []
        for one in self._ray.nodes():
            resources = one["Resources"]
            if one["Alive"] and resources.get("memory"):
                name, exclusive = one["NodeID"], resources.get(EXCLUSIVE, 0) >= 1
                label = f"{one.get('NodeManagerHostname', '')} {name[:6]}".strip()
                found.append(Node(name=name, memory=int(resources["memory"]), exclusive=exclusive, label=label))
                if exclusive:
                    self._exclusive.add(name)
        return found

    def open(self, worker: int, node: str, job: GroupJob, memory: int) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        kind = self._ray.remote(Holder).options(num_cpus=0, memory=memory, scheduling_strategy=there, max_restarts=0)
        actor = self._actors[worker] = kind.remote(job.to_json(), node, self._root)
        self._places[worker], self._jobs[worker] = node, job
        if job.weights is not None:
            self._asked[actor.lacks.remote()] = worker  # its session begins when it has them
        else:
            self._calls[actor.hello.remote()] = worker

    def measure(self, worker: int, item: str, *, alone: bool) -> None:
        lease = self._lease(self._places[worker], ALONE if alone else "shared")
        self._calls[self._actors[worker].measure.remote(item, lease)] = worker

    def close(self, worker: int) -> None:
        self._calls[self._actors[worker].close.remote()] = worker

    def kill(self, worker: int) -> None:
        actor = self._actors.pop(worker, None)
        if actor is not None:
            self._calls = {call: one for call, one in self._calls.items() if one != worker}
            self._asked = {call: one for call, one in self._asked.items() if one != worker}
            self._ray.kill(actor)
            self._left(self._places.pop(worker))

    def wait(self, seconds: float) -> Sequence[Event]:
        calls = [*self._calls, *self._asked]
        if not calls:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait(calls, num_returns=1, timeout=seconds)
        if ready:  # and all others that are there by now
            ready, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
        return [event for call in ready for event in self._heard(call)]

    def stop(self) -> None:
        for worker in [*self._actors]:
            self.kill(worker)
        for node in [*self._leases]:
            self._let_go(node)
        self._ray.shutdown()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _heard(self, call: Any) -> Iterator[Event]:
        asked = call in self._asked
        worker = (self._asked if asked else self._calls).pop(call)
        try:
            told = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            yield Event(worker=worker, lost=" ".join(str(error).split())[:300])
            self._forget(worker)
            return
        if asked:
            self._begin(worker, lacks=told)
            return
        event = _event(worker, told)
        yield event
        if event.lost or isinstance(event.said, Farewell):
            self.kill(worker)

    def _begin(self, worker: int, *, lacks: bool) -> None:
        """Send the weights where they are missing, each part once for all nodes, and begin the session."""
        actor, weights = self._actors[worker], self._jobs[worker].weights
        if lacks and weights is not None:
            for chunk in self._parts(weights.path, weights.sha256):
                actor.receive.remote(chunk)
            actor.received.remote()
        self._calls[actor.hello.remote()] = worker

    def _parts(self, path: str, sha256: str) -> Sequence[Any]:
        if sha256 not in self._chunks:
            with open_regular(path) as file:
                self._chunks[sha256] = [self._ray.put(part) for part in iter(lambda: file.read(CHUNK), b"")]
        return self._chunks[sha256]

    def _lease(self, node: str, mode: str) -> Any:
        """What is there as soon as the node may be used like this; None where nobody can have it alone."""
        if node not in self._exclusive:
            return None
        if node in self._leases and self._leases[node][0] != mode:
            self._let_go(node)
        if node not in self._leases:
            from ray.util.placement_group import placement_group

            amount = 1.0 if mode == ALONE else SHARED
            group = placement_group([{EXCLUSIVE: amount}], bundle_label_selector=[{"ray.io/node-id": node}])
            self._leases[node] = mode, group, group.ready()
        return self._leases[node][2]

    def _let_go(self, node: str) -> None:
        from ray.util.placement_group import remove_placement_group

        with contextlib.suppress(self._ray.exceptions.RayError):
            remove_placement_group(self._leases.pop(node)[1])

    def _left(self, node: str) -> None:
        """A worker of a node has ended: with the last one the lease does."""
        if node in self._leases and node not in self._places.values():
            self._let_go(node)

    def _forget(self, worker: int) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):
            self.kill(worker)


def _event(worker: int, told: Told) -> Event:
    if "lost" in told:
        return Event(worker=worker, lost=str(told["lost"]))
    ((kind, record),) = told.items()
    return Event(worker=worker, said=KINDS[kind].from_json(record))

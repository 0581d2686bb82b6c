"""A fleet without Ray: nodes that are nothing but names for this machine, each worker a thread and its process."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pytest_slm.core.record import Record
from pytest_slm.errors import SlmError
from pytest_slm.fleet.cluster import Event
from pytest_slm.fleet.job import Answer, Farewell, GroupJob, Hello
from pytest_slm.fleet.work import Node
from pytest_slm.fleet.worker import WorkerProcess

Call = Callable[[WorkerProcess], Record]


class Here:
    """This machine as a cluster; more than one node is for trying out what becomes of them."""

    def __init__(self, nodes: Iterable[Node], folder: Path) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._folder = folder
        self._said: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._calls: dict[int, queue.SimpleQueue[Call | None]] = {}
        self._places: dict[int, str] = {}
        self._processes: dict[int, WorkerProcess] = {}
        self._lock = threading.Lock()

    def nodes(self) -> Sequence[Node]:
        return tuple(self._nodes.values())

    def open(self, worker: int, node: str, job: GroupJob, memory: int) -> None:
        self._places[worker] = node
        calls = self._calls[worker] = queue.SimpleQueue()
        calls.put(WorkerProcess.hello)
        threading.Thread(target=self._serve, args=(worker, job, calls), daemon=True).start()

    def measure(self, worker: int, item: str, *, alone: bool) -> None:
        self._ask(worker, lambda process: process.measure(item))

    def close(self, worker: int) -> None:
        self._ask(worker, WorkerProcess.close)
        self._ask(worker, None)

    def kill(self, worker: int) -> None:
        self._calls.pop(worker, None)
        with self._lock:
            process = self._processes.pop(worker, None)
        if process is not None:
            process.kill()

    def wait(self, seconds: float) -> Sequence[Event]:
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self._said.get(timeout=seconds))
            while True:
                found.append(self._said.get_nowait())
        return found

    def stop(self) -> None:
        for worker in [*self._processes]:
            self.kill(worker)

    def lose(self, node: str) -> None:
        """Let a node die, with all that runs on it."""
        self._nodes.pop(node, None)
        for worker in [one for one, place in self._places.items() if place == node]:
            self.kill(worker)

    def _ask(self, worker: int, call: Call | None) -> None:
        if (calls := self._calls.get(worker)) is not None:  # else it has ended, and that will be heard
            calls.put(call)

    def _serve(self, worker: int, job: GroupJob, calls: queue.SimpleQueue[Call | None]) -> None:
        try:
            process = WorkerProcess(job, self._folder / str(worker))
            with self._lock:
                self._processes[worker] = process
            if self._places[worker] not in self._nodes:  # it died meanwhile
                self.kill(worker)
            while (call := calls.get()) is not None:
                said = call(process)
                assert isinstance(said, Hello | Answer | Farewell)
                self._said.put(Event(worker=worker, said=said))
        except (SlmError, OSError, ValueError) as error:
            self._said.put(Event(worker=worker, lost=str(error)))
        finally:
            self.kill(worker)

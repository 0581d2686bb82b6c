"""A backend as the session sees it: the same protocol, spoken to the process that holds the model."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from pytest_slm.backends.protocol import Delivery, EngineTest, EngineTimes, Progress, Workload, ignored, silent
from pytest_slm.core.backend_info import BackendInfo, HostDescription, HostInfo
from pytest_slm.core.record import Record
from pytest_slm.core.request import LogLikelihood
from pytest_slm.core.types import Generation, Request
from pytest_slm.errors import BackendError, HostDiedError, HostTimeoutError
from pytest_slm.hosts import wire as frames
from pytest_slm.hosts.process import raise_error
from pytest_slm.machine.conditions import Observation
from pytest_slm.machine.memory import MemoryUse

POLL_S = 0.25

R = TypeVar("R", bound=Record)


class _ResultBuffer(Generic[R]):
    """Results as the process sends them, in whatever order."""

    def __init__(self, kind: type[R], finished: Delivery[R]) -> None:
        self._kind, self._finished = kind, finished
        self._results: dict[int, R] = {}

    def add(self, number: int, result: Any) -> None:
        self._results[number] = self._kind.from_json(result)
        self._finished(number, self._results[number])

    def results(self, n: int) -> list[R]:
        missing = [number for number in range(n) if number not in self._results]
        if missing:
            raise BackendError(f"the backend has no answer to {len(missing)} of {n} requests", slug="answers-missing")
        return [self._results[number] for number in range(n)]


class Sight:
    """Where an observation is found when its block has ended."""

    seen: Observation


class RemoteBackend:
    """Talks to one process over one connection.

    ``why_dead`` tells what became of the process when the connection breaks, ``give_up`` ends it when it has been
    silent for ``timeout`` seconds. After either the object is of no more use: ask for a new one.
    """

    def __init__(
        self,
        connection: Connection,
        description: HostDescription,
        *,
        timeout: float,
        why_dead: Callable[[], HostDiedError],
        give_up: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._description = description
        self._timeout = timeout
        self._why_dead = why_dead
        self._give_up = give_up
        self._number = 0
        self.capabilities = frozenset(description.host.capabilities)
        self.lacks = description.host.lacks
        self.usable = True
        self.waited_s = 0.0
        """Seconds spent waiting for the model: what is left of the wall time is the harness's own."""

    def describe(self) -> BackendInfo:
        return self._description.backend

    @property
    def host(self) -> HostInfo:
        """The process that holds the model."""
        return self._description.host

    def count_tokens(self, requests: Sequence[Request]) -> list[int]:
        return [int(n) for n in self._call("count_tokens", [_briefly(request) for request in requests])]

    def generate(
        self,
        requests: Sequence[Request],
        progress: Progress = silent,
        finished: Delivery[Generation] = ignored,
    ) -> list[Generation]:
        return self.generate_in_parts(requests, progress, finished)

    def generate_in_parts(
        self,
        requests: Sequence[Request],
        progress: Progress = silent,
        finished: Delivery[Generation] = ignored,
        begun: Delivery[Sequence[int]] = ignored,
    ) -> list[Generation]:
        """The same; ``begun`` is called now and then with the tokens that an unfinished answer has until now, where the
        backend tells them: a request that has them goes on behind them."""
        found = _ResultBuffer(Generation, finished)
        self._call("generate", [request.to_json() for request in requests], progress, found.add, begun)
        return found.results(len(requests))

    def loglikelihood(
        self,
        pairs: Sequence[tuple[str, str]],
        progress: Progress = silent,
        finished: Delivery[LogLikelihood] = ignored,
    ) -> list[LogLikelihood]:
        found = _ResultBuffer(LogLikelihood, finished)
        self._call("loglikelihood", [list(pair) for pair in pairs], progress, found.add)
        return found.results(len(pairs))

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress = silent) -> list[LogLikelihood]:
        answer = self._call("loglikelihood_rolling", list(texts), progress)
        return [LogLikelihood.from_json(item) for item in answer]

    def workload_of_requests(self, requests: Sequence[Request]) -> Workload:
        """What ``generate`` would compute for them. Raises NotAvailableError for a backend that does not plan."""
        return Workload.from_json(self._call("workload_of_requests", [request.to_json() for request in requests]))

    def workload_of_pairs(self, pairs: Sequence[tuple[str, str]]) -> Workload:
        """What ``loglikelihood`` would compute for them. Raises NotAvailableError for a backend that does not plan."""
        return Workload.from_json(self._call("workload_of_pairs", [list(pair) for pair in pairs]))

    def time(self, test: EngineTest, progress: Progress = silent) -> EngineTimes:
        """One round of the engine alone. Raises NotAvailableError for a backend without the capability ``timing``."""
        return EngineTimes.from_json(self._call("time", test.to_json(), progress))

    def buffers(self) -> dict[str, int]:
        """Bytes of weights, KV memory and compute buffers by name, as the engine says. Raises NotAvailableError for one
        that does not."""
        return {str(name): int(size) for name, size in self._call("buffers", None).items()}

    def memory(self) -> dict[str, MemoryUse]:
        """Memory of the model's process: ``before_load``, ``after_load`` and ``now``."""
        return {key: MemoryUse.from_json(value) for key, value in self._call("memory", None).items()}

    def reset_peak(self) -> bool:
        """Begin a new high-water mark of memory in the model's process; False where the system cannot."""
        return bool(self._call("reset_peak", None))

    @contextlib.contextmanager
    def watch(self, *, energy: bool = False, memory: bool = False) -> Iterator[Sight]:
        """Observe the machine and the model's process while a block runs: its conditions, and where they are asked for
        energy (for timings) and memory (not for timings, a look at it stops the process for milliseconds)."""
        number = self._call("watch_start", {"energy": energy, "memory": memory})
        sight = Sight()
        try:
            yield sight
        finally:
            if self.usable:
                sight.seen = Observation.from_json(self._call("watch_stop", number))

    def machine(self) -> Mapping[str, Any]:
        """The machine that the model is on (docs/machine.md), as its process found it before the model was loaded."""
        return self._description.machine

    def bandwidth(self) -> tuple[float | None, int | None]:
        """Bytes a second that the cores of the model's machine read from memory, found out now, and bytes of its
        last-level caches; None for what cannot be told."""
        told = self._call("bandwidth", None)
        return told["bytes_per_s"], told["caches"]

    def foreign_cores(self, seconds: float) -> float | None:
        """CPU that other programs take on the model's machine, in cores, watched for so long."""
        taken = self._call("foreign_cores", seconds)
        return None if taken is None else float(taken)

    def close(self) -> None:
        """Hang up. The process goes on for others."""
        self.usable = False
        self._connection.close()

    def _call(
        self,
        name: str,
        args: Any,
        progress: Progress = silent,
        add: Delivery[Any] = ignored,
        begun: Delivery[Sequence[int]] = ignored,
    ) -> Any:
        self._number += 1
        answered = False
        began = time.perf_counter()
        try:
            self._say({"id": self._number, "call": name, "args": args})
            while True:
                message = self._hear(name)
                for number, result in message.get("results", ()):
                    add(number, result)
                for number, ids in message.get("begun", ()):
                    begun(number, ids)
                if "progress" in message:
                    progress(*message["progress"])
                if "ok" not in message and "error" not in message:
                    continue
                answered = True
                if "error" in message:
                    raise_error(message["error"])
                return message["ok"]
        finally:
            if not answered:
                # Ctrl-C, or a callback that failed: answers still to come would be taken for those of the next call.
                self.close()
            self.waited_s += time.perf_counter() - began

    def _say(self, message: dict[str, Any]) -> None:
        try:
            frames.send(self._connection, message)
        except (EOFError, OSError):
            self.close()
            raise self._why_dead() from None

    def _hear(self, name: str) -> Mapping[str, Any]:
        """The next message of the process. Raises HostDiedError or HostTimeoutError if there will be none."""
        looked, waited = time.monotonic(), 0.0
        try:
            while not self._connection.poll(POLL_S):
                now = time.monotonic()
                # While this process is stopped (Ctrl-Z, a debugger) it hears nothing, which is not the other's silence.
                waited += min(now - looked, 2 * POLL_S)
                looked = now
                if waited > self._timeout:
                    self.close()
                    self._give_up()
                    raise HostTimeoutError(
                        f"the model's process said nothing for {self._timeout:g} s during {name!r} and was ended; "
                        "allow more with --slm-request-timeout"
                    )
            return frames.receive(self._connection)
        except (EOFError, OSError):
            self.close()
            raise self._why_dead() from None


_USUAL = Request(prompt="").to_json()


def _briefly(request: Request) -> dict[str, Any]:
    """A request without what is the default anyway: thousands of short texts are counted in one call."""
    return {name: value for name, value in request.to_json().items() if name == "prompt" or value != _USUAL[name]}

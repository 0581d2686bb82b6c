"""The process that holds one model and answers for it: ``python -m pytest_slm.hosts.host``.

It is a process of its own so that a crash of the engine costs one item and not the run, so that memory is measured
where the model is, so that several workers share one model, and so that a foreign weights file is parsed away from
the session. See docs/host.md for the protocol.

It reads one JSON line from standard input (what to open, where to listen, the key) and writes one to standard output
(``ready`` or ``error``). Standard input then stays open as a leash: when it ends, whoever started this process is
gone, and it ends too (``leash``). Ctrl-C is the starter's business and is ignored here.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, Listener
from typing import Any

from pytest_slm.backends.finite import checked
from pytest_slm.backends.lookup import BackendEntry
from pytest_slm.backends.protocol import Backend, Delivery, EngineTest, ModelSpec, Progress, ignored, silent
from pytest_slm.core.backend_info import HostDescription, HostInfo, accelerator
from pytest_slm.core.record import Record, RecordError, jsonable
from pytest_slm.core.types import Request
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.hosts import leash
from pytest_slm.hosts import wire as frames
from pytest_slm.hosts.failures import error_json
from pytest_slm.hosts.weights import WeightFiles
from pytest_slm.machine.conditions import Observation, Observer, foreign_cores
from pytest_slm.machine.hardware import describe_machine
from pytest_slm.machine.memory import MemoryUse, bandwidth_of_machine, memory_use, reset_peak
from pytest_slm.machine.processor import last_level_bytes

BEAT_S = 0.2
"""No more than one progress message in this time."""

TURN_S = 1.0
"""How often a client that waits for its turn may hear from the host."""

SPINNING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""Environment variables that say how long threads wait for each other before they sleep. Times depend on it."""

BEGUN_S = 3.0
"""How often the beginnings of answers are told: what a kill may cost beside what the session has not kept."""

CHUNK = 8
"""Results wait for no more than this many others: what a crash loses at most."""

STREAMED = ("generate", "loglikelihood")
"""Calls whose results are sent as they come, so that what was measured is kept when the rest fails."""


class _HungUpError(Exception):
    """The client is gone: nobody waits for what is being done."""


class Host:
    """One open backend and the calls that may be made of it, one at a time, whoever asks."""

    def __init__(self, entry: BackendEntry, spec: ModelSpec, *, starter: int | None = None) -> None:
        machine = describe_machine()  # now: later its load is our own
        factory = entry.load()
        self._name, self.weights = entry.name, WeightFiles(spec.path)
        self._before = memory_use()
        reset_peak()
        started = time.perf_counter()
        self._backend: Backend = factory(spec)
        load_s = time.perf_counter() - started
        self._loaded = memory_use()
        said = HostDescription(
            backend=self._backend.describe(),
            host=HostInfo(
                pid=os.getpid(),
                capabilities=tuple(sorted(self._backend.capabilities)),
                load_s=load_s,
                lacks=dict(getattr(self._backend, "lacks", {})),
                thread_wait=", ".join(f"{name}={os.environ[name]}" for name in SPINNING if name in os.environ) or None,
            ),
            machine=machine,
        )
        self.description = _checked(entry.name, said)
        _check_weights(spec, self.description.backend.weights_sha256)
        self.weights.opened(getattr(self._backend, "files", None), self.description.backend.weights_sha256)
        self._own = () if starter is None else (starter,)
        self._observers: dict[int, Observer] = {}
        self._numbers = itertools.count()
        self._engine = threading.Lock()
        self._signs = 0
        """Signs of life that the engine has given."""
        self._calls: Mapping[str, Callable[[Any, Progress, Delivery[Record]], Any]] = {
            "count_tokens": lambda args, _, __: self._backend.count_tokens(_requests(args)),
            "generate": lambda args, progress, finished: self._backend.generate(_requests(args), progress, finished),
            "loglikelihood": lambda args, progress, finished: self._backend.loglikelihood(
                [(context, continuation) for context, continuation in args], progress, finished
            ),
            "loglikelihood_rolling": lambda args, progress, _: [
                checked(self._name, scored) for scored in self._backend.loglikelihood_rolling(args, progress)
            ],
            "workload_of_requests": lambda args, _, __: self._planner("workload_of_requests")(_requests(args)),
            "workload_of_pairs": lambda args, _, __: self._planner("workload_of_pairs")([tuple(pair) for pair in args]),
            "time": lambda args, progress, _: self._timer("time")(EngineTest.from_json(args), progress),
            "buffers": lambda _, __, ___: self._timer("buffers")(),
        }
        self._readings: Mapping[str, Callable[[Any], Any]] = {
            "memory": lambda _: self.memory(),
            "reset_peak": lambda _: reset_peak(),
            "watch_start": self.watch_start,
            "watch_stop": self.watch_stop,
            "bandwidth": lambda _: {"bytes_per_s": bandwidth_of_machine(), "caches": last_level_bytes()},
            "foreign_cores": lambda seconds: foreign_cores(seconds, self._own),
        }

    def memory(self) -> dict[str, MemoryUse]:
        """Memory before the model was loaded, just after, and now; ``peak`` counts from the last reset."""
        return {"before_load": self._before, "after_load": self._loaded, "now": memory_use()}

    def watch_start(self, asked: Mapping[str, bool]) -> int:
        """Begin to observe the machine and this process; the number ends it. Asked for: ``energy``, ``memory``."""
        gpu = accelerator(self.description.backend.device) is not None
        energy = asked["energy"] and self.description.backend.server is None  # that machine's, if it could be read
        observer = Observer(self._own, energy=energy, memory=asked["memory"], gpu=gpu)
        number = next(self._numbers)
        self._observers[number] = observer
        observer.start()
        return number

    def watch_stop(self, number: int) -> Observation:
        """What was seen since ``watch_start`` gave this number. A server's work is not told from that of others."""
        seen = self._observers.pop(number).stop()
        if self.description.backend.server is None:
            return seen
        return replace(seen, conditions=replace(seen.conditions, foreign_cores=None))

    def call(self, name: str, args: Any, progress: Progress = silent, finished: Delivery[Record] = ignored) -> Any:
        """Carry out one call. Readings of the machine are answered at once, the engine works on one call at a time."""
        if name in self._readings:
            return self._readings[name](args)
        if name not in self._calls:
            raise BackendError(f"unknown call {name!r}")
        self._wait_for_turn(progress)
        try:
            self.weights.check()
            self._signs += 1
            return self._calls[name](args, self._noted(progress), self._noted(finished))
        finally:
            self._engine.release()

    def _begun(self) -> dict[str, Any]:
        """What the answers begin with that are being written, if the backend tells that."""
        tell: Callable[[], Mapping[int, Sequence[int]]] | None = getattr(self._backend, "begun", None)
        return {"begun": [[place, list(ids)] for place, ids in tell().items()]} if tell else {}

    def _wait_for_turn(self, progress: Progress) -> None:
        """Take the engine.

        Meanwhile there is nothing to tell of the client's own call, which it must not take for silence: it hears that
        nothing is done yet, as long as the engine goes on with the calls of others.
        """
        seen = None
        while not self._engine.acquire(timeout=TURN_S):
            if self._signs != seen:
                seen = self._signs
                progress(0, 0)

    def _noted(self, tell: Callable[[int, Any], None]) -> Callable[[int, Any], None]:
        def note(number: int, what: Any) -> None:
            self._signs += 1
            tell(number, what)

        return note

    def _planner(self, name: str) -> Callable[[Any], Any]:
        return self._optional(
            name, NotAvailableError("this backend does not say what a call would compute", slug="no-workload")
        )

    def _timer(self, name: str) -> Callable[..., Any]:
        return self._optional(
            name,
            NotAvailableError("this backend does not tell times and buffers of its engine alone", slug="no-timing"),
        )

    def _optional(self, name: str, otherwise: NotAvailableError) -> Callable[..., Any]:
        function: Callable[..., Any] | None = getattr(self._backend, name, None)
        if function is None:
            raise otherwise
        return function

    def close(self) -> None:
        """Free the model."""
        self._backend.close()

    def welcome(self, connection: Connection, key: bytes) -> None:
        """Serve a client if it knows the key."""
        try:
            frames.welcome(connection, key)
        except Exception as error:  # a stranger without the key must not end the service
            print(f"host: connection refused: {error!r}", file=sys.stderr)
            return
        self.serve(connection)

    def serve(self, connection: Connection) -> None:
        """Answer one client until it goes away."""
        with connection:
            while True:
                try:
                    message = frames.receive(connection)
                    frames.send(connection, self._answer(connection, message))
                except (EOFError, OSError, _HungUpError):
                    return

    def _answer(self, connection: Connection, message: Mapping[str, Any]) -> dict[str, Any]:
        number, name = message["id"], message["call"]
        last, told = 0.0, time.monotonic()
        sent: set[int] = set()
        waiting: list[list[Any]] = []

        def hand_over(more: Mapping[str, Any]) -> None:
            self.weights.check()
            try:
                frames.send(connection, {"id": number, "results": waiting, **more})
            except (EOFError, OSError) as error:
                raise _HungUpError from error
            waiting.clear()

        def finished(place: int, result: Record) -> None:
            waiting.append([place, checked(self._name, result).to_json()])
            sent.add(place)
            if len(waiting) >= CHUNK:
                hand_over({})

        def progress(done: int, total: int) -> None:
            # A client that is gone makes this raise, which ends the work that nobody waits for.
            nonlocal last, told
            now = time.monotonic()
            if now - last >= BEAT_S:
                last, begun = now, {}
                if name == "generate" and now - told >= BEGUN_S:
                    told, begun = now, self._begun()
                hand_over({"progress": [done, total], **begun})

        try:
            value = self.call(name, message.get("args"), progress, finished)
            if name in self._calls:
                self.weights.check()
            if name in STREAMED:
                for place in set(range(len(value))) - sent:
                    finished(place, value[place])
                return {"id": number, "results": waiting, "ok": len(value)}
            return {"id": number, "ok": jsonable(value, "answer")}
        except _HungUpError:
            raise
        except Exception as error:
            changed = self.weights.problem()
            return {"id": number, "error": error_json(changed or error), "results": [] if changed else waiting}


def _checked(name: str, said: HostDescription) -> HostDescription:
    """The description, if every field is of its kind. Raises BackendError with the field that is not."""
    try:
        return HostDescription.from_json(said.to_json())
    except RecordError as error:
        raise BackendError(
            f"describe() of the backend {name!r}: {error}; it returns a BackendInfo", slug="backend-describe"
        ) from None


def _check_weights(spec: ModelSpec, found: str | None) -> None:
    """Raise BackendError if these are other weights than were asked for."""
    if spec.sha256 is not None and found is not None and found != spec.sha256:
        raise BackendError(
            f"{spec.path}: its SHA-256 is {found}, and {spec.sha256} was asked for: it was damaged or replaced; delete "
            "it, and it is downloaded or made again",
            slug="weights-changed",
        )


def _requests(args: Any) -> list[Request]:
    return [Request.from_json(item) for item in args]


def main() -> None:
    """Open what standard input names, say so on standard output, and serve until the leash ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Engines print; our one line must not be mixed with that.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    order = json.loads(sys.stdin.readline())
    leash.tie(order["folder"])
    try:
        entry, spec = BackendEntry.from_json(order["backend"]), ModelSpec.from_json(order["spec"])
        host = Host(entry, spec, starter=order["starter"])
        address, key = order["address"], bytes.fromhex(order["key"])
        listener = Listener(address if isinstance(address, str) else tuple(address))
        files = [str(file) for file in host.weights.files]
        ready = {"ready": listener.address, "describe": host.description.to_json(), "files": files}
    except Exception as error:
        print(json.dumps({"error": error_json(error)}), file=answer, flush=True)
        os._exit(3)
    print(json.dumps(ready), file=answer, flush=True)
    while True:
        try:
            connection = listener.accept()
        except Exception as error:  # it hung up again, say
            print(f"host: no connection: {error!r}", file=sys.stderr)
            continue
        threading.Thread(target=host.welcome, args=(connection, key), daemon=True).start()


if __name__ == "__main__":
    main()

"""Where a run gets its open models from: started at first use, shared by all workers, replaced when they die."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from multiprocessing.connection import Connection, Listener, Pipe
from typing import Any, Protocol, cast

from pytest_slm.backends.lookup import BackendEntry
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.backend_info import HostDescription
from pytest_slm.errors import HostDiedError, NotAvailableError
from pytest_slm.hosts import wire as frames
from pytest_slm.hosts.failures import error_json
from pytest_slm.hosts.folders import TemporaryFolder
from pytest_slm.hosts.host import Host
from pytest_slm.hosts.process import HostProcess, raise_error
from pytest_slm.hosts.remote import RemoteBackend
from pytest_slm.hosts.weights import WeightsInUse

Opening = Callable[[], tuple[BackendEntry, ModelSpec]]
"""Finds (and, where need be, downloads) what a quantization is opened from."""


class HostSource(Protocol):
    """Opens quantizations by name."""

    def open(self, quantization: str) -> RemoteBackend:
        """A usable backend; the same one as long as it lives."""
        ...

    def end(self, quantization: str) -> None:
        """End the process of a quantization, if there is one: ``open`` starts a new one."""
        ...

    def close(self) -> None:
        """Hang up, and end the processes that this object started."""
        ...

    weights: WeightsInUse
    """What this object's processes have opened."""

    @property
    def descriptions(self) -> Mapping[str, HostDescription]:
        """By quantization, what was said of itself by each that was opened."""
        ...

    @property
    def model_s(self) -> float:
        """Seconds that this process waited for models, in all."""
        ...


class _Lines:
    """What every source of models keeps: its lines to them, what was said over each, and how long it waited."""

    def __init__(self, openings: Mapping[str, Opening]) -> None:
        self._openings = openings
        self._remotes: dict[str, RemoteBackend] = {}
        self._descriptions: dict[str, HostDescription] = {}
        self._waited_s = 0.0
        self.weights = WeightsInUse()

    @property
    def descriptions(self) -> Mapping[str, HostDescription]:
        """By quantization, what was said of itself by each that was opened."""
        return dict(self._descriptions)

    @property
    def model_s(self) -> float:
        """Seconds that this process waited for models, in all."""
        return self._waited_s + sum(remote.waited_s for remote in self._remotes.values())

    def _opening(self, quantization: str) -> tuple[BackendEntry, ModelSpec]:
        """What is opened: the weights that it had before, where it was open before, so that one run has one model."""
        entry, spec = self._openings[quantization]()
        before = self._descriptions.get(quantization)
        return entry, replace(spec, sha256=spec.sha256 or before.backend.weights_sha256) if before else spec

    def _hang_up(self, quantization: str | None) -> None:
        for name in [name for name in self._remotes if quantization in (None, name)]:
            remote = self._remotes.pop(name)
            self._waited_s += remote.waited_s
            remote.close()


class Hosts(_Lines):
    """Starts one process per quantization. With ``alone`` the others end first, so that one model is in memory."""

    def __init__(
        self, openings: Mapping[str, Opening], *, start_timeout: float, request_timeout: float, alone: bool = True
    ) -> None:
        super().__init__(openings)
        self._start_timeout = start_timeout
        self._request_timeout = request_timeout
        self._alone = alone
        self._processes: dict[str, HostProcess] = {}
        self._lock = threading.Lock()

    def process(self, quantization: str) -> HostProcess:
        """The living process of a quantization, started now if there is none."""
        with self._lock:
            for name in [name for name in self._processes if self._alone and name != quantization]:
                self._processes.pop(name).stop()
                self.weights.read(name)
            process = self._processes.get(quantization)
            if process is not None and not process.alive:
                self._processes.pop(quantization).stop()
                process = None
            if process is None:
                process = HostProcess(*self._opening(quantization), start_timeout=self._start_timeout)
                self._processes[quantization] = process
                self._descriptions[quantization] = process.description
                self.weights.add(quantization, process.weights)
            return process

    def open(self, quantization: str) -> RemoteBackend:
        remote = self._remotes.get(quantization)
        process = self._processes.get(quantization)
        if remote is not None and remote.usable and process is not None and process.alive:
            return remote
        self._hang_up(None if self._alone else quantization)
        process = self.process(quantization)
        remote = RemoteBackend(
            process.connect(),
            process.description,
            timeout=self._request_timeout,
            why_dead=process.death,
            give_up=process.kill,
        )
        self._remotes[quantization] = remote
        return remote

    def end(self, quantization: str) -> None:
        self._hang_up(quantization)
        with self._lock:
            process = self._processes.pop(quantization, None)
            if process is not None:
                process.stop()

    def why_dead(self, quantization: str) -> HostDiedError:
        """What became of the process that was last started for a quantization."""
        process = self._processes.get(quantization)
        return process.death() if process else HostDiedError(f"the process that held {quantization} has ended")

    def give_up(self, quantization: str) -> None:
        """End a process that does not answer."""
        process = self._processes.get(quantization)
        if process:
            process.kill()

    def close(self) -> None:
        self._hang_up(None)
        with self._lock:
            while self._processes:
                self._processes.popitem()[1].stop()


class InProcessHosts(_Lines):
    """Opens models in this very process, for tests and scripts: nothing is started, but an engine that crashes takes
    this process with it, memory is that of the whole process, and a call that hangs can be left but not ended."""

    def __init__(self, openings: Mapping[str, Opening], *, request_timeout: float = 300.0) -> None:
        super().__init__(openings)
        self._request_timeout = request_timeout
        self._hosts: dict[str, Host] = {}

    def open(self, quantization: str) -> RemoteBackend:
        remote = self._remotes.get(quantization)
        if remote is not None and remote.usable:
            return remote
        self._hang_up(quantization)
        if quantization not in self._hosts:
            began = time.perf_counter()
            host = self._hosts[quantization] = Host(*self._opening(quantization))
            info = replace(host.description.host, start_s=time.perf_counter() - began)
            self._descriptions[quantization] = replace(host.description, host=info)
            self.weights.add(quantization, host.weights)
        ours, theirs = Pipe()
        threading.Thread(target=self._hosts[quantization].serve, args=(theirs,), daemon=True).start()
        remote = self._remotes[quantization] = RemoteBackend(
            ours,
            self._descriptions[quantization],
            timeout=self._request_timeout,
            why_dead=lambda: HostDiedError(f"{quantization} was closed"),
            give_up=lambda: self._leave(quantization),
        )
        return remote

    def end(self, quantization: str) -> None:
        self._hang_up(quantization)
        host = self._hosts.pop(quantization, None)
        if host is not None:
            host.close()

    def close(self) -> None:
        for quantization in [*self._remotes, *self._hosts]:
            self.end(quantization)

    def _leave(self, quantization: str) -> None:
        self._hosts.pop(quantization, None)  # not closed: its engine may still be at work


class Broker:
    """Lets the workers of pytest-xdist share the controller's ``Hosts``: they ask here where the process listens.
    ``told`` is called, in a thread, with what a worker has to tell."""

    def __init__(self, hosts: Hosts, told: Callable[[Mapping[str, Any]], None] = lambda _: None) -> None:
        self._hosts = hosts
        self._told = told
        self._folder = TemporaryFolder()
        self.key = secrets.token_bytes(32)
        self._listener = Listener(frames.place_to_listen(self._folder.path))
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> frames.Address:
        """Where the workers find it."""
        return cast(frames.Address, self._listener.address)

    def close(self) -> None:
        """Take no more questions."""
        self._open = False
        self._listener.close()
        self._folder.close()

    def _accept(self) -> None:
        while self._open:
            try:
                connection = self._listener.accept()
            except OSError:  # the end, or a client that hung up again
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            frames.welcome(connection, self.key)
        except Exception:  # a stranger without the key, whatever it said
            return
        with connection:
            while True:
                try:
                    message = frames.receive(connection)
                    frames.send(connection, self._answer(message["ask"], message["about"]))
                except (EOFError, OSError):
                    return

    def _answer(self, ask: str, about: Any) -> dict[str, Any]:
        try:
            if ask == "why_dead":
                return {"ok": error_json(self._hosts.why_dead(about))}
            if ask == "give_up":
                self._hosts.give_up(about)
                return {"ok": None}
            if ask == "tell":
                self._told(about)
                return {"ok": None}
            process = self._hosts.process(about)
            return {
                "ok": {
                    "address": process.address,
                    "key": process.key.hex(),
                    "describe": process.description.to_json(),
                }
            }
        except Exception as error:
            return {"error": error_json(error)}


class WorkerHosts(_Lines):
    """The hosts as a worker of pytest-xdist sees them."""

    def __init__(self, address: frames.Address, key: bytes, *, request_timeout: float) -> None:
        super().__init__({})
        self._broker = frames.connect(address, key)
        self._request_timeout = request_timeout

    def open(self, quantization: str) -> RemoteBackend:
        there = self._ask("open", quantization)
        description = HostDescription.from_json(there["describe"])
        remote = self._remotes.get(quantization)
        if remote is not None and remote.usable and description == self._descriptions[quantization]:
            return remote  # the number of the process is in it
        self._hang_up(quantization)
        try:
            connection = frames.connect(there["address"], bytes.fromhex(there["key"]))
        except (OSError, EOFError):
            raise self._why_dead(quantization) from None
        self._descriptions[quantization] = description
        remote = self._remotes[quantization] = RemoteBackend(
            connection,
            description,
            timeout=self._request_timeout,
            why_dead=lambda: self._why_dead(quantization),
            give_up=lambda: self._ask("give_up", quantization),
        )
        return remote

    def end(self, quantization: str) -> None:
        raise NotAvailableError(
            f"the process that holds {quantization} is shared with other workers: measure without -n",
            slug="timing-alone",
        )

    def close(self) -> None:
        self._hang_up(None)
        self._broker.close()

    def tell(self, what: Mapping[str, Any]) -> None:
        """Tell the controller something now, and not at the end of this worker, which may be killed."""
        self._ask("tell", what)

    def _why_dead(self, quantization: str) -> HostDiedError:
        death = self._ask("why_dead", quantization)
        return HostDiedError(death["message"], slug=death["slug"])

    def _ask(self, ask: str, about: Any) -> Any:
        try:
            frames.send(self._broker, {"ask": ask, "about": about})
            answer = frames.receive(self._broker)
        except (EOFError, OSError):
            raise HostDiedError("the controller of this test run is gone") from None
        if "error" in answer:
            raise_error(answer["error"])
        return answer["ok"]

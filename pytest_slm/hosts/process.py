"""Starting, watching and ending the processes that hold models."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from pytest_slm.backends.lookup import BackendEntry
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.backend_info import HostDescription
from pytest_slm.errors import BackendError, HostDiedError, HostTimeoutError, NotAvailableError
from pytest_slm.hosts import leash
from pytest_slm.hosts import wire as frames
from pytest_slm.hosts.failures import broken_amx, unknown_instruction
from pytest_slm.hosts.folders import TemporaryFolder
from pytest_slm.hosts.host import SPINNING
from pytest_slm.hosts.weights import WeightFiles
from pytest_slm.machine.child import Child
from pytest_slm.machine.conditions import Watch
from pytest_slm.machine.hardware import usable_memory

LOG_TAIL = 400
"""Characters of the process's error output that a message quotes."""
REASON = re.compile(
    r"(?!\s*(#\d|\* |frame #|\[)).*("  # no line of a debugger's, which repeats arguments
    r"GGML_ASSERT|[Aa]ssert(ion)?\b.* failed|terminate called|what\(\):|Fatal Python error|panicked at"
    r"|\.(c|cc|cpp|cu|cuh|h|hpp|m|mm|rs):\d+: )"
)
"""A line with which C, C++, CUDA, Rust or Python itself says why it gives up."""
GRACE_S = 2.0
"""How long a process may take to end by itself."""

SPINS = "1000"
"""How many looks a thread takes at a barrier of GNU's OpenMP before it sleeps. With the default of 300,000 it takes the
time of the thread it waits for, where another program has a core (decision 17)."""

DEATH_S = 10.0
"""How long the kernel may take to end a process that has hung up: it gives back all of its memory first."""


class HostProcess:
    """One process with one model. Starts when it is made, and never outlives the Python process that made it."""

    def __init__(self, entry: BackendEntry, spec: ModelSpec, *, start_timeout: float) -> None:
        self._what = spec.path or entry.name
        self._folder = TemporaryFolder()
        self._log = (self._folder.path / "log.txt").open("w+", encoding="utf-8", errors="replace")
        self._key = secrets.token_bytes(32)
        watch = Watch()
        watch.start()
        started = time.perf_counter()
        # -P: the working directory must not be able to replace a module of the process. A session of its own keeps
        # the terminal's Ctrl-C from it.
        self._killed = ""
        self._child = Child(
            lambda: subprocess.Popen(
                [sys.executable, "-P", "-m", "pytest_slm.hosts.host"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
                start_new_session=True,
                env=environment(os.environ),
            )
        )
        self._process = self._child.process
        leash.hold(self._process)
        try:
            self._order(entry, spec)
            ready = self._first_line(start_timeout)
        except BaseException:
            self.stop()
            raise
        self.address: frames.Address = ready["ready"] if isinstance(ready["ready"], str) else tuple(ready["ready"])
        start_s = time.perf_counter() - started
        description = HostDescription.from_json(ready["describe"])
        self.weights = WeightFiles(spec.path)
        """The files that it holds; they are read again when it is needed no more, which it may not live to see."""
        self.weights.opened([Path(file) for file in ready["files"]], description.backend.weights_sha256)
        host = replace(description.host, start_s=start_s, starting=watch.stop(self.pid))
        self.description = replace(description, host=host)

    @property
    def key(self) -> bytes:
        """What a client must know."""
        return self._key

    @property
    def pid(self) -> int:
        """Process id, for tests and for people who want to look at it."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child.alive

    def connect(self) -> Connection:
        """A new connection to the process."""
        try:
            return frames.connect(self.address, self._key)
        except (OSError, EOFError) as error:
            if not self.alive:
                raise self.death() from None
            raise HostDiedError(f"{self._what}: {error}") from None

    def death(self) -> HostDiedError:
        """Why the process ended: the error of the item that it was working on."""
        code = self._child.wait(DEATH_S)
        if code is None:
            return HostDiedError(f"the process that holds {self._what} (pid {self.pid}) hung up but still runs")
        process = f"the process that held {self._what} (pid {self.pid})"
        if self._child.out_of_memory:
            return HostDiedError(
                f"out of memory, {self._child.peak}: the kernel killed {process}: {self._child.out_of_memory}. "
                f"{usable_memory() / 1e9:.2f} GB may be used here: choose a smaller quantization or a shorter context",
                slug="out-of-memory",
            )
        return HostDiedError(f"{process} {_ending(code, self._child.peak, self._killed)}{self._quote()}")

    def stop(self) -> None:
        """End the process: let go of its leash, then insist. Returns when it is gone; may be called twice."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # a dead process leaves an unflushed pipe behind
            self._process.stdin.close()
        if self._child.wait(GRACE_S) is None:
            self.kill("did not end by itself")
        # Only now: a thread may still wait for the first line, and closing would wait for that thread.
        self._process.stdout.close()
        self._log.close()
        self._folder.close()

    def kill(self, why: str = "was silent for too long") -> None:
        """End the process at once, whatever it does; whoever else was waiting for it is told why."""
        self._killed = why
        self._child.kill()

    def _order(self, entry: BackendEntry, spec: ModelSpec) -> None:
        order = {
            "backend": entry.to_json(),
            "spec": spec.to_json(),
            "address": frames.place_to_listen(self._folder.path),
            "key": self._key.hex(),
            "folder": str(self._folder.path),
            "starter": os.getpid(),
        }
        assert self._process.stdin is not None
        try:
            print(json.dumps(order), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self.death() from None

    def _first_line(self, timeout: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_read_line, args=(self._process.stdout, lines), daemon=True).start()
        try:
            line = lines.get(timeout=timeout)
        except queue.Empty:
            raise HostTimeoutError(
                f"{self._what}: not loaded after {timeout:g} s; allow more with --slm-start-timeout{self._quote()}",
                slug="start-timeout",
            ) from None
        if not line:
            raise self.death()
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise_error(message["error"])
        return message

    def _quote(self) -> str:
        try:
            self._log.flush()
            text = Path(self._log.name).read_text("utf-8", "replace").strip()
        except (OSError, ValueError):
            return ""
        return f"; its last words: {last_words(text)}" if text else ""


def environment(mine: Mapping[str, str]) -> dict[str, str]:
    """The environment of the process: that of the session, and how long its threads wait for each other before they
    sleep, where the user has not said it. A debugger is not asked for a backtrace of an engine that gives up: it takes
    seconds, and what it says buries the reason."""
    decided = any(name in mine for name in SPINNING)
    return {"GGML_NO_BACKTRACE": "1", **({} if decided else {"GOMP_SPINCOUNT": SPINS}), **mine}


def last_words(log: str) -> str:
    """The end of what a process has printed, and before it the reason that it gave if that stands further up."""
    tail = f"…{log[-LOG_TAIL:]}"
    reason = next((line for line in reversed(log.splitlines()) if REASON.match(line)), "").strip()
    return tail if not reason or reason in tail else f"{reason[:LOG_TAIL]} {tail}"


def raise_error(error: Mapping[str, Any]) -> None:
    """Raise what the process reported, as the error that it was there."""
    if error["kind"] == "not-available":
        raise NotAvailableError(error["message"], slug=error["slug"])
    failure = BackendError(error["message"], slug=error["slug"])
    if error["traceback"]:
        failure.add_note(error["traceback"])
    raise failure


def _ending(code: int, peak: str, killed: str) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGILL":
        return f"was ended by SIGILL: {unknown_instruction()}"
    if name != "SIGKILL":
        return f"was ended by {name}{broken_amx() if name == 'SIGSEGV' else ''}"
    if killed:
        return f"was killed by the session: it {killed}"
    return f"was killed (SIGKILL), {peak}: the system gave no reason; often it is out of memory"


def _read_line(pipe: IO[str], lines: queue.Queue[str]) -> None:
    with contextlib.suppress(ValueError):  # closed while waiting: whoever waits has given up
        lines.put(pipe.readline())

"""One interpreter in a thread of its own: started, talked to in lines, and ended whatever it does."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Sequence
from typing import Any

from pytest_slm.errors import BackendError
from pytest_slm.sandbox import wasi
from pytest_slm.sandbox.outcome import Ending, Limits

TICK = 0.1
"""Seconds between two looks at the clock by running programs."""
KEPT = 2000
"""Bytes of output that are kept for the report: the last ones."""
LINE = 8 << 20
"""Bytes of the longest message."""
NEARLY = 2 << 20
"""An interpreter that breaks off with no more bytes than this left lacked memory. What it printed decides nothing."""
AHEAD = 4
"""Messages that may wait for the owner. Honest programs write one and wait for the next question."""
PATIENCE = 60.0
"""Seconds beyond twice its own limit after which an interpreter is given up: on a busy machine its clock is late."""

THREAD_STACK = 8 << 20
"""Bytes of stack of an interpreter's thread: wasmtime's part and Python's. Not all systems give that much."""

_calling = threading.local()
_starting = threading.Lock()


class Engine:
    """Wasmtime with CPython in it, compiled once and shared by all interpreters of this process."""

    def __init__(self, engine: Any, module: Any) -> None:
        import wasmtime

        self.wasmtime = wasmtime
        self.engine = engine
        # The functions are the same for all interpreters (wasmtime's table of them is not made for threads); whose
        # call it is tells the thread, since each interpreter has its own.
        linker = wasmtime.Linker(engine)
        for wanted in module.imports:
            linker.define_func(wanted.module, wanted.name, wanted.type, _function(wanted))
        self.prepared = linker.instantiate_pre(module)
        threading.Thread(target=self._tick, name="sandbox-clock", daemon=True).start()

    def _tick(self) -> None:
        while True:
            time.sleep(TICK)
            self.engine.increment_epoch()


def _function(wanted: Any) -> Any:
    call = wasi.CALLS.get(wanted.name) if wanted.module == wasi.MODULE else None
    results = len(wanted.type.results)

    def function(*given: int) -> int | None:
        # No error may leave this function: wasmtime's Python part would raise it in any thread.
        guest: GuestInterpreter = _calling.guest
        answer: int | None = wasi.ENOSYS
        if call is not None:
            try:
                answer = call(guest, *given)
            except wasi.BadAddressError:
                answer = wasi.EFAULT
            except BaseException as error:
                guest.broken = error
                guest.stop()
                answer = wasi.EIO
        return answer if results else None

    return function


class GuestInterpreter:
    """A running interpreter. ``send`` and ``receive`` are called by its owner, everything else by its own thread."""

    def __init__(self, engine: Engine, arguments: Sequence[bytes], limits: Limits) -> None:
        self.arguments = tuple(arguments)
        self.limits = limits
        self.ending: Ending | None = None
        self.explanation = ""
        self.output = b""
        self.slept_ns = 0
        self.memory = 0
        self.broken: BaseException | None = None
        self._engine = engine
        self._random = random.Random(0)
        self._inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._pending = b""
        self._line = bytearray()
        self._printed = 0
        self._left = 0
        self._stopped = self._refill = self._halted = self._owing = self._given_up = False
        self._exit: int | None = None
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        with _starting:
            before = threading.stack_size(THREAD_STACK)
            self._thread.start()
            threading.stack_size(before)

    # -- for the owner ---------------------------------------------------------------------------------------------

    def send(self, line: bytes, *, refill: bool = False) -> None:
        """One line of input; with ``refill`` it may use as much work, time and output for it as at its beginning."""
        self._refill = refill
        self._inbox.put(line + b"\n")

    def receive(self) -> bytes | None:
        """The next line that it writes; None when it has ended or is given up, and then ``ending`` says how. Raises
        BackendError if it never began, or its thread broke off."""
        try:
            line = self._outbox.get(timeout=self._patience)
        except queue.Empty:  # its own limits do not act while it is in a system call
            self.ending, self.explanation = "timeout", f"it said nothing for {self._patience:g} seconds"
            self._given_up = True
            line = None
        if line is None:
            self._outbox.put(None)
            self._join()
            if self.ending is None:  # that says nothing of the program
                raise BackendError(
                    f"the sandbox does not work: {self.explanation or 'its thread broke off'}", slug="sandbox-broken"
                )
        return line

    def close(self) -> None:
        """End of input: it ends by itself, or is ended, or is left behind."""
        self._stopped = True
        self._inbox.put(None)
        self._join()

    def _join(self) -> None:
        if not self._given_up:
            self._thread.join(self._patience)

    @property
    def _patience(self) -> float:
        return 2 * self.limits.seconds + PATIENCE

    @property
    def work(self) -> int:
        """Instructions used, once it has ended or waits."""
        return self.limits.work - self._left

    # -- for the system calls --------------------------------------------------------------------------------------

    def load(self, address: int, length: int) -> bytes:
        """Bytes of its memory."""
        start = self._checked(address, length)
        return bytes(self._memory.read(self._store, start, start + length)) if length else b""

    def store(self, address: int, data: bytes) -> None:
        """Put bytes into its memory."""
        start = self._checked(address, len(data))
        if data:
            self._memory.write(self._store, data, start)

    def _checked(self, address: int, length: int) -> int:
        start = address & 0xFFFFFFFF
        if length < 0 or start + length > self._memory.data_len(self._store):
            raise wasi.BadAddressError(address)
        return start

    def take(self, most: int) -> bytes:
        """Input; waits for it. Nothing at its end, or if it has not answered the last line: nobody would write more."""
        if not self._pending:
            self._left = self._store.get_fuel()
            try:
                self._pending = self._inbox.get(block=not self._owing) or b""
            except queue.Empty:
                self._end("failed", "it read its own interpreter's channel")
                return b""
            if self._stopped or not self._pending:
                self._inbox.put(None)
                return b""
            self._owing = True
            if self._refill:
                self._begin()
        part, self._pending = self._pending[:most], self._pending[most:]
        return part

    def give(self, fd: int, data: bytes) -> bool:
        """Output: lines for the owner (1), or text to be kept (2). False, and the end, if it is too much."""
        if fd == 2:
            self._printed += len(data)
            self.output = (self.output + data[-KEPT:])[-KEPT:]
            if self._printed > self.limits.output:
                return self._end("output_limit", f"it printed more than {self.limits.output} bytes")
            return True
        # Both before anything is made of it: this is the memory of the session.
        if self._outbox.qsize() + data.count(b"\n") > AHEAD:
            return self._end("failed", "it wrote to its own interpreter's channel")
        if len(self._line) + len(data) > LINE:
            return self._end("output_limit", f"a value of more than {LINE} bytes")
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._owing, self.memory = False, self._memory_size()
            self._outbox.put(bytes(self._line) + line)
            self._line.clear()
        self._line += rest
        return True

    def random(self, length: int) -> bytes:
        """Bytes that look random, the same in every run."""
        if length > 1 << 20:
            raise wasi.BadAddressError(length)
        return self._random.randbytes(length)

    def exit(self, code: int) -> None:
        """Stop it, as it wished."""
        self._exit = code
        self.stop()

    def stop(self) -> None:
        """No more instructions: it traps at its next function or loop."""
        if not self._halted:
            self._halted, self._left = True, self._store.get_fuel()
        self._store.set_fuel(0)

    def _begin(self) -> None:
        self._printed, self.output = 0, b""
        self._store.set_fuel(self.limits.work)
        self._store.set_epoch_deadline(max(2, int(self.limits.seconds / TICK)))

    def _end(self, ending: Ending, explanation: str) -> bool:
        self.ending, self.explanation = ending, explanation
        self.stop()
        return False

    # -- its life --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        _calling.guest = self
        trap: BaseException | None = None
        try:
            self._store = self._engine.wasmtime.Store(self._engine.engine)
            self._store.set_limits(
                memory_size=self.limits.memory, table_elements=100_000, instances=1, tables=4, memories=1
            )
            self._begin()
            exports = self._engine.prepared.instantiate(self._store).exports(self._store)
            self._memory = exports["memory"]
            exports["_start"](self._store)
        except BaseException as error:  # wasmtime.Trap mostly; whatever it is, it ends here and is told below
            trap = error
        finally:
            try:
                self._finish(trap)
            finally:  # or its owner would wait for it
                # Frees its memory now, in the thread that made it.
                self._memory = self._store = None
                self._outbox.put(None)

    def _finish(self, trap: BaseException | None) -> None:
        wasmtime = self._engine.wasmtime
        if self.broken is not None:
            self.ending, self.explanation = "error", f"a system call failed: {self.broken!r:.200}"
            return
        if self.ending is not None:
            return
        if self._store is None:
            self.explanation = f"an interpreter did not start: {trap!r:.200}"
            return
        code = getattr(trap, "trap_code", None) if isinstance(trap, wasmtime.Trap) else None
        if not self._halted:
            self._left = self._store.get_fuel()
        if self._exit is not None or trap is None:
            self.ending, self.explanation = "failed", f"it ended itself with exit code {self._exit or 0}"
        elif self._left == 0 or code is wasmtime.TrapCode.OUT_OF_FUEL:
            self.ending, self.explanation = "timeout", f"it did not end within {self.limits.work:,.0f} instructions"
        elif code is wasmtime.TrapCode.INTERRUPT:
            self.ending, self.explanation = "timeout", f"it did not end within {self.limits.seconds:g} seconds"
        elif code is wasmtime.TrapCode.STACK_OVERFLOW:
            self.ending, self.explanation = "failed", "it called itself until its stack was full"
        elif self._memory_size() > self.limits.memory - NEARLY:
            self.ending, self.explanation = "out_of_memory", f"it needed more than {self.limits.memory >> 20} MiB"
        else:
            said = str(trap).strip().splitlines()
            self.ending, self.explanation = "error", f"its interpreter broke off: {said[-1] if said else trap!r:.200}"

    def _memory_size(self) -> int:
        return 0 if self._memory is None else int(self._memory.data_len(self._store))

    # Made by the thread itself, so that it also ends there.
    _store: Any = None
    _memory: Any = None

"""Programs against their tests: each program in an interpreter that is new, the tests in another one."""

from __future__ import annotations

import functools
import json
import os
import queue
import secrets
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from pytest_slm.errors import BackendError
from pytest_slm.sandbox import image
from pytest_slm.sandbox.machine import Engine, Guest
from pytest_slm.sandbox.outcome import Ending, Limits, Outcome

GUEST = Path(__file__).parent / "guest"
WIRE = "pytest_slm.sandbox.guest.wire"
FLAGS = (b"python", b"-I", b"-S", b"-B", b"-X", b"utf8", b"-c")

# Parsing our own sources would cost every program 10 ms: the first interpreter does it for all others.
COMPILE = """
import marshal, os
text = b""
while not text.endswith(b"\\n"):
    text += os.read(0, 65536)
wire, main = eval(text)
code = [compile(wire, "<wire>", "exec"), compile(main, "<main>", "exec")]
os.write(1, marshal.dumps(code).hex().encode() + b"\\n")
"""
BOOT = """
import marshal, sys
wire, main = marshal.loads(bytes.fromhex("{code}"))
module = sys.modules[{name!r}] = type(sys)({name!r})
exec(wire, module.__dict__)
exec(main, {{"__name__": "main"}})
"""


def cores() -> int:
    """How many programs can run at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Sandbox:
    """Runs programs. Made once, used for many, from any thread; ``with Sandbox() as sandbox:`` ends its threads.

    Raises NotAvailableError where programs cannot be run: then nothing is.
    """

    def __init__(self, limits: Limits | None = None, workers: int | None = None) -> None:
        self.limits = limits or Limits()
        self._engine = engine()
        self._pool = ThreadPoolExecutor(workers or cores(), thread_name_prefix="sandbox")
        self._judges: queue.SimpleQueue[Guest] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def submit(self, program: str, tests: str) -> Future[Outcome]:
        """Run a program and its tests as soon as a core is free."""
        return self._pool.submit(self.run, program, tests)

    def run(self, program: str, tests: str) -> Outcome:
        """Run a program and its tests now, in this thread. BackendError if the sandbox itself does not work."""
        solution = self._start("solution")
        try:
            solution.send(_line(program))
            first = _read(solution.receive())
            if first is None or first[:1] != ["names"]:
                ending, explanation = _told(first, solution)
            else:
                ending, explanation = self._judge(solution, first[1], tests)
        finally:
            solution.close()
        return _outcome(solution, ending, explanation)  # what it used is known only when it has ended

    def _judge(self, solution: Guest, names: Any, tests: str) -> tuple[Ending, str]:
        judge = self._take_judge()
        sound = False
        try:
            # Nobody can know this word but the interpreter of the tests, and it says it when they are through.
            word = secrets.token_hex(16)
            judge.send(_line([word, names, tests]), refill=True)
            while (line := judge.receive()) is not None:
                message = json.loads(line)
                if message[0] == "ask":
                    solution.send(_line(message[1:]))
                    answer = solution.receive()
                    if answer is None:
                        return _told(None, solution)
                    judge.send(answer)
                else:
                    sound = True
                    if message == ["passed", word]:
                        return "passed", "all tests passed"
                    return _kind(str(message[1])), str(message[1])
            return (judge.ending or "error"), f"the tests: {judge.explanation}"
        finally:
            if sound:
                self._judges.put(judge)
            else:
                judge.close()

    def _take_judge(self) -> Guest:
        try:
            return self._judges.get_nowait()
        except queue.Empty:
            return self._start("judge")

    def _start(self, part: str) -> Guest:
        return Guest(self._engine, (*FLAGS, _boot(part).encode()), self.limits)

    def close(self) -> None:
        """End all that is left. May be called twice."""
        self._pool.shutdown(cancel_futures=True)
        for judge in _all(self._judges):
            judge.close()


def _all(judges: queue.SimpleQueue[Guest]) -> Iterable[Guest]:
    while not judges.empty():
        yield judges.get()


@functools.cache
def engine() -> Engine:
    """The one engine of this process: loaded at first use."""
    return Engine(*image.load())


@functools.cache
def _boot(part: str) -> str:
    guest = Guest(engine(), (*FLAGS, COMPILE.encode()), Limits())
    sources = [(GUEST / name).read_text("utf-8") for name in ("wire.py", f"{part}.py")]
    guest.send(repr(sources).encode())
    code = guest.receive()
    guest.close()
    if code is None:
        raise BackendError(f"the sandbox does not start: {guest.explanation}", slug="sandbox-broken")
    return BOOT.format(code=code.decode(), name=WIRE)


def _line(message: Any) -> bytes:
    return json.dumps(message).encode()


def _read(line: bytes | None) -> list[Any] | None:
    """What a program wrote. It may be anything."""
    try:
        message = json.loads(line or b"null")
    except (ValueError, RecursionError):
        return ["e", "", "it wrote to its own interpreter's channel", None]
    return message if isinstance(message, list) else None


def _told(message: list[Any] | None, solution: Guest) -> tuple[Ending, str]:
    """How a program ended before its tests did: by an exception, or as its interpreter says."""
    if message is None:
        return (solution.ending or "error"), solution.explanation or "its interpreter ended"
    kind, text, line = (*message[1:], None, None, None)[:3]
    where = f" (line {line} of the program)" if isinstance(line, int) else ""
    said = f"the program raised {kind}: {text}{where}"[:1000]
    return _kind(said), said


def _kind(said: str) -> Ending:
    return "out_of_memory" if said.startswith("the program raised MemoryError") else "failed"


def _outcome(solution: Guest, ending: Ending, explanation: str) -> Outcome:
    output = solution.output.decode("utf-8", "replace")
    return Outcome(ending=ending, explanation=explanation, output=output, work=solution.work)

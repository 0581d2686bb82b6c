"""Programs against their tests: each program in an interpreter that is new, the tests in another one."""

from __future__ import annotations

import functools
import json
import queue
import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from pytest_slm.core.record import Record
from pytest_slm.errors import BackendError, shown
from pytest_slm.sandbox import image
from pytest_slm.sandbox.machine import Engine, GuestInterpreter
from pytest_slm.sandbox.outcome import Ending, Limits, ProgramOutcome
from pytest_slm.workers import usable_cores

R = TypeVar("R", bound=Record)

SMALL = 64 << 20
"""Bytes of memory above which an interpreter of tests is not used again: memory is never given back, and the next
program would lack what this one's answers took."""
GUEST = Path(__file__).parent / "guest"
MODULES = ("wire", "values")
FLAGS = (b"python", b"-I", b"-S", b"-B", b"-X", b"utf8", b"-c")

# Parsing our own sources would cost every program 10 ms: the first interpreter does it for all others.
COMPILE = """
import marshal, os
text = b""
while not text.endswith(b"\\n"):
    text += os.read(0, 65536)
code = [compile(source, "<guest>", "exec", optimize=2) for source in eval(text)]
os.write(1, marshal.dumps(code).hex().encode() + b"\\n")
"""
BOOT = """
import marshal, sys
*modules, main = marshal.loads(bytes.fromhex(sys.argv[1]))
for name, code in zip(sys.argv[2:], modules):
    module = sys.modules[name] = type(sys)(name)
    exec(code, module.__dict__)
exec(main, {"__name__": "main"})
"""


class Sandbox:
    """Runs programs. Made once, used for many, from any thread; ``with Sandbox() as sandbox:`` ends its threads.

    Raises NotAvailableError where programs cannot be run: then nothing is.
    """

    def __init__(self, limits: Limits | None = None, workers: int | None = None) -> None:
        self.limits = limits or Limits()
        self._engine = engine()
        self._pool = ThreadPoolExecutor(workers or usable_cores(), thread_name_prefix="sandbox")
        self._judges: queue.SimpleQueue[GuestInterpreter] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def submit(self, program: str, tests: str, given: str = "", entry_point: str = "") -> Future[ProgramOutcome]:
        """Run a program and its tests as soon as a core is free."""
        return self._pool.submit(self.run, program, tests, given, entry_point)

    def run(self, program: str, tests: str, given: str = "", entry_point: str = "") -> ProgramOutcome:
        """Run a program and its tests now, in this thread. BackendError if the sandbox itself does not work.

        The tests take ``entry_point`` of the program and no other name; what else they use is in ``given``, the text of
        the problem, which is run for them apart from the program. Without an entry point they take the names that
        neither they nor Python define.
        """
        solution = self._start("solution")
        try:
            solution.send(_line(program))
            first = solution.receive()
            if first is None:
                ending, explanation = _ended(solution)
            else:
                ending, explanation = self._judge(solution, [tests, given, entry_point, first.decode("latin-1")])
        finally:
            solution.close()
        return _outcome(solution, ending, explanation)  # what it used is known only when it has ended

    def _judge(self, solution: GuestInterpreter, job: list[str]) -> tuple[Ending, str]:
        judge = self._take_judge()
        sound = False
        try:
            # Nobody can know this word but the interpreter of the tests, and it says it when they are through.
            word = secrets.token_hex(16)
            judge.send(_line([word, *job]), refill=True)
            while (line := judge.receive()) is not None:
                if line[:1] != b"?":
                    sound = judge.memory <= SMALL
                    return _verdict(line, word)
                # What the program answers is for the other interpreter to read, never for this one.
                solution.send(line[1:])
                answer = solution.receive()
                if answer is None:
                    return _ended(solution)
                judge.send(answer)
            return (judge.ending or "error"), f"the tests: {judge.explanation}"
        finally:
            if sound:
                self._judges.put(judge)
            else:
                judge.close()

    def _take_judge(self) -> GuestInterpreter:
        try:
            return self._judges.get_nowait()
        except queue.Empty:
            return self._start("judge")

    def _start(self, part: str) -> GuestInterpreter:
        return GuestInterpreter(self._engine, boot(part), self.limits)

    def close(self) -> None:
        """End all that is left. May be called twice."""
        self._pool.shutdown(cancel_futures=True)
        for judge in _all(self._judges):
            judge.close()


def _all(judges: queue.SimpleQueue[GuestInterpreter]) -> Iterable[GuestInterpreter]:
    while not judges.empty():
        yield judges.get()


def engine() -> Engine:
    """The one engine of this process: loaded at first use, and again where wasmtime was. A session of pytest inside of
    this process drops the modules that it was the first to import, and the next copy knows no engine of the last."""
    return _loaded(image.runtime())


@functools.cache
def _loaded(_wasmtime: Any) -> Engine:
    return Engine(*image.load())


@functools.cache
def boot(part: str) -> tuple[bytes, ...]:
    """The arguments of an interpreter that runs a part of ours, which is parsed once for all of them."""
    guest = GuestInterpreter(engine(), (*FLAGS, COMPILE.encode()), Limits())
    sources = [(GUEST / f"{name}.py").read_text("utf-8") for name in (*MODULES, part)]
    guest.send(repr(sources).encode())
    code = guest.receive()
    guest.close()
    if code is None:
        raise BackendError(f"the sandbox does not start: {guest.explanation}", slug="sandbox-broken")
    names = [f"pytest_slm.sandbox.guest.{name}".encode() for name in MODULES]
    return (*FLAGS, BOOT.encode(), code, *names)


def ask(guest: GuestInterpreter, message: Mapping[str, Any], answer: type[R], plain: Callable[[Any], Any]) -> R:
    """What an interpreter that waits for a message makes of it, made plain and read as an ``answer``, or how it ended.
    What strangers' code has written in its place does not know the word, and is no answer."""
    word = secrets.token_hex(8)
    guest.send(json.dumps({"word": word, **message}, allow_nan=False).encode(), refill=True)
    line = guest.receive()
    if line is None:
        ending = "error" if guest.ending in (None, "passed") else guest.ending
        return answer.from_json({"ending": ending, "explanation": shown(guest.explanation or "its interpreter ended")})
    try:
        whose, told = json.loads(line)
        if whose == word:
            return answer.from_json(plain(told))
        problem = "what ran there wrote to its own interpreter's channel"
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        problem = f"its answer cannot be read ({str(error)[:200]})"
    return answer.from_json({"ending": "error", "explanation": shown(problem)})


def stand_in(name: str) -> str:
    """The source of a small module that takes the place of a package or a module in the sandbox (docs/worlds.md says
    which)."""
    return (GUEST / f"{name.rpartition('.')[2]}_stand_in.py").read_text("utf-8")


def _line(message: Any) -> bytes:
    return json.dumps(message).encode()


def _verdict(line: bytes, word: str) -> tuple[Ending, str]:
    """How the tests ended. The tests are the data set's, and could have written the line themselves."""
    try:
        ending, said = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        ending, said = "failed", "the tests wrote to their own interpreter's channel"
    if (ending, said) == ("passed", word):
        return "passed", "all tests passed"
    said = " ".join(str(said)[:1000].split())
    return ("out_of_memory" if ending == "out_of_memory" else "failed"), said


def _ended(solution: GuestInterpreter) -> tuple[Ending, str]:
    """How a program ended before its tests did."""
    return (solution.ending or "error"), solution.explanation or "its interpreter ended"


def _outcome(solution: GuestInterpreter, ending: Ending, explanation: str) -> ProgramOutcome:
    output = solution.output.decode("utf-8", "replace")
    return ProgramOutcome(ending=ending, explanation=shown(explanation), output=output, work=solution.work)

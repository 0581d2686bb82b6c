"""Calls of tool classes, run in interpreters that are shared, in instances that are not."""

from __future__ import annotations

import json
import queue
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from pytest_slm.core.worlds import ClassLibrary, Execution, ExecutionResult, World, WorldCall
from pytest_slm.sandbox.machine import GuestInterpreter
from pytest_slm.sandbox.outcome import Limits
from pytest_slm.sandbox.runner import ask, boot, engine
from pytest_slm.workers import usable_cores

SMALL = 96 << 20
"""Bytes of memory above which an interpreter is not used again: memory is never given back."""
LIMITS = Limits(work=30_000_000_000, seconds=60.0)
"""For all calls of one execution together."""


class Worlds:
    """Executes calls, each time in new instances of their classes. Made once, used for many, from any thread;
    ``with Worlds() as worlds:`` ends its threads.

    An interpreter is kept for the next execution of the same library, unless a call has used up what it may or has
    broken it. Raises NotAvailableError where programs cannot be run: then nothing is.
    """

    def __init__(self, limits: Limits = LIMITS, workers: int | None = None) -> None:
        self.limits = limits
        self.started = 0
        """Interpreters that were started until now."""
        self._engine = engine()
        self._pool = ThreadPoolExecutor(workers or usable_cores(), thread_name_prefix="worlds")
        self._idle: dict[str, queue.SimpleQueue[GuestInterpreter]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def submit(self, asked: Execution) -> Future[ExecutionResult]:
        """Execute calls as soon as a core is free."""
        return self._pool.submit(self.run, asked)

    def run(self, asked: Execution) -> ExecutionResult:
        """Execute calls now, in this thread."""
        library = asked.world.library
        idle = self._idle.setdefault(library.key, queue.SimpleQueue())
        guest = self._taken(idle, library)
        sound = False
        try:
            executed = ask(guest, _message(asked), ExecutionResult, _sayable)
            sound = executed.ending in ("done", "unmade") and guest.memory <= SMALL
            return executed
        finally:
            if sound:
                idle.put(guest)
            else:
                guest.close()

    def _taken(self, idle: queue.SimpleQueue[GuestInterpreter], library: ClassLibrary) -> GuestInterpreter:
        try:
            return idle.get_nowait()
        except queue.Empty:
            guest = GuestInterpreter(self._engine, boot("world"), self.limits)
            self.started += 1
            guest.send(json.dumps({"word": "", "modules": library.modules, "classes": library.classes}).encode())
            guest.receive()  # where it fails, the first execution says how
            return guest

    def close(self) -> None:
        """End all that is left. May be called twice."""
        self._pool.shutdown(cancel_futures=True)
        for idle in self._idle.values():
            while not idle.empty():
                idle.get().close()


def _message(asked: Execution) -> dict[str, Any]:
    world: World = asked.world
    return {
        "world": {"classes": world.classes, "config": world.config, "long_context": world.long_context},
        "turns": _calls(asked.turns),
        "new": asked.new,
        "gold": None if asked.gold is None else _calls(asked.gold),
        "shown": asked.shown,
    }


def _calls(turns: Sequence[Sequence[WorldCall]]) -> list[list[Any]]:
    return [[[call.name, call.positional, call.arguments] for call in turn] for turn in turns]


def _sayable(value: Any) -> Any:
    """What a class returned, without halves of letters that no file and no tokenizer takes."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_sayable(item) for item in value]
    return {key: _sayable(item) for key, item in value.items()} if isinstance(value, dict) else value

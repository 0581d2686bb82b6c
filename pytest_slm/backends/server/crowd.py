"""Requests that are open at once: threads that wait for the server, and one that tells what has come."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pytest_slm.backends.local import ResultCollector
from pytest_slm.backends.server import failures
from pytest_slm.backends.server.http import Alive

T = TypeVar("T")

BEAT_S = 0.5
"""How often it is told that requests are waited for: a server that is silent is noticed here, in the request."""


class _AbandonedError(Exception):
    """Nobody waits for this request any more."""


def ask_all(
    n: int, at_once: int, ask: Callable[[int, Alive], T], found: ResultCollector[T], *, what: str, silence_s: float
) -> list[T]:
    """What ``ask`` finds for 0 to n - 1, so many of them ``at_once``, in whatever order they end. Raises what one of
    them raises, BackendError (server-silent) where one gives no sign of life for ``silence_s``: bytes that say nothing
    are none. What is then still open is abandoned, and ends at its next sign of life."""
    results: queue.SimpleQueue[tuple[int, T] | BaseException] = queue.SimpleQueue()
    numbers, taking = itertools.count(), threading.Lock()
    heard: dict[int, float] = {}
    ended = threading.Event()

    def work() -> None:
        while True:
            with taking:
                number = next(numbers)
            if number >= n or ended.is_set():
                return

            def alive(number: int = number) -> None:
                heard[number] = time.monotonic()
                if ended.is_set():
                    raise _AbandonedError

            try:
                alive()
                result = ask(number, alive)
                heard.pop(number, None)
                results.put((number, result))
            except _AbandonedError:
                return
            except BaseException as error:  # told to the one who waits
                heard.pop(number, None)
                results.put(error)
                return

    # Daemons: one that hangs in a read must not keep the process.
    for _ in range(min(n, at_once)):
        threading.Thread(target=work, daemon=True).start()
    try:
        open_ = n
        while open_:
            with contextlib.suppress(queue.Empty):
                result = results.get(timeout=BEAT_S)
                if isinstance(result, BaseException):
                    raise result
                open_ -= 1
                found.add(*result)
                continue
            found.beat()
            if any(time.monotonic() - last > silence_s + 2 * BEAT_S for last in list(heard.values())):
                raise failures.silent(what, silence_s)
    finally:
        ended.set()
    return found.results()

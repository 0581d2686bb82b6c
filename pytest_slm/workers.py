"""The same work for many things, shared by several processes: each is told its work in lines of JSON, and answers with
one. Whatever goes wrong there is done again here, so that an error is the one that it would be without them."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

Work = Callable[[Any, Any], Any]
"""From what all orders have in common and one order to an answer, all of them plain JSON."""
TASKS = {
    "reports": "pytest_slm.registry.folder.pieces:answer",
    "models": "pytest_slm.registry.folder.checking:answer",
    "pages": "pytest_slm.site.models:answer",
}
"""What a process can be told to do, by name."""
COMMAND = ["-m", "pytest_slm.workers"]
"""What the interpreter of a process is given."""


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(task: str, about: Any, orders: Sequence[Any], jobs: int | None = None) -> Iterator[Any]:
    """The answer to each order, in their order. ``jobs``: processes (None: as many as there are cores); with one, or
    for one order, all is done here."""
    work, count = _work(task), min(usable_cores() if jobs is None else jobs, len(orders))
    if count <= 1:
        yield from (work(about, order) for order in orders)
        return
    helpers = threading.local()
    started: list[_Helper] = []

    def ask(order: Any) -> Any:
        if not hasattr(helpers, "mine"):
            helpers.mine = _Helper(task, about)
            started.append(helpers.mine)
        answer = helpers.mine.ask(order)
        return work(about, order) if answer is None else answer["done"]

    pool = ThreadPoolExecutor(count, thread_name_prefix=task)
    try:
        yield from pool.map(ask, orders)
    finally:
        pool.shutdown(cancel_futures=True)
        for helper in started:
            helper.close()


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No looking for garbage in here: where all that is made is kept there is none, and looking takes the longer the
    more there is."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class _Helper:
    """One process. It ends with the pipe that its orders come through."""

    def __init__(self, task: str, about: Any) -> None:
        home = str(Path(__file__).parents[1])  # it runs what runs here, wherever that was imported from
        path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-P", *COMMAND, task],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
            encoding="ascii",
        )
        self._tell(about)

    def ask(self, order: Any) -> Any:
        """``{"done": answer}``, or None where it has failed."""
        self._tell(order)
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # half a line: it has died
            answer = json.loads(self._process.stdout.readline())
            return answer if "done" in answer else None
        return None

    def _tell(self, what: Any) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._process.communicate()


def _work(task: str) -> Work:
    module, _, name = TASKS[task].partition(":")
    found: Work = getattr(importlib.import_module(module), name)
    return found


def serve(task: str, orders: IO[str], answers: IO[str]) -> None:
    """Answer each order; the first line is what all have in common."""
    work, about = _work(task), json.loads(orders.readline())
    gc.disable()  # what an order leaves is found behind it, not looked for a hundred times while it is made
    for number, line in enumerate(orders):
        gc.collect()
        if number == 1:  # what the first one has left stays for all others: definitions, templates
            gc.freeze()
        try:
            text = json.dumps({"done": work(about, json.loads(line))}, allow_nan=False)
        except Exception as error:  # done again where it was asked for, with the error in its place
            text = json.dumps({"failed": repr(error)})
        answers.write(text + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], sys.stdin, sys.stdout)

"""The process in which scorers do what an answer can make endless: patterns, schemas, overlaps.

A pattern such as ``(a+)+b`` takes years on some answers, and holds the interpreter's lock as long. A limit of the
kernel on processor time holds whatever code runs, but for a whole process; so it is another one, started once
(docs/decisions/0032-scorers-in-a-process.md).
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from pytest_slm.core.types import Verdict
from pytest_slm.errors import NotAvailableError

GUEST = Path(__file__).with_name("guest.py")
SECONDS = 2.0
"""Processor time for one answer. What people write takes less than a thousandth of it."""
WALL_SECONDS = 60.0
"""For one answer, where the system cannot limit processor time or gives none; imports are in it."""
MEMORY = 2 << 30
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class LimitError(Exception):
    """The work was not done, for a reason that says nothing about the model."""


class _Worker:
    """One process, dead after work that it could not do within its limits."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(GUEST), str(MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD},
            text=True,
            encoding="ascii",
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="scorers", daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, order: dict[str, Any]) -> Any:
        """The result. Raises LimitError."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended: so do its lines
            self._process.stdin.write(json.dumps({**order, "seconds": SECONDS}) + "\n")
            self._process.stdin.flush()
        try:
            line = self._lines.get(timeout=WALL_SECONDS)
        except queue.Empty:
            line = ""
        if not line:
            self.close()
            raise LimitError(f"took more than {SECONDS:g} s of processor time")
        answer: dict[str, Any] = json.loads(line)
        if answer.get("memory"):
            self.close()
            raise LimitError(f"took more than {MEMORY >> 30} GB of memory")
        if "error" in answer:
            raise LimitError(f"failed ({answer['error']})")
        return answer["result"]

    def close(self) -> None:
        """End it; may be called twice."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _read(self) -> None:
        with self._process.stdout as pipe:  # type: ignore[union-attr]
            for line in pipe:
                self._lines.put(line)
        self._lines.put("")


_lock = threading.Lock()
_workers: list[_Worker] = []
"""The one that runs, if any."""


def limited(do: str, **order: Any) -> Any:
    """What one of the guest's works makes of its arguments. Raises LimitError where it cannot within its limits."""
    with _lock:
        if not _workers or not _workers[0].alive:
            _workers[:] = [_Worker()]
        return _workers[0].ask({"do": do, **order})


def unscored(answer: str, what: str, error: LimitError) -> Verdict:
    """The verdict on an answer that could not be judged within the limits: no score, which is counted and told."""
    return Verdict(value=None, answer=answer[:200], explanation=f"not scored: {what} {error}")


def require(scorer: str, module: str) -> None:
    """Raise NotAvailableError, with the command that helps, where the module that a scorer needs is not installed."""
    if importlib.util.find_spec(module) is None:
        raise NotAvailableError(
            f"the scorer {scorer!r} needs the package {module.replace('_', '-')}: pip install "
            "'pytest-slm[text-metrics]'",
            slug="text-metrics-missing",
        )


@atexit.register
def close() -> None:
    """End the process, if one runs."""
    while _workers:
        _workers.pop().close()

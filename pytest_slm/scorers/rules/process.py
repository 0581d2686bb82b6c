"""The process in which scorers do what an answer can make endless: patterns, schemas, overlaps.

A pattern such as ``(a+)+b`` takes years on some answers, and holds the interpreter's lock as long. A limit of the
kernel on processor time holds whatever code runs, but for a whole process; so it is another one, started once
(docs/decisions/0032-scorers-in-a-process.md).
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import threading
from pathlib import Path
from typing import Any

from pytest_slm.core.types import Verdict
from pytest_slm.errors import NotAvailableError
from pytest_slm.guest import Guest

GUEST = Path(__file__).with_name("guest.py")
SECONDS = 2.0
"""Processor time for one answer. What people write takes less than a thousandth of it."""
WALL_SECONDS = 60.0
"""For one answer, where the system cannot limit processor time or gives none; imports are in it."""
MEMORY = 2 << 30
TOO_LARGE = f"took more than {MEMORY >> 30} GB of memory"
LONGEST = 64 << 20
"""Characters of a result."""
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class LimitError(Exception):
    """The work was not done, for a reason that says nothing about the model."""


class _Worker(Guest):
    """One process, dead after work that it could not do within its limits."""

    def __init__(self) -> None:
        environment = {**os.environ, **ONE_THREAD}
        super().__init__(GUEST, MEMORY, longest=LONGEST, environment=environment, quiet=True)

    def ask(self, order: dict[str, Any]) -> Any:
        """The result. Raises LimitError."""
        self.tell({**order, "seconds": SECONDS})
        line = self.line(WALL_SECONDS)
        if not line:
            memory = self.ended == self.too_much
            raise LimitError(TOO_LARGE if memory else f"took more than {SECONDS:g} s of processor time")
        answer: dict[str, Any] = json.loads(line)
        if answer.get("memory"):
            self.close()
            raise LimitError(TOO_LARGE)
        if "error" in answer:
            raise LimitError(f"failed ({answer['error']})")
        return answer["result"]


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

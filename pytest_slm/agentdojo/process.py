"""The process that runs AgentDojo's tools and checks: started once, asked in lines, ended with the session."""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.core.record import Record
from pytest_slm.data.packages import Package, unpack
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.guest import Guest

PROGRAM = Path(__file__).with_name("guest.py")
MEMORY = 4 << 30
"""Bytes of addresses; the libraries alone reserve more than one billion, of which they use a tenth."""
LONGEST = 64 << 20
"""Characters of an answer."""
SECONDS, PATIENCE_S = 30.0, 600.0
"""Processor time for an order, of which one takes a tenth of a second as a rule, and how long it may take in all."""
NEEDED = ("pydantic", "email_validator", "docstring_parser", "deepdiff", "yaml")
"""What AgentDojo's suites import; the clients of models that the package wants besides are not needed."""
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, kw_only=True)
class DojoPackage(Record):
    """AgentDojo's wheel, and the ``version`` of its benchmark that is meant."""

    package: Package
    version: str


class DojoLimitError(Exception):
    """An order was not done, or a tool or check failed on it."""


class Dojo:
    """AgentDojo in a process without files and network. ``suites`` is what it has told of them: tools, tasks and the
    places that somebody else writes."""

    def __init__(self, wanted: DojoPackage) -> None:
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            told = f"AgentDojo needs {', '.join(missing)}: pip install 'pytest-slm[agentdojo]'"
            raise NotAvailableError(told, slug="missing-extra")
        self._wanted = wanted
        self._lock = threading.Lock()
        self._guest: Guest | None = None
        self.suites: Mapping[str, Any] = {}
        self._start()

    def _start(self) -> Guest:
        with tempfile.TemporaryDirectory() as folder:
            unpack(self._wanted.package, "agentdojo/", Path(folder))
            guest = Guest(PROGRAM, MEMORY, longest=LONGEST, environment={**os.environ, **ONE_THREAD}, quiet=True)
            guest.tell({"folder": folder, "version": self._wanted.version})
            line = guest.line(PATIENCE_S)  # then it has read all that it will ever read
        told: dict[str, Any] = json.loads(line) if line else {"error": f"its process {guest.ended}"}
        if "error" in told:
            guest.close()
            raise NotAvailableError(
                f"{self._wanted.package} cannot be run here ({told['error']}); pip install -U 'pytest-slm[agentdojo]'",
                slug="agentdojo-failed",
            )
        if not told["suites"]:
            guest.close()
            raise BackendError(
                f"{self._wanted.package} has no version {self._wanted.version!r}", slug="agentdojo-failed"
            )
        self.suites, self._guest = told["suites"], guest
        return guest

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers. Raises DojoLimitError where it could not, and starts anew then."""
        with self._lock:
            guest = self._guest if self._guest is not None and self._guest.alive else self._start()
            guest.tell({**order, "seconds": SECONDS})
            line = guest.line(PATIENCE_S)
        if not line:
            raise DojoLimitError(f"the process of the tools {guest.ended}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise DojoLimitError(str(told["error"]))
        return told

    def close(self) -> None:
        """End its process, if one runs."""
        if self._guest is not None:
            self._guest.close()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A user's task in a suite, with texts of somebody else's in some ``places``, and what these are to bring about."""

    suite: str
    user: str
    injection: str = ""
    places: Mapping[str, str]

    def order(
        self, do: str, calls: Sequence[Any] = (), *, unmade: Sequence[Any] = (), new: int = 0, output: str = ""
    ) -> dict[str, Any]:
        """What is to be done in it, after these calls."""
        return {
            "do": do,
            "suite": self.suite,
            "user": self.user,
            "injection": self.injection,
            "injections": dict(self.places),
            "calls": _plain(calls),
            "unmade": _plain(unmade),
            "new": new,
            "output": output,
        }


def _plain(calls: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"name": call.name, "arguments": dict(call.arguments)} for call in calls]


_lock = threading.Lock()
_running: dict[str, Dojo] = {}


def dojo(wanted: DojoPackage) -> Dojo:
    """The one that runs for this package and version. Raises SlmError where it cannot."""
    key = f"{wanted.package.sha256} {wanted.version}"
    with _lock:
        if key not in _running:
            _running[key] = Dojo(wanted)
        return _running[key]


@atexit.register
def close() -> None:
    """End all that runs."""
    while _running:
        _running.popitem()[1].close()

"""A worker's session as its starter sees it: a process that is asked for one item after the other."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_slm.core.record import RecordError
from pytest_slm.errors import BackendError
from pytest_slm.fleet.job import Answer, Farewell, GroupJob, Hello
from pytest_slm.machine.child import Child

MODULE = "pytest_slm.fleet.session"
TAIL = 4_000
"""Bytes of what a session has printed in which its last words are looked for."""


class WorkerProcess:
    """A session in a process of its own. It ends with whoever started it, and takes the model's process with it."""

    def __init__(self, job: GroupJob, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "session.log"
        with self._log.open("wb") as log:
            self._child = Child(
                lambda: subprocess.Popen(
                    [sys.executable, "-P", "-m", MODULE],  # the working directory replaces no module
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    encoding="utf-8",
                    env={**os.environ, **(environment or {})},
                )
            )
        self._say(json.dumps(job.to_json()))
        self._say(str(folder))

    @property
    def pid(self) -> int:
        """The number of the session's process."""
        return self._child.pid

    def hello(self) -> Hello:
        """What it offers. Raises BackendError if it has ended."""
        return Hello.from_json(self._heard())

    def measure(self, item: str) -> Answer:
        """Let it measure an item, and wait. Raises BackendError if it has ended."""
        self._say(item)
        return Answer.from_json(self._heard())

    def close(self) -> Farewell:
        """Let it come to its end, in order. Raises BackendError if it had another one."""
        self._say("")
        try:
            return Farewell.from_json(self._heard())
        finally:
            self._child.wait(60)
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()
        for pipe in (self._child.process.stdin, self._child.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _say(self, line: str) -> None:
        pipe = self._child.process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError):  # it has ended: listening tells why
            pipe.write(line + "\n")
            pipe.flush()

    def _heard(self) -> Any:
        pipe = self._child.process.stdout
        assert pipe is not None
        line = pipe.readline()
        if not line.endswith("\n"):
            raise BackendError(f"its session has ended ({self._last_words()})", slug="fleet-worker")
        try:
            return json.loads(line)
        except (ValueError, RecordError) as error:
            raise BackendError(f"its session said what is no answer: {error}", slug="fleet-worker") from None

    def _last_words(self) -> str:
        code = self._child.wait(10)
        said = ""
        with contextlib.suppress(OSError), self._log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
            lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines()]
            told = [line for line in lines if line.startswith("ERROR")] or [line for line in lines if line]
            said = f": {told[-1].removeprefix('ERROR: '):.300}" if told else ""
        return f"code {code}{self._child.out_of_memory}{said}"

"""A program of ours that does in a process of its own what a stranger's text can make endless.

It is told its work in lines of JSON, and answers each with one. The kernel's limits on memory and time hold for a
process whatever code runs in it; so it is one that may die, started once and again after its death.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

LOOK_S = 0.05
"""How often a process that takes long is looked at."""


class Guest:
    """One process: ``program`` is started with the bytes of memory that it may have, where the kernel limits that.
    ``longest``: characters of an answer; ``environment``: instead of this process's; ``quiet``: its standard error is
    not shown."""

    def __init__(
        self,
        program: Path,
        memory: int,
        *,
        longest: int,
        environment: Mapping[str, str] | None = None,
        quiet: bool = False,
    ) -> None:
        self._memory, self._longest = memory, longest
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(program), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            env=environment,
            text=True,
            encoding="ascii",
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.ended = ""
        """How it has ended, once that is known; empty before."""
        threading.Thread(target=self._read, name=program.stem, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self.ended and self._process.poll() is None

    def tell(self, order: Mapping[str, Any]) -> None:
        """Give it work."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended: so do its lines
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def line(self, seconds: float) -> str:
        """Its next line; empty, and the reason in ``ended``, if none came."""
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=LOOK_S)
            except queue.Empty:
                if time.monotonic() > until:
                    self.close(f"was not done after {seconds:g} s, so it was ended: it may loop for ever")
                elif self._resident() > self._memory:
                    self.close(self.too_much)
                continue
            if not line:
                self.close(_ending(self._process.wait()))
            return line

    @property
    def too_much(self) -> str:
        """What is said of a process that wants more memory than it may have."""
        return f"took more than {self._memory >> 20} MB, so it was ended"

    def close(self, why: str = "was closed") -> None:
        """End it; may be called twice."""
        self.ended = self.ended or why
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _read(self) -> None:
        with self._process.stdout as pipe:  # type: ignore[union-attr]
            while (line := pipe.readline(self._longest)).endswith("\n"):
                self._lines.put(line)
            self._lines.put("")

    def _resident(self) -> int:
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:  # it has just ended
            return 0


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"

"""The process that renders chat templates, as the one that holds the model sees it.

A chat template is a program of a stranger, and one step of it may be an integer of a billion digits, which no limit of
Python stops: C code keeps the interpreter's lock. The kernel's limits do, and they hold for a process. It is started
once, and renders all prompts (docs/decisions/0027-templates-in-a-process.md).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pytest_slm.errors import BackendError

GUEST = Path(__file__).with_name("guest.py")

MAX_TEMPLATE = 256 * 1024
MAX_RENDERED = 16 * 1024 * 1024
MAX_MEMORY = 512 * 1024 * 1024
"""Bytes that the process may have: address space where the kernel limits that (Linux), else memory in use."""
MAX_SECONDS = 10.0
"""For one answer of the process. Real templates take milliseconds."""
TOO_MUCH = f"took more than {MAX_MEMORY >> 20} MB, so it was ended"
LOOK_S = 0.05
"""How often a process that takes long is looked at."""
START_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """What came of one prompt: a text, or what is wrong."""

    text: str | None
    error: str | None

    def required(self) -> str:
        """The text. Raises BackendError where there is none."""
        if self.text is None:
            raise failure(str(self.error))
        return self.text


class Renderer:
    """One process, and what it has been told. Dead after a template that it could not survive."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(GUEST), str(MAX_MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="ascii",
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="chat templates", daemon=True).start()
        self._source: str | None = None
        self.ready = False
        """Whether it has ever answered."""
        self._ended = ""

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self._ended and self._process.poll() is None

    def ask(self, source: str, asks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The answer of the process. Raises BackendError if it did not survive."""
        if not self.ready and not self._line(START_S):
            raise failure(f"the process that renders it did not start: it {self._ended}")
        self.ready = True
        order: dict[str, Any] = {"asks": asks, "characters": MAX_RENDERED, "seconds": MAX_SECONDS}
        if source != self._source:
            self._source = order["source"] = source
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended: so do its lines
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        line = self._line(MAX_SECONDS)
        answer: dict[str, Any] = json.loads(line or "{}")
        if any(error == "MemoryError" for _, error in answer.get("answers", ())):
            self.close(TOO_MUCH)  # nor is it known what it still holds
        if self._ended:
            raise failure(f"the process that renders it {self._ended}; the model needs another template")
        return answer

    def close(self, why: str = "was closed") -> None:
        """End it; may be called twice."""
        self._ended = self._ended or why
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _read(self) -> None:
        with self._process.stdout as pipe:  # type: ignore[union-attr]
            while (line := pipe.readline(16 * MAX_RENDERED)).endswith("\n"):
                self._lines.put(line)
            self._lines.put("")

    def _line(self, seconds: float) -> str:
        """Its next line; empty, and the reason in ``_ended``, if none came."""
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=LOOK_S)
            except queue.Empty:
                if time.monotonic() > until:
                    self.close(f"was not done after {seconds:g} s, so it was ended: it may loop for ever")
                elif self._memory() > MAX_MEMORY:
                    self.close(TOO_MUCH)
                continue
            if not line:
                self.close(_ending(self._process.wait()))
            return line

    def _memory(self) -> int:
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


def failure(what: str) -> BackendError:
    """The error of a template, in one line whatever its author has written."""
    shown = "".join(char if char.isprintable() else " " for char in what)
    return BackendError(f"chat template: {' '.join(shown.split())}", slug="chat-template")


_lock = threading.Lock()
_renderers: list[Renderer] = []
"""The one that runs, if any."""
_fatal: dict[str, str] = {}
"""Templates that ended a process, and how. They are not tried again: each prompt would cost the whole
limit once more."""


def render(source: str, asks: Sequence[Mapping[str, Any]]) -> tuple[list[Rendering], frozenset[str]]:
    """What becomes of each prompt, and what the template names of what changes by itself (``guest.NOTED``). Raises
    BackendError for a template that is too large, or that the process did not survive."""
    if len(source) > MAX_TEMPLATE:
        raise failure(f"{len(source)} characters, the limit is {MAX_TEMPLATE}")
    with _lock:
        if source in _fatal:
            raise BackendError(_fatal[source], slug="chat-template")
        renderer = _running()
        try:
            answer = renderer.ask(source, asks)
        except BackendError as error:
            if renderer.ready:
                _fatal[source] = str(error.args[0])
            raise
    return [Rendering(text=text, error=error) for text, error in answer["answers"]], frozenset(answer["uses"])


def start() -> None:
    """Start the process, if none runs, without waiting until it is ready."""
    with _lock:
        _running()


def _running() -> Renderer:
    if not _renderers or not _renderers[0].alive:
        _renderers[:] = [Renderer()]
    return _renderers[0]


@atexit.register
def close() -> None:
    """End the process, if one runs."""
    while _renderers:
        _renderers.pop().close()

"""The process that renders chat templates, as the one that holds the model sees it.

A chat template is a program of a stranger, and one step of it may be an integer of a billion digits, which no limit of
Python stops: C code keeps the interpreter's lock. The kernel's limits do, and they hold for a process. It is started
once, and renders all prompts (docs/decisions/0027-templates-in-a-process.md).
"""

from __future__ import annotations

import atexit
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.errors import BackendError
from pytest_slm.guest import Guest

GUEST = Path(__file__).with_name("guest.py")

MAX_TEMPLATE = 256 * 1024
MAX_RENDERED = 16 * 1024 * 1024
MAX_MEMORY = 512 * 1024 * 1024
"""Bytes that the process may have: address space where the kernel limits that (Linux), else memory in use."""
MAX_SECONDS = 10.0
"""For one answer of the process. Real templates take milliseconds."""
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


class Renderer(Guest):
    """One process, and what it has been told. Dead after a template that it could not survive."""

    def __init__(self) -> None:
        super().__init__(GUEST, MAX_MEMORY, longest=16 * MAX_RENDERED)
        self._source: str | None = None
        self.ready = False
        """Whether it has ever answered."""

    def ask(self, source: str, asks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The answer of the process. Raises BackendError if it did not survive."""
        if not self.ready and not self.line(START_S):
            raise failure(f"the process that renders it did not start: it {self.ended}")
        self.ready = True
        order: dict[str, Any] = {"asks": asks, "characters": MAX_RENDERED, "seconds": MAX_SECONDS}
        if source != self._source:
            self._source = order["source"] = source
        self.tell(order)
        answer: dict[str, Any] = json.loads(self.line(MAX_SECONDS) or "{}")
        if any(error == "MemoryError" for _, error in answer.get("answers", ())):
            self.close(self.too_much)  # nor is it known what it still holds
        if self.ended:
            raise failure(f"the process that renders it {self.ended}; the model needs another template")
        return answer


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

"""Embeddings for BFCL's memory of vectors: made outside of the sandbox by a model of the mirror, and handed into it.

The sandbox runs BFCL's class, which asks sentence-transformers for the embedding of each text that is kept or looked
for. All of these are arguments of the model's calls, so they are known before the calls are made.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import json
import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_slm.core.request import Ask, Talk
from pytest_slm.core.types import Verdict
from pytest_slm.core.worlds import Execution, World, WorldCall
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.files import open_regular
from pytest_slm.guest import Guest

PROGRAM = Path(__file__).with_name("embedding_guest.py")
MEMORY = 4 << 30
LONGEST = 64 << 20
PATIENCE_S = 600.0
LONGEST_TEXT = 4000
"""Letters of a text that is embedded: BFCL's memories keep 2,000 at most, and say so of longer ones."""


class Embedder:
    """A model that makes texts to vectors of length 1. ``sha256`` is that of its file."""

    def __init__(self, path: Path) -> None:
        if importlib.util.find_spec("llama_cpp") is None:
            told = "embeddings are made with llama.cpp: pip install 'pytest-slm[gguf]'"
            raise NotAvailableError(told, slug="missing-extra")
        with open_regular(path) as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self._path = path
        self._known: dict[str, list[float]] = {}
        self._lock = threading.Lock()
        self._guest: Guest | None = None

    def _started(self) -> Guest:
        if self._guest is None or not self._guest.alive:
            self._guest = Guest(PROGRAM, MEMORY, longest=LONGEST, quiet=True)
            self._asked(self._guest, {"model": str(self._path)})
        return self._guest

    def _asked(self, guest: Guest, order: dict[str, Any]) -> dict[str, Any]:
        guest.tell(order)
        line = guest.line(PATIENCE_S)
        told: dict[str, Any] = json.loads(line) if line else {"error": f"its process {guest.ended}"}
        if "error" in told:
            guest.close()
            raise BackendError(
                f"{self._path}: no embeddings come from it ({told['error']}); put a GGUF of an embedding model there",
                slug="embedder-failed",
            )
        return told

    def of(self, texts: Sequence[str]) -> dict[str, list[float]]:
        """The embedding of each text. Raises BackendError where the model makes none."""
        with self._lock:
            if new := [text for text in dict.fromkeys(texts) if text not in self._known]:
                made = self._asked(self._started(), {"texts": new})["embeddings"]
                self._known.update(zip(new, made, strict=True))
            return {text: self._known[text] for text in texts}

    def world(self, world: World, turns: Sequence[Sequence[WorldCall]]) -> World:
        """The world with the embeddings of all texts that its calls name."""
        texts = [
            text
            for turn in turns
            for call in turn
            for text in (*call.arguments.values(), *call.positional)
            if isinstance(text, str) and len(text) <= LONGEST_TEXT
        ]
        return replace(world, config={name: {"embeddings": self.of(texts)} for name in world.classes})

    def handed_in(self, talk: Talk) -> Generator[Ask, Any, Verdict]:
        """A conversation whose executions have the embeddings with them."""
        answer: Any = None
        while True:
            try:
                ask = talk.send(answer)
            except StopIteration as end:
                verdict: Verdict = end.value
                return verdict
            if isinstance(ask, Execution):
                ask = replace(ask, world=self.world(ask.world, ask.turns))
            answer = yield ask

    def close(self) -> None:
        """End its process, if one runs."""
        if self._guest is not None:
            self._guest.close()


_lock = threading.Lock()
_open: dict[Path, Embedder] = {}


def embedder(path: Path) -> Embedder:
    """The one of this file, opened once."""
    with _lock:
        if path not in _open:
            _open[path] = Embedder(path)
        return _open[path]


@atexit.register
def close() -> None:
    """End all that runs."""
    while _open:
        _open.popitem()[1].close()

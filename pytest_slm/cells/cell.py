"""A cell: one item on these weights, by all that its result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_slm.core.record import FileName, Name, NameOrNone, Record, Sha256
from pytest_slm.files import open_regular

SCHEMA = 1
"""Of a cell and of its file. It is a part of the key, so that files of two versions never have one name."""


@dataclass(frozen=True, kw_only=True)
class Cell(Record):
    """What decides a result, known before a model is opened.

    ``weights``, ``template``, ``suite_files`` and ``data`` are hashes of bytes (the suite's folder, and the whole
    mirror; empty where there is none); ``settings`` are the user's, of the engine and of texts; ``versions`` those of
    what computes and scores.
    """

    schema: int = SCHEMA
    model: Name
    weights: Sha256
    quantization: FileName
    suite: Name
    task: Name
    variant: NameOrNone
    version: int
    suite_files: Sha256
    data: Sha256 = ""
    template: Sha256 = ""
    mode: Name
    limit: int | None = None
    seed: int
    backend: Name
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    """Of what is measured in time or memory: on which machine. Scores are those of every machine."""

    @property
    def anywhere(self) -> Cell:
        """This cell, on whatever machine."""
        return replace(self, machine="")

    @property
    def key(self) -> str:
        """SHA-256 of all of it. The model's name is left out: weights that are published twice are measured once."""
        known = {name: value for name, value in self.to_json().items() if name != "model"}
        return hashlib.sha256(json.dumps(known, sort_keys=True, allow_nan=False).encode()).hexdigest()

    def __str__(self) -> str:
        inside = "-".join(part for part in (self.quantization, self.variant) if part)
        return f"{self.model} {self.suite}/{self.task}[{inside}]"


def digest_of_folder(folder: Path, read: Callable[[Path], bytes] | None = None) -> str:
    """SHA-256 over the names and bytes of all files below a folder, but for what Python and version control leave
    there. ``read`` gives the hash of a file, where somebody knows it. Raises OSError."""
    digest, read = hashlib.sha256(), read or _sha256
    for path in sorted(_files(folder)):
        digest.update(path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape") + b"\0")
        digest.update(read(path))
    return digest.hexdigest()


def _sha256(path: Path) -> bytes:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").digest()


def _files(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        inner = path.relative_to(folder).parts
        if path.is_file() and "__pycache__" not in inner and not any(part.startswith(".") for part in inner):
            yield path

"""A file of answers: JSON Lines, appended to, one line for each batch, or for each part of one that takes long.

    {"schema": 2, "key": "...", "batch": "...", "answers": [[0, ...], [3, ...]], "check": "..."}

``key`` is the hash of everything that the answers depend on besides what was asked, ``batch`` that of the key and the
requests, ``check`` that of the answers, each of which has its place in the batch before it. A line that ends in
mid-write was cut off by a kill or a full disk: it was not kept. Any other line that does not fit its own check means
that somebody or something has changed the file, and then nothing in it is believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_slm.errors import writing_failed
from pytest_slm.files import LINES, parse_json, read_bytes

SCHEMA = 2
"""Of one line. Lines of another schema are told and left alone."""

Answers = Mapping[int, Any]
"""Answers by their place in the batch."""


def digest(value: object) -> str:
    """SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


class AnswerStore:
    """The answers of one item, as far as they have the given key. ``notes`` say what was not taken over, and why."""

    def __init__(self, path: Path, key: str, *, resume: bool) -> None:
        self.path = path
        self.notes: list[str] = []
        self._key = key
        self._known: dict[str, dict[int, Any]] = {}
        self._size = 0
        """Bytes of the file that are whole lines; what stands behind them is overwritten."""
        if resume:
            self._read()

    def get(self, batch: str) -> Answers:
        """The answers to a batch, as far as they are there."""
        return self._known.get(batch, {})

    def add(self, batch: str, answers: Answers) -> None:
        """Append answers to a batch, all or none. Raises ReportError where the system refuses."""
        pairs = sorted(answers.items())
        line = {"schema": SCHEMA, "key": self._key, "batch": batch, "answers": pairs, "check": digest(pairs)}
        data = json.dumps(line, allow_nan=False).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666)
        except OSError as error:
            raise writing_failed(self.path, error) from None
        try:
            os.ftruncate(file, self._size)
            os.lseek(file, self._size, os.SEEK_SET)
            written = 0
            while written < len(data):
                written += os.write(file, data[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(file, self._size)  # the next line must not continue half a line
            raise writing_failed(self.path, error) from None
        finally:
            os.close(file)
        self._size += len(data)
        self._known.setdefault(batch, {}).update(answers)

    # -- reading -------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            content = read_bytes(self.path, LINES)
        except FileNotFoundError:
            return
        except OSError as error:
            self.notes.append(f"{self.path}: cannot be read ({error.strerror}): everything is asked again")
            return
        whole = content[: content.rfind(b"\n") + 1]
        foreign = other = 0
        for number, line in enumerate(whole.splitlines(), start=1):
            entry = _entry(line)
            if entry is None:
                self._disbelieve(number)
                return
            if entry["schema"] != SCHEMA:
                other += 1
            elif entry["key"] != self._key:
                foreign += 1
            else:
                self._known.setdefault(entry["batch"], {}).update(entry["answers"])
        self._size = len(whole)
        if other:
            self.notes.append(
                f"{self.path}: {other} lines were written by another version of pytest-slm: they are asked again"
            )
        if foreign:
            self.notes.append(
                f"{self.path}: {foreign} lines are of other weights, another engine or another task: "
                "they are asked again"
            )

    def _disbelieve(self, number: int) -> None:
        aside = self.path.with_suffix(".broken")
        with contextlib.suppress(OSError):
            self.path.replace(aside)
        self._known.clear()
        self.notes.append(
            f"{self.path}:{number}: not what was written: nothing in this file is believed, everything is asked again "
            f"(the file is now {aside.name})"
        )


def _entry(line: bytes) -> dict[str, Any] | None:
    """A line that is what was written, or that says it is of another schema; None for anything else."""
    try:
        entry = parse_json(line)
        if not isinstance(entry, dict):
            return None
        schema = entry["schema"]
        if isinstance(schema, int) and schema != SCHEMA:
            return entry
        sound = schema == SCHEMA and entry["check"] == digest(entry["answers"]) and _are_pairs(entry["answers"])
        return entry if sound and isinstance(entry["batch"], str) and isinstance(entry["key"], str) else None
    except (ValueError, KeyError):
        return None


def _are_pairs(answers: object) -> bool:
    return isinstance(answers, list) and all(
        isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int for pair in answers
    )

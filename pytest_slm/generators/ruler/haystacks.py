"""What needles are hidden in: essays where the mirror has them, else sentences of ours."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_slm.errors import UsageError
from pytest_slm.files import inside, parse_json, read_bytes
from pytest_slm.generators import GeneratorContext

Sentence = tuple[str, ...]
"""Its words."""

_ENDS = re.compile(r"(?<=[.?!])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])")


def sentences(context: GeneratorContext, essays: str, own: str) -> Sequence[Sentence]:
    """The sentences of the essays in the mirror (a JSONL file with ``text``), or where it has none of our file (one
    sentence a line). ``context.facts`` says which. Raises UsageError for a file that cannot be read."""
    path = context.mirror_file(essays) if essays else None
    data = _read(path) if path is not None else _read_inside(context, own)
    digest = hashlib.sha256(data).hexdigest()
    wanted = context.options.get("sha256")
    if path is None and wanted not in (None, digest):
        raise UsageError(
            f"{context.folder / own}: SHA-256 is {digest}, the task declares {wanted}. If the change is meant, declare "
            "the new hash and raise the task's version",
            slug="samples-changed",
        )
    context.facts.update(
        {"haystack": "essays" if path is not None else "own", "haystack_sha256": digest},
    )
    return _split(data, str(path or own), path is not None)


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error


def _read_inside(context: GeneratorContext, name: str) -> bytes:
    try:
        return read_bytes(inside(context.folder, name))
    except OSError as error:
        raise _unreadable(context.folder / name, str(error.strerror)) from error


@functools.lru_cache(maxsize=4)
def _split(data: bytes, name: str, essays: bool) -> Sequence[Sentence]:
    try:
        lines = data.decode("utf-8").splitlines()
        texts = [_text(parse_json(line)) for line in lines if line.strip()] if essays else lines
    except (ValueError, json.JSONDecodeError) as error:
        raise _unreadable(name, str(error)) from error
    whole = " ".join(" ".join(texts).split())
    found = [tuple(sentence.split()) for sentence in _ENDS.split(whole) if sentence.split()]
    if not found:
        raise _unreadable(name, "there is no sentence in it")
    return found


def _text(row: Any) -> str:
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise ValueError('a line is no JSON object with a "text"')
    return str(row["text"])


def _unreadable(path: Path | str, why: str) -> UsageError:
    return UsageError(
        f"{path}: the haystack cannot be read ({why}); put a whole file there, or take it away", slug="ruler-haystack"
    )

"""A file of sample lines, written as they come, and what an item's files are called."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from pytest_slm.answers.store import digest
from pytest_slm.core.record import Record
from pytest_slm.core.types import ItemId
from pytest_slm.errors import writing_failed


@contextlib.contextmanager
def lines(path: Path, name: str) -> Iterator[tuple[Callable[[Record], None], Callable[[], str]]]:
    """A function that appends one record at once, and one that tells the ``name`` of the file.

    An item runs once in a session: if it starts again (in a run that is resumed, after an interrupt, under a plugin
    that repeats items), the new lines replace the old ones. What the system refuses is a ReportError.
    """
    file: IO[str] | None = None

    def record(sample: Record) -> None:
        nonlocal file
        try:
            if file is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = path.open("w", encoding="utf-8", errors="backslashreplace")
            file.write(json.dumps(sample.to_json(), ensure_ascii=False, allow_nan=False) + "\n")
            file.flush()
        except OSError as error:
            raise writing_failed(path, error) from None

    try:
        yield record, lambda: name
    finally:
        if file is not None:
            with contextlib.suppress(OSError):  # what could not be flushed was told when it was written
                file.close()


def file_name(item: ItemId) -> str:
    """What the files of an item are called, whatever its name: plain letters, and no two items alike."""
    name = ".".join(part for part in (item.suite, item.task, item.variant) if part)
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
    # Two names that differ only in what was replaced or cut off must not share a file.
    return plain if plain == name and len(name) <= 150 else f"{plain[:140]}-{digest(name)[:8]}"

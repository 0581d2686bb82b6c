"""The note beside a derived file: from what, and by whom, it was made."""

from __future__ import annotations

from pathlib import Path

from pytest_slm.core.types import Derivation
from pytest_slm.files import read_json


def note_of(path: Path) -> Path:
    """Where the note of a derived file is."""
    return path.with_name(f"{path.name}.derivation.json")


def derivation_of(path: Path) -> Derivation | None:
    """How a file was derived, if a note beside it says so and fits its size; None for any other file."""
    try:
        found = Derivation.from_json(read_json(note_of(path)))
        return found if path.stat().st_size == found.file_size else None
    except (OSError, ValueError):
        return None

"""A folder that a command has made is replaced by the next one in one step, where it is: links that lead there stay."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from pytest_slm.errors import ReportError, writing_failed


def place_of(folder: Path) -> Path:
    """Where a folder lies, or will: where a web server is led by a link, that is to stay. Raises ReportError for the
    working directory and what is above it: whoever is there would be in a folder that is gone."""
    place = Path(os.path.realpath(folder))
    with contextlib.suppress(FileNotFoundError):  # somebody has removed it
        if Path(os.path.realpath(Path.cwd())).is_relative_to(place):
            problem = "is replaced as a whole, and you are in it. Run the command in another folder"
            raise ReportError(f"{folder}: cannot be written ({problem})", slug="report-write")
    return place


@contextlib.contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, which takes its place at the end. Raises ReportError, and leaves the old one,
    where the system refuses."""
    place, token = place_of(folder), secrets.token_hex(4)
    fresh, old = (place.with_name(f".{place.name}.{token}.{end}") for end in ("new", "old"))
    try:
        yield fresh
        if place.exists():
            place.rename(old)
        try:
            fresh.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise
    except OSError as error:
        raise writing_failed(folder, error) from error
    finally:
        for leftover in (fresh, old):
            remove(leftover)


def remove(leftover: Path) -> None:
    """Take a folder away, or a link to one, if it is there and the system lets us."""
    with contextlib.suppress(OSError):
        leftover.unlink() if leftover.is_symlink() else shutil.rmtree(leftover)

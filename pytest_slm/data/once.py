"""Files that are fetched once and kept in the cache of the user: there and right, or fetched and looked at first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_slm.errors import SlmError, writing_failed


def fetch_once(
    what: object, path: Path, there: Callable[[], bool], download: Callable[[], bytes], tell: Callable[[str], None]
) -> SlmError | None:
    """Have a file at ``path``; return what failed. ``there`` says whether it is there and right; ``download`` gets its
    bytes, and raises SlmError where they are not the known ones. Half a file never has the name of a whole one."""
    try:
        if there():
            tell(f"{what}: there, {path}")
            return None
        data = download()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".partial")
            part.write_bytes(data)
            part.replace(path)
        except OSError as error:
            raise writing_failed(path, error) from None
    except SlmError as error:
        return error
    tell(f"{what}: fetched, {len(data) / 1e6:.1f} MB, {path}")
    return None

"""Hashes of files that were read before: a mirror of gigabytes is read once, and not in every session.

A file keeps its hash as long as nothing that the system tells of it has changed: path, size, inode, and the times of
its content and of what is known about it. What was written less than two seconds before it was read is read again next
time: some systems count times in seconds, and it may have changed since without a trace.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from pathlib import Path

import platformdirs

from pytest_slm import files
from pytest_slm.errors import ReportError
from pytest_slm.registry.store import write_text

FRESH_NS = 2_000_000_000
"""For so long after it was written a file may change once more at the same time of the system's."""

SCHEMA = 1

Look = list[int]


class FileHashes:
    """The hashes of the files below one folder, kept in the user's cache until ``save``."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        root = cache or Path(platformdirs.user_cache_dir("pytest-slm")) / "hashes"
        self._folder = folder.resolve()
        self._place = root / f"{hashlib.sha256(str(self._folder).encode('utf-8', 'surrogateescape')).hexdigest()}.json"
        self._known = self._read()
        self._seen: dict[str, tuple[Look, str]] = {}

    def sha256(self, path: Path) -> bytes:
        """The SHA-256 of a file, read only if something about it has changed. Raises OSError."""
        name = str(path)
        look = _look(path)
        if (known := self._known.get(name)) is not None and known[0] == look:
            self._seen[name] = known
            return bytes.fromhex(known[1])
        began = time.time_ns()
        with files.open_regular(path) as file:
            digest = hashlib.file_digest(file, "sha256")
        if _look(path) == look and look[1] < began - FRESH_NS:
            self._seen[name] = look, digest.hexdigest()
        return digest.digest()

    def save(self) -> None:
        """Keep what was found out, where that is possible."""
        if self._seen == self._known:
            return
        content = {"schema": SCHEMA, "folder": str(self._folder), "files": self._seen}
        with contextlib.suppress(ReportError, ValueError):  # a cache that cannot be written costs only time
            write_text(self._place, json.dumps(content))

    def _read(self) -> dict[str, tuple[Look, str]]:
        with contextlib.suppress(
            OSError, ValueError, TypeError, AttributeError, LookupError
        ):  # no cache, or none that is one
            content = files.read_json(self._place)
            if content["schema"] == SCHEMA and content["folder"] == str(self._folder):
                return {name: (look, bytes.fromhex(known).hex()) for name, (look, known) in content["files"].items()}
        return {}


def _look(path: Path) -> Look:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev, found.st_ctime_ns]

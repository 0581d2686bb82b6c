"""What was read once and has not been touched since is not read again: the hash of each file with the state that it
was in, as git keeps them in its index.

They lie in a hidden file beside the registry, which no byte of the registry depends on and which may be deleted at any
time. An edit that leaves size and time of a file as they were still changes the time of its last change, which no
program can set; only within one step of the file system's clock may two edits leave the same. So a file is remembered
only if it had not been touched for a while before it was read: whatever comes later has another time.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_slm import files
from pytest_slm.registry.folder.looking import State

FORMAT = "hashes of files 1"
ENOUGH = 200
"""Files from which on it is worth a file of its own: before, reading them takes no time."""
CALM_NS = 2_000_000_000
"""A file is remembered if it was not touched for so long before it was read: the coarsest clock of a file system that
is in use has steps of two seconds (FAT)."""
TOLD = os.name == "posix"
"""Whether the system tells when a file last changed: Windows has the time of its creation in that place."""


ABANDONED_S = 24 * 3600
"""A file that has no name yet, and was not touched for so long, is of a build that was killed: no build takes a day."""


def abandoned(fresh: Path) -> bool:
    """Whether whoever made a file that has no name yet is gone."""
    with contextlib.suppress(OSError):  # it has got its name
        return time.time() - fresh.lstat().st_mtime > ABANDONED_S
    return False


def place_of(folder: Path) -> Path:
    """Where the hashes of a registry lie."""
    whole = folder.absolute()
    return whole.with_name(f".{whole.name}.cache")


class FolderMemory:
    """The hashes of files by kind and name. ``known`` are those of the build before, until they turn out to be of
    others; what this build reads is added by ``keep``."""

    def __init__(self, folder: Path, *, worth: bool) -> None:
        self._place = place_of(folder) if worth and TOLD and folder.absolute().name else None
        self._known: Mapping[str, Any] = {}
        self._now: dict[str, list[Any]] = {}
        self._began, self._device = 0, -1
        if self._place is not None:
            self._look(self._place)

    def digest(self, name: str, state: State | None, device: int) -> str | None:
        """The hash of a file that is in the state that it was read in; None where it is not, or nobody knows."""
        one = self._known.get(name)
        if state is None or device != self._device or not isinstance(one, list) or one[:-1] != list(state):
            return None
        digest = one[-1]
        self._now[name] = one
        return digest if isinstance(digest, str) else None

    def keep(self, name: str, state: State | None, device: int, digest: str) -> None:
        """Remember the hash of a file that was in this state before it was read."""
        # Another device may have another clock, as that of a file server.
        if self._place is None or state is None or device != self._device:
            return
        _, written, changed, _ = state
        if max(written, changed) + CALM_NS <= self._began:
            self._now[name] = [*state, digest]

    def write(self) -> None:
        """Leave them to the next build. It is no error if they cannot be: all is read again then."""
        if self._place is None or self._now == self._known:
            return
        body = json.dumps([FORMAT, self._now], separators=(",", ":"))
        content = f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}".encode()
        fresh = self._fresh(self._place)
        with contextlib.suppress(OSError):
            try:
                fresh.write_bytes(content)
                fresh.replace(self._place)
            finally:
                fresh.unlink(missing_ok=True)

    def _look(self, place: Path) -> None:
        """What the file says, and what the time is where the registry lies."""
        fresh = self._fresh(place)
        try:
            fresh.touch(exist_ok=False)
            try:
                one = fresh.stat()
            finally:
                fresh.unlink()
            for left in place.parent.glob(f"{glob.escape(place.name)}.????????.new"):
                if abandoned(left):
                    left.unlink(missing_ok=True)
        except OSError:  # there is no such folder yet, or nothing can be written there
            self._place = None
            return
        self._began, self._device = min(one.st_mtime_ns, time.time_ns()), one.st_dev
        self._known = _read(place)

    @staticmethod
    def _fresh(place: Path) -> Path:
        return place.with_name(f"{place.name}.{secrets.token_hex(4)}.new")


def _read(place: Path) -> Mapping[str, Any]:
    """The hashes in a file; none where it is not there, not whole, or of another version."""
    try:
        head, _, body = files.read_bytes(place).partition(b"\n")
        if head.decode("ascii") != hashlib.sha256(body).hexdigest():
            return {}
        form, known = json.loads(body)
        return known if form == FORMAT and isinstance(known, dict) else {}
    except (OSError, ValueError, TypeError, RecursionError):
        return {}

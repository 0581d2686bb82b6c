"""Temporary folders for sockets and logs, and the end of those whose owner was killed.

Whoever owns a folder holds a lock on a file in it, which the system lets go of however the owner ends. Numbers of
processes would not do: containers that share a folder for temporary files count theirs apart.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import stat
import sys
import tempfile
import weakref
from pathlib import Path

if sys.platform != "win32":
    import fcntl

PREFIX = "slm-host-"
LOCK = "lock"


class TemporaryFolder:
    """A folder that only this user may enter. It is removed by ``close``, else at the end of this process; if that was
    killed by the next session."""

    def __init__(self) -> None:
        remove_abandoned(tempfile.gettempdir())
        # It gets its name when it is locked, so that nobody finds it without.
        unnamed = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
        lock = os.open(unnamed / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        if sys.platform == "win32":  # where an open file is as good as locked, and keeps its folder's name
            self.path = unnamed
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.path = unnamed.with_name(unnamed.name.removeprefix("."))
            unnamed.rename(self.path)
        self.close = weakref.finalize(self, _remove, self.path, lock, os.getpid())
        """Removes it. May be called twice."""


def _remove(path: Path, lock: int, owner: int) -> None:
    if os.getpid() == owner:  # and no child that was forked
        os.close(lock)
        shutil.rmtree(path, ignore_errors=True)


@functools.cache  # once for each place in a session
def remove_abandoned(place: str) -> None:
    """Remove the folders there whose owner has ended."""
    for folder in [*Path(place).glob(f"{PREFIX}*"), *Path(place).glob(f".{PREFIX}*")]:
        with contextlib.suppress(OSError):  # somebody else's, or somebody else removes it now
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Whether it is a folder of this user whose lock nobody holds. Raises OSError if it is held."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return False
    if sys.platform == "win32":
        (folder / LOCK).unlink()
        return True
    if status.st_uid != os.getuid() or folder.name.startswith("."):
        return False
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    finally:
        os.close(lock)

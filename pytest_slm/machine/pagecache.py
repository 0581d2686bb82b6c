"""Files that shall come from the disk, although they were read a moment ago."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pytest_slm.errors import NotAvailableError

LOOKS = 64
"""Places of a file that are looked at, to find out whether it is still in memory."""


def drop(path: Path) -> None:
    """Let the kernel forget what it keeps of a file. Raises NotAvailableError (no-cold) where that cannot be done, or
    cannot be seen to be done: a process may have it mapped, or the file system may live in memory."""
    if not hasattr(os, "posix_fadvise"):
        raise NotAvailableError("this system drops no file from its page cache", slug="no-cold")
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)  # pages that are not written yet would stay
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        share = cached_share(handle)
    finally:
        os.close(handle)
    if share is None:
        raise NotAvailableError(f"{path}: the file system does not say what is in memory", slug="no-cold")
    if share > 0:
        raise NotAvailableError(f"{path}: {share:.0%} of it stay in memory, whatever it is told", slug="no-cold")


def cached_share(handle: int) -> float | None:
    """Of some places of an open file, how many are in memory; None where the file system does not tell.

    A read that must not wait (RWF_NOWAIT) fails where it would have to; it does not fetch anything.
    """
    flag = getattr(os, "RWF_NOWAIT", None)
    size = os.fstat(handle).st_size
    if flag is None or not hasattr(os, "preadv") or size == 0:
        return None
    found = 0
    for look in range(LOOKS):
        try:
            os.preadv(handle, [bytearray(1)], look * (size - 1) // (LOOKS - 1), flag)
            found += 1
        except BlockingIOError:
            continue
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                return None
            raise
    return found / LOOKS

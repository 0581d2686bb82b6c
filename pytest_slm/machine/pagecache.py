"""Files that shall come from the disk, although they were read a moment ago."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

from pytest_slm.errors import NotAvailableError
from pytest_slm.files import open_regular


def drop(path: Path) -> None:
    """Let the kernel forget what it keeps of a file. Raises NotAvailableError (no-cold) where that cannot be done, or
    cannot be seen to be done: a process may have it mapped, or the file system may live in memory."""
    if not hasattr(os, "posix_fadvise"):
        raise NotAvailableError("this system drops no file from its page cache", slug="no-cold")
    with open_regular(path) as file:
        handle = file.fileno()
        os.fsync(handle)  # pages that are not written yet would stay
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        share = cached_share(handle)
    if share is None:
        raise NotAvailableError(f"{path}: the system does not say what is in memory", slug="no-cold")
    if share > 0:
        raise NotAvailableError(f"{path}: {share:.0%} of it stay in memory, whatever it is told", slug="no-cold")


def cached_share(handle: int) -> float | None:
    """Of an open file's pages, how many are in memory; None where the system does not tell. Looking fetches nothing.

    By mincore(2), which Linux answers truly only to those who may write the file (others are told that all are there).
    """
    size = os.fstat(handle).st_size
    try:
        mincore = ctypes.CDLL(None, use_errno=True).mincore
    except (AttributeError, OSError, TypeError):  # Windows has no such library
        return None
    if size == 0:
        return None
    pages = -(-size // mmap.PAGESIZE)
    found = (ctypes.c_ubyte * pages)()
    # A private copy, of which nothing is ever written or read: only such a mapping has an address here.
    with mmap.mmap(handle, size, access=mmap.ACCESS_COPY) as view:
        first = ctypes.c_char.from_buffer(view)
        failed = mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), found)
        del first  # a mapping that somebody looks at cannot be closed
    return None if failed else sum(page & 1 for page in found) / pages

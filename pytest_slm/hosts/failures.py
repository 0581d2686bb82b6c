"""What failed in the process that holds the model, as data that the session can raise again."""

from __future__ import annotations

import errno
import traceback
from typing import Any

from pytest_slm.errors import NotAvailableError, SlmError
from pytest_slm.machine.memory import peak_rss


def error_json(error: Exception) -> dict[str, Any]:
    """An exception as data: expected failures by their message, bugs with their traceback."""
    if isinstance(error, SlmError):
        kind = "not-available" if isinstance(error, NotAvailableError) else "backend"
        return {"kind": kind, "slug": error.slug, "message": error.args[0], "traceback": None}
    if _is_want_of_memory(error):
        peak = peak_rss()
        told = f"out of memory, peak {peak / 1e9:.2f} GB" if peak else "out of memory, peak not known"
        message = f"{told}: {type(error).__name__}: {error}"
        return {"kind": "backend", "slug": "out-of-memory", "message": message, "traceback": None}
    if isinstance(error, OSError):  # a file that is gone, a device that fails: it is the system's word that counts
        return {
            "kind": "backend",
            "slug": "backend",
            "message": f"the system refused the backend something: {type(error).__name__}: {error}",
            "traceback": None,
        }
    return {
        "kind": "bug",
        "slug": "backend-bug",
        "message": f"{type(error).__name__}: {error}",
        "traceback": traceback.format_exc(),
    }


def _is_want_of_memory(error: Exception) -> bool:
    """Whether the system refused memory. torch says so by a class of its own (GPU), or by words alone (CPU)."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "allocate memory" in str(error))
    )

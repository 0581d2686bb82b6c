"""A process of its own for a piece of a benchmark, that does not outlive it."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from pytest_slm.hosts.leash import PR_SET_PDEATHSIG


def alone(initializer: Callable[..., None] | None = None, *initargs: Any) -> ProcessPoolExecutor:
    """One fresh process. A killed benchmark takes it along where the kernel knows how (Linux): an engine that went on
    computing would disturb whatever is measured next."""
    return ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=_begin, initargs=(initializer, *initargs)
    )


def _begin(initializer: Callable[..., None] | None, *initargs: Any) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if initializer is not None:
        initializer(*initargs)

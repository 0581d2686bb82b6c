"""Signals that ask a session to end are treated as Ctrl-C, so that what was measured is kept."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import threading
from collections.abc import Iterator
from functools import partial
from types import FrameType

import pytest

MOST_FILES = 256
"""Files that a session has open, terminal among them: no more are looked at."""


def end_politely(config: pytest.Config) -> None:
    """Treat SIGTERM (a cancelled CI job, ``docker stop``, ``timeout``) and SIGHUP (a terminal that was closed) as
    Ctrl-C, unless somebody else takes them or ``nohup`` has turned them off."""
    if threading.current_thread() is not threading.main_thread():
        return
    terminals = {device for number, device in _devices() if os.isatty(number)}

    def hung_up(number: int, frame: FrameType | None) -> None:
        _leave(terminals)
        signal.default_int_handler(number, frame)

    handlers = {"SIGTERM": signal.default_int_handler, "SIGHUP": hung_up}
    for name, handler in handlers.items():
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, handler)
            config.add_cleanup(partial(_restore, number))


def _restore(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)


def _leave(terminals: set[int]) -> None:
    """Let what is written to a terminal that is gone go nowhere: it would be an error, and cost the report."""
    for number, device in _devices():
        if device in terminals and not os.isatty(number):
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, number)
            os.close(nowhere)


def _devices() -> Iterator[tuple[int, int]]:
    """Open files that are devices, and which one each is."""
    for number in range(MOST_FILES):
        with contextlib.suppress(OSError):
            status = os.fstat(number)
            if stat.S_ISCHR(status.st_mode):
                yield number, status.st_rdev

"""What ends the process that holds a model when the session ends that started it, however that ends and whatever the
process does meanwhile.

A thread that waits for the end of standard input is enough as long as threads take turns. Code in C that keeps the
interpreter's lock keeps that thread waiting too, so the system is asked as well, each as it can:

- Linux: ``PR_SET_PDEATHSIG``, the kernel kills the process. It does so when the *thread* ends that started it, so that
  has to be one that lives as long as the process (see ``machine/child.py``).
- other POSIX systems: a shell that reads the same standard input, and kills the process at its end.
- Windows: a job object of the session's, with which all of its processes end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any

PR_SET_PDEATHSIG = 1

# $PPID is the process only as long as it lives: afterwards its number may be another's.
SHELL = """while read -r line; do :; done; [ "$(ps -o ppid= -p $$ | tr -d ' ')" = "$PPID" ] && kill -9 "$PPID" """


def tie(folder: str) -> None:
    """Let this process end when standard input does; ``folder`` is removed then, where there is time for it."""
    die_with_starter()
    if sys.platform not in ("linux", "win32"):
        watch_from_outside()
    threading.Thread(target=_wait, args=(folder,), daemon=True).start()
    # The session may have ended before the system was asked. Nothing but the end follows the order.
    if sys.platform != "win32" and select.select([0], [], [], 0)[0]:
        _end(folder)


def die_with_starter() -> None:
    """Let the kernel kill this process when the thread ends that started it, where it can (Linux)."""
    if sys.platform == "linux":
        # Without a kernel that knows it (there is none of this century) a thread that reads is what there is.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def watch_from_outside() -> None:
    """Start a shell that kills this process when its standard input, which is this process's too, ends."""
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    os.posix_spawn("/bin/sh", ["sh", "-c", SHELL], os.environ, file_actions=nowhere)


def _wait(folder: str) -> None:
    while sys.stdin.readline():
        pass
    _end(folder)


def _end(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # whoever started this may have been killed, and cannot tidy up
    # Not sys.exit: a thread may be deep inside the engine, and must not outlive the session by a single token.
    os._exit(0)


# -- Windows ---------------------------------------------------------------------------------------------------------

KILL_ON_JOB_CLOSE = 0x2000
EXTENDED_LIMITS = 9


class _ExtendedLimits(ctypes.Structure):
    """``JOBOBJECT_EXTENDED_LIMIT_INFORMATION``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("process_time", "job_time")),
        ("flags", ctypes.c_uint32),
        *((name, ctypes.c_size_t) for name in ("least_working_set", "most_working_set")),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        *((name, ctypes.c_uint32) for name in ("priority", "scheduling")),
        ("io", ctypes.c_uint64 * 6),
        *((name, ctypes.c_size_t) for name in ("process_memory", "job_memory", "peak_process", "peak_job")),
    )


_job: Any = None
"""The job of this session's processes. Its handle is never closed: the system does that when the session is gone."""


def hold(process: subprocess.Popen[str]) -> None:
    """In the session: on Windows, let the system end ``process`` with this one. Where it refuses, the thread that waits
    for standard input is what there is."""
    if sys.platform != "win32":
        return
    global _job
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = ctypes.c_void_p
    if _job is None:
        _job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
        limits = _ExtendedLimits(flags=KILL_ON_JOB_CLOSE)
        kernel.SetInformationJobObject(_job, EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits))
    with contextlib.suppress(AttributeError):
        kernel.AssignProcessToJobObject(_job, ctypes.c_void_p(int(process._handle)))

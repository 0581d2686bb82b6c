"""Was a process killed by the kernel because memory ran out? A dead process cannot say; the kernel's records can.

SIGKILL has no sender. The kernel counts its kills for memory (in the control group, and in /proc/vmstat since Linux
4.13) and writes each into its log, with the process's number. Where none of this can be read (macOS, Windows) nothing
is known.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pytest_slm.machine import cgroup
from pytest_slm.machine.files import ROOT, read_keyed

LOG = "dev/kmsg"
LONGEST_RECORD = 8192


class KillWatch:
    """Remembers where the kernel's records stand when a process starts, and finds what came after."""

    def __init__(self, pid: int, *, root: Path = ROOT) -> None:
        self._pid = pid
        self._root = root
        self._group_kills = cgroup.memory_kills(root)
        self._kills = _kills(root)
        self._log = _open_log(root / LOG)

    def evidence(self) -> str:
        """Why the kernel must have killed the process for memory, in words; '' if no record says so.

        The counters do not name the process: ask only if it was ended by SIGKILL.
        """
        if self._logged():
            return "the kernel's log names it"
        if _grown(self._group_kills, cgroup.memory_kills(self._root)):
            return "the kernel counted a kill for memory in its control group"
        if _grown(self._kills, _kills(self._root)):
            return "the kernel counted a kill for memory on this machine"
        return ""

    def close(self) -> None:
        """Let go of the log."""
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def _logged(self) -> bool:
        return False if self._log is None else any(f"Killed process {self._pid} (" in line for line in _rest(self._log))


def _kills(root: Path) -> int | None:
    return read_keyed(root / "proc/vmstat").get("oom_kill")


def _grown(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def _open_log(path: Path) -> int | None:
    """The kernel's log from now on; None for those who may not read it (most users, most containers)."""
    try:
        log = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, AttributeError):
        return None
    try:
        os.lseek(log, 0, os.SEEK_END)
    except OSError:
        os.close(log)
        return None
    return log


def _rest(log: int) -> list[str]:
    lines = []
    with contextlib.suppress(BlockingIOError):  # the end
        while True:
            try:
                record = os.read(log, LONGEST_RECORD)
            except BrokenPipeError:  # records were overwritten before they were read; go on with the oldest
                continue
            if not record:  # a plain file has an end
                break
            lines.append(record.decode("utf-8", "replace"))
    return lines

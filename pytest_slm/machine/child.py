"""A child process whose end is looked at: with which code, and how much memory it had at most.

``subprocess`` throws away what the kernel tells of a child's memory when it is waited for, and nobody else can ask:
after that the child's number belongs to nobody.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future

from pytest_slm.machine.kills import KillWatch
from pytest_slm.machine.memory import peak_rss

WAITS = sys.platform != "win32" and hasattr(os, "waitid")
"""Not on Windows, nor on macOS before Python 3.13: there the code is known and the memory is not."""


class Child:
    """Calls ``start`` in a thread of its own, and waits there for the process. Nobody else may wait for it.

    Linux ties a child that asks for that to the thread that has started it, so that has to be one that stays: a
    worker's line to the broker, say, has a thread that ends with the worker, and others use the process too.
    """

    def __init__(self, start: Callable[[], subprocess.Popen[str]]) -> None:
        self._starters_peak = peak_rss() or 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._max_rss: int | None = None
        self._out_of_memory = ""
        started: Future[subprocess.Popen[str]] = Future()
        threading.Thread(target=self._live, args=(start, started), name="wait for a child", daemon=True).start()
        self.process = started.result()
        self.pid = self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return not self._ended.is_set()

    def wait(self, timeout: float | None = None) -> int | None:
        """Its exit code, or the negative number of the signal that ended it; None if it still runs after ``timeout``
        seconds."""
        return self.process.returncode if self._ended.wait(timeout) else None

    def kill(self) -> None:
        """End it at once, and return when it is gone."""
        if WAITS:
            with self._lock:
                if self.alive:
                    os.kill(self.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self._ended.wait()

    @property
    def out_of_memory(self) -> str:
        """How it is known that the kernel has killed it for want of memory; '' if that is not known, or not so."""
        return self._out_of_memory

    @property
    def peak(self) -> str:
        """The most RAM that it had, by the kernel's account when it ended: ``peak 3.91 GB``.

        A child begins as a copy of its starter, and Linux counts that copy's peak as the child's: a number that is not
        above it says no more than "at most".
        """
        if self._max_rss is None:
            return "peak not known"
        # Both counts are kept per CPU and added up now and then: 1 % apart is the same.
        kind = "peak" if self._max_rss > 1.01 * self._starters_peak else "peak at most"
        return f"{kind} {self._max_rss / 1e9:.2f} GB"

    def _live(self, start: Callable[[], subprocess.Popen[str]], started: Future[subprocess.Popen[str]]) -> None:
        try:
            self.process = start()
        except BaseException as error:  # raised where the child was wanted
            started.set_exception(error)
            return
        self.pid = self.process.pid
        self._kills = KillWatch(self.pid)
        started.set_result(self.process)
        self._watch()

    def _watch(self) -> None:
        if not WAITS:
            self.process.wait()
            self._ended.set()
            return
        with contextlib.suppress(ChildProcessError):
            # When this returns it has ended, but keeps its number until wait4, so that nobody kills a stranger by it.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            try:
                _, status, usage = os.wait4(self.pid, 0)
            except ChildProcessError:  # whoever started us ignores SIGCHLD: the kernel has thrown the code away
                self.process.returncode = 0
            else:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                self._max_rss = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            if self.process.returncode == -signal.SIGKILL:
                self._out_of_memory = self._kills.evidence()
            self._kills.close()
            self._ended.set()

"""How much memory a process uses, as the kernel counts it. What cannot be read is None.

The peak of record is the kernel's own high-water mark: it misses nothing. ``MemorySampler`` adds what has no such mark.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import psutil

from pytest_slm.core.record import Record
from pytest_slm.machine.files import read_keyed
from pytest_slm.machine.hardware import usable_cores

SAMPLER_SHARE = 0.1
"""Share of its time that a sampler may spend: the longer a look takes, the rarer they are."""


@dataclass(frozen=True, kw_only=True)
class MemoryUse(Record):
    """Bytes. ``rss``: in RAM now, mapped files included; ``private``: of it, what only this process holds (weights
    mapped from a file that others map too are not in it); ``pss``: shared pages split between their users;
    ``mapped``: pages backed by files, such as mmapped weights; ``peak``: the kernel's own high-water mark of rss."""

    rss: int
    private: int | None
    pss: int | None
    mapped: int | None
    peak: int | None


def memory_use(pid: int | None = None) -> MemoryUse:
    """The memory of a process (default: this one). Raises psutil.Error if there is none of that number."""
    process = psutil.Process(pid)
    # One file has both; the kernel walks over all pages for it, which takes a millisecond for some hundred MB.
    rollup = read_keyed(Path(f"/proc/{process.pid}/smaps_rollup"))
    status = read_keyed(Path(f"/proc/{process.pid}/status"))
    if rollup:
        private: int | None = sum(rollup.get(f"Private_{kind}", 0) for kind in ("Clean", "Dirty", "Hugetlb"))
    else:
        private = _private(process)
    return MemoryUse(
        rss=status.get("VmRSS") or process.memory_info().rss,
        private=private,
        pss=rollup.get("Pss"),
        mapped=status.get("RssFile"),
        peak=status.get("VmHWM", _peak() if process.pid == os.getpid() else None),
    )


def peak_rss() -> int | None:
    """The high-water mark of this process alone, in bytes: a hundred times cheaper than ``memory_use``."""
    return read_keyed(Path("/proc/self/status")).get("VmHWM", _peak())


def reset_peak() -> bool:
    """Begin a new high-water mark; False where the system has no such thing, and the old mark goes on."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


class MemorySampler:
    """Looks at a process's memory again and again, in a thread, and keeps the greatest values.

    ::

        with MemorySampler() as sampler:
            work()
        sampler.peaks.pss

    PSS and private memory have no high-water mark in the kernel: a peak shorter than the interval may be missed, they
    are at least what is told. For the same reason ``peaks.peak`` (RSS) is the kernel's and not the sampler's. A look
    makes the kernel walk over all pages of the process, which meanwhile cannot map any: do not sample rounds whose time
    is measured. ``cost_s`` says how long all looks took, of ``seconds``.
    """

    def __init__(self, interval_s: float = 0.05, *, pid: int | None = None) -> None:
        if not interval_s > 0:
            raise ValueError(f"a sampler needs an interval above 0, not {interval_s}")
        self._interval = interval_s
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory sampler", daemon=True)
        self._peaks: MemoryUse | None = None
        self._started = 0.0
        self.n = 0
        """How many looks there were."""
        self.cost_s = 0.0
        self.seconds = 0.0

    @property
    def peaks(self) -> MemoryUse:
        """The greatest value of each kind. RuntimeError before the first look, or if the process was gone by then."""
        if self._peaks is None:
            raise RuntimeError("nothing was sampled")
        return self._peaks

    @property
    def peak_pss(self) -> int | None:
        """Bytes; None where the system does not count it."""
        return self.peaks.pss

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._look()
        self.seconds = time.perf_counter() - self._started

    def _run(self) -> None:
        cost = 0.0
        while not self._end.wait(max(self._interval, cost / SAMPLER_SHARE)):
            cost = self._look()

    def _look(self) -> float:
        began = time.perf_counter()
        with contextlib.suppress(psutil.Error, OSError):  # it has ended: what was seen stays
            use = memory_use(self._pid)
            self._peaks = use if self._peaks is None else _greatest(self._peaks, use)
            self.n += 1
        cost = time.perf_counter() - began
        self.cost_s += cost
        return cost


def _greatest(a: MemoryUse, b: MemoryUse) -> MemoryUse:
    def most(x: int | None, y: int | None) -> int | None:
        return max((value for value in (x, y) if value is not None), default=None)

    return replace(
        a,
        rss=max(a.rss, b.rss),
        private=most(a.private, b.private),
        pss=most(a.pss, b.pss),
        mapped=most(a.mapped, b.mapped),
        peak=most(a.peak, b.peak),
    )


def _private(process: psutil.Process) -> int | None:
    """Where there is no /proc: what macOS and Windows call the unique set."""
    try:
        full = process.memory_full_info()
    except (psutil.Error, NotImplementedError):
        return None
    uss = getattr(full, "uss", None)
    return None if uss is None else int(uss)


def _peak() -> int | None:
    if sys.platform == "win32":
        return getattr(psutil.Process().memory_info(), "peak_wset", None)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else 1024 * peak)


def read_bandwidth(n_bytes: int = 2**28, rounds: int = 5) -> float | None:
    """Bytes a second that all cores together read from memory: the best of several rounds, from a buffer that must be
    larger than the caches. None where the C library cannot be asked, or there is no memory for it.

    ``memchr`` looks for a byte that is not there, and gives the interpreter's lock back meanwhile.
    """
    try:
        find: Any = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).memchr
        memory = mmap.mmap(-1, n_bytes)
    except (OSError, AttributeError, ValueError):
        return None
    find.restype, find.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    threads = usable_cores()
    part = n_bytes // threads
    view = (ctypes.c_char * n_bytes).from_buffer(memory)
    start = ctypes.addressof(view)
    # Pages that were never written are all one and the same, which is in the cache.
    ctypes.memset(start, 1, n_bytes)

    def once(pool: ThreadPoolExecutor) -> float:
        began, used = time.perf_counter(), time.process_time()
        for looking in [pool.submit(find, start + number * part, 0, part) for number in range(threads)]:
            looking.result()
        # Other programs may keep the cores from us: the time that we had them counts then.
        wall, had = time.perf_counter() - began, (time.process_time() - used) / threads
        return min(wall, had) if had > 0 else wall

    with ThreadPoolExecutor(threads) as pool:
        best = min(once(pool) for _ in range(rounds))
    del view
    memory.close()
    return part * threads / best


def bandwidth_of_machine() -> float | None:
    """``read_bandwidth``, in a process of its own: the buffer would count for the peak of this one."""
    command = [sys.executable, "-P", "-m", __name__]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        return float(told)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


if __name__ == "__main__":
    print(read_bandwidth())

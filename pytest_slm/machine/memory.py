"""How much memory this process uses, as the kernel counts it. What cannot be read is None."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from pytest_slm.core.record import Record


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


def memory_use() -> MemoryUse:
    """The memory of the calling process."""
    process = psutil.Process()
    try:
        full = process.memory_full_info()
    except psutil.Error:
        full = None
    status = _status()
    mapped = status.get("RssFile")
    return MemoryUse(
        rss=process.memory_info().rss,
        private=getattr(full, "uss", None),
        pss=getattr(full, "pss", None),
        mapped=mapped,
        peak=status.get("VmHWM", _peak()),
    )


def reset_peak() -> bool:
    """Begin a new high-water mark; False where the system has no such thing, and the old mark goes on."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status() -> dict[str, int]:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return {}
    kilobytes = (line.split() for line in lines if line.endswith(" kB"))
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in kilobytes}


def _peak() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else 1024 * peak)

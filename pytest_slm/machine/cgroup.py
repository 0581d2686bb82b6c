"""Control groups of Linux, version 1 and 2: what this process may use, and how often it was held back or killed.

A group's limit holds for all groups below it, so that the one that counts is the least on the way from the process's
own group up to the root. In a container the root that can be seen is often the container's own group, whatever
``/proc/self/cgroup`` calls it: paths that do not exist are passed over, and the root is always looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_slm.machine.files import ROOT, read_int, read_keyed, read_text

NO_LIMIT = 2**60
"""Version 1 writes "no limit" as a number near 2**63."""


def memory_limit(root: Path = ROOT, pid: int | None = None) -> int | None:
    """Bytes of RAM that the process's groups allow; None if they set no limit."""
    limits = [
        limit
        for folder in groups("memory", root, pid)
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := read_int(folder / name)) is not None and limit < NO_LIMIT
    ]
    return min(limits, default=None)


def cpu_limit(root: Path = ROOT, pid: int | None = None) -> float | None:
    """CPUs' worth of time that the process's groups allow (a quota of 150 ms in 100 ms is 1.5); None if no limit."""
    return min(filter(None, (_quota(folder) for folder in groups("cpu", root, pid))), default=None)


def times_throttled(root: Path = ROOT, pid: int | None = None) -> int | None:
    """How often the CPU limits of its groups have made the process wait so far; None where that is not counted."""
    counts = [read_keyed(folder / "cpu.stat").get("nr_throttled") for folder in groups("cpu", root, pid)]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def memory_kills(root: Path = ROOT, pid: int | None = None) -> int | None:
    """How many processes the kernel has killed in the process's groups, because memory ran out; None if not counted.

    Version 2 counts in ``memory.events`` for a group and all below it, version 1 (since Linux 4.13) in
    ``memory.oom_control``.
    """
    counts = [
        read_keyed(folder / name).get("oom_kill")
        for folder in groups("memory", root, pid)
        for name in ("memory.events", "memory.oom_control")
    ]
    return max((count for count in counts if count is not None), default=None)


def groups(controller: str, root: Path = ROOT, pid: int | None = None) -> list[Path]:
    """Folders of the groups that govern ``controller`` for a process (default: this one), its own first."""
    return list(dict.fromkeys(_groups(controller, root, pid)))


def _groups(controller: str, root: Path, pid: int | None) -> Iterator[Path]:
    mount = root / "sys/fs/cgroup"
    text = read_text(root / "proc" / (str(pid) if pid else "self") / "cgroup") or ""
    lines = [line.split(":", 2) for line in text.splitlines()]
    for _, controllers, path in (words for words in lines if len(words) == 3):
        if not controllers:
            # Version 2 alone is mounted at the top; beside version 1 it has a folder of its own.
            yield from _upwards(mount / "unified" if (mount / "unified").is_dir() else mount, path)
        elif controller in controllers.split(","):
            yield from _upwards(mount / controller, path)
    yield from (folder for folder in (mount, mount / controller) if folder.is_dir())


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    own = mount / path.lstrip("/")
    for folder in (own, *own.parents):
        if ".." not in folder.parts and folder.is_dir():
            yield folder
        if folder == mount:
            return


def _quota(folder: Path) -> float | None:
    words = (read_text(folder / "cpu.max") or "").split()
    if len(words) == 2 and all(word.isdecimal() for word in words):  # else "max 100000"
        return _share(int(words[0]), int(words[1]))
    quota, period = read_int(folder / "cpu.cfs_quota_us"), read_int(folder / "cpu.cfs_period_us")
    return _share(quota, period) if quota and period and quota > 0 else None


def _share(quota: int, period: int) -> float:
    """To a hundredth, never more than there is, and never none: 0 would be no limit."""
    return max(1, 100 * quota // period) / 100

"""The CPU: its name and features, cores and threads, caches, NUMA nodes, and how its clock is governed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import psutil

from pytest_slm.machine.files import ROOT, read_int, read_text

CPUS = "sys/devices/system/cpu"


def cpu_name_and_flags(root: Path = ROOT) -> tuple[str | None, frozenset[str]]:
    """The CPU's name, and its features by the names of the kernel."""
    # On Linux/x86 the kernel has written it all down. py-cpuinfo takes a second: it measures the clock.
    values = _cpuinfo(root)
    name = values.get("model name") or values.get("Model") or values.get("Hardware")
    flags = frozenset((values.get("flags") or values.get("Features") or "").split())
    if (name and flags) or root != ROOT:
        return name, flags
    import cpuinfo

    info = cpuinfo.get_cpu_info()
    return name or info.get("brand_raw") or info.get("hardware_raw"), flags or frozenset(info.get("flags", ()))


def frequency_mhz() -> float | None:
    """The greatest clock that the CPU allows itself or, where that is not told, the nominal one."""
    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        return None
    return round(frequency.max or frequency.current) or None if frequency else None


def governor(root: Path = ROOT) -> str | None:
    """How the clock is chosen: ``performance``, ``powersave``, ``schedutil``; several if CPUs differ."""
    names = {read_text(path) for path in (root / CPUS).glob("cpu[0-9]*/cpufreq/scaling_governor")}
    return ", ".join(sorted(filter(None, names))) or None


def turbo(root: Path = ROOT) -> bool | None:
    """Whether the clock may go above the nominal one."""
    off, on = read_int(root / CPUS / "intel_pstate/no_turbo"), read_int(root / CPUS / "cpufreq/boost")
    if off is not None:
        return not off
    return None if on is None else bool(on)


def smt(root: Path = ROOT) -> bool | None:
    """Whether two threads share a core (hyper-threading)."""
    active = read_int(root / CPUS / "smt/active")
    if active is not None:
        return bool(active)
    physical, logical = psutil.cpu_count(logical=False), psutil.cpu_count()
    return logical > physical if root == ROOT and physical and logical else None


def numa_nodes(root: Path = ROOT) -> int | None:
    """How many memories of different distance there are: with more than one it matters where a model lies."""
    online = read_text(root / "sys/devices/system/node/online")
    return _count(online) if online else None


def caches(root: Path = ROOT) -> dict[str, int]:
    """Bytes of each cache that CPU 0 uses: ``L1d``, ``L1i``, ``L2``, ``L3``. In a virtual machine what it is told."""
    sizes: dict[str, int] = {}
    for folder in sorted((root / CPUS / "cpu0/cache").glob("index*")):
        level, kind, size = (read_text(folder / name) for name in ("level", "type", "size"))
        if level and kind and size and size.endswith("K"):
            letter = {"Data": "d", "Instruction": "i"}.get(kind, "")
            with contextlib.suppress(ValueError):
                sizes[f"L{level}{letter}"] = 1024 * int(size.removesuffix("K"))
    return sizes


def last_level_bytes(root: Path = ROOT) -> int | None:
    """Bytes of all caches of the last level together, one that several CPUs share counted once; None where the system
    does not tell."""
    sizes: dict[tuple[str, str], int] = {}
    for folder in (root / CPUS).glob("cpu[0-9]*/cache/index[0-9]*"):
        level, kind, size, shared = (read_text(folder / name) for name in ("level", "type", "size", "shared_cpu_list"))
        number = (size or "").removesuffix("K")
        if level and number.isdigit() and kind != "Instruction":
            sizes[level, shared or folder.parent.parent.name] = 1024 * int(number)
    last = max((level for level, _ in sizes), default="")
    return sum(size for (level, _), size in sizes.items() if level == last) or None


def described(root: Path = ROOT) -> dict[str, Any]:
    """What is told of the CPU beside its name and features."""
    return {
        "frequency_mhz": frequency_mhz(),
        "governor": governor(root),
        "turbo": turbo(root),
        "smt": smt(root),
        "numa_nodes": numa_nodes(root),
        "caches": caches(root) or None,
    }


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first CPU's lines of /proc/cpuinfo, and those that follow the last one (ARM)."""
    pairs = [line.partition(":") for line in (read_text(root / "proc/cpuinfo") or "").splitlines()]
    return {key.strip(): value.strip() for key, _, value in reversed(pairs)}


def _count(ranges: str) -> int | None:
    """How many numbers a list like ``0-3,8`` has."""
    try:
        ends = [part.split("-") for part in ranges.split(",")]
        return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)
    except ValueError:
        return None

"""The hardware and software that numbers depend on, and a fingerprint that tells whether two machines are alike."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

FINGERPRINT = ("cpu", "cpu_flags", "cores_physical", "cores_logical", "ram_gib", "cgroup_cpus", "system", "machine")
"""What the fingerprint is made of: things that stay the same from run to run, and change speed when they change."""

SPEED_FLAGS = (
    *("avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16", "f16c", "fma"),
    *("neon", "asimd", "asimddp", "i8mm", "sve", "bf16"),
)
"""CPU features that the kernels of inference engines choose by."""


def describe_machine() -> dict[str, Any]:
    """Everything that the system says of itself; None where it does not say. Takes a few milliseconds."""
    cpu, flags = _cpu()
    facts: dict[str, Any] = {
        "cpu": cpu,
        "cpu_flags": [flag for flag in SPEED_FLAGS if flag in flags],
        "cores_physical": psutil.cpu_count(logical=False),
        "cores_logical": psutil.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "frequency_mhz": _frequency(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "ram_bytes": psutil.virtual_memory().total,
        "ram_gib": round(psutil.virtual_memory().total / 2**30),
        "cgroup_memory_bytes": _cgroup_memory(),
        "cgroup_cpus": _cgroup_cpus(),
        "virtualization": "hypervisor" if "hypervisor" in flags else None,
        "os": platform.platform(),
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
    }
    facts["fingerprint"] = fingerprint(facts)
    return facts


def fingerprint(facts: dict[str, Any]) -> str:
    """The first 16 hex digits of SHA-256 over the FINGERPRINT facts as sorted JSON."""
    stable = {key: facts.get(key) for key in FINGERPRINT}
    return hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()[:16]


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions that are installed, of those named."""
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _cpu() -> tuple[str | None, set[str]]:
    # py-cpuinfo measures the clock for a second; on Linux the kernel has already written it all down.
    text = _read("/proc/cpuinfo")
    if text:
        pairs = [line.partition(":") for line in text.splitlines()]
        values = {key.strip(): value.strip() for key, _, value in reversed(pairs)}
        name = values.get("model name") or values.get("Model") or values.get("Hardware")
        return name, set((values.get("flags") or values.get("Features") or "").split())
    import cpuinfo

    info = cpuinfo.get_cpu_info()
    return info.get("brand_raw"), set(info.get("flags", ()))


def _frequency() -> float | None:
    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError):
        return None
    return round(frequency.max or frequency.current) if frequency else None


def usable_memory() -> int:
    """Bytes of RAM that this process may use: the machine's, or what its control group leaves of it."""
    return min(psutil.virtual_memory().total, _cgroup_memory() or sys.maxsize)


def usable_cores() -> int:
    """Physical cores that this process may keep busy: not those that its affinity or its control group denies."""
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return max(1, min(cores, allowed, math.ceil(_cgroup_cpus() or cores)))


def _cgroup_memory() -> int | None:
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _read(path)
        # cgroup v1 writes "no limit" as a number near 2**63.
        if text and text.isdigit() and int(text) < 2**60:
            return int(text)
    return None


def _cgroup_cpus() -> float | None:
    text = _read("/sys/fs/cgroup/cpu.max")
    if text and not text.startswith("max"):
        quota, _, period = text.partition(" ")
        return round(int(quota) / int(period), 2)
    quota_v1, period_v1 = _read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), _read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota_v1 and period_v1 and int(quota_v1) > 0:
        return round(int(quota_v1) / int(period_v1), 2)
    return None


def _read(path: str) -> str | None:
    if sys.platform == "win32":
        return None
    try:
        return Path(path).read_text().strip() or None
    except OSError:
        return None
